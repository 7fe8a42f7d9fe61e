/* SPDX-License-Identifier: MIT */
/* host.h: the plugin's way to its host. */
#ifndef TP_HOST_H
#define TP_HOST_H

#include <adit/plugin.h>

struct tp_host {
	const struct adit_host_api *api;
	struct adit_host *handle;
};

void tp_log(const struct tp_host *h, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

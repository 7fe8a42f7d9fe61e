/* SPDX-License-Identifier: MIT */
/* host.h: the plugin's way to its host. */
#ifndef MINER_HOST_H
#define MINER_HOST_H

#include <adit/plugin.h>

struct miner_host {
	const struct adit_host_api *api;
	struct adit_host *handle;
};

void miner_log(const struct miner_host *h, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The state line of `aditctl status`. */
void miner_state(const struct miner_host *h, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

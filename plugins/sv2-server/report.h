/* SPDX-License-Identifier: MIT */
/* report.h: what the role sv2-server tells others: its status, its events. */
#ifndef SV2_SERVER_REPORT_H
#define SV2_SERVER_REPORT_H

#include "plugins/sv2-server/instance.h"

/* The method `status`. USER is the struct instance. */
void report_status(void *user, struct adit_request *request, const struct adit_request_info *info);
/* Observers for sv2_server_options; OBSERVER is the struct instance. */
void report_connected(void *observer, struct adit_sv2_conn *conn);
void report_disconnected(void *observer, struct adit_sv2_conn *conn, const char *reason);

#endif

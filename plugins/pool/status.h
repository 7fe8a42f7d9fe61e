/* SPDX-License-Identifier: MIT */
/* status.h: what administrators see at one glance: the state line and the method `status`. */
#ifndef POOL_STATUS_H
#define POOL_STATUS_H

#include <adit/plugin.h>

struct pool;

/* Rewrites the state line. */
void status_update(struct pool *pool);
/* The method; `user` is the pool. */
void status_answer(void *user, struct adit_request *request, const struct adit_request_info *info);

#endif

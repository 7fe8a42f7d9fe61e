/* SPDX-License-Identifier: MIT */
/*
 * listing.h: lists of connections, channels and jobs. A list comes in pages: `limit` entries
 * after the one that `after` names, and `next` is the last that is shown while there are more.
 */
#ifndef MINING_LISTING_H
#define MINING_LISTING_H

#include <stdint.h>

#include <adit/plugin.h>

#include "lib/mining/channels.h"

struct json_object;

/* A channel in `status` and in lists; NOW_MS is monotonic. */
struct json_object *listing_channel(const struct channel *channel, uint64_t now_ms);
/* Refusals by reason, those that there were; COUNTS has SHARE_RESULTS elements. */
struct json_object *listing_reasons(const uint64_t *counts);

/* Methods; `user` is the struct mining. */
void on_list_channels(void *user, struct adit_request *request,
		      const struct adit_request_info *info);
void on_list_miners(void *user, struct adit_request *request, const struct adit_request_info *info);
void on_list_workers(void *user, struct adit_request *request,
		     const struct adit_request_info *info);
void on_list_jobs(void *user, struct adit_request *request, const struct adit_request_info *info);

#endif

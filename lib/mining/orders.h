/* SPDX-License-Identifier: MIT */
/* orders.h: the methods by which administrators change what miners get. */
#ifndef MINING_ORDERS_H
#define MINING_ORDERS_H

#include <adit/plugin.h>

/* Methods; `user` is the struct mining. Of a connection or channel that is another worker's,
 * or nobody's, they answer that nothing was done. */
void on_set_difficulty(void *user, struct adit_request *request,
		       const struct adit_request_info *info);
void on_disconnect_miner(void *user, struct adit_request *request,
			 const struct adit_request_info *info);
void on_renew_extranonce(void *user, struct adit_request *request,
			 const struct adit_request_info *info);

#endif

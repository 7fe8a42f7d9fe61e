/* SPDX-License-Identifier: MIT */
/* local_actions.h: actions that are asked for here, by aditctl or another role. */
#ifndef MININGOS_LOCAL_ACTIONS_H
#define MININGOS_LOCAL_ACTIONS_H

#include <adit/plugin.h>

/* Methods; USER is the instance. */
void on_trigger_action(void *user, struct adit_request *request,
		       const struct adit_request_info *info);
void on_get_action_status(void *user, struct adit_request *request,
			  const struct adit_request_info *info);
void on_approve_action(void *user, struct adit_request *request,
		       const struct adit_request_info *info);
void on_deny_action(void *user, struct adit_request *request, const struct adit_request_info *info);
void on_list_actions(void *user, struct adit_request *request,
		     const struct adit_request_info *info);

#endif

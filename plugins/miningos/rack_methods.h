/* SPDX-License-Identifier: MIT */
/* rack_methods.h: the functions that answer the racks' methods, file by file; rack.c has the
 * tables. */
#ifndef MININGOS_RACK_METHODS_H
#define MININGOS_RACK_METHODS_H

#include <stdbool.h>

#include "plugins/miningos/rack_call.h"

struct thing;

/* rack_things.c */
void rack_list_things(struct rack_call *call);
void rack_things_count(struct rack_call *call);
/* Calls FN for each thing that QUERY (NULL: all) selects until it says false. False with *ERROR
 * when QUERY can't be used. */
bool rack_select(struct miningos *m, struct json_object *query,
		 bool (*fn)(void *user, struct thing *t), void *user, const char **error);

/* rack_register.c */
void rack_register_thing(struct rack_call *call);
void rack_update_thing(struct rack_call *call);
void rack_forget_things(struct rack_call *call);

/* rack_comments.c */
void rack_save_comment(struct rack_call *call);
void rack_edit_comment(struct rack_call *call);
void rack_delete_comment(struct rack_call *call);

/* rack_logs.c */
void rack_tail_log(struct rack_call *call);
void rack_historical_logs(struct rack_call *call);

/* rack_conf.c */
void rack_wrk_ext_data(struct rack_call *call);
void rack_wrk_conf(struct rack_call *call);
void rack_thing_conf(struct rack_call *call);
void rack_wrk_settings(struct rack_call *call);
void rack_save_settings(struct rack_call *call);
void rack_replica_conf(struct rack_call *call);
void rack_firmwares(struct rack_call *call);
void rack_register_firmware(struct rack_call *call);

/* rack_actions.c */
void rack_write_calls(struct rack_call *call);
void rack_query_thing(struct rack_call *call);
void rack_apply_things(struct rack_call *call);
void rack_reboot(struct rack_call *call);

#endif

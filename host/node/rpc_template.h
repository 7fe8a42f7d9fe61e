/* SPDX-License-Identifier: MIT */
/* rpc_template.h: what getblocktemplate answers (BIP22, BIP23, BIP145) as a template. */
#ifndef NODE_RPC_TEMPLATE_H
#define NODE_RPC_TEMPLATE_H

#include <json-c/json_types.h>

#include "host/node/template.h"
#include "lib/util/error.h"

#define RPC_LONGPOLLID_MAX 256

/* A new template, or NULL with a text that names the field at fault. LONGPOLLID becomes empty when
 * the node gives none. */
struct node_template *rpc_template_parse(struct json_object *result,
					 char longpollid[RPC_LONGPOLLID_MAX], struct error *e);

#endif

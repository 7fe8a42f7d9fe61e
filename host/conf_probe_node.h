/* SPDX-License-Identifier: MIT */
/* conf_probe_node.h: the part of conf_probe.c (aditd --check) that looks for Bitcoin nodes. */
#ifndef HOST_CONF_PROBE_NODE_H
#define HOST_CONF_PROBE_NODE_H

#include "host/conf.h"

/* Warns when the node of [node], or the one that ROLE takes templates from over IPC, is not where
 * it is said to be, may not be asked, does not answer within two seconds, or is on another network.
 */
void conf_probe_node(const struct conf *conf, struct problems *problems);
void conf_probe_templates(const struct conf *conf, const struct conf_role *role,
			  struct problems *problems);

#endif

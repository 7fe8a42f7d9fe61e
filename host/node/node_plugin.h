/* SPDX-License-Identifier: MIT */
/* node_plugin.h: the role `node` is linked into aditd instead of being loaded. */
#ifndef NODE_PLUGIN_H
#define NODE_PLUGIN_H

#include <adit/plugin.h>

extern const struct adit_plugin_descriptor adit_node_plugin;

/* The text of its manifest, as it would stand in node.manifest. */
extern const char adit_node_manifest[];

#endif

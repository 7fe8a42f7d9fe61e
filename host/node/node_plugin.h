/* SPDX-License-Identifier: MIT */
/* node_plugin.h: the service process `node`, a plugin like any other except that it is linked into
 * aditd instead of being loaded from the plugin directory. adit/node.h says what it answers. */
#ifndef NODE_PLUGIN_H
#define NODE_PLUGIN_H

#include <adit/plugin.h>

extern const struct adit_plugin_descriptor adit_node_plugin;
/* The text of its manifest, as it would stand in a file node.manifest. The schema describes the
 * keys of the section [node]. */
extern const char adit_node_manifest[];

#endif

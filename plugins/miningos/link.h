/* SPDX-License-Identifier: MIT */
/* link.h: what ties the racks to the outside: the bridge and registration with the ork, and the
 * client of the app-node. */
#ifndef MININGOS_LINK_H
#define MININGOS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;
struct miningos;

int32_t link_begin(struct miningos *m, struct error *e);
/* Ends what link_begin() started. True: not yet, api->stopped() is called when it has ended. */
bool link_stop(struct miningos *m);
void link_free(struct miningos *m);
/* Adds the members bridge, register and oauth of the role's status. */
void link_status(const struct miningos *m, struct json_object *o);

#endif

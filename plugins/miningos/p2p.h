/* SPDX-License-Identifier: MIT */
/* p2p.h: the racks in the world: the bridge to MiningOS, through which their methods (rack.h) are
 * called, and their registration at the ork. */
#ifndef MININGOS_P2P_H
#define MININGOS_P2P_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;
struct miningos;
struct p2p;

/* Starts the bridge as the settings say; *P2P stays NULL with p2p_enabled = no. ADIT_E_CONFIG with
 * a text that names the key, ADIT_E_NO_MEMORY. */
int32_t p2p_begin(struct miningos *m, struct p2p **p2p, struct error *e);
/* Ends the bridge. True: not yet, DONE is called when it has ended. After rack_end(). */
bool p2p_stop(struct p2p *p2p, void (*done)(void *user), void *user);
/* NULL is allowed. Requests that are answered after it are dropped. */
void p2p_free(struct p2p *p2p);

/* Adds the members `bridge` (bridge_state()) and `register` (registrar_state()) to O; with NULL,
 * that it is switched off. */
void p2p_status(struct p2p *p2p, struct json_object *o);
/* One line for people, "" with NULL: "running, registered", or what is missing. Valid until
 * the next call. */
const char *p2p_text(struct p2p *p2p);

#endif

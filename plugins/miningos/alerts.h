/* SPDX-License-Identifier: MIT */
/* alerts.h: what is wrong with a thing at present. */
#ifndef MININGOS_ALERTS_H
#define MININGOS_ALERTS_H

#include <stdint.h>

struct json_object;
struct miningos;
struct thing;

/* Compares T's snapshot with its alerts: those that are over go, new ones come, with a line in the
 * history. One that goes on keeps its uuid and time. */
void alerts_update(struct miningos *m, struct thing *t);
/* [{name, code, description, severity, createdAt, uuid}], or NULL when there are none. */
struct json_object *alerts_json(const struct thing *t);
/* Adds T's to COUNTS, an object of numbers by severity. */
void alerts_count(const struct thing *t, struct json_object *counts);

#endif

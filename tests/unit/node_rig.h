/* SPDX-License-Identifier: MIT */
/* node_rig.h: the embedded chain as the role `node` of a fake host, for tests, and what tests of
 * the other backends share with those. Failures end the test. */
#ifndef NODE_RIG_H
#define NODE_RIG_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/node/node_plugin.h"
#include "tests/unit/block_builder.h"
#include "tests/unit/fake_host.h"

/* A directory for a chain that is to survive its host; rig_make_dir() makes it. */
extern char rig_dir[];
void rig_make_dir(void);
void rig_remove_dir(void);
void rig_file(char *out, size_t capacity); /* path of the blocks in it */
off_t rig_file_size(const char *path);

/* At the lowest difficulty, with twelve synthetic transactions and hardly more, and with KEY =
 * VALUE unless KEY is NULL. DIR: NULL for one that goes with the host. Not started. */
struct adit_host *rig_with(const char *key, const char *value, const char *dir);
bool rig_is_ready(void *host);
struct adit_host *rig_start(const char *dir);
/* The answer to METHOD without parameters; to be put. And one number of it. */
struct json_object *rig_ask(struct adit_host *h, const char *method);
int64_t rig_number(struct adit_host *h, const char *method, const char *key);
/* A builder on the present template. */
void rig_builder(struct adit_host *h, struct block_builder *b);
/* "accepted", "duplicate", the reason or "error: NAME"; in static storage. */
const char *rig_submit(struct adit_host *h, const struct buf *block);
/* Makes the block, submits it and releases the builder. */
const char *rig_submit_builder(struct adit_host *h, struct block_builder *b);
void rig_mine(struct adit_host *h);

/* --- for every backend --- */
/* The keys of [node] for a node whose RPC is on PORT of this machine, with its cookie in the file
 * COOKIE, and that is asked for its tip each TIP_INTERVAL ms. */
void rig_use_rpc(struct adit_host *h, unsigned port, const char *cookie, const char *tip_interval);
/* The JSON that answers METHOD, "ERROR-NAME: message" otherwise; in static storage. */
const char *rig_answer(struct adit_host *h, const char *method, const char *json, const void *data,
		       size_t size);
void rig_must_have(const char *text, const char *part);
/* Stops H, whose node answers no submission, with a submission open: that is to be cancelled. */
void rig_stop_while_submitting(struct adit_host *h);

#endif

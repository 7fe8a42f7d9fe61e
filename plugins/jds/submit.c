/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/submit.h"

#include <adit/node.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/block_files.h"
#include "lib/util/hex.h"

/* The node service keeps a submission for a minute while its node is away. */
#define SUBMIT_DEADLINE_MS 70000

struct submission {
	TAILQ_ENTRY(submission) link;
	struct jds *jds;
	uint8_t hash[32];
	char name[65]; /* the hash as people write it */
	struct buf block;
	uint32_t tries;
	bool noted; /* on disk */
	bool calling;
	bool timed;
	uint64_t call;
	uint64_t timer;
};

static void try(struct submission *s);

/* Without the file, which stays. */
static void forget(struct submission *s)
{
	struct jds *jds = s->jds;

	if (s->calling)
		jds->api->call_cancel(jds->host, s->call);
	if (s->timed)
		jds->api->timer_cancel(jds->host, s->timer);
	TAILQ_REMOVE(&jds->submissions, s, link);
	jds->submission_count--;
	buf_free(&s->block);
	free(s);
}

/* --- verdicts -----------------------------------------------------------------------------------
 */

/* Whether the chain has the block; else *REASON. False also when there is no verdict in REPLY. */
static bool has_block(const struct adit_reply *reply, char *reason, size_t capacity)
{
	char text[512];
	struct json_object *o, *value;
	bool good;

	reason[0] = '\0';
	if (reply->json_size >= sizeof(text))
		return false;
	memcpy(text, reply->json, reply->json_size);
	text[reply->json_size] = '\0';
	o = json_tokener_parse(text);
	good = json_object_object_get_ex(o, "accepted", &value) && json_object_get_boolean(value);
	if (!good && json_object_object_get_ex(o, "reason", &value))
		snprintf(reason, capacity, "%s", json_object_get_string(value));
	json_object_put(o);
	return good || strcmp(reason, "duplicate") == 0;
}

static void judged(struct submission *s, const struct adit_reply *reply)
{
	struct jds *jds = s->jds;
	char reason[128];

	if (has_block(reply, reason, sizeof(reason))) {
		jds->stats.blocks_accepted++;
		jds_log(jds, ADIT_LOG_INFO, "block %s is accepted%s", s->name,
			reason[0] != '\0' ? ": the node had it already" : "");
	} else {
		jds->stats.blocks_rejected++;
		jds_log(jds, ADIT_LOG_WARNING, "block %s is rejected by the node: %s", s->name,
			reason);
	}
	if (s->noted)
		block_files_remove(jds->info.state_dir, s->hash);
	forget(s);
}

static void on_retry(void *user)
{
	struct submission *s = user;

	s->timed = false;
	try(s);
}

/* The node could not be asked, or did not answer. */
static void not_judged(struct submission *s, const char *why)
{
	struct jds *jds = s->jds;
	struct error e = {0};

	if (s->tries == 1) {
		jds_log(jds, ADIT_LOG_WARNING, "block %s: %s; it is sent again", s->name, why);
		if (s->noted && block_files_sync(jds->info.state_dir, s->hash, &e) != ADIT_OK)
			jds_log(jds, ADIT_LOG_WARNING, "a found block is not safely on disk: %s",
				e.text);
	}
	if (s->tries < SUBMIT_TRIES && jds->submission_count <= SUBMISSIONS_MAX)
		s->timed = jds->api->timer_add(jds->host, SUBMIT_RETRY_MS, 0, on_retry, s, NULL,
					       &s->timer) == ADIT_OK;
	if (s->timed)
		return;
	jds->stats.blocks_rejected++;
	jds_log(jds, ADIT_LOG_ERROR, "block %s was taken by no node: %s%s%s", s->name, why,
		s->noted ? "; the next start tries again, it is in " : "",
		s->noted ? jds->info.state_dir : "");
	forget(s);
}

static void on_submitted(void *user, const struct adit_reply *reply)
{
	struct submission *s = user;

	s->calling = false;
	if (reply->error == ADIT_OK)
		judged(s, reply);
	else
		not_judged(s, reply->message);
}

/* --- the way ------------------------------------------------------------------------------------
 */

static void try(struct submission *s)
{
	struct jds *jds = s->jds;
	int32_t result =
	    jds->api->call(jds->host, ADIT_NODE_ROLE, "submit_block", "{}", 2, s->block.data,
			   s->block.size, SUBMIT_DEADLINE_MS, on_submitted, s, NULL, &s->call);

	s->tries++;
	s->calling = result == ADIT_OK;
	if (!s->calling)
		not_judged(s, adit_error_name(result));
}

static struct submission *new_submission(struct jds *jds, const uint8_t hash[32])
{
	struct submission *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->jds = jds;
	memcpy(s->hash, hash, 32);
	hex_encode_reversed(hash, 32, s->name);
	TAILQ_INSERT_TAIL(&jds->submissions, s, link);
	jds->submission_count++;
	return s;
}

void submit_block(struct jds *jds, const uint8_t hash[32], struct buf *block)
{
	struct submission *s = new_submission(jds, hash);
	struct error e = {0};

	if (s == NULL) {
		jds->stats.blocks_rejected++;
		jds_log(jds, ADIT_LOG_ERROR, "a block can't be submitted: out of memory");
		return;
	}
	s->block = *block;
	*block = (struct buf){0};
	s->noted = block_files_write(jds->info.state_dir, hash, s->block.data, s->block.size, &e) ==
		   ADIT_OK;
	if (!s->noted)
		jds_log(
		    jds, ADIT_LOG_WARNING,
		    "a found block can't be written down, and would be lost with this process: %s",
		    e.text);
	try(s);
}

static void resume_one(void *user, const uint8_t hash[32], const uint8_t *block, size_t size)
{
	struct jds *jds = user;
	struct submission *s = new_submission(jds, hash);

	if (s == NULL)
		return;
	s->noted = true;
	if (buf_append(&s->block, block, size))
		try(s);
	else
		forget(s);
}

void submit_resume(struct jds *jds)
{
	size_t damaged;
	size_t count = block_files_load(jds->info.state_dir, resume_one, jds, &damaged);

	if (count > 0)
		jds_log(jds, ADIT_LOG_INFO, "%zu found blocks of an earlier run are sent again",
			count);
	if (damaged > 0)
		jds_log(jds, ADIT_LOG_WARNING,
			"%zu block files in %s don't hold the block of their name; look at them",
			damaged, jds->info.state_dir);
}

void submit_end(struct jds *jds)
{
	while (!TAILQ_EMPTY(&jds->submissions))
		forget(TAILQ_FIRST(&jds->submissions));
}

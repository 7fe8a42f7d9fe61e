/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/submit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/node.h>

#include "lib/bitcoin/block_files.h"
#include "lib/util/hex.h"

#define CALL_DEADLINE_MS 30000u /* a full block verifies in a second or two */
#define STRAIGHT_MS 3000u       /* what the straight way has before the other is taken as well */
#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 10000u
#define MAX_REPLY 65536u   /* bytes of JSON */
#define PREV_HASH_OFFSET 4 /* in a header */

struct block {
	struct block *next;
	struct tp_submitter *owner;
	uint8_t hash[32];
	struct buf data;
	uint64_t call;  /* of the host; valid while calling */
	uint64_t timer; /* valid while waiting */
	uint64_t limit; /* of the attempt; valid while limited */
	bool calling;
	bool waiting;
	bool limited;
	struct tp_attempt *attempt; /* the straight way, or the one beside, while it is open */
	bool beside;                /* the latter */
	bool accepted;              /* the node has taken it: the role node is but told */
	bool last;                  /* the tip moved: no further try */
	bool noted;                 /* in the journal */
	bool synced;
	bool tried;   /* an earlier call had no answer: the node may have taken it then */
	bool over;    /* the role node has no more to say than `word`; the other way is open */
	bool refused; /* ... and that was a verdict */
	uint32_t delay_ms;
	char word[192];
	char refusal[192]; /* the reason that came by the other way, "" for none */
};

struct tp_submitter {
	const struct tp_host *host;
	char *dir;
	struct block *blocks; /* oldest first */
	uint32_t count;
	uint64_t accepted;
	uint64_t rejected;
	char last_reject[128];
	tp_way_fn *way; /* NULL: none */
	void *way_user;
};

static void send_block(struct block *b);
static void send_beside(struct block *b);

struct tp_submitter *tp_submitter_new(const struct tp_host *host, const char *dir)
{
	struct tp_submitter *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->host = host;
	s->dir = strdup(dir);
	if (s->dir == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static void block_free(struct block *b)
{
	const struct tp_host *h = b->owner->host;

	if (b->attempt != NULL)
		b->attempt->done = NULL;
	if (b->limited)
		h->api->timer_cancel(h->handle, b->limit);
	if (b->calling)
		h->api->call_cancel(h->handle, b->call);
	if (b->waiting)
		h->api->timer_cancel(h->handle, b->timer);
	buf_free(&b->data);
	free(b);
}

void tp_submitter_free(struct tp_submitter *s)
{
	if (s == NULL)
		return;
	while (s->blocks != NULL) {
		struct block *b = s->blocks;

		s->blocks = b->next;
		block_free(b);
	}
	free(s->dir);
	free(s);
}

static void forget(struct block *b)
{
	struct tp_submitter *s = b->owner;
	struct block **at = &s->blocks;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	s->count--;
	block_free(b);
}

void tp_submitter_refused(struct tp_submitter *s, const char *reason)
{
	s->rejected++;
	snprintf(s->last_reject, sizeof(s->last_reject), "%s", reason);
}

/* The node has judged: the block leaves list and journal. */
static void judged(struct block *b, bool accepted, bool duplicate, const char *reason)
{
	struct tp_submitter *s = b->owner;
	char hex[65];

	hex_encode_reversed(b->hash, 32, hex);
	if (b->accepted) {
		/* Counted when the node took it; nothing that is said later undoes that. */
	} else if (!accepted) {
		tp_submitter_refused(s, reason);
		tp_log(s->host, ADIT_LOG_WARNING, "block %s was rejected by the node: %s", hex,
		       reason);
	} else if (!duplicate || b->tried) {
		s->accepted++;
		tp_log(s->host, ADIT_LOG_INFO, "block %s was accepted", hex);
	}
	block_files_remove(s->dir, b->hash);
	forget(b);
}

/* By the straight way. The role `node` is told after that, and the block kept for it till then. */
static void judged_accepted(struct block *b)
{
	struct tp_submitter *s = b->owner;
	char hex[65];

	hex_encode_reversed(b->hash, 32, hex);
	b->accepted = true;
	s->accepted++;
	tp_log(s->host, ADIT_LOG_INFO, "block %s was accepted over IPC", hex);
	block_files_remove(s->dir, b->hash);
}

/* The role node's last word. While the straight way is open that may take the block all the same:
 * it may lead to another node. */
static void refused(struct block *b, bool verdict, const char *reason)
{
	if (b->attempt != NULL) {
		b->over = true;
		b->refused = verdict;
		snprintf(b->word, sizeof(b->word), "%s", reason);
		return;
	}
	if (verdict) {
		judged(b, false, false, reason);
		return;
	}
	/* The file stays: the next start sends it once more. */
	tp_submitter_refused(b->owner, reason);
	tp_log(b->owner->host, ADIT_LOG_WARNING,
	       "the tip moved before the node took a found block: %s", reason);
	forget(b);
}

/* False when the answer is not one. */
static bool judge(struct block *b, struct json_object *o)
{
	struct json_object *v;
	bool duplicate, accepted;
	const char *reason = "no reason given";

	if (!json_object_object_get_ex(o, "accepted", &v) ||
	    !json_object_is_type(v, json_type_boolean))
		return false;
	accepted = json_object_get_boolean(v);
	duplicate = json_object_object_get_ex(o, "duplicate", &v) && json_object_get_boolean(v);
	if (json_object_object_get_ex(o, "reason", &v) && json_object_is_type(v, json_type_string))
		reason = json_object_get_string(v);
	if (accepted)
		judged(b, true, duplicate, reason);
	else
		refused(b, true, reason);
	return true;
}

static void on_retry(void *user)
{
	struct block *b = user;

	b->waiting = false;
	send_beside(b);
	send_block(b);
}

static bool note(const struct tp_submitter *s, const uint8_t hash[32], const struct buf *block)
{
	struct error e;

	if (block_files_write(s->dir, hash, block->data, block->size, &e) == ADIT_OK)
		return true;
	tp_log(s->host, ADIT_LOG_WARNING,
	       "a found block could not be noted, and would be lost with this role: %s", e.text);
	return false;
}

/* The first failure makes the block worth a wait for the disk: it may have to outlive this
 * machine's power. Before, the wait would have come between the block and the network. */
static void sync_once(struct block *b)
{
	struct error e;

	/* A disk that was full may have room again. */
	if (!b->noted && !b->accepted)
		b->noted = note(b->owner, b->hash, &b->data);
	if (b->synced || !b->noted)
		return;
	b->synced = true;
	if (block_files_sync(b->owner->dir, b->hash, &e) != ADIT_OK)
		tp_log(b->owner->host, ADIT_LOG_WARNING, "a found block is not safely on disk: %s",
		       e.text);
}

static void retry_later(struct block *b, const char *message)
{
	const struct tp_host *h = b->owner->host;
	char hex[65];

	sync_once(b);
	b->tried = true;
	hex_encode_reversed(b->hash, 32, hex);
	tp_log(h, ADIT_LOG_WARNING,
	       "the node did not take the found block %s (%s); trying again in %u ms", hex, message,
	       b->delay_ms);
	b->waiting =
	    h->api->timer_add(h->handle, b->delay_ms, 0, on_retry, b, NULL, &b->timer) == ADIT_OK;
	b->delay_ms = b->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : b->delay_ms * 2;
}

/* All errors but one say nothing about the block: the node, or the way to it, is not there now. */
static void failed(struct block *b, int32_t error, const char *message)
{
	if (error == ADIT_E_INVALID_ARGUMENT || b->accepted || b->refusal[0] != '\0')
		refused(b, true, b->refusal[0] != '\0' ? b->refusal : message);
	else if (b->last)
		refused(b, false, message);
	else
		retry_later(b, message);
}

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct block *b = user;
	struct json_object *o = NULL;
	struct json_tokener *t;

	b->calling = false;
	if (reply->error != ADIT_OK) {
		failed(b, reply->error, reply->message);
		return;
	}
	t = json_tokener_new();
	if (t != NULL && reply->json_size <= MAX_REPLY)
		o = json_tokener_parse_ex(t, reply->json, (int)reply->json_size);
	if (!judge(b, o))
		failed(b, ADIT_E_INTERNAL, "its answer makes no sense");
	json_object_put(o);
	if (t != NULL)
		json_tokener_free(t);
}

static void send_block(struct block *b)
{
	const struct tp_host *h = b->owner->host;
	int32_t r = h->api->call(h->handle, ADIT_NODE_ROLE, "submit_block", "{}", 2, b->data.data,
				 b->data.size, CALL_DEADLINE_MS, on_reply, b, NULL, &b->call);

	if (r == ADIT_OK)
		b->calling = true;
	else
		failed(b, r, adit_error_name(r));
}

/* --- both ways at a time ------------------------------------------------------------------------
 *
 * The source may have yet to connect, and nobody knows for how long: neither way waits for the
 * other. The first that takes the block is enough, a refusal is none before both have spoken. What
 * waits for the source alone gives way to blocks that are found meanwhile.
 */

static void attempt_over(struct block *b)
{
	const struct tp_host *h = b->owner->host;

	b->attempt = NULL;
	if (b->limited)
		h->api->timer_cancel(h->handle, b->limit);
	b->limited = false;
}

static void on_beside(void *user, enum tp_verdict verdict, const char *text)
{
	struct block *b = user;
	char hex[65];

	attempt_over(b);
	hex_encode_reversed(b->hash, 32, hex);
	b->tried = b->tried || verdict == TP_NO_ANSWER;
	if (verdict == TP_ACCEPTED)
		judged_accepted(b);
	else
		tp_log(b->owner->host, ADIT_LOG_WARNING, "block %s was not taken over IPC: %s", hex,
		       text[0] != '\0' ? text : "no reason given");
	if (verdict == TP_REFUSED)
		snprintf(b->refusal, sizeof(b->refusal), "%s", text);
	/* What went straight and has lost its session. */
	if (verdict == TP_NO_ANSWER && !b->beside)
		send_beside(b);
	if (b->over && b->attempt == NULL)
		refused(b, b->refused || verdict != TP_NO_ANSWER,
			b->refused || b->refusal[0] == '\0' ? b->word : b->refusal);
}

/* To the node that templates come from, unless that is under way or has judged. */
static void send_beside(struct block *b)
{
	const struct tp_submitter *s = b->owner;

	if (b->attempt != NULL || b->accepted || b->refusal[0] != '\0' || s->way == NULL)
		return;
	b->attempt = s->way(s->way_user, b->data.data, b->data.size, on_beside, b);
	b->beside = b->attempt != NULL;
}

/* --- the straight way ---------------------------------------------------------------------------
 */

static void on_attempt(void *user, enum tp_verdict verdict, const char *text)
{
	struct block *b = user;
	struct tp_submitter *s = b->owner;
	char hex[65];

	attempt_over(b);
	hex_encode_reversed(b->hash, 32, hex);
	if (verdict == TP_ACCEPTED) {
		judged_accepted(b);
	} else if (verdict == TP_REFUSED) {
		snprintf(b->refusal, sizeof(b->refusal), "%s", text);
		tp_log(s->host, ADIT_LOG_WARNING,
		       "block %s was refused over IPC (%s); trying the other way", hex,
		       text[0] != '\0' ? text : "no reason given");
	} else {
		b->tried = true;
		tp_log(s->host, ADIT_LOG_WARNING,
		       "block %s could not be submitted over IPC (%s); trying the other way", hex,
		       text);
		send_beside(b);
	}
	send_block(b);
}

/* No answer: it may be accepted all the same, but time is short. From now on it is as if it had
 * gone both ways. */
static void on_straight_late(void *user)
{
	struct block *b = user;
	char hex[65];

	b->limited = false;
	b->tried = true;
	b->attempt->done = on_beside;
	hex_encode_reversed(b->hash, 32, hex);
	tp_log(b->owner->host, ADIT_LOG_WARNING,
	       "block %s: no answer over IPC within %u ms; trying the other way too", hex,
	       STRAIGHT_MS);
	send_block(b);
}

static bool send_straight(struct block *b, struct tp_origin *origin, bool whole)
{
	const struct tp_host *h = b->owner->host;

	if (origin == NULL)
		return false;
	b->attempt = origin->submit(origin, b->data.data, b->data.size, whole, on_attempt, b);
	if (b->attempt == NULL)
		return false;
	b->limited = h->api->timer_add(h->handle, STRAIGHT_MS, 0, on_straight_late, b, NULL,
				       &b->limit) == ADIT_OK;
	return true;
}

static void make_room(struct tp_submitter *s)
{
	struct block *b = s->blocks;

	while (b != NULL && !b->over)
		b = b->next;
	if (s->count >= TP_SUBMIT_MAX && b != NULL)
		forget(b);
}

static bool is_pending(const struct tp_submitter *s, const uint8_t hash[32])
{
	for (const struct block *b = s->blocks; b != NULL; b = b->next) {
		if (memcmp(b->hash, hash, 32) == 0)
			return true;
	}
	return false;
}

/* Takes over the storage of DATA. NULL when the list is full or memory is out. */
static struct block *enlist(struct tp_submitter *s, const uint8_t hash[32], struct buf *data)
{
	struct block *b = s->count < TP_SUBMIT_MAX ? calloc(1, sizeof(*b)) : NULL;
	struct block **at = &s->blocks;

	if (b == NULL) {
		tp_log(s->host, ADIT_LOG_ERROR,
		       "too many found blocks wait for the node: one is left to the next start");
		buf_free(data);
		return NULL;
	}
	b->owner = s;
	b->delay_ms = RETRY_MIN_MS;
	b->data = *data;
	*data = (struct buf){0};
	memcpy(b->hash, hash, 32);
	while (*at != NULL)
		at = &(*at)->next;
	*at = b;
	s->count++;
	return b;
}

void tp_submit(struct tp_submitter *s, const uint8_t hash[32], struct buf *block,
	       struct tp_origin *origin, bool whole)
{
	struct block *b;
	bool noted;

	if (is_pending(s, hash)) {
		buf_free(block);
		return;
	}
	noted = note(s, hash, block);
	make_room(s);
	b = enlist(s, hash, block);
	if (b == NULL)
		return;
	b->noted = noted;
	if (send_straight(b, origin, whole))
		return;
	if (origin != NULL)
		send_beside(b);
	send_block(b);
}

static void resume_one(void *user, const uint8_t hash[32], const uint8_t *data, size_t size)
{
	struct tp_submitter *s = user;
	struct buf copy = {0};
	struct block *b;

	if (is_pending(s, hash) || !buf_append(&copy, data, size)) {
		buf_free(&copy);
		return;
	}
	b = enlist(s, hash, &copy);
	if (b == NULL)
		return;
	b->noted = b->synced = true;
	send_beside(b);
	send_block(b);
}

void tp_submitter_resume(struct tp_submitter *s, tp_way_fn *way, void *user)
{
	size_t damaged, count;

	s->way = way;
	s->way_user = user;
	count = block_files_load(s->dir, resume_one, s, &damaged);
	if (count > 0)
		tp_log(s->host, ADIT_LOG_INFO, "%zu found blocks of an earlier run are sent again",
		       count);
	if (damaged > 0)
		tp_log(s->host, ADIT_LOG_WARNING,
		       "%zu block files in %s don't hold the block of their name; look at them",
		       damaged, s->dir);
}

void tp_submitter_tip(struct tp_submitter *s, const uint8_t prev_hash[32])
{
	struct block *next;

	for (struct block *b = s->blocks; b != NULL; b = next) {
		next = b->next;
		if (memcmp(b->data.data + PREV_HASH_OFFSET, prev_hash, 32) == 0)
			continue;
		b->last = true;
		if (!b->waiting)
			continue;
		s->host->api->timer_cancel(s->host->handle, b->timer);
		b->waiting = false;
		send_block(b);
	}
}

void tp_submitter_stats(const struct tp_submitter *s, struct tp_submit_stats *out)
{
	*out = (struct tp_submit_stats){
	    .accepted = s->accepted,
	    .rejected = s->rejected,
	    .pending = s->count,
	    .last_reject = s->last_reject,
	};
}

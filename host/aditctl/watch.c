/* SPDX-License-Identifier: MIT */
/*
 * watch.c: `watch`: a line for each accepted block, and on a terminal one live line below them.
 *
 * One connection carries both the subscription and a `status` request a second.
 */
#include "config.h"

#include "host/aditctl/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "host/aditctl/blocks.h"
#include "host/aditctl/json.h"
#include "host/aditctl/text.h"
#include "lib/util/clock.h"

#define ANSWER_MS 15000
#define POLL_MS 1000      /* between two looks at the status */
#define TICK_MS 250       /* longest wait: blocks fall due, the line is redrawn */
#define GRACE_MS 2000     /* that an accepted block waits for BlockFound */
#define PATIENCE_MS 10000 /* that a found block waits for BlockMined */

struct watch {
	const struct options *options;
	struct control control;
	struct blocks blocks;
	long accepted_blocks;
	uint64_t status_id; /* of the request under way, 0: none */
	uint64_t asked_ms;
	bool due; /* ask at once: something has changed */
	bool line_shown;
	/* from the newest status */
	int64_t height;
	bool pool_seen;
	double hashrate;
	int64_t shares_accepted;
	int64_t shares_rejected;
	int64_t blocks_found;
	char trouble[128]; /* the role that fails, or "" */
};

/* --- numbers ------------------------------------------------------------------------------------
 */

static int64_t add_clamped(int64_t sum, int64_t more)
{
	if (more <= 0)
		return sum;
	return sum > INT64_MAX - more ? INT64_MAX : sum + more;
}

static void take_pool(struct watch *w, struct json_object *role)
{
	struct json_object *workers = json_array_member(role, "workers");

	for (size_t i = 0; i < json_count(workers); i++) {
		struct json_object *s = json_object_member(json_element(workers, i), "status");
		double hashrate = json_number(s, "hashrate", 0);

		if (s == NULL)
			continue;
		w->pool_seen = true;
		w->hashrate += hashrate > 0 ? hashrate : 0;
		w->shares_accepted =
		    add_clamped(w->shares_accepted, json_integer(s, "shares_accepted", 0));
		w->shares_rejected =
		    add_clamped(w->shares_rejected, json_integer(s, "shares_rejected", 0));
		w->blocks_found = add_clamped(w->blocks_found, json_integer(s, "blocks_found", 0));
	}
}

static void take_plugin(struct watch *w, struct json_object *roles, const char *plugin)
{
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);

		if (strcmp(json_text(role, "plugin", ""), plugin) == 0)
			take_pool(w, role);
	}
}

static void take_status(struct watch *w, struct json_object *status)
{
	struct json_object *roles = json_array_member(status, "roles");
	bool had_pool = w->pool_seen;
	struct watch before = *w;

	w->height = json_integer(json_object_member(status, "node"), "height", w->height);
	w->pool_seen = false;
	w->hashrate = 0;
	w->shares_accepted = w->shares_rejected = w->blocks_found = 0;
	w->trouble[0] = '\0';
	take_plugin(w, roles, "pool");
	if (!w->pool_seen) /* behind a pool a jdc's shares would count twice */
		take_plugin(w, roles, "jdc");
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);

		if (strcmp(json_text(role, "state", ""), "failing") == 0)
			snprintf(w->trouble, sizeof(w->trouble), "%s is failing",
				 json_text(role, "name", "a role"));
	}
	if (w->pool_seen || !had_pool)
		return;
	/* The pool is restarting: its last numbers stay until it answers again. */
	w->pool_seen = had_pool;
	w->shares_accepted = before.shares_accepted;
	w->shares_rejected = before.shares_rejected;
	w->blocks_found = before.blocks_found;
}

/* --- output -------------------------------------------------------------------------------------
 */

static void clear_line(struct watch *w)
{
	if (w->line_shown)
		fputs("\r\033[K", stdout);
	w->line_shown = false;
}

static void put_live_line(struct watch *w)
{
	const struct terminal *t = &w->options->terminal;
	char line[512], hashrate[TEXT_UNIT_SIZE], accepted[TEXT_UNIT_SIZE],
	    rejected[TEXT_UNIT_SIZE];
	char clean[sizeof(line)];
	size_t used, width;

	if (!t->tty || w->options->json)
		return;
	width = terminal_width(STDOUT_FILENO);
	text_hashrate(w->pool_seen ? w->hashrate : -1, hashrate, sizeof(hashrate));
	text_count(w->shares_accepted, accepted, sizeof(accepted));
	text_count(w->shares_rejected, rejected, sizeof(rejected));
	snprintf(line, sizeof(line),
		 "height %" PRId64 "  %s  shares %s accepted, %s rejected  blocks %" PRId64 "%s%s",
		 w->height, hashrate, accepted, rejected, w->blocks_found,
		 w->trouble[0] != '\0' ? "  " : "", w->trouble);
	/* The hint is whole or absent. */
	used = strlen(line);
	if (width > used + 2)
		snprintf(line + used, sizeof(line) - used, "  %s",
			 width > used + 45   ? "(more: aditctl status; Ctrl-C ends)"
			 : width > used + 26 ? "(more: aditctl status)"
					     : "");
	text_clean(line, clean, sizeof(clean));
	text_cut(clean, width - 1); /* the last column may wrap */
	clear_line(w);
	terminal_put(t, stdout, w->trouble[0] != '\0' ? STYLE_WARN : STYLE_PLAIN, clean);
	fflush(stdout);
	w->line_shown = true;
}

static void put_block(struct watch *w, const struct block *block)
{
	const char *channel = block->channel[0] != '\0' ? block->channel : "-";

	clear_line(w);
	if (w->options->json) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "height", json_object_new_int64(block->height));
		json_object_object_add(o, "hash", json_object_new_string(block->hash));
		json_object_object_add(o, "channel", json_object_new_string(block->channel));
		json_print(stdout, o);
		json_object_put(o);
	} else {
		terminal_put(&w->options->terminal, stdout, STYLE_GOOD, "block");
		printf(" %" PRId64 "  %s  channel %s\n", block->height, block->hash, channel);
	}
	fflush(stdout);
}

static bool put_blocks(struct watch *w)
{
	uint64_t now = clock_monotonic_ms();
	struct block block;

	while (blocks_take_accepted(&w->blocks, now, GRACE_MS, &block)) {
		put_block(w, &block);
		w->accepted_blocks++;
		w->due = true;
		if (w->options->blocks > 0 && w->accepted_blocks >= w->options->blocks)
			return true;
	}
	while (blocks_take_overdue(&w->blocks, now, PATIENCE_MS, &block)) {
		clear_line(w);
		fprintf(stderr,
			"aditctl: block %" PRId64
			" %s was found by channel %s, but the node has not "
			"accepted it\n",
			block.height, block.hash, block.channel);
	}
	return false;
}

/* --- messages -----------------------------------------------------------------------------------
 */

static void take_event(struct watch *w, struct json_object *event)
{
	struct json_object *data = json_object_member(event, "data");
	const char *type = json_text(event, "type", "");
	const char *hash = json_text(data, "block_hash", "");
	int64_t height = json_integer(data, "height", -1);
	uint64_t now = clock_monotonic_ms();

	if (json_integer(event, "lost", 0) > 0) {
		clear_line(w);
		fputs("aditctl: some events were missed; blocks may be missing here\n", stderr);
	}
	if (strcmp(type, "BlockFound") == 0)
		blocks_found(&w->blocks, hash, height, json_text(data, "channel", ""), now);
	else if (strcmp(type, "BlockMined") == 0)
		blocks_accepted(&w->blocks, hash, height, now);
}

static int32_t take_message(struct watch *w, struct json_object *message, struct error *e)
{
	struct json_object *result;
	int32_t code = ADIT_OK;

	if (strcmp(json_text(message, "method", ""), "event") == 0) {
		take_event(w, json_object_member(message, "params"));
	} else if (w->status_id != 0 && control_answer(message, w->status_id, &result, &code, e)) {
		w->status_id = 0;
		if (code == ADIT_OK)
			take_status(w, result);
		json_object_put(result);
		put_live_line(w);
	}
	/* A status that could not be had once is no reason to stop looking. */
	return ADIT_OK;
}

static int32_t ask_status(struct watch *w, struct error *e)
{
	uint64_t now = clock_monotonic_ms();

	if (w->status_id != 0) {
		if (now - w->asked_ms <= ANSWER_MS)
			return ADIT_OK;
		return error_set(e, ADIT_E_TIMEOUT, "aditd did not answer in time; see its log");
	}
	if (!w->due && now - w->asked_ms < POLL_MS)
		return ADIT_OK;
	w->due = false;
	w->asked_ms = now;
	return control_send(&w->control, "status", NULL, &w->status_id, e);
}

/* Runs until a signal, the wanted number of blocks, or an error. */
static int32_t run(struct watch *w, struct error *e)
{
	struct json_object *message;
	int32_t code;

	while (!signals_came()) {
		code = ask_status(w, e);
		if (code != ADIT_OK)
			return code;
		code = control_receive(&w->control, TICK_MS, &message, e);
		if (code == ADIT_OK)
			code = take_message(w, message, e);
		json_object_put(message);
		if (code != ADIT_OK && code != ADIT_E_TIMEOUT && code != ADIT_E_CANCELLED)
			return code;
		if (put_blocks(w))
			break;
	}
	return ADIT_OK;
}

/* --- beginning and end --------------------------------------------------------------------------
 */

static int32_t subscribe(struct watch *w, struct error *e)
{
	struct json_object *params = json_object_new_object(), *types = json_object_new_array();
	struct json_object *result;
	int32_t code;

	json_object_array_add(types, json_object_new_string("BlockFound"));
	json_object_array_add(types, json_object_new_string("BlockMined"));
	json_object_object_add(params, "types", types);
	code = control_request(&w->control, "events", params, ANSWER_MS, &result, e);
	json_object_put(result);
	json_object_put(params);
	return code;
}

/* The numbers as they are now; the last known ones when aditd no longer answers. */
static void last_look(struct watch *w)
{
	struct json_object *result;
	struct error e;

	w->control.wait_mask = NULL;
	if (control_request(&w->control, "status", NULL, 2000, &result, &e) == ADIT_OK)
		take_status(w, result);
	json_object_put(result);
}

static int write_summary(const struct watch *w)
{
	FILE *f = fopen(w->options->summary, "w");

	if (f == NULL ||
	    fprintf(f, "%ld blocks found, %" PRId64 " shares accepted, %" PRId64 " rejected\n",
		    w->accepted_blocks, w->shares_accepted, w->shares_rejected) < 0) {
		fprintf(stderr, "aditctl: %s: %s\n", w->options->summary, strerror(errno));
		if (f != NULL)
			fclose(f);
		return EXIT_USAGE;
	}
	return fclose(f) == 0 ? EXIT_OK : EXIT_USAGE;
}

int command_watch(const struct options *o)
{
	static struct watch w; /* large, and one a program */
	struct error e;
	int status;

	w.options = o;
	w.due = true;
	w.height = -1;
	status = command_connect(o, &w.control);
	if (status != EXIT_OK)
		return status;
	if (subscribe(&w, &e) != ADIT_OK) {
		status = command_failed(&w.control, &e);
	} else {
		signals_catch(&w.control);
		if (run(&w, &e) != ADIT_OK) {
			clear_line(&w);
			status = command_failed(&w.control, &e);
		} else {
			last_look(&w);
		}
		clear_line(&w);
		if (o->summary != NULL && write_summary(&w) != EXIT_OK && status == EXIT_OK)
			status = EXIT_USAGE;
	}
	control_close(&w.control);
	return status;
}

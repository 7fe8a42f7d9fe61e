/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/node.h"

#include <adit/node.h>

#include <json-c/json.h>
#include <string.h>

#include "lib/util/hex.h"
#include "plugins/jds/clients.h"
#include "plugins/jds/declare.h"
#include "plugins/jds/status.h"

#define TIP_DEADLINE_MS 10000
#define TIP_RETRY_MS 1000
#define CALL_DEADLINE_MS 30000

/* --- the tip ------------------------------------------------------------------------------------
 */

static void ask_tip(struct jds *jds);

static void on_retry(void *user)
{
	ask_tip(user);
}

static bool read_tip(const char *json, struct jds_tip *out)
{
	struct json_object *o = json_tokener_parse(json);
	struct json_object *hash, *height, *bits, *median;
	uint8_t nbits[4] = {0};
	bool good = json_object_object_get_ex(o, "hash", &hash) &&
		    json_object_object_get_ex(o, "height", &height) &&
		    json_object_object_get_ex(o, "next_bits", &bits) &&
		    json_object_object_get_ex(o, "median_time", &median) &&
		    hex_decode_reversed(json_object_get_string(hash), out->hash, 32) &&
		    hex_decode(json_object_get_string(bits), nbits, 4);

	if (good) {
		out->height = (uint32_t)json_object_get_int64(height);
		out->median_time = (uint32_t)json_object_get_int64(median);
		out->nbits = (uint32_t)nbits[0] << 24 | (uint32_t)nbits[1] << 16 |
			     (uint32_t)nbits[2] << 8 | nbits[3];
	}
	json_object_put(o);
	return good;
}

static void adopt_tip(struct jds *jds, const struct jds_tip *tip)
{
	bool other = !jds->has_tip || memcmp(jds->tip.hash, tip->hash, 32) != 0;

	jds->tip = *tip;
	jds->has_tip = true;
	if (!jds->open && jds->server != NULL) {
		jds->open = true;
		jds->server->set_open(jds->server->server, ADIT_SV2_JOB_DECLARATION, true);
		jds_log(jds, ADIT_LOG_INFO, "open for job declarators");
	}
	if (other) {
		jobs_new_tip(jds);
		declare_new_tip(jds);
	}
	status_update(jds);
}

static void on_tip(void *user, const struct adit_reply *reply)
{
	struct jds *jds = user;
	struct jds_tip tip = {0};
	char json[2048];
	size_t size = reply->json_size < sizeof(json) - 1 ? reply->json_size : sizeof(json) - 1;

	jds->tip_asked = false;
	memcpy(json, reply->json, size);
	json[size] = '\0';
	if (reply->error == ADIT_OK && read_tip(json, &tip)) {
		adopt_tip(jds, &tip);
		if (jds->tip_again)
			ask_tip(jds);
		return;
	}
	jds_log(jds, ADIT_LOG_DEBUG, "the node does not tell its tip: %s", reply->message);
	jds->api->timer_add(jds->host, TIP_RETRY_MS, 0, on_retry, jds, NULL, NULL);
}

static void ask_tip(struct jds *jds)
{
	jds->tip_again = jds->tip_asked;
	if (jds->tip_asked)
		return;
	jds->tip_asked = jds->api->call(jds->host, ADIT_NODE_ROLE, "get_chain_info", "{}", 2, NULL,
					0, TIP_DEADLINE_MS, on_tip, jds, NULL, NULL) == ADIT_OK;
	if (!jds->tip_asked)
		jds->api->timer_add(jds->host, TIP_RETRY_MS, 0, on_retry, jds, NULL, NULL);
}

/* In either order: only when both have come does the node know the tip, and what the next block has
 * to look like. Templates that only add transactions are of no interest. */
static void on_new_block(void *user, const struct adit_event *event)
{
	(void)event;
	ask_tip(user);
}

static void on_template(void *user, const struct adit_event *event)
{
	static const char new_tip[] = "\"new_tip\":true";

	if (event->lost > 0 ||
	    memmem(event->json, event->json_size, new_tip, sizeof(new_tip) - 1) != NULL)
		ask_tip(user);
}

int32_t node_start(struct jds *jds, struct error *e)
{
	int32_t result = jds->api->subscribe(jds->host, "NewBlock", on_new_block, jds, NULL, NULL);

	if (result == ADIT_OK)
		result = jds->api->subscribe(jds->host, "BlockTemplateUpdated", on_template, jds,
					     NULL, NULL);
	if (result != ADIT_OK)
		return error_set(e, result, "events of the node: %s", adit_error_name(result));
	ask_tip(jds);
	return ADIT_OK;
}

/* --- jobs in line -------------------------------------------------------------------------------
 */

static void leave_line(struct jds_job *job)
{
	if (job->lined_up)
		TAILQ_REMOVE(&job->client->jds->line, job, in_line);
	job->lined_up = false;
}

static void next_turns(struct jds *jds)
{
	struct jds_job *job;

	while (jds->node_calls < JDS_NODE_CALLS_MAX && (job = TAILQ_FIRST(&jds->line)) != NULL) {
		leave_line(job);
		declare_turn(job);
	}
}

static void on_turn(void *user)
{
	struct jds *jds = user;

	jds->turn_due = false;
	next_turns(jds);
}

/* Turns begin from the loop: whoever lines up, or takes a client apart, may be in the middle of a
 * list of jobs. */
static void plan_turns(struct jds *jds)
{
	if (!jds->turn_due && !TAILQ_EMPTY(&jds->line) && jds->node_calls < JDS_NODE_CALLS_MAX)
		jds->turn_due =
		    jds->api->timer_add(jds->host, 0, 0, on_turn, jds, NULL, NULL) == ADIT_OK;
}

void node_line_up(struct jds_job *job)
{
	struct jds *jds = job->client->jds;

	TAILQ_INSERT_TAIL(&jds->line, job, in_line);
	job->lined_up = true;
	plan_turns(jds);
}

bool node_call(struct jds_job *job, const char *method, const struct buf *attachment,
	       adit_reply_fn fn)
{
	struct jds *jds = job->client->jds;

	job->calling = jds->api->call(jds->host, ADIT_NODE_ROLE, method, "{}", 2, attachment->data,
				      attachment->size, CALL_DEADLINE_MS, fn, job, NULL,
				      &job->call) == ADIT_OK;
	jds->node_calls += job->calling;
	return job->calling;
}

void node_called(struct jds_job *job)
{
	struct jds *jds = job->client->jds;

	job->calling = false;
	jds->node_calls--;
	plan_turns(jds);
}

void node_forget(struct jds_job *job)
{
	struct jds *jds = job->client->jds;

	leave_line(job);
	if (!job->calling)
		return;
	jds->api->call_cancel(jds->host, job->call);
	job->calling = false;
	jds->node_calls--;
	plan_turns(jds);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/solution.h"

#include <adit/node.h>

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"
#include "plugins/jds/block.h"
#include "plugins/jds/jobs.h"

/* The node service keeps a submission for a minute while its node is away. */
#define SUBMIT_DEADLINE_MS 70000

struct submission {
	struct jds *jds;
	char hash[65];
};

static bool was_accepted(const struct adit_reply *reply)
{
	char text[512];
	struct json_object *o, *value;
	bool accepted;

	if (reply->error != ADIT_OK || reply->json_size >= sizeof(text))
		return false;
	memcpy(text, reply->json, reply->json_size);
	text[reply->json_size] = '\0';
	o = json_tokener_parse(text);
	accepted =
	    json_object_object_get_ex(o, "accepted", &value) && json_object_get_boolean(value);
	json_object_put(o);
	return accepted;
}

static void on_submitted(void *user, const struct adit_reply *reply)
{
	struct submission *s = user;

	if (was_accepted(reply)) {
		s->jds->stats.blocks_accepted++;
		jds_log(s->jds, ADIT_LOG_INFO, "block %s is accepted", s->hash);
		return;
	}
	s->jds->stats.blocks_rejected++;
	jds_log(s->jds, ADIT_LOG_WARNING, "block %s: %.*s%s", s->hash,
		reply->error == ADIT_OK ? (int)reply->json_size : 0, reply->json, reply->message);
}

static void submit(struct jds *jds, const struct jds_job *job, struct block_header *header,
		   const uint8_t *extranonce, const uint8_t hash[32])
{
	struct submission *s = malloc(sizeof(*s));
	struct buf block = {0};
	int32_t result = ADIT_E_NO_MEMORY;

	if (s != NULL && block_make(job, header, extranonce, &block)) {
		s->jds = jds;
		hex_encode_reversed(hash, 32, s->hash);
		jds_log(jds, ADIT_LOG_INFO, "block %s by %s: %u transactions", s->hash,
			adit_sv2_peer(job->client->conn), job->count + 1);
		result =
		    jds->api->call(jds->host, ADIT_NODE_ROLE, "submit_block", "{}", 2, block.data,
				   block.size, SUBMIT_DEADLINE_MS, on_submitted, s, free, NULL);
	}
	buf_free(&block);
	if (result == ADIT_OK)
		return;
	free(s);
	jds->stats.blocks_rejected++;
	jds_log(jds, ADIT_LOG_ERROR, "a block of %s can't be submitted: %s",
		adit_sv2_peer(job->client->conn), adit_error_name(result));
}

/* Whether M solves JOB: then HEADER is complete and HASH its hash. */
static bool solves(const struct jds_job *job, const struct adit_sv2_push_solution *m,
		   struct block_header *header, uint8_t hash[32])
{
	uint8_t target[32];
	uint8_t bytes[80];

	*header = (struct block_header){
	    .version = m->version, .time = m->ntime, .nbits = m->nbits, .nonce = m->nonce};
	memcpy(header->prev_hash, m->prev_hash.b, 32);
	if (job->state != JDS_DECLARED || memcmp(job->prev_hash, m->prev_hash.b, 32) != 0 ||
	    job->nbits != m->nbits || job->coinbase.extranonce_size != m->extranonce.size ||
	    !target_from_nbits(m->nbits, target) ||
	    !block_root(job, m->extranonce.data, header->merkle_root))
		return false;
	block_header_write(header, bytes);
	sha256d_header(bytes, hash);
	return target_met(hash, target);
}

int32_t solution_pushed(struct jds_client *client, const struct adit_sv2_push_solution *m)
{
	struct jds *jds = client->jds;
	struct block_header header;
	struct jds_job *job;
	uint8_t hash[32];

	TAILQ_FOREACH_REVERSE(job, &client->jobs, jds_jobs, of_client)
	{
		if (!solves(job, m, &header, hash))
			continue;
		jds->stats.solutions++;
		submit(jds, job, &header, m->extranonce.data, hash);
		return ADIT_OK;
	}
	/* Of a job from before the tip that it made itself, most likely. */
	jds_log(jds, ADIT_LOG_DEBUG, "a solution of %s fits no job of the present tip",
		adit_sv2_peer(client->conn));
	if (++client->wrong_solutions > JDS_WRONG_SOLUTIONS_MAX)
		adit_sv2_close(client->conn, "too many solutions that fit no job");
	return ADIT_OK;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/jds/clients.h"
#include "plugins/jds/node.h"

static uint8_t *copy(const struct adit_bytes *bytes)
{
	uint8_t *out = malloc(bytes->size > 0 ? bytes->size : 1);

	if (out != NULL && bytes->size > 0)
		memcpy(out, bytes->data, bytes->size);
	return out;
}

/* From what lies in the message to the same in its copy. */
static void move_coinbase(struct jds_job *job, const struct declared_coinbase *from,
			  const struct adit_sv2_declare_mining_job *m)
{
	job->coinbase = *from;
	job->coinbase.script = job->prefix + (from->script - m->coinbase_tx_prefix.data);
	job->coinbase.outputs = job->suffix + (from->outputs - m->coinbase_tx_suffix.data);
}

/* JOB, which is under way, has brought BYTES more. */
static void bring(struct jds_job *job, size_t bytes)
{
	job->brought += bytes;
	job->client->pending_bytes += bytes;
	job->client->jds->pending += bytes;
}

/* JOB is not under way any more. */
static void end_pending(struct jds_job *job)
{
	job->client->pending--;
	job->client->pending_bytes -= job->brought;
	job->client->jds->pending -= job->brought;
}

struct jds_job *job_new(struct jds_client *client, const struct adit_sv2_declare_mining_job *m,
			const struct declared_coinbase *coinbase)
{
	struct jds_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->client = client;
	job->request_id = m->request_id;
	job->version = m->version;
	job->count = job->missing = m->wtxid_list.count;
	job->prefix = copy(&m->coinbase_tx_prefix);
	job->prefix_size = m->coinbase_tx_prefix.size;
	job->suffix = copy(&m->coinbase_tx_suffix);
	job->suffix_size = m->coinbase_tx_suffix.size;
	job->wtxids =
	    copy(&(struct adit_bytes){.data = m->wtxid_list.data, .size = m->wtxid_list.size});
	job->txs = calloc(job->count > 0 ? job->count : 1, sizeof(struct jds_tx *));
	TAILQ_INSERT_TAIL(&client->jobs, job, of_client);
	client->pending++;
	job->held = sizeof(*job) + job->prefix_size + job->suffix_size +
		    (size_t)job->count * (32 + sizeof(struct jds_tx *));
	client->jds->held += job->held;
	job->bytes = job->held;
	bring(job, job->held);
	if (job->prefix == NULL || job->suffix == NULL || job->wtxids == NULL || job->txs == NULL) {
		job_free(job);
		return NULL;
	}
	move_coinbase(job, coinbase, m);
	return job;
}

void job_free(struct jds_job *job)
{
	struct jds_client *client = job->client;
	struct jds *jds = client->jds;

	node_forget(job);
	if (job->timed)
		jds->api->timer_cancel(jds->host, job->timer);
	TAILQ_REMOVE(&client->jobs, job, of_client);
	if (job->state == JDS_DECLARED)
		client->declared--;
	else
		end_pending(job);
	for (uint32_t i = 0; job->txs != NULL && i < job->count; i++)
		txs_unref(&jds->txs, job->txs[i]);
	jds->held -= job->held;
	free(job->prefix);
	free(job->suffix);
	free(job->wtxids);
	free(job->txs);
	free(job);
}

void job_take(struct jds_job *job, uint32_t i, struct jds_tx *tx)
{
	job->txs[i] = tx;
	job->bytes += sizeof(*tx) + tx->size;
	if (tx->refs == 1)
		bring(job, sizeof(*tx) + tx->size);
	job->weight += tx->weight;
	job->missing--;
}

void job_keep(struct jds_job *job)
{
	struct jds_client *client = job->client;
	size_t wtxids = (size_t)job->count * 32;

	end_pending(job);
	free(job->wtxids);
	job->wtxids = NULL;
	job->held -= wtxids;
	job->bytes -= wtxids;
	client->jds->held -= wtxids;
	job->state = JDS_DECLARED;
	client->declared++;
	if (client->declared > JDS_DECLARED_MAX) {
		struct jds_job *old = TAILQ_FIRST(&client->jobs);

		while (old->state != JDS_DECLARED)
			old = TAILQ_NEXT(old, of_client);
		job_free(old);
	}
}

/* The oldest of CLIENT's that is declared, or the oldest that is not. */
static struct jds_job *oldest(const struct jds_client *client, bool declared)
{
	struct jds_job *job = TAILQ_FIRST(&client->jobs);

	while (job != NULL && (job->state == JDS_DECLARED) != declared)
		job = TAILQ_NEXT(job, of_client);
	return job;
}

static size_t all_bytes(const struct jds_client *client)
{
	const struct jds_job *job;
	size_t bytes = 0;

	TAILQ_FOREACH(job, &client->jobs, of_client)
	bytes += job->bytes;
	return bytes;
}

static size_t pending_bytes(const struct jds_client *client)
{
	return client->pending_bytes;
}

/* Of the client that has most by MEASURE, of those that have one. */
static struct jds_job *heaviest(const struct jds *jds, bool declared,
				size_t (*measure)(const struct jds_client *))
{
	const struct jds_client *client;
	struct jds_job *worst = NULL;
	size_t most = 0;

	TAILQ_FOREACH(client, &jds->clients, link)
	{
		struct jds_job *job = oldest(client, declared);
		size_t bytes = job != NULL ? measure(client) : 0;

		if (bytes <= most)
			continue;
		most = bytes;
		worst = job;
	}
	return worst;
}

struct jds_job *jobs_burden(const struct jds *jds)
{
	struct jds_job *job = NULL;

	if (jds->pending > jds->settings.memory / 2)
		return heaviest(jds, false, pending_bytes);
	if (jds->txs.bytes + jds->held > jds->settings.memory) {
		job = heaviest(jds, true, all_bytes);
		/* What was brought by those who have gone may be held by those under way. */
		if (job == NULL)
			job = heaviest(jds, false, all_bytes);
	}
	return job;
}

void jobs_new_tip(struct jds *jds)
{
	struct jds_client *client;

	TAILQ_FOREACH(client, &jds->clients, link)
	{
		struct jds_job *next;

		for (struct jds_job *job = TAILQ_FIRST(&client->jobs); job != NULL; job = next) {
			next = TAILQ_NEXT(job, of_client);
			if (job->state == JDS_DECLARED &&
			    memcmp(job->prev_hash, jds->tip.hash, 32) != 0)
				job_free(job);
		}
	}
}

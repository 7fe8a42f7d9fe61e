/* SPDX-License-Identifier: MIT */
/*
 * lottery.c: a Stratum V2 pool in one file, to read and to copy. The reward of a block goes to the
 * address that its finder gave as user identity, and blocks are the only shares.
 *
 * Below are miners: sv2.server/1, the mining protocol, one standard channel a connection. Above is
 * a template provider: sv2.client/1, the template distribution protocol. They are siblings with one
 * context: what the provider says goes out to the miners from inside its handler, a miner's block
 * goes up from inside the share's. How it begins and ends stands at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <adit/plugin.h>

#include "block.h"

enum { GROUP = 1, CHANNEL = 2, JOBS = 16 };

struct miner {
	LIST_ENTRY(miner) link;
	struct adit_sv2_conn *conn;
	struct payee payee;
	char address[91];
};

struct pool {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	const struct adit_sv2_server_service *server;
	const struct adit_sv2_client_service *clients;
	struct adit_sv2_client *provider;
	LIST_HEAD(, miner) miners;
	struct job jobs[JOBS];    /* job ID stands at ID % JOBS */
	uint32_t newest, current; /* ids */
	struct adit_sv2_template_set_new_prev_hash tip;
	uint32_t tips, channels, miner_count, blocks; /* so many */
};

/* The line that `aditctl status` shows. */
static void show(const struct pool *p, const char *text)
{
	char line[200];

	snprintf(line, sizeof(line), "%s; miners: %u, blocks: %u", text, p->miner_count, p->blocks);
	p->api->status(p->host, line);
}

/* --- miners: the handlers of the server --- */

/* Sends J to M: on a new tip as a future job that SetNewPrevHash starts, else to mine at once. */
static void send_job(struct pool *p, struct miner *m, const struct job *j, bool new_tip)
{
	struct adit_sv2_set_new_prev_hash prev = {CHANNEL, j->id, p->tip.prev_hash,
						  p->tip.ntime_start, p->tip.n_bits};
	struct adit_sv2_new_mining_job job = {
	    CHANNEL, j->id, {!new_tip, p->tip.ntime_start}, j->template.version, {{0}}};

	merkle_root(&j->template, &m->payee, job.merkle_root.b);
	if (new_tip) /* holds for what is sent from now on */
		adit_sv2_send(m->conn, ADIT_SV2_SET_TARGET,
			      &(struct adit_sv2_set_target){CHANNEL, p->tip.target});
	adit_sv2_send(m->conn, ADIT_SV2_NEW_MINING_JOB, &job);
	if (new_tip)
		adit_sv2_send(m->conn, ADIT_SV2_SET_NEW_PREV_HASH, &prev);
}

static int32_t on_open(void *context, struct adit_sv2_conn *conn,
		       const struct adit_sv2_open_standard_mining_channel *r)
{
	struct pool *p = context;
	struct miner *m = adit_sv2_user(conn) == NULL ? calloc(1, sizeof(*m)) : NULL;

	if (m == NULL) /* a second channel, or no memory: the connection is closed */
		return ADIT_E_LIMIT;
	/* "ADDRESS" or "ADDRESS.anything"; no address is longer than 90 characters. */
	snprintf(m->address, sizeof(m->address), "%.*s", (int)r->user_identity.size,
		 (const char *)r->user_identity.data);
	m->address[strcspn(m->address, ".")] = '\0';
	m->payee.script_size = script_of(m->address, p->info.network, m->payee.script);
	if (m->payee.script_size == 0) {
		free(m);
		return adit_sv2_send(conn, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR,
				     &(struct adit_sv2_open_mining_channel_error){
					 r->request_id, text_bytes("unknown-user")});
	}
	/* Unique among all servers, processes and channels, so that nobody does another's work. */
	put_le(put_le(put_le(m->payee.extranonce, p->info.server_id, 2), p->info.slice, 2),
	       ++p->channels, 4);
	m->conn = conn;
	adit_sv2_set_user(conn, m);
	LIST_INSERT_HEAD(&p->miners, m, link);
	p->miner_count++;
	adit_sv2_send(
	    conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS,
	    &(struct adit_sv2_open_standard_mining_channel_success){
		r->request_id, CHANNEL, p->tip.target, {m->payee.extranonce, EXTRANONCE}, GROUP});
	send_job(p, m, &p->jobs[p->current % JOBS], true);
	return ADIT_OK;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct pool *p = context;
	struct miner *m = adit_sv2_user(conn);

	if (m == NULL) /* it never had a channel */
		return;
	LIST_REMOVE(m, link);
	p->miner_count--;
	free(m);
	show(p, reason);
}

/* Why S is no block, or NULL. */
static const char *judge(const struct pool *p, const struct miner *m, const struct job *j,
			 const struct adit_sv2_submit_shares_standard *s)
{
	struct adit_u256 hash;

	if (j->id != s->job_id || j->tip != p->tips)
		return j->id != s->job_id ? "invalid-job-id" : "stale-share";
	if (((s->version ^ j->template.version) & ~ADIT_SV2_VERSION_ROLLING_MASK) != 0)
		return "invalid-version";
	if (s->ntime < p->tip.ntime_start)
		return "invalid-timestamp";
	block_hash(&j->template, &m->payee, &p->tip, s, &hash);
	return above(&hash, &p->tip.target) ? "difficulty-too-low" : NULL;
}

static int32_t on_share(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_submit_shares_standard *s)
{
	struct pool *p = context;
	struct miner *m = adit_sv2_user(conn);
	struct job *j = &p->jobs[s->job_id % JOBS];
	const char *why =
	    m != NULL && s->channel_id == CHANNEL ? judge(p, m, j, s) : "invalid-channel-id";
	struct adit_sv2_submit_shares_success success = {CHANNEL, s->sequence_number, 1, 1};
	struct adit_sv2_conn *up = p->clients->conn(p->clients->service, p->provider);
	uint8_t tx[COINBASE_MAX];
	struct adit_sv2_submit_solution block = {
	    j->template.template_id, s->version, s->ntime, s->nonce, {tx, 0}};

	if (why != NULL)
		return adit_sv2_send(conn, ADIT_SV2_SUBMIT_SHARES_ERROR,
				     &(struct adit_sv2_submit_shares_error){
					 s->channel_id, s->sequence_number, text_bytes(why)});
	block.coinbase_tx.size = (uint32_t)coinbase(&j->template, &m->payee, true, tx);
	if (up == NULL || adit_sv2_send(up, ADIT_SV2_SUBMIT_SOLUTION, &block) != ADIT_OK)
		p->api->log(p->host, ADIT_LOG_ERROR, "a block is lost: nobody takes it", 32);
	p->blocks++;
	show(p, m->address);
	return adit_sv2_send(conn, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &success);
}

static const struct adit_sv2_mining_server_handlers miner_handlers = {
    .size = sizeof(struct adit_sv2_mining_server_handlers),
    .supported_flags = ADIT_SV2_REQUIRES_STANDARD_JOBS | ADIT_SV2_REQUIRES_VERSION_ROLLING,
    .closed = on_closed,
    .open_standard_mining_channel = on_open,
    .submit_shares_standard = on_share, /* any other message closes the connection */
};

/* --- the template provider: the handlers of the client --- */

static void on_provider(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_setup_connection_success *success)
{
	(void)context;
	(void)success;
	/* Room for the largest output that a miner may be paid with: value, length, script. */
	adit_sv2_send(conn, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS,
		      &(struct adit_sv2_coinbase_output_constraints){8 + 1 + SCRIPT_MAX, 0});
}

/* Nobody new is accepted meanwhile; who is here goes on. The client dials again by itself. */
static void on_provider_gone(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	const struct pool *p = context;

	(void)conn;
	p->server->set_open(p->server->server, ADIT_SV2_MINING, false);
	show(p, reason);
}

/* J is to be mined now: every miner hears of it. */
static void work(struct pool *p, struct job *j, bool new_tip)
{
	struct miner *m;

	j->tip = p->tips;
	p->current = j->id;
	LIST_FOREACH(m, &p->miners, link)
	send_job(p, m, j, new_tip);
}

static int32_t on_template(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_new_template *t)
{
	struct pool *p = context;
	struct job *j = &p->jobs[(p->newest + 1) % JOBS];

	(void)conn;
	if (!job_keep(j, ++p->newest, t))
		return ADIT_E_LIMIT; /* closes the connection; the client tries again */
	if (!t->future_template && p->tips > 0)
		work(p, j, false);
	return ADIT_OK;
}

static int32_t on_tip(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_template_set_new_prev_hash *t)
{
	struct pool *p = context;
	struct job *j = NULL;

	(void)conn;
	for (uint32_t i = 0; i < JOBS; i++) /* the newest of that id: a provider may start anew */
		if (p->jobs[i].id > (j != NULL ? j->id : 0) &&
		    p->jobs[i].template.template_id == t->template_id)
			j = &p->jobs[i];
	if (j == NULL)
		return ADIT_E_PROTOCOL;
	p->tip = *t;
	p->tips++;
	work(p, j, true);
	p->server->set_open(p->server->server, ADIT_SV2_MINING, true);
	show(p, "a new tip");
	return ADIT_OK;
}

static const struct adit_sv2_template_client_handlers provider_handlers = {
    .size = sizeof(struct adit_sv2_template_client_handlers),
    .opened = on_provider,
    .closed = on_provider_gone,
    .new_template = on_template,
    .template_set_new_prev_hash = on_tip,
};

/* --- the plugin --- */

static int32_t lottery_init(const struct adit_host_api *api, struct adit_host *host,
			    void **instance)
{
	struct pool *p = *instance = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	*p = (struct pool){.api = api, .host = host, .info.size = sizeof(p->info)};
	(void)api->info(host, &p->info);
	return ADIT_OK;
}

static int32_t lottery_stop(void *instance)
{
	struct pool *p = instance;

	p->clients->free(p->clients->service, p->provider);
	p->server->withdraw(p->server->server, ADIT_SV2_MINING); /* calls on_closed for each */
	return ADIT_OK;
}

static int32_t lottery_start(void *instance)
{
	struct pool *p = instance;
	struct adit_sv2_client_options options = {
	    .size = sizeof(options), .address = p->api->config(p->host, "template_provider")};
	char why[200] = "no free sv2-server with a listener in this process";
	int32_t r = ADIT_E_NOT_FOUND;

	p->server = p->api->service_find(p->host, ADIT_SV2_SERVER_SERVICE);
	p->clients = p->api->service_find(p->host, ADIT_SV2_CLIENT_SERVICE);
	if (p->server != NULL && p->clients != NULL)
		r = adit_sv2_client_template(p->clients, &options, &provider_handlers, p,
					     &p->provider, why, sizeof(why));
	if (r == ADIT_OK && (r = adit_sv2_serve_mining(p->server, &miner_handlers, p)) != ADIT_OK)
		p->clients->free(p->clients->service, p->provider);
	if (r != ADIT_OK)
		p->api->set_error(p->host, why);
	return r;
}

ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;
const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "lottery-pool",
    .version = "1.0.0",
    .init = lottery_init,
    .start = lottery_start,
    .stop = lottery_stop,
    .fini = free,
};

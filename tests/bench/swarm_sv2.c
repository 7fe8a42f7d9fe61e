/* SPDX-License-Identifier: MIT */
/* swarm_sv2.c: what a client of the swarm says and understands. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/swarm.h"

#define FRAME_MAX 512 /* of what a client sends */
#define BATCH_MAX 256

static struct adit_bytes text(const char *t)
{
	return (struct adit_bytes){(const uint8_t *)t, (uint32_t)strlen(t)};
}

/* --- sending -----------------------------------------------------------------------------------
 */

/* Writes MESSAGE as a sealed frame to OUT; its size. */
static size_t seal(struct swarm_client *c, int32_t message, const void *body, uint8_t *out)
{
	size_t size;

	if (sv2_encode(message, body, out + SV2_SEALED_HEADER_SIZE, FRAME_MAX, &size) != ADIT_OK)
		bench_broken("a message can't be encoded");
	sv2_header_write(message, (uint32_t)size, out);
	if (sv2_seal_in_place(&c->send, out, (uint32_t)size) != ADIT_OK)
		bench_broken("a message can't be sealed");
	return sv2_sealed_size((uint32_t)size);
}

static void say(struct swarm_client *c, int32_t message, const void *body)
{
	uint8_t out[2 * FRAME_MAX];

	swarm_send(c, out, seal(c, message, body, out));
}

static void say_setup(struct swarm *s, struct swarm_client *c)
{
	struct adit_sv2_setup_connection m = {
	    .protocol = ADIT_SV2_MINING,
	    .min_version = SV2_VERSION,
	    .max_version = SV2_VERSION,
	    .flags = s->kind == SWARM_STANDARD ? ADIT_SV2_REQUIRES_STANDARD_JOBS : 0,
	    .endpoint_host = text("127.0.0.1"),
	    .endpoint_port = s->port,
	    .vendor = text("adit"),
	    .hardware_version = text("bench"),
	};

	c->phase = SWARM_SETTING_UP;
	say(c, ADIT_SV2_SETUP_CONNECTION, &m);
}

static void say_open(struct swarm *s, struct swarm_client *c)
{
	struct adit_sv2_open_standard_mining_channel standard = {
	    .request_id = 1, .user_identity = text("bench"), .nominal_hash_rate = 1e12F};
	struct adit_sv2_open_extended_mining_channel extended = {
	    .request_id = 1, .user_identity = text("bench"), .nominal_hash_rate = 1e12F};

	memset(standard.max_target.b, 0xff, 32);
	memset(extended.max_target.b, 0xff, 32);
	c->phase = SWARM_OPENING;
	if (s->kind == SWARM_STANDARD)
		say(c, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &standard);
	else
		say(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &extended);
}

static size_t seal_standard(struct swarm_client *c, uint8_t *out)
{
	struct adit_sv2_submit_shares_standard m = {
	    .channel_id = c->channel,
	    .sequence_number = ++c->sequence,
	    .job_id = c->job,
	    .nonce = ++c->nonce,
	    .ntime = c->ntime,
	    .version = c->version,
	};

	return seal(c, ADIT_SV2_SUBMIT_SHARES_STANDARD, &m, out);
}

static size_t seal_extended(struct swarm_client *c, uint8_t *out)
{
	uint8_t extranonce[32] = {0};
	struct adit_sv2_submit_shares_extended m = {
	    .channel_id = c->channel,
	    .sequence_number = ++c->sequence,
	    .job_id = c->job,
	    .nonce = ++c->nonce,
	    .ntime = c->ntime,
	    .version = c->version,
	    .extranonce = {.data = extranonce, .size = c->extranonce_size},
	};

	/* Another coinbase for each share: the whole path is to be computed. */
	memcpy(extranonce, &c->sequence, sizeof(c->sequence));
	return seal(c, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &m, out);
}

void swarm_send_shares(struct swarm *s, struct swarm_client *c)
{
	static uint8_t out[BATCH_MAX * FRAME_MAX];
	size_t size = 0;

	if (s->batch > BATCH_MAX)
		bench_broken("too large a batch");
	for (size_t i = 0; i < s->batch && s->kind != SWARM_BARE; i++)
		size += s->kind == SWARM_STANDARD ? seal_standard(c, out + size)
						  : seal_extended(c, out + size);
	if (s->kind == SWARM_BARE)
		size = s->batch * s->request;
	c->unanswered += (uint32_t)s->batch;
	s->unanswered += s->batch;
	swarm_send(c, out, size);
}

void swarm_mine_block(struct swarm *s)
{
	struct swarm_client *c = &s->clients[0];
	struct block_header header = {.version = c->version, .time = c->ntime, .nbits = c->nbits};
	struct sha256_midstate midstate;
	uint8_t bytes[80];
	uint8_t target[32];
	uint8_t hash[32];

	memcpy(header.prev_hash, c->prev_hash.b, 32);
	memcpy(header.merkle_root, c->merkle_root.b, 32);
	block_header_write(&header, bytes);
	sha256_midstate(bytes, &midstate);
	if (!target_from_nbits(c->nbits, target) ||
	    !sha256d_scan(&midstate, bytes + 64, 0, UINT32_MAX, target, &c->nonce, hash))
		bench_broken("no block found");
	c->nonce--; /* the next share's */
	s->batch = 1;
	swarm_send_shares(s, c);
	s->batch = 0;
}

/* --- receiving ---------------------------------------------------------------------------------
 */

static void answered(struct swarm *s, struct swarm_client *c, uint32_t count)
{
	if (count > c->unanswered)
		bench_broken("more answers than shares");
	c->unanswered -= count;
	s->unanswered -= count;
	if (c->unanswered == 0)
		swarm_next_batch(s);
}

static void take_job(struct swarm *s, struct swarm_client *c, uint32_t job, uint32_t version,
		     const struct adit_sv2_option_u32 *ntime)
{
	c->version = version;
	if (!ntime->present)
		return; /* SetNewPrevHash will name it */
	c->job = job;
	c->ntime = ntime->value;
	c->job_ns = clock_monotonic_ns();
	s->counts.jobs++;
}

static void take_extended_job(struct swarm *s, struct swarm_client *c,
			      const struct adit_sv2_new_extended_mining_job *m)
{
	take_job(s, c, m->job_id, m->version, &m->ntime_start);
	c->levels = m->merkle_path.count;
	c->coinbase_size = m->coinbase_tx_prefix.size + m->coinbase_tx_suffix.size;
}

static void take_tip(struct swarm *s, struct swarm_client *c,
		     const struct adit_sv2_set_new_prev_hash *m)
{
	c->job = m->job_id;
	c->ntime = m->ntime_start;
	c->nbits = m->nbits;
	c->prev_hash = m->prev_hash;
	c->tip_ns = clock_monotonic_ns();
	s->counts.tips++;
	if (c->phase != SWARM_OPENING)
		return;
	c->phase = SWARM_READY;
	swarm_is_ready(s, c);
}

static void setup_done(struct swarm *s, struct swarm_client *c)
{
	if (s->kind != SWARM_SETUP) {
		say_open(s, c);
		return;
	}
	c->phase = SWARM_READY;
	swarm_is_ready(s, c);
}

static void refused(struct swarm *s, struct swarm_client *c,
		    const struct adit_sv2_submit_shares_error *m)
{
	s->counts.refused++;
	(void)snprintf(s->refusal, sizeof(s->refusal), "%.*s", (int)m->error_code.size,
		       (const char *)m->error_code.data);
	answered(s, c, 1);
}

static void accepted(struct swarm *s, struct swarm_client *c,
		     const struct adit_sv2_submit_shares_success *m)
{
	s->counts.acknowledgements++;
	s->counts.accepted += m->new_submits_accepted_count;
	s->counts.levels += (uint64_t)m->new_submits_accepted_count * c->levels;
	answered(s, c, m->new_submits_accepted_count);
}

static void take(struct swarm *s, struct swarm_client *c, int32_t message,
		 const union sv2_body *body)
{
	switch (message) {
	case ADIT_SV2_SETUP_CONNECTION_SUCCESS:
		setup_done(s, c);
		break;
	case ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS:
		c->channel = body->open_standard_mining_channel_success.channel_id;
		break;
	case ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS:
		c->channel = body->open_extended_mining_channel_success.channel_id;
		c->extranonce_size = body->open_extended_mining_channel_success.extranonce_size;
		break;
	case ADIT_SV2_NEW_MINING_JOB:
		take_job(s, c, body->new_mining_job.job_id, body->new_mining_job.version,
			 &body->new_mining_job.ntime_start);
		c->merkle_root = body->new_mining_job.merkle_root;
		break;
	case ADIT_SV2_NEW_EXTENDED_MINING_JOB:
		take_extended_job(s, c, &body->new_extended_mining_job);
		break;
	case ADIT_SV2_SET_NEW_PREV_HASH:
		take_tip(s, c, &body->set_new_prev_hash);
		break;
	case ADIT_SV2_SUBMIT_SHARES_SUCCESS:
		accepted(s, c, &body->submit_shares_success);
		break;
	case ADIT_SV2_SUBMIT_SHARES_ERROR:
		refused(s, c, &body->submit_shares_error);
		break;
	case ADIT_SV2_SET_TARGET:
	case ADIT_SV2_SET_GROUP_CHANNEL:
		break;
	default:
		fprintf(stderr, "adit-bench: %s\n", sv2_message(message)->title);
		bench_broken("the server said what was not expected");
	}
}

/* One whole unit, a sealed header or payload, at DATA. */
static void take_unit(struct swarm *s, struct swarm_client *c, uint8_t *data, size_t size)
{
	union sv2_body body;
	int32_t message;

	if (noise_open(&c->receive, data, size, data) != ADIT_OK)
		bench_broken("the server's seal is wrong");
	if (!c->has_header) {
		sv2_header_read(data, &c->header);
		c->has_header = true;
		if (c->header.size == 0 || c->header.size > SV2_CHUNK_SIZE)
			bench_broken("a frame of that size was not expected");
		return;
	}
	c->has_header = false;
	s->counts.frames++;
	message = sv2_message_find(c->header.extension, c->header.type);
	if (message < 0 || sv2_decode(message, data, c->header.size, &body, NULL) != ADIT_OK)
		bench_broken("the server's message can't be decoded");
	take(s, c, message, &body);
}

static void finish_handshake(struct swarm *s, struct swarm_client *c, const uint8_t *act2)
{
	struct error e = {0};

	/* Without the certificate's check: it is the miner's time and not the server's. */
	if (noise_initiator_finish(&c->handshake, act2, NULL, clock_unix(), 0, &c->send,
				   &c->receive, &e) != ADIT_OK)
		bench_broken(e.text);
	say_setup(s, c);
}

static size_t unit_size(const struct swarm_client *c)
{
	if (c->phase == SWARM_SHAKING)
		return NOISE_ACT2_SIZE;
	return c->has_header ? c->header.size + NOISE_MAC_SIZE : SV2_SEALED_HEADER_SIZE;
}

/* Handles all whole units at DATA; returns how many bytes they are. */
static size_t take_units(struct swarm *s, struct swarm_client *c, uint8_t *data, size_t size)
{
	size_t used = 0;
	size_t unit;

	while (size - used >= (unit = unit_size(c))) {
		if (c->phase == SWARM_SHAKING)
			finish_handshake(s, c, data + used);
		else
			take_unit(s, c, data + used, unit);
		used += unit;
	}
	return used;
}

static void receive_bare(struct swarm *s, struct swarm_client *c, size_t size)
{
	if (s->answer == 0)
		return;
	c->got += size;
	s->counts.accepted += c->got / s->answer;
	answered(s, c, (uint32_t)(c->got / s->answer));
	c->got %= s->answer;
}

void swarm_receive(struct swarm *s, struct swarm_client *c, uint8_t *data, size_t size)
{
	if (s->kind == SWARM_BARE) {
		receive_bare(s, c, size);
		return;
	}
	if (c->in.size == 0) {
		size_t used = take_units(s, c, data, size);

		data += used;
		size -= used;
	}
	if (size == 0)
		return;
	if (!buf_append(&c->in, data, size))
		bench_broken("out of memory");
	buf_drain(&c->in, take_units(s, c, c->in.data, c->in.size));
}

void swarm_begin(struct swarm *s, struct swarm_client *c)
{
	uint8_t act1[NOISE_ACT1_SIZE];

	if (s->kind == SWARM_BARE) {
		c->phase = SWARM_READY;
		swarm_is_ready(s, c);
		return;
	}
	c->phase = SWARM_SHAKING;
	if (noise_initiator_start(&c->handshake, act1) != ADIT_OK)
		bench_broken("no handshake");
	swarm_send(c, act1, sizeof(act1));
}

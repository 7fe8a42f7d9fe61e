/* SPDX-License-Identifier: MIT */
/*
 * What jdc makes of a pool and a job declaration server that say anything at any time. The input is
 * a program: a byte that says what happens, then what that takes. After each step the bounds hold,
 * and nothing is told of an attempt that has failed. At the end nothing is left.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/sv2/dispatch.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"
#include "plugins/jdc/uplink.h"
#include "tests/unit/fake_sv2_client.h"

#define KEY "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
#define STEPS_MAX 400
#define CONNECTS_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jdc_settings settings;
static struct pool_settings pool;
static struct fake_clients clients;
static struct uplink link_;
static bool over; /* the attempt has failed, and that was told */
static uint64_t last_id;
static uint64_t wanted_id; /* whose transactions are wanted */
static uint32_t connects;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- the host ----------------------------------------------------------------------------------
 */

static adit_timer_fn timer_fn;
static void *timer_user;

static int32_t timer_add(struct adit_host *host, uint32_t delay_ms, uint32_t repeat_ms,
			 adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id)
{
	(void)host;
	require(timer_fn == NULL && delay_ms == 0 && repeat_ms == 0 && destroy == NULL);
	timer_fn = fn;
	timer_user = user;
	*id = 1;
	return ADIT_OK;
}

static void timer_cancel(struct adit_host *host, uint64_t id)
{
	(void)host;
	require(id == 1);
	timer_fn = NULL;
}

static bool log_enabled(struct adit_host *host, int32_t level)
{
	(void)host;
	(void)level;
	return true;
}

static void log_text(struct adit_host *host, int32_t level, const char *text, size_t size)
{
	(void)host;
	(void)level;
	require(strlen(text) == size);
}

static const struct adit_host_api api = {.size = sizeof api,
					 .log = log_text,
					 .log_enabled = log_enabled,
					 .timer_add = timer_add,
					 .timer_cancel = timer_cancel};

static void fire(void)
{
	adit_timer_fn fn = timer_fn;

	timer_fn = NULL;
	if (fn)
		fn(timer_user);
}

/* --- events ------------------------------------------------------------------------------------
 */

static void on_event(void *context, struct uplink *u)
{
	(void)context;
	require(!over && u->ready);
}

static void on_failed(void *context, struct uplink *u, enum upstream_fault fault, const char *text)
{
	(void)context;
	require(!over && fault != UPSTREAM_NO_FAULT && *text != '\0' && u->connected);
	over = true;
}

static bool on_need(void *context, struct uplink *u, uint64_t id)
{
	(void)context;
	(void)u;
	require(!over && id <= last_id);
	wanted_id = id;
	return true;
}

static void on_known(void *context, struct uplink *u, uint64_t id, uint32_t job_id)
{
	(void)context;
	(void)u;
	(void)job_id;
	require(!over && id <= last_id);
}

static void on_dropped(void *context, struct uplink *u, uint64_t id)
{
	(void)context;
	(void)u;
	require(!over && id <= last_id);
}

static int32_t on_job(void *context, struct uplink *u,
		      const struct adit_sv2_new_extended_mining_job *m, struct error *e)
{
	(void)context;
	(void)e;
	require(!over && u->mode == JDC_PROXY && m->coinbase_tx_prefix.size > 41);
	return m->job_id == 13 ? ADIT_E_PROTOCOL : ADIT_OK;
}

static int32_t on_tip(void *context, struct uplink *u, const struct adit_sv2_set_new_prev_hash *m,
		      struct error *e)
{
	(void)context;
	(void)e;
	(void)m;
	require(!over && u->mode == JDC_PROXY && u->future_count > 0);
	return ADIT_OK;
}

static void on_accepted(void *context, struct uplink *u, uint32_t count, uint64_t difficulty)
{
	(void)context;
	(void)difficulty;
	require(!over && count <= u->counts.submitted);
}

static void on_refused(void *context, struct uplink *u, const char *code)
{
	(void)context;
	(void)u;
	require(!over && strlen(code) < 64);
}

static const struct uplink_events events = {.ready = on_event,
					    .failed = on_failed,
					    .outputs = on_event,
					    .prefix = on_event,
					    .target = on_event,
					    .need_transactions = on_need,
					    .known = on_known,
					    .dropped = on_dropped,
					    .starved = NULL,
					    .job = on_job,
					    .tip = on_tip,
					    .accepted = on_accepted,
					    .refused = on_refused};

/* --- messages ----------------------------------------------------------------------------------
 */

static struct adit_sv2_client *client_of(bool mining)
{
	return fake_client_find(&clients, mining ? ADIT_SV2_MINING : ADIT_SV2_JOB_DECLARATION,
				NULL);
}

static void say(bool mining, int32_t message, const void *body)
{
	struct adit_sv2_client *c = client_of(mining);
	bool handled;

	if (!c || !c->conn)
		return;
	(void)sv2_dispatch(mining ? SV2_SCOPE_MINING : SV2_SCOPE_JOB_DECLARATION, SV2_CLIENT,
			   c->handlers, c->context, &c->conn->head, message, body, &handled);
}

/* Any message, decoded from the input as from the wire. */
static void say_raw(bool mining, struct reader *r)
{
	uint8_t type = reader_u8(r);
	size_t size = reader_u8(r);
	const uint8_t *payload;
	int32_t message = sv2_message_find(0, type);
	union sv2_body body;

	if (size > reader_left(r))
		size = reader_left(r);
	payload = reader_bytes(r, size);
	if (message < 0 || sv2_message(message)->direction == SV2_C2S ||
	    sv2_decode(message, payload, size, &body, NULL) != ADIT_OK)
		return;
	say(mining, message, &body);
}

static void say_channel(struct reader *r)
{
	static const uint8_t prefix[32];
	uint8_t sizes = reader_u8(r);
	struct adit_sv2_open_extended_mining_channel_success m = {
	    .request_id = link_.open_request,
	    .channel_id = 1,
	    .extranonce_size = 10 + (sizes & 7),
	    .extranonce_prefix = {prefix, sizes >> 4},
	    .group_channel_id = {true, 2},
	};

	memset(m.target.b, 0xff, 32);
	say(true, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS, &m);
}

static void say_token(struct reader *r)
{
	uint8_t outputs[1 + 8 + 1 + 2] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x6a, 0};
	struct adit_sv2_allocate_mining_job_token_success m = {
	    .mining_job_token = {(const uint8_t *)"token", 5},
	    .coinbase_tx_outputs = {outputs, sizeof outputs},
	};

	if (link_.asked_count == 0)
		return;
	outputs[11] = reader_u8(r) & 1;
	m.request_id = link_.asked_tokens[0];
	say(false, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS, &m);
}

/* The answer that a declaration waits for. */
static void say_yes(bool mining)
{
	enum declaration_state state = mining ? DECLARATION_SET : DECLARATION_DECLARED;
	struct adit_sv2_set_custom_mining_job_success set = {.channel_id = link_.channel_id,
							     .job_id = 5};
	struct adit_sv2_declare_mining_job_success declared = {
	    .new_mining_job_token = {(const uint8_t *)"new", 3}};

	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (link_.declarations[i].state != state)
			continue;
		set.request_id = declared.request_id = link_.declarations[i].request_id;
		if (mining)
			say(true, ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS, &set);
		else
			say(false, ADIT_SV2_DECLARE_MINING_JOB_SUCCESS, &declared);
		return;
	}
}

/* --- steps -------------------------------------------------------------------------------------
 */

static void declare(struct reader *r)
{
	static const uint8_t script[] = {0x51};
	struct buf outputs = {0}, prefix = {0}, suffix = {0};
	struct coinbase_spec spec = {.tx_version = 2,
				     .script_prefix = script,
				     .script_prefix_size = 1,
				     .extranonce_size = 20,
				     .outputs_count = 1};
	struct uplink_work w = {.id = ++last_id, .nbits = 0x207fffff};

	coinbase_add_output(&outputs, 1, script, sizeof script);
	spec.outputs = outputs.data;
	spec.outputs_size = outputs.size;
	require(coinbase_split(&spec, &prefix, &suffix, NULL) == ADIT_OK);
	w.prefix = (struct adit_bytes){prefix.data, (uint32_t)prefix.size};
	w.suffix = (struct adit_bytes){suffix.data, (uint32_t)suffix.size};
	w.prev_hash[0] = reader_u8(r) & 3;
	(void)uplink_declare(&link_, &w);
	buf_free(&outputs);
	buf_free(&prefix);
	buf_free(&suffix);
}

/* Transactions as a template provider may give them: what the input says, cut into one or more. */
static void provide(struct reader *r)
{
	static const struct adit_bytes nothing;
	/* One of one input and one output. */
	static const uint8_t good[] = {61, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0,    0, 0, 0, 0,
				       0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
				       0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
				       0,  1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51, 0, 0, 0, 0};
	uint8_t size = reader_u8(r);
	struct adit_sv2_seq list = {.data = good, .size = sizeof good, .count = 1};

	if (size >= 4 && size <= reader_left(r)) {
		list.data = reader_bytes(r, size);
		list.size = size;
		list.count = size / 8u;
	}
	uplink_transactions(&link_, wanted_id, &nothing, &list);
}

static void submit(struct reader *r)
{
	static const uint8_t bytes[32];
	const struct uplink_share share = {
	    .job_id = reader_u8(r), .extranonce = {bytes, 10}, .worker = {bytes, 32}};

	(void)uplink_submit(&link_, &share);
	(void)uplink_push_solution(&link_, last_id, &share, bytes, 0x207fffff);
}

static void begin_attempt(struct reader *r)
{
	static const enum jdc_mode modes[] = {JDC_FULL_TEMPLATE, JDC_COINBASE_ONLY, JDC_PROXY,
					      JDC_FULL_TEMPLATE};

	if (++connects > CONNECTS_MAX)
		return;
	over = false;
	uplink_connect(&link_, modes[reader_u8(r) & 3], 1e6);
}

static void open_client(bool mining, struct reader *r)
{
	struct adit_sv2_client *c = client_of(mining);
	uint8_t flags = reader_u8(r);

	if (c && !c->conn)
		(void)fake_client_open(&clients, c, flags & 3);
}

static void close_client(struct reader *r)
{
	static const char *const reasons[] = {"connection refused", "refused: x (flags 0x0)",
					      "no answer to RequestExtensions", "end of file"};
	uint8_t how = reader_u8(r);
	struct adit_sv2_client *c = client_of(how & 4);

	if (c)
		fake_client_close(c, reasons[how & 3]);
}

static void set_tip(struct reader *r)
{
	uint8_t tip[32] = {reader_u8(r) & 3};

	uplink_set_tip(&link_, tip);
}

static void step(struct reader *r)
{
	switch (reader_u8(r) & 15) {
	case 0:
		begin_attempt(r);
		break;
	case 1:
		open_client(true, r);
		break;
	case 2:
		open_client(false, r);
		break;
	case 3:
		close_client(r);
		break;
	case 4:
		say_channel(r);
		break;
	case 5:
		say_token(r);
		break;
	case 6:
		declare(r);
		break;
	case 7:
		provide(r);
		break;
	case 8:
		say_yes(false);
		break;
	case 9:
		say_yes(true);
		break;
	case 10:
		submit(r);
		break;
	case 11:
		uplink_tick(&link_, clock_monotonic_ms() + reader_u8(r) * UINT64_C(100));
		break;
	case 12:
		fire();
		break;
	case 13:
		set_tip(r);
		break;
	case 14:
		say_raw(false, r);
		break;
	default:
		say_raw(true, r);
	}
}

/* What was sent is of no interest here. */
static void forget_sent(struct fake_conn *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->sent[i]);
	c->count = c->read = 0;
}

static void check(void)
{
	require(uplink_pending(&link_) <= settings.max_declarations);
	require(link_.held <= settings.template_bytes);
	require(link_.token_count + link_.asked_count <= UPLINK_TOKENS_MAX);
	require(link_.outputs.size <= UPLINK_OUTPUTS_MAX);
	require(link_.future_count <= UPLINK_FUTURES_MAX);
	require(!link_.open || link_.prefix_size + link_.extranonce_size <= 32);
	for (size_t i = 0; i < clients.count; i++) {
		if (clients.items[i]->last)
			forget_sent(clients.items[i]->last);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uplink_options options = {.api = &api,
					 .clients = &clients.service,
					 .settings = &settings,
					 .pool = &pool,
					 .events = &events};
	struct reader r;

	settings = (struct jdc_settings){.answer_timeout_ms = 10000,
					 .tokens = 4,
					 .max_declarations = 3,
					 .template_bytes = 300,
					 .worker_identity = true};
	settings.mining.rollable = 8;
	pool = (struct pool_settings){.name = "p", .user = "u"};
	strcpy(pool.pool.address, "pool.test:1");
	strcpy(pool.pool.key, KEY);
	pool.jds = pool.pool;
	fake_clients_init(&clients);
	clients.grants = ADIT_SV2_WORKER_HASHRATE;
	over = false;
	last_id = wanted_id = 0;
	connects = 0;
	uplink_init(&link_, &options);
	reader_init(&r, data, size);
	for (int i = 0; i < STEPS_MAX && reader_left(&r) > 0; i++) {
		step(&r);
		check();
	}
	uplink_fini(&link_);
	require(timer_fn == NULL && link_.held == 0);
	fake_clients_fini(&clients);
	return 0;
}

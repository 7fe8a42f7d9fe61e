/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/fake_upstream.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/bitcoin/coinbase.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/functional/fake_side.h"
#include "tests/functional/harness.h"

#define LOOK_MS 5

/* --- inside of the process ----------------------------------------------------------------------
 */

const uint8_t fake_script[22] = {0, 20, 'p', 'o', 'o', 'l'};

void fake_require(bool condition)
{
	if (!condition)
		abort();
}

void fake_wrong(struct fake *f, const char *format, ...)
{
	struct fake_records *r = &f->shared->records;
	va_list args;

	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	r->wrong++;
}

void fake_asked(struct fake *f, enum fake_step step)
{
	f->shared->records.steps[step]++;
}

enum fake_answer fake_how(const struct fake *f, enum fake_step step)
{
	return (enum fake_answer)f->shared->orders.answers[step];
}

const char *fake_code(const struct fake *f, enum fake_step step)
{
	return f->shared->orders.codes[step];
}

struct adit_bytes fake_text(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

/* An answer that is sent later, if its connection is there still. */
struct later {
	struct fake *f;
	enum fake_step step;
	uint32_t conn_id;
	size_t size;
	uint8_t frame[];
};

#define CONNS 256
static struct adit_sv2_conn *conns[CONNS];

void fake_joined(struct fake *f, struct adit_sv2_conn *conn)
{
	size_t i = 0;

	(void)f;
	while (conns[i] != NULL)
		fake_require(++i < CONNS);
	conns[i] = conn;
}

void fake_left(struct fake *f, struct adit_sv2_conn *conn)
{
	(void)f;
	for (size_t i = 0; i < CONNS; i++) {
		if (conns[i] == conn)
			conns[i] = NULL;
	}
}

static void answered(struct fake *f, enum fake_step step)
{
	f->shared->records.at_ms[step] = clock_monotonic_ms();
	f->shared->records.answered[step]++;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct later *l = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < CONNS; i++) {
		if (conns[i] == NULL || adit_sv2_conn_id(conns[i]) != l->conn_id)
			continue;
		(void)adit_sv2_send_frame(conns[i], l->frame, l->size);
		answered(l->f, l->step);
	}
	free(l);
}

static void answer_later(struct fake *f, enum fake_step step, struct adit_sv2_conn *conn,
			 int32_t message, const void *body)
{
	uint32_t ms = f->shared->orders.late_ms;
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	struct later *l;
	size_t size;

	fake_require(adit_sv2_encode(conn, message, body, NULL, 0, &size) == ADIT_OK);
	l = malloc(sizeof(*l) + size);
	fake_require(l != NULL);
	*l = (struct later){.f = f, .step = step, .conn_id = adit_sv2_conn_id(conn), .size = size};
	fake_require(adit_sv2_encode(conn, message, body, l->frame, size, &size) == ADIT_OK);
	event_base_once(f->base, -1, EV_TIMEOUT, on_later, l, &delay);
}

void fake_reply(struct fake *f, enum fake_step step, struct adit_sv2_conn *conn,
		const struct fake_reply *r)
{
	switch (fake_how(f, step)) {
	case FAKE_WELL:
	case FAKE_TWICE:
		adit_sv2_send(conn, r->good, r->good_body);
		if (fake_how(f, step) == FAKE_TWICE)
			adit_sv2_send(conn, r->good, r->good_body);
		answered(f, step);
		break;
	case FAKE_REFUSED:
		if (r->bad >= 0)
			adit_sv2_send(conn, r->bad, r->bad_body);
		break;
	case FAKE_LATE:
		answer_later(f, step, conn, r->good, r->good_body);
		break;
	case FAKE_FOREIGN:
		if (r->foreign_body != NULL)
			adit_sv2_send(conn, r->good, r->foreign_body);
		break;
	case FAKE_HANG_UP:
		adit_sv2_close(conn, "as ordered");
		break;
	case FAKE_NEVER:
		break;
	}
}

struct fake_token *fake_new_token(struct fake *f, enum fake_token_kind kind)
{
	struct fake_token *token = &f->tokens[f->token_count++ % FAKE_TOKENS];

	buf_free(&token->job.prefix);
	buf_free(&token->job.suffix);
	*token = (struct fake_token){.kind = kind};
	random_bytes(token->data, sizeof(token->data));
	return token;
}

struct fake_token *fake_find_token(struct fake *f, const struct adit_bytes *data)
{
	for (size_t i = 0; i < FAKE_TOKENS && data->size == FAKE_TOKEN_SIZE; i++) {
		if (f->tokens[i].kind != FAKE_NO_TOKEN &&
		    memcmp(f->tokens[i].data, data->data, FAKE_TOKEN_SIZE) == 0)
			return &f->tokens[i];
	}
	return NULL;
}

bool fake_is_paid(const struct adit_bytes *outputs)
{
	struct outputs_summary s;

	return outputs_summarize(outputs->data, outputs->size, fake_script, sizeof(fake_script),
				 &s) &&
	       s.total > 0 && s.paid == s.total;
}

void fake_hash(const struct fake_job *job, const uint8_t *extranonce, size_t size, uint32_t version,
	       uint32_t ntime, uint32_t nonce, uint8_t hash[32])
{
	struct block_header h = {
	    .version = version, .time = ntime, .nbits = job->nbits, .nonce = nonce};
	uint8_t txid[32], header[80];

	memcpy(h.prev_hash, job->prev_hash, 32);
	coinbase_txid(job->prefix.data, job->prefix.size, extranonce, size, NULL, 0,
		      job->suffix.data, job->suffix.size, txid);
	merkle_fold(txid, &job->path[0][0], job->depth, h.merkle_root);
	block_header_write(&h, header);
	sha256d_header(header, hash);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;
	enum fake_order order = (enum fake_order)f->shared->orders.order;

	(void)fd;
	(void)what;
	if (order == FAKE_NOTHING)
		return;
	if (order == FAKE_CLOSE_JDS)
		fake_jds_close_all(f);
	else
		fake_pool_order(f, order);
	f->shared->orders.order = FAKE_NOTHING;
}

static _Noreturn void run(struct fake_shared *shared, int pool, int jds, const uint8_t secret[32])
{
	const struct timeval look = {.tv_usec = LOOK_MS * 1000};
	struct fake *f = calloc(1, sizeof(*f));
	struct event *timer;

	fake_require(f != NULL);
	f->shared = shared;
	shared->records.pool_connections = shared->records.jds_connections = 0;
	f->base = event_base_new();
	fake_require(f->base != NULL);
	fake_pool_start(f, pool, secret);
	if (jds >= 0)
		fake_jds_start(f, jds, secret);
	timer = event_new(f->base, -1, EV_PERSIST, on_look, f);
	event_add(timer, &look);
	event_base_dispatch(f->base);
	abort();
}

/* --- for the test -------------------------------------------------------------------------------
 */

/* On PORT, or on a free one when that is 0; it is stored. */
static int open_listener(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "port %u: %s",
	     *port, strerror(errno));
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

void fake_upstream_revive(struct fake_upstream *u)
{
	bool has_jds = !u->shared->options.no_jds;
	int pool = open_listener(&u->pool_port);
	int jds = has_jds ? open_listener(&u->jds_port) : -1;

	ck_assert_int_eq(u->pid, 0);
	u->pid = fork();
	ck_assert_int_ge(u->pid, 0);
	if (u->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(u->shared, pool, jds, u->secret);
	}
	close(pool);
	if (jds >= 0)
		close(jds);
	harness.beside = true;
}

static void set_defaults(struct fake_shared *s)
{
	static const char *const codes[FAKE_STEPS] = {
	    [FAKE_SETUP] = "service-unavailable", [FAKE_JDS_SETUP] = "service-unavailable",
	    [FAKE_CHANNEL] = "unknown-user",      [FAKE_TOKEN] = "",
	    [FAKE_DECLARATION] = "invalid-job",   [FAKE_CUSTOM_JOB] = "invalid-coinbase-tx-outputs",
	    [FAKE_SHARE] = "difficulty-too-low",  [FAKE_SOLUTION] = ""};
	struct fake_options *o = &s->options;

	for (size_t i = 0; i < FAKE_STEPS; i++)
		snprintf(s->orders.codes[i], sizeof(s->orders.codes[i]), "%s", codes[i]);
	s->orders.late_ms = 1000;
	o->nbits = o->nbits != 0 ? o->nbits : 0x1f00ffff;
	o->difficulty = o->difficulty > 0 ? o->difficulty : 0.000001;
	o->prefix_size = o->prefix_size > 0 ? o->prefix_size : 4;
	o->rolled_size = o->rolled_size > 0 ? o->rolled_size : 16;
}

void fake_upstream_start(struct fake_upstream *u, const struct fake_options *options)
{
	uint8_t x[32];

	*u = (struct fake_upstream){0};
	u->shared = mmap(NULL, sizeof(*u->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(u->shared != MAP_FAILED, "no shared memory: %s", strerror(errno));
	u->shared->options = *options;
	set_defaults(u->shared);
	ck_assert_int_eq(noise_key_generate(u->secret, x), ADIT_OK);
	noise_public_format(x, u->key);
	fake_upstream_revive(u);
}

void fake_upstream_kill(struct fake_upstream *u)
{
	int status;

	ck_assert_int_gt(u->pid, 0);
	ck_assert_int_eq(kill(u->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(u->pid, &status, 0), u->pid);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	     "the upstream ended by itself, status %x", (unsigned)status);
	u->pid = 0;
}

void fake_upstream_stop(struct fake_upstream *u)
{
	if (u->pid > 0)
		fake_upstream_kill(u);
	if (u->shared != NULL)
		munmap(u->shared, sizeof(*u->shared));
	*u = (struct fake_upstream){0};
}

void fake_upstream_freeze(struct fake_upstream *u, bool frozen)
{
	int status;

	ck_assert_int_eq(kill(u->pid, frozen ? SIGSTOP : SIGCONT), 0);
	if (frozen)
		ck_assert_int_eq(waitpid(u->pid, &status, WUNTRACED), u->pid);
}

void fake_upstream_answer(struct fake_upstream *u, enum fake_step step, enum fake_answer answer)
{
	u->shared->orders.answers[step] = answer;
}

void fake_upstream_refuse(struct fake_upstream *u, enum fake_step step, const char *code)
{
	snprintf(u->shared->orders.codes[step], sizeof(u->shared->orders.codes[step]), "%s", code);
	fake_upstream_answer(u, step, FAKE_REFUSED);
}

static bool order_is_done(void *user)
{
	const struct fake_upstream *u = user;

	return u->shared->orders.order == FAKE_NOTHING;
}

void fake_upstream_order(struct fake_upstream *u, enum fake_order order)
{
	u->shared->orders.order = order;
	harness_wait(HARNESS_WAIT_MS, order_is_done, u, "the upstream has done as ordered");
}

uint64_t fake_upstream_asked(const struct fake_upstream *u, enum fake_step step)
{
	return u->shared->records.steps[step];
}

uint64_t fake_upstream_answered(const struct fake_upstream *u, enum fake_step step)
{
	return u->shared->records.answered[step];
}

struct awaited {
	const _Atomic uint64_t *count;
	uint64_t least;
};

static bool has_come(void *user)
{
	const struct awaited *a = user;

	return *a->count >= a->least;
}

static void await(const struct fake_upstream *u, const _Atomic uint64_t *count, uint64_t least,
		  enum fake_step step, const char *what)
{
	static const char *const names[FAKE_STEPS] = {
	    "SetupConnection",           "SetupConnection of declarations",
	    "OpenExtendedMiningChannel", "AllocateMiningJobToken",
	    "DeclareMiningJob",          "SetCustomMiningJob",
	    "SubmitSharesExtended",      "PushSolution"};
	struct awaited a = {count, least};
	char text[160];

	snprintf(text, sizeof(text), "%s was %s %llu times on port %u", names[step], what,
		 (unsigned long long)least, u->pool_port);
	harness_wait(HARNESS_WAIT_MS, has_come, &a, text);
}

void fake_upstream_wait_asked(const struct fake_upstream *u, enum fake_step step, uint64_t count)
{
	await(u, &u->shared->records.steps[step], count, step, "asked for");
}

void fake_upstream_wait(const struct fake_upstream *u, enum fake_step step, uint64_t count)
{
	await(u, &u->shared->records.answered[step], count, step, "answered");
}

void fake_upstream_wait_more(const struct fake_upstream *u, enum fake_step step, uint64_t count)
{
	fake_upstream_wait(u, step, fake_upstream_answered(u, step) + count);
}

void fake_upstream_check(const struct fake_upstream *u)
{
	must(u->shared->records.wrong == 0, "the upstream on port %u saw %llu wrong messages: %s",
	     u->pool_port, (unsigned long long)u->shared->records.wrong, u->shared->records.why);
}

/* --- a black hole -------------------------------------------------------------------------------
 */

/* Linux drops what would connect when the queue of a listener is full, and lets it try again. */
void fake_black_hole_start(struct fake_black_hole *b)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < sizeof(b->fds) / sizeof(b->fds[0]); i++) {
		b->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		ck_assert_int_ge(b->fds[i], 0);
		if (i > 0) {
			(void)connect(b->fds[i], (const struct sockaddr *)&address,
				      sizeof(address));
			continue;
		}
		ck_assert_int_eq(
		    bind(b->fds[0], (const struct sockaddr *)&address, sizeof(address)), 0);
		ck_assert_int_eq(getsockname(b->fds[0], (struct sockaddr *)&address, &size), 0);
		ck_assert_int_eq(listen(b->fds[0], 0), 0);
	}
	b->port = ntohs(address.sin_port);
}

void fake_black_hole_stop(struct fake_black_hole *b)
{
	for (size_t i = 0; i < sizeof(b->fds) / sizeof(b->fds[0]); i++)
		close(b->fds[i]);
}

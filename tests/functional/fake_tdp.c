/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/fake_tdp.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bitcoin/target.h"
#include "lib/sv2/server.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define GREAT_HEIGHT 1000000u
#define TURN_MS 20
#define REWARD UINT64_C(5000000000)

/* One fault's process. */
struct faulty {
	enum fake_tdp_fault fault;
	uint32_t nbits;
	struct event_base *base;
	struct sv2_server *server;
	struct adit_sv2_conn *conn; /* the newest that has said its constraints */
	uint64_t last_id;
	uint32_t height;
};

/* --- messages ----------------------------------------------------------------------------------
 */

/* Push of HEIGHT as BIP34 has it; all of ours take three bytes or fewer, the sign bit clear. */
static uint32_t height_push(uint32_t height, uint8_t out[4])
{
	uint32_t size = height < 0x80 ? 1 : height < 0x8000 ? 2 : 3;

	out[0] = (uint8_t)size;
	for (uint32_t i = 0; i < size; i++)
		out[1 + i] = (uint8_t)(height >> (8 * i));
	return 1 + size;
}

/* One output with a script that fills OUT up to SIZE. */
static void fill_output(uint8_t *out, uint32_t size)
{
	uint32_t script = size - 11;

	memset(out, 0, size);
	out[8] = 0xfd;
	out[9] = (uint8_t)script;
	out[10] = (uint8_t)(script >> 8);
}

static void send_template(struct faulty *f, uint32_t height)
{
	static uint8_t outputs[65400];
	uint8_t path[2][32];
	uint8_t push[4];
	bool huge = f->fault == FAKE_HUGE_OUTPUTS;
	struct adit_sv2_new_template m = {
	    .template_id = ++f->last_id,
	    .future_template = true,
	    .version = 0x20000000,
	    .coinbase_tx_version = 2,
	    .coinbase_prefix = {.data = push, .size = height_push(height, push)},
	    .coinbase_tx_input_sequence = 0xffffffff,
	    .coinbase_tx_value_remaining = REWARD,
	    .coinbase_tx_outputs_count = huge,
	    .coinbase_tx_outputs = {.data = outputs, .size = huge ? sizeof(outputs) : 0},
	    .merkle_path = {.data = path[0], .size = sizeof(path), .count = 2},
	};

	random_bytes(path, sizeof(path));
	fill_output(outputs, sizeof(outputs));
	f->height = height;
	(void)adit_sv2_send(f->conn, ADIT_SV2_NEW_TEMPLATE, &m);
}

static void send_tip(struct faulty *f, uint64_t id)
{
	struct adit_sv2_template_set_new_prev_hash m = {
	    .template_id = id, .ntime_start = clock_unix(), .n_bits = f->nbits};

	random_bytes(m.prev_hash.b, sizeof(m.prev_hash.b));
	(void)target_from_nbits(f->nbits, m.target.b);
	(void)adit_sv2_send(f->conn, ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH, &m);
}

static void send_pair(struct faulty *f, uint32_t height)
{
	send_template(f, height);
	send_tip(f, f->last_id);
}

/* Extension 0, NewTemplate, 200 bytes that are none. */
static void send_garbage(struct faulty *f)
{
	uint8_t frame[206] = {0, 0, 0x71, 200, 0, 0};

	memset(frame + 6, 0xff, 200);
	(void)adit_sv2_send_frame(f->conn, frame, sizeof(frame));
}

/* --- handlers ----------------------------------------------------------------------------------
 */

static int32_t on_constraints(void *context, struct adit_sv2_conn *conn,
			      const struct adit_sv2_coinbase_output_constraints *m)
{
	struct faulty *f = context;

	(void)m;
	f->conn = conn;
	switch (f->fault) {
	case FAKE_GARBAGE:
		send_garbage(f);
		break;
	case FAKE_NEVER_ACTIVATED:
		send_template(f, GREAT_HEIGHT);
		break;
	case FAKE_UNKNOWN_TIP:
		send_template(f, GREAT_HEIGHT);
		send_tip(f, f->last_id + 1);
		break;
	case FAKE_HUGE_OUTPUTS:
	case FAKE_FALLING:
	case FAKE_WRONG_PATH:
	case FAKE_FLOOD:
		send_pair(f, GREAT_HEIGHT);
		break;
	default:
		break;
	}
	return ADIT_OK;
}

/* Nobody builds blocks here. */
static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_solution *m)
{
	(void)context;
	(void)conn;
	(void)m;
	return ADIT_OK;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct faulty *f = context;

	(void)reason;
	if (f->conn == conn)
		f->conn = NULL;
}

static const struct adit_sv2_template_server_handlers handlers = {
    .size = sizeof(handlers),
    .closed = on_closed,
    .coinbase_output_constraints = on_constraints,
    .submit_solution = on_solution,
};

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct faulty *f = arg;

	(void)fd;
	(void)what;
	if (f->conn == NULL)
		return;
	if (f->fault == FAKE_FALLING && f->height > 1)
		send_pair(f, f->height - (f->height + 7) / 8);
	if (f->fault == FAKE_NEVER_ACTIVATED)
		send_template(f, GREAT_HEIGHT);
	if (f->fault == FAKE_FLOOD && adit_sv2_pending(f->conn) < 65536)
		for (int i = 0; i < 20; i++)
			send_pair(f, GREAT_HEIGHT);
}

/* --- processes ---------------------------------------------------------------------------------
 */

/* Those that never come to Noise. */
static void run_raw(enum fake_tdp_fault fault, int listener)
{
	uint8_t bytes[4096];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (fault == FAKE_NOISE) {
			random_bytes(bytes, sizeof(bytes));
			(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		}
		if (fault == FAKE_HANGS_UP)
			close(fd); /* of the others the last word is the client's */
	}
}

static void run_server(struct faulty *f, int listener, const uint8_t secret[32])
{
	struct sv2_server_options options = {.authority_secret = secret};
	const struct timeval turn = {.tv_usec = TURN_MS * 1000};
	struct event *timer;

	f->base = event_base_new();
	f->server = sv2_server_new(f->base, &options);
	if (f->server == NULL || sv2_server_set_template(f->server, &handlers, f) != ADIT_OK ||
	    sv2_server_listen(f->server, listener, false) != ADIT_OK)
		_exit(1);
	sv2_server_set_open(f->server, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
	timer = event_new(f->base, -1, EV_PERSIST, on_turn, f);
	event_add(timer, &turn);
	event_base_dispatch(f->base);
	_exit(1);
}

static int open_listener(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

void fake_tdp_start(struct fake_tdp *fake, enum fake_tdp_fault fault, uint32_t nbits)
{
	struct faulty f = {.fault = fault, .nbits = nbits};
	uint8_t secret[32], x[32], other_x[32];
	int listener = open_listener(&fake->port);

	ck_assert_int_eq(noise_key_generate(secret, x), ADIT_OK);
	noise_public_format(x, fake->key);
	if (fault == FAKE_OTHER_KEY)
		ck_assert_int_eq(noise_key_generate(secret, other_x), ADIT_OK);
	fake->pid = fork();
	ck_assert_int_ge(fake->pid, 0);
	if (fake->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fault <= FAKE_HANGS_UP)
			run_raw(fault, listener);
		else
			run_server(&f, listener, secret);
	}
	close(listener);
}

void fake_tdp_stop(struct fake_tdp *fake)
{
	int status;

	if (fake->pid <= 0)
		return;
	ck_assert_int_eq(kill(fake->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(fake->pid, &status, 0), fake->pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fake->pid = 0;
}

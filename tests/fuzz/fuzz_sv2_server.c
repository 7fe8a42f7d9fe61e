/* SPDX-License-Identifier: MIT */
/* A peer of a plain server: the first byte says whether SetupConnection comes in front (0 no, 1
 * mining, 2 template distribution, 3 job declaration), the second in pieces of which size the rest
 * is written. Whatever comes, the connection must end cleanly and the server be empty afterwards.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/print.h"
#include "lib/sv2/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct sv2_server *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;
static uint32_t open_connections;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	(void)context;
	(void)conn;
	open_connections++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)context;
	(void)conn;
	require(reason[0] != '\0');
	open_connections--;
}

/* Reads every byte of the message, so that a sanitizer sees a wrong pointer. */
static int32_t handle(int32_t message, const void *body)
{
	struct buf out = {0};
	bool ok = sv2_print(&out, message, body, SV2_PRINT_JSON);

	buf_free(&out);
	require(ok);
	return ADIT_OK;
}

#define HANDLER(constant, s)                                                                       \
	static int32_t on_##s(void *context, struct adit_sv2_conn *conn,                           \
			      const struct adit_sv2_##s *m)                                        \
	{                                                                                          \
		(void)context;                                                                     \
		(void)conn;                                                                        \
		return handle(ADIT_SV2_##constant, m);                                             \
	}
HANDLER(OPEN_STANDARD_MINING_CHANNEL, open_standard_mining_channel)
HANDLER(OPEN_EXTENDED_MINING_CHANNEL, open_extended_mining_channel)
HANDLER(UPDATE_CHANNEL, update_channel)
HANDLER(CLOSE_CHANNEL, close_channel)
HANDLER(SUBMIT_SHARES_EXTENDED, submit_shares_extended)
HANDLER(SET_CUSTOM_MINING_JOB, set_custom_mining_job)
HANDLER(COINBASE_OUTPUT_CONSTRAINTS, coinbase_output_constraints)
HANDLER(SUBMIT_SOLUTION, submit_solution)
HANDLER(ALLOCATE_MINING_JOB_TOKEN, allocate_mining_job_token)
HANDLER(PROVIDE_MISSING_TRANSACTIONS_SUCCESS, provide_missing_transactions_success)
HANDLER(DECLARE_MINING_JOB, declare_mining_job)
HANDLER(PUSH_SOLUTION, push_solution)

/* Answers, so that the queue is at work; refuses nonce 0. */
static int32_t on_share(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_submit_shares_standard *m)
{
	struct adit_sv2_submit_shares_success answer = {.channel_id = m->channel_id};

	(void)context;
	if (m->nonce == 0)
		return ADIT_E_INVALID_ARGUMENT;
	(void)adit_sv2_send(conn, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &answer);
	return ADIT_OK;
}

static int32_t on_request(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_request_transaction_data *m)
{
	(void)context;
	(void)m;
	adit_sv2_close(conn, "asked for it");
	return ADIT_OK;
}

static const struct adit_sv2_mining_server_handlers mining = {
    .size = sizeof(mining),
    .supported_flags = 7,
    .supported_extensions = ADIT_SV2_WORKER_HASHRATE,
    .opened = on_opened,
    .closed = on_closed,
    .open_standard_mining_channel = on_open_standard_mining_channel,
    .open_extended_mining_channel = on_open_extended_mining_channel,
    .update_channel = on_update_channel,
    .close_channel = on_close_channel,
    .submit_shares_standard = on_share,
    .submit_shares_extended = on_submit_shares_extended,
    .set_custom_mining_job = on_set_custom_mining_job};

static const struct adit_sv2_template_server_handlers template = {
    .size = sizeof(template),
    .opened = on_opened,
    .closed = on_closed,
    .coinbase_output_constraints = on_coinbase_output_constraints,
    .request_transaction_data = on_request,
    .submit_solution = on_submit_solution};

static const struct adit_sv2_job_declaration_server_handlers job_declaration = {
    .size = sizeof(job_declaration),
    .required_extensions = ADIT_SV2_EXTENSION(5),
    .opened = on_opened,
    .closed = on_closed,
    .allocate_mining_job_token = on_allocate_mining_job_token,
    .provide_missing_transactions_success = on_provide_missing_transactions_success,
    .declare_mining_job = on_declare_mining_job,
    .push_solution = on_push_solution};

/* One server on a Unix socket without a name in the file system serves all runs. */
static void start_once(void)
{
	struct sv2_server_options options = {0};
	int fd;

	if (server != NULL)
		return;
	base = event_base_new();
	server = sv2_server_new(base, &options);
	require(server != NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	address_size = sizeof(sa_family_t);
	require(bind(fd, (struct sockaddr *)&address, address_size) == 0);
	address_size = sizeof(address);
	require(getsockname(fd, (struct sockaddr *)&address, &address_size) == 0);
	require(listen(fd, 8) == 0);
	require(sv2_server_listen(server, fd, true) == ADIT_OK);
	require(sv2_server_set_mining(server, &mining, NULL) == ADIT_OK);
	require(sv2_server_set_template(server, &template, NULL) == ADIT_OK);
	require(sv2_server_set_job_declaration(server, &job_declaration, NULL) == ADIT_OK);
	sv2_server_set_open(server, ADIT_SV2_JOB_DECLARATION, true);
	sv2_server_set_open(server, ADIT_SV2_MINING, true);
	sv2_server_set_open(server, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
}

static uint32_t connections(void)
{
	struct sv2_server_stats stats;

	sv2_server_stats(server, &stats);
	return stats.connections;
}

static void turn(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* False when the server has closed. */
static bool write_piece(int fd, const uint8_t *data, size_t size)
{
	char sink[4096];

	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		turn();
		(void)recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
	}
	return true;
}

static bool write_setup(int fd, uint8_t protocol)
{
	struct adit_sv2_setup_connection m = {
	    .protocol = protocol, .min_version = 2, .max_version = 2};
	uint8_t frame[64];
	size_t size;

	require(sv2_encode_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame), &size) ==
		ADIT_OK);
	return write_piece(fd, frame, size);
}

static void converse(int fd, const uint8_t *data, size_t size)
{
	static const uint8_t protocols[] = {0, ADIT_SV2_MINING, ADIT_SV2_TEMPLATE_DISTRIBUTION,
					    ADIT_SV2_JOB_DECLARATION};
	size_t piece = data[1] > 0 ? data[1] : size;

	if (data[0] % 4 != 0 && !write_setup(fd, protocols[data[0] % 4]))
		return;
	data += 2;
	size -= 2;
	while (size > 0) {
		size_t now = piece < size ? piece : size;

		if (!write_piece(fd, data, now))
			return;
		data += now;
		size -= now;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	if (size < 2)
		return 0;
	start_once();
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	require(connect(fd, (struct sockaddr *)&address, address_size) == 0);
	converse(fd, data, size);
	close(fd);
	turn();
	for (int i = 0; i < 100 && connections() > 0; i++)
		turn();
	require(connections() == 0);
	require(open_connections == 0);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A server in front of a plain client. First byte: bits 0 and 1 the protocol (3 is mining again),
 * bit 2 that the client wants extensions, bit 3 that it requires them, bit 4 that
 * SetupConnection.Success comes in front, bit 5 that the answer about extensions does too. Second
 * byte: in pieces of which size the rest is written. Whatever comes, `closed` follows `opened`, and
 * freeing ends all.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/sv2/client.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static char directory[] = "/tmp/adit-fuzz-client.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char client_address[sizeof(address.sun_path) + 8];
static int listener = -1;
static uint32_t open_connections;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void on_opened(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_setup_connection_success *success)
{
	(void)context;
	require(success->used_version == 2);
	require((adit_sv2_extensions(conn) & ~ADIT_SV2_WORKER_HASHRATE) == 0);
	open_connections++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)context;
	require(reason[0] != '\0');
	if (conn != NULL)
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

/* clang-format off */
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	static __attribute__((unused)) int32_t on_##s(void *context, struct adit_sv2_conn *conn, \
	                                              const struct adit_sv2_##s *m) \
	{ \
		(void)context; \
		(void)conn; \
		return handle(ADIT_SV2_##constant, m); \
	}
#include "lib/sv2/messages.def"

/* Every handler of the client's table of protocol P. */
#define NONE(s)
#define SET(s) .s = on_##s,
#define COMMON(P) .size = sizeof(P), .opened = on_opened, .closed = on_closed,
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	IN_##scope##_##direction(s)
#define IN_COMMON_C2S NONE
#define IN_COMMON_S2C NONE
#define IN_EXTENSIONS_C2S NONE
#define IN_EXTENSIONS_S2C NONE
#define IN_MINING_C2S NONE
#define IN_JOB_DECLARATION_C2S NONE
#define IN_TEMPLATE_C2S NONE

#define IN_MINING_S2C SET
#define IN_MINING_BOTH SET
#define IN_JOB_DECLARATION_S2C NONE
#define IN_TEMPLATE_S2C NONE
static struct adit_sv2_mining_client_handlers mining = {
	COMMON(mining)
#include "lib/sv2/messages.def"
};

#undef IN_MINING_S2C
#undef IN_MINING_BOTH
#undef IN_JOB_DECLARATION_S2C
#define IN_MINING_S2C NONE
#define IN_MINING_BOTH NONE
#define IN_JOB_DECLARATION_S2C SET
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	IN_##scope##_##direction(s)
static struct adit_sv2_job_declaration_client_handlers job_declaration = {
	COMMON(job_declaration)
#include "lib/sv2/messages.def"
};

#undef IN_JOB_DECLARATION_S2C
#undef IN_TEMPLATE_S2C
#define IN_JOB_DECLARATION_S2C NONE
#define IN_TEMPLATE_S2C SET
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	IN_##scope##_##direction(s)
static struct adit_sv2_template_client_handlers template = {
	COMMON(template)
#include "lib/sv2/messages.def"
};
/* clang-format on */

static void clean_up(void)
{
	(void)unlink(address.sun_path);
	(void)rmdir(directory);
}

static void start_once(void)
{
	if (listener >= 0)
		return;
	base = event_base_new();
	require(mkdtemp(directory) != NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
	(void)snprintf(client_address, sizeof(client_address), "unix:%s", address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	require(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	require(atexit(clean_up) == 0);
	require(listen(listener, 8) == 0);
}

static void turn(void)
{
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct sv2_client *client_of(uint8_t choice)
{
	struct sv2_client_options options = {
	    .address = client_address, .plain = true, .retry_min_ms = 60000, .retry_max_ms = 60000};
	uint32_t wanted = (choice & 4) != 0 ? ADIT_SV2_WORKER_HASHRATE : 0;
	uint32_t required = (choice & 8) != 0 ? ADIT_SV2_WORKER_HASHRATE : 0;

	mining.wanted_extensions = job_declaration.wanted_extensions = template.wanted_extensions =
	    wanted;
	mining.required_extensions = job_declaration.required_extensions =
	    template.required_extensions = required;
	if ((choice & 3) == ADIT_SV2_JOB_DECLARATION)
		return sv2_client_new_job_declaration(base, &options, &job_declaration, NULL, NULL);
	if ((choice & 3) == ADIT_SV2_TEMPLATE_DISTRIBUTION)
		return sv2_client_new_template(base, &options, &template, NULL, NULL);
	return sv2_client_new_mining(base, &options, &mining, NULL, NULL);
}

static int accept_client(void)
{
	for (int i = 0; i < 1000; i++) {
		int fd;

		turn();
		fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* False when the client has closed. */
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

static void converse(int fd, const uint8_t *data, size_t size)
{
	static const uint8_t success[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0};
	static const uint8_t granted[] = {1, 0, 1, 6, 0, 0, 1, 0, 1, 0, 2, 0};
	size_t piece = data[1] > 0 ? data[1] : size;

	if ((data[0] & 16) != 0 && !write_piece(fd, success, sizeof(success)))
		return;
	if ((data[0] & 32) != 0 && !write_piece(fd, granted, sizeof(granted)))
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
	struct sv2_client *client;
	int fd;

	if (size < 2)
		return 0;
	start_once();
	client = client_of(data[0]);
	require(client != NULL);
	fd = accept_client();
	require(fd >= 0);
	converse(fd, data, size);
	turn();
	sv2_client_free(client);
	close(fd);
	turn();
	require(open_connections == 0);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * test_peer.c: our Noise and our messages against another implementation's, `make check-peer
 * SV2_ECHO=PROGRAM`. PROGRAM is made of the other implementation and is run in two ways:
 *
 *   PROGRAM responder 0 AUTHORITY_X AUTHORITY_SECRET    prints "listening PORT", accepts once
 *   PROGRAM initiator PORT AUTHORITY_X                  connects to 127.0.0.1:PORT
 *
 * (keys in hexadecimal). After the handshake it decodes each frame, encodes the message anew and
 * sends it back. So each message is encoded here and decoded there, encoded there and compared
 * here, byte for byte, with the handshake made from both sides.
 *
 * Seen to pass in November 2026 with a PROGRAM of the crates noise_sv2 2.0.0, codec_sv2 7.0.0,
 * framing_sv2 8.0.0, binary_sv2 7.0.0, parsers_sv2 0.6.0 (common_messages_sv2 9.0.0, mining_sv2
 * 12.0.0, job_declaration_sv2 10.0.0, template_distribution_sv2 7.0.0, extensions_sv2 0.3.0): its
 * frames go through AnyMessage::try_from((header, payload)) and MessageFrame::from_message().
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/noise/keys.h"
#include "lib/noise/noise.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "tests/unit/sv2_random.h"

#define ROUNDS 25
#define ROOM ((size_t)300000)
#define DEADLINE_S 20

struct peer {
	const char *program;
	pid_t pid;
	FILE *output; /* kept open: the program may say more */
	int fd;
	struct noise_cipher send;
	struct noise_cipher receive;
	uint8_t secret[32];
	uint8_t public_x[32];
};

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "check-peer: %s\n", what);
	exit(1);
}

static void read_all(int fd, uint8_t *at, size_t size)
{
	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n <= 0)
			broken("the peer closed the connection: it refused what was sent last");
		at += n;
		size -= (size_t)n;
	}
}

static void write_all(int fd, const uint8_t *at, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

		if (n <= 0)
			broken("the peer does not read");
		at += n;
		size -= (size_t)n;
	}
}

/* Runs the program; its output is read from *OUTPUT unless that is NULL. */
static void run(struct peer *p, const char *role, unsigned port, FILE **output)
{
	char public_x[65];
	char secret[65];
	char number[16];
	int pipes[2];

	hex_encode(p->public_x, 32, public_x);
	hex_encode(p->secret, 32, secret);
	(void)snprintf(number, sizeof(number), "%u", port);
	if (pipe(pipes) != 0)
		broken("no pipe");
	p->pid = fork();
	if (p->pid == 0) {
		if (output != NULL)
			(void)dup2(pipes[1], STDOUT_FILENO);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		(void)execl(p->program, p->program, role, number, public_x, secret, (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	if (output == NULL)
		(void)close(pipes[0]);
	else
		*output = fdopen(pipes[0], "r");
}

static int loopback(unsigned port, bool listening, unsigned *bound)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const struct timeval deadline = {DEADLINE_S, 0};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listening)
		r = bind(fd, (struct sockaddr *)&address, size) == 0 ? listen(fd, 1) : -1;
	else
		r = connect(fd, (struct sockaddr *)&address, size);
	if (fd < 0 || r != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		broken("no connection to the peer");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	if (bound != NULL)
		*bound = ntohs(address.sin_port);
	return fd;
}

/* We connect: our initiator, the peer's responder and certificate. */
static void connect_to_peer(struct peer *p)
{
	struct noise_handshake hs;
	struct error e = {0};
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	unsigned port;

	run(p, "responder", 0, &p->output);
	if (p->output == NULL || fscanf(p->output, "listening %u", &port) != 1)
		broken("the program did not say where it listens");
	p->fd = loopback(port, false, NULL);
	if (noise_initiator_start(&hs, act1) != ADIT_OK)
		broken("act 1 failed");
	write_all(p->fd, act1, sizeof(act1));
	read_all(p->fd, act2, sizeof(act2));
	if (noise_initiator_finish(&hs, act2, p->public_x, clock_unix(), 10, &p->send, &p->receive,
				   &e) != ADIT_OK)
		broken(e.text);
}

/* The peer connects: our responder and certificate, its initiator. */
static void accept_peer(struct peer *p)
{
	struct noise_identity identity;
	struct noise_handshake hs;
	struct error e = {0};
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	const struct timeval deadline = {DEADLINE_S, 0};
	unsigned port;
	int listener = loopback(0, true, &port);

	run(p, "initiator", port, NULL);
	p->fd = accept(listener, NULL, NULL);
	(void)close(listener);
	if (p->fd < 0)
		broken("the program did not connect");
	(void)setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	read_all(p->fd, act1, sizeof(act1));
	if (noise_identity_issue(&identity, p->secret, clock_unix(), 3600, 0) != ADIT_OK ||
	    noise_responder(&hs, &identity, act1, act2, &p->send, &p->receive, &e) != ADIT_OK)
		broken(e.text);
	write_all(p->fd, act2, sizeof(act2));
	noise_identity_wipe(&identity);
}

/* Sends FRAME and reads the one that comes back; false when they differ. */
static bool echo(struct peer *p, const uint8_t *frame, size_t size)
{
	static uint8_t wire[ROOM];
	static uint8_t back[ROOM];
	size_t sealed = sv2_sealed_size((uint32_t)(size - SV2_HEADER_SIZE));
	size_t at = SV2_HEADER_SIZE;
	struct sv2_header h;

	if (sealed > ROOM || sv2_seal_frame(&p->send, frame, size, wire) != ADIT_OK)
		broken("sealing failed");
	write_all(p->fd, wire, sealed);
	read_all(p->fd, wire, SV2_SEALED_HEADER_SIZE);
	if (noise_open(&p->receive, wire, SV2_SEALED_HEADER_SIZE, back) != ADIT_OK)
		broken("the peer's frame can't be opened");
	sv2_header_read(back, &h);
	if (h.size != size - SV2_HEADER_SIZE || memcmp(back, frame, SV2_HEADER_SIZE) != 0)
		return false;
	while (at < size) {
		size_t chunk = size - at < SV2_CHUNK_SIZE ? size - at : SV2_CHUNK_SIZE;

		read_all(p->fd, wire, chunk + NOISE_MAC_SIZE);
		if (noise_open(&p->receive, wire, chunk + NOISE_MAC_SIZE, back + at) != ADIT_OK)
			broken("the peer's frame can't be opened");
		at += chunk;
	}
	return memcmp(back, frame, size) == 0;
}

/* What the other side insists on and we don't: a known protocol, and the group channel that peers
 * from before October 2025 leave out. */
static void insist(int32_t message, union sv2_body *body)
{
	if (message == ADIT_SV2_SETUP_CONNECTION)
		body->setup_connection.protocol %= 3;
	if (message == ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS)
		body->open_extended_mining_channel_success.group_channel_id.present = true;
}

static unsigned echo_messages(struct peer *p)
{
	static struct sv2_random random;
	static uint8_t frame[ROOM];
	union sv2_body body;
	unsigned failed = 0;

	sv2_random_seed(&random, 20);
	for (int32_t i = 0; i < ADIT_SV2_MESSAGE_COUNT; i++) {
		unsigned good = 0;
		unsigned tried = 0;

		for (unsigned round = 0; round < ROUNDS; round++) {
			size_t size;

			sv2_random_message(&random, i, &body);
			insist(i, &body);
			if (sv2_encode_frame(i, &body, frame, ROOM / 2, &size) != ADIT_OK)
				continue;
			tried++;
			good += echo(p, frame, size) ? 1 : 0;
		}
		printf("  %-42s %u of %u\n", sv2_message(i)->title, good, tried);
		failed += good == tried && tried > 0 ? 0 : 1;
	}
	return failed;
}

static unsigned with_peer(struct peer *p, const char *what, void (*start)(struct peer *))
{
	unsigned failed;
	int status;

	printf("%s\n", what);
	start(p);
	failed = echo_messages(p);
	(void)close(p->fd);
	noise_cipher_fini(&p->send);
	noise_cipher_fini(&p->receive);
	if (waitpid(p->pid, &status, 0) != p->pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		printf("the program did not end well\n");
		failed++;
	}
	if (p->output != NULL)
		(void)fclose(p->output);
	p->output = NULL;
	return failed;
}

int main(int argc, char **argv)
{
	struct peer p = {0};
	unsigned failed;

	if (argc != 2)
		broken("usage: test-peer PROGRAM");
	p.program = argv[1];
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (noise_key_generate(p.secret, p.public_x) != ADIT_OK)
		broken("no key");
	failed = with_peer(&p, "we connect", connect_to_peer);
	failed += with_peer(&p, "the peer connects", accept_peer);
	printf("100%%: Checks: %d, Failures: %u, Errors: 0\n", 2 * ADIT_SV2_MESSAGE_COUNT, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"
#include "tests/functional/harness.h"

/* --- connection ---------------------------------------------------------------------------------
 */

void probe_connect(struct probe *p, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(p, 0, sizeof(*p));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(p->fd >= 0, "socket: %s", strerror(errno));
	must(connect(p->fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "port %u: %s",
	     port, strerror(errno));
}

void probe_close(struct probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->encrypted) {
		noise_cipher_fini(&p->send);
		noise_cipher_fini(&p->receive);
	}
	p->encrypted = false;
	buf_free(&p->frame);
}

bool probe_send_raw(struct probe *p, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t n = send(p->fd, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

/* Reads exactly SIZE bytes: 1; nothing within MS: 0; end of the connection: -1. */
static int read_exactly(struct probe *p, uint8_t *out, size_t size, int ms)
{
	size_t got = 0;

	while (got < size) {
		struct pollfd watch = {.fd = p->fd, .events = POLLIN};
		ssize_t n;

		if (poll(&watch, 1, got > 0 ? (int)harness_limit(PROBE_WAIT_MS) : ms) != 1) {
			must(got == 0, "the server stopped in the middle of a frame");
			return 0;
		}
		n = recv(p->fd, out + got, size - got, 0);
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return 1;
}

void probe_handshake(struct probe *p, const uint8_t *authority_x)
{
	uint8_t act1[NOISE_ACT1_SIZE], act2[NOISE_ACT2_SIZE];
	struct noise_handshake hs;
	struct error e = {0};

	must(noise_initiator_start(&hs, act1) == ADIT_OK, "noise_initiator_start");
	must(probe_send_raw(p, act1, sizeof(act1)), "the server closed before act 1");
	must(read_exactly(p, act2, sizeof(act2), (int)harness_limit(PROBE_WAIT_MS)) == 1,
	     "no act 2 came");
	must(noise_initiator_finish(&hs, act2, authority_x, clock_unix(), 60, &p->send, &p->receive,
				    &e) == ADIT_OK,
	     "handshake: %s", e.text);
	p->encrypted = true;
}

/* --- messages -----------------------------------------------------------------------------------
 */

bool probe_send_frame(struct probe *p, const uint8_t *frame, size_t size)
{
	struct buf sealed = {0};
	uint8_t *out = buf_reserve(&sealed, sv2_sealed_size((uint32_t)(size - SV2_HEADER_SIZE)));
	bool sent;

	must(out != NULL, "out of memory");
	must(sv2_seal_frame(&p->send, frame, size, out) == ADIT_OK, "sv2_seal_frame");
	sent = probe_send_raw(p, out, sv2_sealed_size((uint32_t)(size - SV2_HEADER_SIZE)));
	buf_free(&sealed);
	return sent;
}

bool probe_send(struct probe *p, int32_t message, const void *body)
{
	uint8_t frame[4096];
	size_t size;

	must(sv2_encode_frame(message, body, frame, sizeof(frame), &size) == ADIT_OK,
	     "message %d can't be encoded", message);
	return probe_send_frame(p, frame, size);
}

void probe_header(uint8_t out[6], uint16_t extension, uint8_t type, uint32_t size)
{
	struct writer w;

	writer_init(&w, out, 6);
	writer_u16(&w, extension);
	writer_u8(&w, type);
	writer_u24(&w, size);
}

/* Reads and opens SIZE sealed payload bytes into the frame buffer. */
static bool read_payload(struct probe *p, uint32_t size)
{
	uint8_t chunk[SV2_SEALED_CHUNK_SIZE];

	buf_clear(&p->frame);
	while (size > 0) {
		uint32_t part = size < SV2_CHUNK_SIZE ? size : SV2_CHUNK_SIZE;

		if (read_exactly(p, chunk, part + NOISE_MAC_SIZE,
				 (int)harness_limit(PROBE_WAIT_MS)) != 1)
			return false;
		must(noise_open(&p->receive, chunk, part + NOISE_MAC_SIZE, chunk) == ADIT_OK,
		     "the server's payload has a wrong MAC");
		must(buf_append(&p->frame, chunk, part), "out of memory");
		size -= part;
	}
	return true;
}

int32_t probe_receive(struct probe *p, int ms, union sv2_body *body)
{
	uint8_t sealed[SV2_SEALED_HEADER_SIZE], plain[SV2_HEADER_SIZE];
	struct sv2_header header;
	int32_t message;
	int got = read_exactly(p, sealed, sizeof(sealed), ms);

	if (got != 1)
		return got == 0 ? -1 : -2;
	must(noise_open(&p->receive, sealed, sizeof(sealed), plain) == ADIT_OK,
	     "the server's header has a wrong MAC");
	sv2_header_read(plain, &header);
	if (!read_payload(p, header.size))
		return -2;
	message = sv2_message_find(header.extension, header.type);
	must(message >= 0, "the server sent unknown message type %#x", header.type);
	must(sv2_decode(message, p->frame.data, p->frame.size, body, NULL) == ADIT_OK,
	     "the server's %s can't be decoded", sv2_message(message)->title);
	return message;
}

void probe_expect(struct probe *p, int32_t message, union sv2_body *body)
{
	uint64_t until = clock_monotonic_ms() + harness_limit(PROBE_WAIT_MS);
	int32_t came;

	do {
		came = probe_receive(p, (int)harness_limit(PROBE_WAIT_MS), body);
		must(came >= 0 && clock_monotonic_ms() < until, "%s: %s did not come",
		     came == -2 ? "connection closed" : "timeout", sv2_message(message)->title);
	} while (came != message);
}

void probe_expect_close(struct probe *p)
{
	uint64_t until = clock_monotonic_ms() + harness_limit(PROBE_WAIT_MS);
	uint8_t dropped[4096];

	for (;;) {
		struct pollfd watch = {.fd = p->fd, .events = POLLIN};

		must(clock_monotonic_ms() < until, "the server does not close the connection");
		if (poll(&watch, 1, 100) == 1 && recv(p->fd, dropped, sizeof(dropped), 0) <= 0)
			return;
	}
}

/* --- the mining protocol ------------------------------------------------------------------------
 */

static struct adit_bytes bytes(const char *text)
{
	return (struct adit_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

void probe_setup(struct probe *p)
{
	probe_setup_flags(p, ADIT_SV2_REQUIRES_STANDARD_JOBS);
}

void probe_setup_flags(struct probe *p, uint32_t flags)
{
	struct adit_sv2_setup_connection request = {
	    .protocol = ADIT_SV2_MINING,
	    .min_version = 2,
	    .max_version = 2,
	    .flags = flags,
	    .endpoint_host = bytes("127.0.0.1"),
	    .vendor = bytes("adit"),
	    .hardware_version = bytes("probe"),
	};
	union sv2_body body;

	must(probe_send(p, ADIT_SV2_SETUP_CONNECTION, &request), "closed before SetupConnection");
	probe_expect(p, ADIT_SV2_SETUP_CONNECTION_SUCCESS, &body);
}

void probe_ready(struct probe *p, uint16_t port)
{
	probe_connect(p, port);
	probe_handshake(p, NULL);
	probe_setup(p);
}

/* A future job (without min_ntime) is kept as the next one; the new tip that names it makes it
 * current. As the server sends the two in this order, one slot is enough. */
bool probe_take(struct probe_channel *c, int32_t message, const union sv2_body *body)
{
	switch (message) {
	case ADIT_SV2_NEW_MINING_JOB:
		if (body->new_mining_job.channel_id != c->id)
			return false;
		c->job_id = body->new_mining_job.job_id;
		c->version = body->new_mining_job.version;
		c->merkle_root = body->new_mining_job.merkle_root;
		c->target = c->next_target;
		if (!body->new_mining_job.ntime_start.present)
			return false;
		c->ntime = body->new_mining_job.ntime_start.value;
		return true;
	case ADIT_SV2_SET_NEW_PREV_HASH:
		c->prev_hash = body->set_new_prev_hash.prev_hash;
		c->ntime = body->set_new_prev_hash.ntime_start;
		c->nbits = body->set_new_prev_hash.nbits;
		return body->set_new_prev_hash.job_id == c->job_id;
	case ADIT_SV2_SET_TARGET:
		c->next_target = body->set_target.target;
		return false;
	default:
		return false;
	}
}

void probe_open_standard(struct probe *p, struct probe_channel *c)
{
	struct adit_sv2_open_standard_mining_channel request = {
	    .request_id = 7,
	    .user_identity = bytes("probe"),
	    .nominal_hash_rate = 1000,
	};
	union sv2_body body;
	int32_t message;

	memset(c, 0, sizeof(*c));
	memset(request.max_target.b, 0xff, sizeof(request.max_target.b));
	must(probe_send(p, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &request), "closed");
	probe_expect(p, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, &body);
	must(body.open_standard_mining_channel_success.request_id == 7, "wrong request id");
	c->id = body.open_standard_mining_channel_success.channel_id;
	c->next_target = body.open_standard_mining_channel_success.target;
	do {
		message = probe_receive(p, (int)harness_limit(PROBE_WAIT_MS), &body);
		must(message >= 0, "no work came");
		probe_take(c, message, &body);
	} while (c->nbits == 0 || c->job_id == 0);
}

/* Little-endian 256-bit comparison: A <= B. */
static bool at_most(const uint8_t a[32], const uint8_t b[32])
{
	for (int i = 31; i >= 0; i--)
		if (a[i] != b[i])
			return a[i] < b[i];
	return true;
}

uint32_t probe_mine(const struct probe_channel *c, bool good)
{
	uint8_t header[80], hash[32];

	for (uint32_t nonce = 0; nonce < UINT32_MAX; nonce++) {
		struct writer w;

		writer_init(&w, header, sizeof(header));
		writer_u32(&w, c->version);
		writer_bytes(&w, c->prev_hash.b, 32);
		writer_bytes(&w, c->merkle_root.b, 32);
		writer_u32(&w, c->ntime);
		writer_u32(&w, c->nbits);
		writer_u32(&w, nonce);
		sha256d(header, sizeof(header), hash);
		if (at_most(hash, c->target.b) == good)
			return nonce;
	}
	must(false, "no nonce fits");
	return 0;
}

uint32_t probe_submit(struct probe *p, struct probe_channel *c, uint32_t job_id, uint32_t nonce)
{
	struct adit_sv2_submit_shares_standard share = {
	    .channel_id = c->id,
	    .sequence_number = ++c->sequence,
	    .job_id = job_id,
	    .nonce = nonce,
	    .ntime = c->ntime,
	    .version = c->version,
	};

	must(probe_send(p, ADIT_SV2_SUBMIT_SHARES_STANDARD, &share), "closed before the share");
	return share.sequence_number;
}

const char *probe_verdict(struct probe *p, struct probe_channel *c, uint32_t sequence)
{
	static char code[256];
	uint64_t until = clock_monotonic_ms() + harness_limit(PROBE_WAIT_MS);
	union sv2_body body;

	for (;;) {
		int32_t message = probe_receive(p, (int)harness_limit(PROBE_WAIT_MS), &body);

		must(message >= 0 && clock_monotonic_ms() < until, "share %u was not answered (%d)",
		     sequence, message);
		probe_take(c, message, &body);
		if (message == ADIT_SV2_SUBMIT_SHARES_SUCCESS &&
		    body.submit_shares_success.last_sequence_number >= sequence)
			return NULL;
		if (message == ADIT_SV2_SUBMIT_SHARES_ERROR &&
		    body.submit_shares_error.sequence_number == sequence) {
			snprintf(code, sizeof(code), "%.*s",
				 (int)body.submit_shares_error.error_code.size,
				 (const char *)body.submit_shares_error.error_code.data);
			return code;
		}
	}
}

/* New tips in a row that each come while a share is on its way. */
#define STALE_MOST 20

const char *probe_share(struct probe *p, struct probe_channel *c,
			void (*spoil)(struct probe_channel *work, uint32_t *nonce))
{
	const char *verdict = "stale-share";

	for (int i = 0; i < STALE_MOST && verdict != NULL && strcmp(verdict, "stale-share") == 0;
	     i++) {
		struct probe_channel work = *c;
		uint32_t nonce = 1;

		if (spoil != NULL)
			spoil(&work, &nonce);
		else
			nonce = probe_mine(&work, true);
		c->sequence = probe_submit(p, &work, work.job_id, nonce);
		verdict = probe_verdict(p, c, c->sequence);
	}
	return verdict;
}

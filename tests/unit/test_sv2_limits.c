/* SPDX-License-Identifier: MIT */
/* Tests of workers.h, and of a server's limits and what it does at them. */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "lib/sv2/accept.h"
#include "lib/sv2/socket.h"
#include "lib/sv2/workers.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/unit/sv2_rig.h"

/* --- workers -----------------------------------------------------------------------------------
 */

#define NOW UINT64_C(1000000)

static char directory[64];

static void make_directory(void)
{
	(void)snprintf(directory, sizeof(directory), "/tmp/test-sv2-limits.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_directory(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/" SV2_WORKERS_FILE, directory);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

static struct sv2_workers *worker(uint32_t index, uint32_t count)
{
	struct sv2_workers *w = NULL;
	struct error e = {0};

	ck_assert_msg(sv2_workers_open(directory, index, count, &w, &e) == ADIT_OK, "%s", e.text);
	return w;
}

/* A process that was worker INDEX, and has died with this in its slot. */
static void killed_worker(uint32_t index, uint32_t count, uint32_t connections, uint64_t address)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct sv2_workers *w = worker(index, count);

		sv2_workers_set(w, connections, 0);
		(void)sv2_workers_address_add(w, address);
		sv2_workers_beat(w, NOW, true);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* As long as a worker says that it lives its connections count; what it had when it died doesn't,
 * nor what a former process had. */
START_TEST(test_sum)
{
	struct sv2_workers *a, *b;
	struct sv2_workers_sum sum;

	make_directory();
	a = worker(0, 2);
	b = worker(1, 2);
	sv2_workers_set(a, 7, 2);
	sv2_workers_set(b, 5, 1);
	ck_assert_uint_eq(sv2_workers_sum(a, NOW).connections,
			  7); /* b has not said that it lives */
	sv2_workers_beat(b, NOW, true);
	sum = sv2_workers_sum(a, NOW + SV2_WORKERS_DEAD_MS - 1);
	ck_assert_uint_eq(sum.connections, 12);
	ck_assert_uint_eq(sum.handshakes, 3);
	ck_assert_uint_eq(sv2_workers_sum(a, NOW + SV2_WORKERS_DEAD_MS).connections, 7);
	/* a clock that was set back: a beat of another boot */
	ck_assert_uint_eq(sv2_workers_sum(a, NOW - SV2_WORKERS_DEAD_MS).connections, 7);
	ck_assert_uint_eq(sv2_workers_sum(b, NOW).connections, 5);
	/* killed, and there again */
	sv2_workers_close(b);
	killed_worker(1, 2, 5, 0);
	ck_assert_uint_eq(sv2_workers_sum(a, NOW).connections, 12);
	sv2_workers_close(worker(1, 2));
	ck_assert_uint_eq(sv2_workers_sum(a, NOW).connections, 7);
	sv2_workers_close(a);
	remove_directory();
}
END_TEST

START_TEST(test_share)
{
	struct sv2_workers *a, *b;

	make_directory();
	a = worker(0, 2);
	b = worker(1, 2);
	sv2_workers_beat(b, NOW, true);
	sv2_workers_set(a, 2, 0);
	ck_assert(!sv2_workers_over_share(a, NOW)); /* one more than its half is nothing */
	sv2_workers_set(a, 3, 0);
	ck_assert(sv2_workers_over_share(a, NOW));
	sv2_workers_set(a, 530, 0);
	sv2_workers_set(b, 470, 0);
	ck_assert(sv2_workers_over_share(a, NOW));
	sv2_workers_set(a, 525, 0);
	sv2_workers_set(b, 475, 0);
	ck_assert(!sv2_workers_over_share(a, NOW));
	ck_assert(!sv2_workers_over_share(b, NOW));
	/* one that is dead, or doesn't accept, takes nothing */
	sv2_workers_set(a, 1000, 0);
	ck_assert(sv2_workers_over_share(a, NOW));
	ck_assert(!sv2_workers_over_share(a, NOW + SV2_WORKERS_DEAD_MS));
	sv2_workers_beat(b, NOW, false);
	ck_assert(!sv2_workers_over_share(a, NOW));
	sv2_workers_close(a);
	sv2_workers_close(b);
	remove_directory();
}
END_TEST

/* While a process is replaced two are the same worker: neither touches what the other has, and both
 * count. A third one is refused, until one of them has gone. */
START_TEST(test_replaced)
{
	struct sv2_workers *old, *new, *third = NULL, *other;
	struct error e = {0};

	make_directory();
	old = worker(0, 2);
	other = worker(1, 2);
	sv2_workers_set(old, 7, 0);
	ck_assert(sv2_workers_address_add(old, 42));
	sv2_workers_beat(old, NOW, true);
	new = worker(0, 2);
	sv2_workers_set(new, 5, 0);
	ck_assert(sv2_workers_address_add(new, 42));
	sv2_workers_beat(new, NOW, true);
	ck_assert_uint_eq(sv2_workers_sum(other, NOW).connections, 12);
	ck_assert_uint_eq(sv2_workers_address(other, NOW, 42), 2);
	ck_assert_int_eq(sv2_workers_open(directory, 0, 2, &third, &e), ADIT_E_EXISTS);
	sv2_workers_close(old);
	ck_assert_uint_eq(sv2_workers_sum(other, NOW).connections, 5);
	ck_assert_uint_eq(sv2_workers_address(other, NOW, 42), 1);
	third = worker(0, 2);
	ck_assert_uint_eq(sv2_workers_sum(other, NOW).connections, 5);
	sv2_workers_close(third);
	sv2_workers_close(new);
	sv2_workers_close(other);
	remove_directory();
}
END_TEST

/* A file of another number of workers, one that is cut off and one that is something else are made
 * anew; a good one is kept. */
START_TEST(test_file)
{
	struct sv2_workers *a, *b;
	char path[128];
	struct stat st, again;
	FILE *f;

	make_directory();
	(void)snprintf(path, sizeof(path), "%s/" SV2_WORKERS_FILE, directory);
	a = worker(0, 2);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	sv2_workers_close(worker(1, 2));
	ck_assert_int_eq(stat(path, &again), 0);
	ck_assert_uint_eq(st.st_ino, again.st_ino);
	b = worker(1, 3);
	ck_assert_int_eq(stat(path, &again), 0);
	ck_assert_int_gt(again.st_size, st.st_size);
	sv2_workers_set(a, 9, 9); /* who still has the old one has it to himself */
	sv2_workers_beat(a, NOW, true);
	ck_assert_uint_eq(sv2_workers_sum(b, NOW).connections, 0);
	sv2_workers_close(a);
	sv2_workers_close(b);
	ck_assert_int_eq(truncate(path, 100), 0);
	sv2_workers_close(worker(0, 3));
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fputs("junk", f) >= 0 && fclose(f) == 0, 1);
	sv2_workers_close(worker(0, 3));
	ck_assert_int_eq(stat(path, &again), 0);
	remove_directory();
	ck_assert_int_eq(sv2_workers_open("/nowhere/at/all", 0, 2, &a, NULL), ADIT_E_IO);
}
END_TEST

#define MODEL 200

/* Addresses come and go at random; the table says what a plain array says. */
START_TEST(test_addresses)
{
	struct sv2_workers *w;
	uint32_t count[MODEL] = {0};
	uint64_t keys[MODEL];

	ck_assert_int_eq(sv2_workers_open(NULL, 0, 1, &w, NULL), ADIT_OK);
	for (size_t i = 0; i < MODEL; i++)
		random_bytes(&keys[i], sizeof(keys[i]));
	ck_assert(!sv2_workers_address_add(w, 0));
	for (int turn = 0; turn < 20000; turn++) {
		uint32_t i = random_below(MODEL);

		if (random_below(2) == 0) {
			ck_assert(sv2_workers_address_add(w, keys[i]));
			count[i]++;
		} else if (count[i] > 0) {
			sv2_workers_address_remove(w, keys[i]);
			count[i]--;
		}
	}
	for (size_t i = 0; i < MODEL; i++)
		ck_assert_uint_eq(sv2_workers_address(w, NOW, keys[i]), count[i]);
	sv2_workers_close(w);
}
END_TEST

/* A full table counts no new address, forgets none, and can be emptied in any order, although every
 * chain is long by then. */
START_TEST(test_many_addresses)
{
	struct sv2_workers *w;
	uint64_t most = 49152;

	ck_assert_int_eq(sv2_workers_open(NULL, 0, 1, &w, NULL), ADIT_OK);
	for (uint64_t key = 1; key <= most; key++)
		ck_assert(sv2_workers_address_add(w, key << 32));
	ck_assert(!sv2_workers_address_add(w, 77));
	ck_assert(sv2_workers_address_add(w, UINT64_C(5) << 32));
	for (uint64_t key = 1; key <= most; key += 2)
		sv2_workers_address_remove(w, key << 32);
	for (uint64_t key = 1; key <= most; key++)
		ck_assert_uint_eq(sv2_workers_address(w, NOW, key << 32),
				  key == 5 || key % 2 == 0 ? 1 : 0);
	sv2_workers_close(w);
}
END_TEST

/* The addresses of all workers count, those of a dead one don't. */
START_TEST(test_addresses_of_all)
{
	struct sv2_workers *a, *b;

	make_directory();
	a = worker(0, 2);
	b = worker(1, 2);
	sv2_workers_beat(b, NOW, true);
	ck_assert(sv2_workers_address_add(a, 1234));
	ck_assert(sv2_workers_address_add(b, 1234));
	ck_assert(sv2_workers_address_add(b, 1234));
	ck_assert_uint_eq(sv2_workers_address(a, NOW, 1234), 3);
	ck_assert_uint_eq(sv2_workers_address(a, NOW + SV2_WORKERS_DEAD_MS, 1234), 1);
	sv2_workers_close(b);
	killed_worker(1, 2, 1, 1234);
	ck_assert_uint_eq(sv2_workers_address(a, NOW, 1234), 2);
	sv2_workers_close(worker(1, 2));
	ck_assert_uint_eq(sv2_workers_address(a, NOW, 1234), 1);
	sv2_workers_close(a);
	remove_directory();
}
END_TEST

/* 10 a second: ten at once, then one each 100 ms, whoever takes them. */
START_TEST(test_rate)
{
	struct sv2_workers *a, *b;
	uint64_t now = NOW * 1000;

	make_directory();
	a = worker(0, 2);
	b = worker(1, 2);
	ck_assert_uint_eq(sv2_workers_accept_wait(a, now, 0), 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(sv2_workers_accept_wait(i % 2 ? a : b, now, 10), 0);
		sv2_workers_accept_took(i % 2 ? a : b, now, 10);
	}
	ck_assert_uint_gt(sv2_workers_accept_wait(a, now, 10), 90);
	ck_assert_uint_le(sv2_workers_accept_wait(b, now, 10), 101);
	now += 100000;
	ck_assert_uint_eq(sv2_workers_accept_wait(b, now, 10), 0);
	sv2_workers_accept_took(b, now, 10);
	ck_assert_uint_gt(sv2_workers_accept_wait(a, now, 10), 0);
	/* the time of another boot keeps nobody waiting */
	ck_assert_uint_eq(sv2_workers_accept_wait(a, 1, 10), 0);
	sv2_workers_close(a);
	sv2_workers_close(b);
	remove_directory();
}
END_TEST

/* --- networks ----------------------------------------------------------------------------------
 */

/* The key of a peer that connects from ADDRESS; -1 when this machine has no such address. */
static uint64_t key_from(int family, const char *address, bool *usable)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr *at = family == AF_INET6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t size = family == AF_INET6 ? sizeof(v6) : sizeof(v4);
	int listener = socket(family, SOCK_STREAM, 0);
	int peer = socket(family, SOCK_STREAM, 0);
	uint64_t key = 0;
	int fd;

	ck_assert_int_eq(inet_pton(AF_INET6, family == AF_INET6 ? address : "::1", &v6.sin6_addr),
			 1);
	ck_assert_int_eq(
	    inet_pton(AF_INET, family == AF_INET ? address : "127.0.0.1", &v4.sin_addr), 1);
	*usable = listener >= 0 && bind(listener, at, size) == 0 && bind(peer, at, size) == 0;
	if (*usable) {
		ck_assert_int_eq(listen(listener, 1), 0);
		ck_assert_int_eq(getsockname(listener, at, &size), 0);
		ck_assert_int_eq(connect(peer, at, size), 0);
		fd = accept(listener, NULL, NULL);
		key = sv2_socket_key(fd);
		close(fd);
	}
	close(listener);
	close(peer);
	return key;
}

START_TEST(test_keys)
{
	bool usable;
	int pair[2];
	uint64_t one = key_from(AF_INET, "127.0.0.1", &usable);

	ck_assert(usable);
	ck_assert_uint_eq(one, (UINT64_C(1) << 32) + 0x7f000001);
	ck_assert_uint_eq(key_from(AF_INET, "127.0.0.2", &usable), one + 1);
	if (key_from(AF_INET6, "::1", &usable) != 1)
		ck_assert(!usable);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_uint_eq(sv2_socket_key(pair[0]), 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* --- a server ----------------------------------------------------------------------------------
 */

static struct sv2_server_stats stats_of(const struct rig *rig)
{
	struct sv2_server_stats stats;

	sv2_server_stats(rig->server, &stats);
	return stats;
}

/* Runs until the counter at OFFSET of the statistics is COUNT. */
static void until(struct rig *rig, size_t offset, uint64_t count)
{
	uint64_t now = 0;

	for (int i = 0; i < 1000; i++) {
		struct sv2_server_stats stats = stats_of(rig);

		memcpy(&now, (const char *)&stats + offset, sizeof(now));
		if (now == count)
			return;
		rig_run(rig, 10);
	}
	ck_abort_msg("the counter is %llu, not %llu", (unsigned long long)now,
		     (unsigned long long)count);
}

#define UNTIL(rig, field, count) until(rig, offsetof(struct sv2_server_stats, field), count)

START_TEST(test_max_per_address)
{
	struct rig rig;
	struct sv2_server_options so = {.max_per_address = 2};
	uint8_t rest[100];
	int fds[3];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	for (int i = 0; i < 2; i++)
		fds[i] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	fds[2] = rig_dial(&rig);
	ck_assert_uint_eq(rig_read_end(&rig, fds[2], rest, 3000), 0);
	ck_assert_uint_eq(stats_of(&rig).refused_address, 1);
	ck_assert_uint_eq(stats_of(&rig).connections, 2);
	close(fds[2]);
	close(fds[0]);
	rig_until(&rig, &rig.closed, 1, 2000);
	fds[0] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
}
END_TEST

/* A peer of another worker: its connections are ours to count. */
START_TEST(test_limits_of_the_role)
{
	struct rig rig;
	struct sv2_server_options so = {.max_connections = 10, .max_per_address = 3};
	struct sv2_workers *other;
	uint8_t rest[100];
	int fds[2];

	make_directory();
	so.workers = worker(0, 2);
	other = worker(1, 2);
	sv2_workers_set(other, 9, 0);
	sv2_workers_beat(other, clock_monotonic_ms(), false);
	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fds[0] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	fds[1] = rig_dial(&rig);
	for (int i = 0; i < 8; i++) {
		sv2_workers_beat(other, clock_monotonic_ms(), false);
		rig_run(&rig, 200);
	}
	ck_assert_uint_eq(stats_of(&rig).refused_connections, 1);
	close(fds[1]);
	sv2_workers_set(other, 2, 0);
	ck_assert(sv2_workers_address_add(other, sv2_socket_key(fds[0])));
	ck_assert(sv2_workers_address_add(other, sv2_socket_key(fds[0])));
	sv2_workers_beat(other, clock_monotonic_ms(), false);
	fds[1] = rig_dial(&rig);
	ck_assert_uint_eq(rig_read_end(&rig, fds[1], rest, 3000), 0);
	ck_assert_uint_eq(stats_of(&rig).refused_address, 1);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
	sv2_workers_close(so.workers);
	sv2_workers_close(other);
	remove_directory();
}
END_TEST

/* Another worker ought to take it and doesn't: after a moment it is accepted all the same. */
START_TEST(test_yields)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_workers *other;
	uint64_t from;
	int fds[5];

	make_directory();
	so.workers = worker(0, 2);
	other = worker(1, 2);
	rig_init(&rig, false);
	rig_serve(&rig, &so);
	for (int i = 0; i < 4; i++)
		fds[i] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_uint_eq(stats_of(&rig).accept_yields, 0); /* nobody else is there */
	sv2_workers_beat(other, clock_monotonic_ms(), true);
	from = clock_monotonic_ms();
	fds[4] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_uint_ge(clock_monotonic_ms() - from, SV2_YIELD_MS - 10);
	ck_assert_uint_ge(stats_of(&rig).accept_yields, 1);
	ck_assert_uint_eq(stats_of(&rig).connections, 5);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	rig_fini(&rig);
	sv2_workers_close(so.workers);
	sv2_workers_close(other);
	remove_directory();
}
END_TEST

/* Three at once, the others a third of a second apart; nobody is refused. */
START_TEST(test_accept_rate)
{
	struct rig rig;
	struct sv2_server_options so = {.accept_rate = 3};
	uint64_t from;
	int fds[6];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	for (int i = 0; i < 6; i++)
		fds[i] = rig_dial(&rig);
	from = clock_monotonic_ms();
	UNTIL(&rig, accepted, 3);
	UNTIL(&rig, accepted, 6);
	ck_assert_uint_ge(clock_monotonic_ms() - from, 900);
	ck_assert_uint_ge(stats_of(&rig).accept_delays, 3);
	ck_assert_uint_eq(stats_of(&rig).refused_limit, 0);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_refused_handshakes)
{
	struct rig rig;
	struct sv2_server_options so = {.max_handshakes = 1};
	uint8_t rest[100];
	int fds[2];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fds[0] = rig_dial(&rig);
	UNTIL(&rig, accepted, 1);
	fds[1] = rig_dial(&rig);
	ck_assert_uint_eq(rig_read_end(&rig, fds[1], rest, 3000), 0);
	ck_assert_uint_eq(stats_of(&rig).refused_handshakes, 1);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
}
END_TEST

/* --- shedding ----------------------------------------------------------------------------------
 */

static int32_t send_template(struct adit_sv2_conn *conn, uint32_t size)
{
	static uint8_t bytes[60000];
	struct adit_sv2_request_transaction_data_success m = {.template_id = 1};

	m.excess_data = (struct adit_bytes){.data = bytes, .size = size};
	return adit_sv2_send(conn, ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &m);
}

static void fill(struct rig *rig, struct adit_sv2_conn *conn, size_t size)
{
	while (adit_sv2_pending(conn) < size) {
		ck_assert_int_eq(send_template(conn, 60000), ADIT_OK);
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	}
}

/* Of those that don't read the one that holds most goes; a peer that reads is none of them. */
START_TEST(test_shed_queued)
{
	struct rig rig;
	struct sv2_server_options so = {.max_queued = (size_t)3 << 20,
					.max_pending = (size_t)64 << 20};
	struct adit_sv2_conn *conns[3];
	uint8_t *sink = malloc(1 << 20);
	uint64_t refused;
	int fds[4];

	ck_assert_ptr_nonnull(sink);
	rig_init(&rig, false);
	rig_serve(&rig, &so);
	for (int i = 0; i < 3; i++) {
		fds[i] = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
		conns[i] = rig.conn;
	}
	fill(&rig, conns[0], (size_t)1 << 20);
	fill(&rig, conns[1], ((size_t)1 << 20) + 500000);
	/* as much, to one that reads */
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(send_template(conns[2], 20000), ADIT_OK);
		if (i % 5 == 4)
			ck_assert(rig_read(&rig, fds[2], sink, (size_t)5 * 20000, 3000));
	}
	ck_assert_uint_eq(rig.closed, 0);
	/* three quarters: nobody new is let in */
	fds[3] = rig_dial(&rig);
	refused = stats_of(&rig).refused_memory;
	ck_assert_uint_eq(refused, 0);
	UNTIL(&rig, refused_memory, 1);
	close(fds[3]);
	fill(&rig, conns[0], ((size_t)1 << 20) + 400000);
	for (int i = 0; i < 20 && rig.closed == 0; i++) {
		ck_assert_int_eq(send_template(conns[0], 60000), ADIT_OK);
		event_base_loop(rig.base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(rig.closed, 1);
	ck_assert(rig_saw(&rig, "max_queued"));
	ck_assert_uint_eq(stats_of(&rig).shed_idle, 1);
	ck_assert_uint_lt(stats_of(&rig).bytes_queued, (size_t)2 << 20);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	free(sink);
	rig_fini(&rig);
}
END_TEST

/* SIZE bytes of a message of TYPE that would have TOTAL. */
static void begin_message(int fd, uint8_t type, uint16_t total, size_t size)
{
	uint8_t bytes[4096] = {0, 0, type, (uint8_t)total, (uint8_t)(total >> 8)};

	ck_assert_uint_le(6 + size, sizeof(bytes));
	rig_write(fd, bytes, 6 + size);
}

static void more(int fd, size_t size)
{
	static const uint8_t zeros[4096];

	rig_write(fd, zeros, size);
}

static void send_share(int fd)
{
	struct adit_sv2_submit_shares_standard m = {.channel_id = 1};
	uint8_t frame[64];

	rig_write(fd, frame, rig_frame(ADIT_SV2_SUBMIT_SHARES_STANDARD, &m, frame, sizeof(frame)));
}

#define SETUP 0x00
#define CUSTOM_JOB 0x22

/* In the order of the documentation: those that are not set up, the oldest first; then those
 * without a share; and the one that mines only when nobody else is left. */
START_TEST(test_shed_order)
{
	struct rig rig;
	struct sv2_server_options so = {.max_unfinished = 4500};
	int miner, idle, old, young;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	miner = rig_dial_plain(&rig, ADIT_SV2_MINING);
	send_share(miner);
	rig_until(&rig, &rig.messages, 1, 2000);
	idle = rig_dial_plain(&rig, ADIT_SV2_MINING);
	old = rig_dial(&rig);
	UNTIL(&rig, accepted, 3);
	young = rig_dial(&rig);
	UNTIL(&rig, accepted, 4);
	begin_message(miner, CUSTOM_JOB, 6000, 1500);
	UNTIL(&rig, bytes_unfinished, 2048);
	begin_message(idle, CUSTOM_JOB, 6000, 1000);
	UNTIL(&rig, bytes_unfinished, 3072);
	begin_message(old, SETUP, 1000, 900);
	UNTIL(&rig, bytes_unfinished, 4096);
	begin_message(young, SETUP, 1000, 900);
	UNTIL(&rig, shed_handshakes, 1);
	ck_assert_uint_eq(stats_of(&rig).bytes_unfinished, 4096);
	more(miner, 600); /* 2048 becomes 4096: two have to go */
	UNTIL(&rig, shed_idle, 1);
	ck_assert_uint_eq(stats_of(&rig).shed_handshakes, 2);
	ck_assert_uint_eq(stats_of(&rig).shed_mining, 0);
	ck_assert_uint_eq(stats_of(&rig).bytes_unfinished, 4096);
	ck_assert_uint_eq(stats_of(&rig).connections, 1);
	more(miner, 2100);
	UNTIL(&rig, shed_mining, 1);
	ck_assert_uint_eq(stats_of(&rig).bytes_unfinished, 0);
	close(miner);
	close(idle);
	close(young);
	close(old);
	rig_fini(&rig);
}
END_TEST

/* --- other settings ----------------------------------------------------------------------------
 */

/* Limits and time-outs change under the connections that are there. */
START_TEST(test_configure)
{
	struct rig rig;
	struct sv2_server_options so = {.max_connections = 1};
	uint8_t rest[100];
	int fds[2];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fds[0] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	fds[1] = rig_dial(&rig);
	rig_run(&rig, 50);
	ck_assert_uint_eq(stats_of(&rig).connections, 1);
	so.max_connections = 2;
	ck_assert_int_eq(sv2_server_configure(rig.server, &so), ADIT_OK);
	UNTIL(&rig, accepted, 2);
	ck_assert_uint_eq(rig.closed, 0);
	so.handshake_timeout_ms = 100;
	ck_assert_int_eq(sv2_server_configure(rig.server, &so), ADIT_OK);
	ck_assert_uint_eq(rig_read_end(&rig, fds[1], rest, 3000), 0);
	ck_assert_uint_eq(rig.closed, 0);
	so.idle_timeout_ms = 100;
	ck_assert_int_eq(sv2_server_configure(rig.server, &so), ADIT_OK);
	rig_until(&rig, &rig.closed, 1, 3000);
	ck_assert(rig_saw(&rig, "idle"));
	so.authority_secret = rig_secret();
	ck_assert_int_eq(sv2_server_configure(rig.server, &so), ADIT_E_INVALID_ARGUMENT);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sv2-limits");
	TCase *workers = tcase_create("workers");
	TCase *server = tcase_create("server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(workers, 30);
	tcase_add_test(workers, test_sum);
	tcase_add_test(workers, test_replaced);
	tcase_add_test(workers, test_share);
	tcase_add_test(workers, test_file);
	tcase_add_test(workers, test_addresses);
	tcase_add_test(workers, test_many_addresses);
	tcase_add_test(workers, test_addresses_of_all);
	tcase_add_test(workers, test_rate);
	tcase_add_test(workers, test_keys);
	suite_add_tcase(suite, workers);
	tcase_set_timeout(server, 60);
	tcase_add_test(server, test_max_per_address);
	tcase_add_test(server, test_limits_of_the_role);
	tcase_add_test(server, test_yields);
	tcase_add_test(server, test_accept_rate);
	tcase_add_test(server, test_refused_handshakes);
	tcase_add_test(server, test_shed_queued);
	tcase_add_test(server, test_shed_order);
	tcase_add_test(server, test_configure);
	suite_add_tcase(suite, server);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

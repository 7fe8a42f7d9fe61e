/* SPDX-License-Identifier: MIT */
/* The share log: rings of records with one writer and readers that may be late, dead or stopped;
 * the memory files, and their way to another process. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adit/error.h>

#include "host/share_log.h"
#include "host/share_ring.h"
#include "lib/util/clock.h"

#define CAPACITY 64

/* A ring of CAPACITY records in shared memory, right before memory that can't be read. */
static struct share_ring new_ring(void)
{
	size_t bytes = share_ring_bytes(CAPACITY);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = (bytes + page - 1) / page * page;
	struct share_ring ring;
	uint8_t *memory =
	    mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	ck_assert_int_eq(mprotect(memory + pages, page, PROT_NONE), 0);
	ck_assert(share_ring_map(&ring, memory + pages - bytes, bytes));
	ck_assert_uint_eq(ring.capacity, CAPACITY);
	return ring;
}

/* Record NUMBER: every field follows from it. */
static struct adit_share share_of(uint64_t number)
{
	struct adit_share s;

	memset(&s, 0, sizeof(s));
	s.difficulty = (double)number * 0.5;
	s.hash_difficulty = (double)number * 3;
	s.connection = (uint32_t)number;
	s.channel = (uint32_t)number + 1;
	s.job_id = (uint32_t)number + 2;
	s.submit_sequence = (uint32_t)number + 3;
	s.height = (uint32_t)number + 4;
	s.slice = (uint16_t)number;
	s.result = (uint8_t)(number % 8);
	s.flags = (uint8_t)(number % 2);
	s.user_size = (uint16_t)(number % (ADIT_SHARE_USER_MAX + 1));
	memset(s.user, 'a' + (int)(number % 26), s.user_size);
	return s;
}

static void append(struct share_ring *ring, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		struct adit_share s = share_of(i);

		share_ring_append(ring, &s);
	}
}

/* GOT is record NUMBER of its ring, made by share_of(NUMBER). */
static void is_share(const struct adit_share *got, uint64_t number)
{
	struct adit_share wanted = share_of(number);

	wanted.sequence = number;
	wanted.time_ms = got->time_ms;
	ck_assert_uint_eq(got->sequence, number);
	ck_assert_mem_eq(got, &wanted, sizeof(wanted));
}

/* Reads all there is, in steps of MOST; each record has to be its number's. Returns how many. */
static uint64_t read_all(const struct share_ring *ring, struct share_cursor *c, uint32_t most)
{
	struct adit_share shares[CAPACITY];
	uint64_t all = 0, last = c->read;
	uint32_t count;

	ck_assert_uint_le(most, CAPACITY);
	do {
		ck_assert_int_eq(share_ring_read(ring, c, shares, most, &count), ADIT_OK);
		for (uint32_t i = 0; i < count; i++) {
			ck_assert_uint_gt(shares[i].sequence, last);
			last = shares[i].sequence;
			is_share(&shares[i], last);
		}
		all += count;
	} while (count > 0);
	return all;
}

START_TEST(sizes)
{
	struct share_ring ring;
	uint64_t memory;

	ck_assert_uint_eq(share_ring_round(0), 64);
	ck_assert_uint_eq(share_ring_round(64), 64);
	ck_assert_uint_eq(share_ring_round(65), 128);
	ck_assert_uint_eq(share_ring_round(32768), 32768);
	ck_assert_uint_eq(share_ring_round(UINT64_MAX), SHARE_RING_MOST);
	ck_assert_uint_eq(share_ring_bytes(64), 4096 + 64 * 320);
	for (size_t bytes = 0; bytes < 60000; bytes++)
		ck_assert_msg(share_ring_map(&ring, &memory, bytes) ==
				  (bytes == 4096 + 64 * 320 || bytes == 4096 + 128 * 320),
			      "%zu bytes", bytes);
	ck_assert(!share_ring_map(&ring, &memory, SIZE_MAX));
}
END_TEST

START_TEST(records_arrive_whole)
{
	struct share_ring ring = new_ring();
	struct share_cursor c;
	struct adit_share s;
	uint64_t before = clock_unix_ms();
	uint32_t count;

	share_cursor_begin(&c, &ring);
	ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
	ck_assert_uint_eq(count, 0);
	append(&ring, 1, 1);
	ck_assert_uint_eq(share_ring_written(ring.memory), 1);
	ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
	ck_assert_uint_eq(count, 1);
	is_share(&s, 1);
	/* the coarse clock lags by a tick */
	ck_assert_uint_ge(s.time_ms + 1000, before);
	ck_assert_uint_le(s.time_ms, clock_unix_ms());
	append(&ring, 2, 40);
	ck_assert_uint_eq(read_all(&ring, &c, 7), 39);
	ck_assert_uint_eq(c.lost, 0);
}
END_TEST

/* A text that is too long for a record is cut, and not read beyond that. */
START_TEST(long_users)
{
	struct share_ring ring = new_ring();
	struct share_cursor c;
	struct adit_share s = share_of(255);
	uint32_t count;

	share_cursor_begin(&c, &ring);
	s.user_size = UINT16_MAX;
	s.user[255] = 'x';
	share_ring_append(&ring, &s);
	ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(s.user_size, 255);
	ck_assert_uint_eq(strlen(s.user), 255);
}
END_TEST

/* The words of the record at INDEX of the ring. */
static uint64_t *record_at(const struct share_ring *ring, size_t index)
{
	return (uint64_t *)(void *)((uint8_t *)ring->memory + SHARE_RING_HEADER + index * 320);
}

/* The worker lies behind the user, if there is room for it. */
START_TEST(workers)
{
	static const struct {
		uint16_t user;
		uint16_t worker;
		uint16_t kept;
	} cases[] = {{0, 5, 5},
		     {10, 32, 32},
		     {222, 32, 32},
		     {223, 32, 0},
		     {255, 1, 0},
		     {254, 1, 0},
		     {253, 1, 1},
		     {10, 0, 0},
		     {0, 254, 254},
		     {0, 255, 0},
		     {UINT16_MAX, UINT16_MAX, 0}};
	struct share_ring ring = new_ring();
	struct share_cursor c;
	uint32_t count;

	share_cursor_begin(&c, &ring);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct adit_share s =
		    share_of(255); /* no NUL behind the user: that is the ring's */

		s.user[255] = 'x';
		s.user_size = cases[i].user;
		s.worker_size = cases[i].worker;
		share_ring_append(&ring, &s);
		ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(strlen(s.user), s.user_size);
		ck_assert_uint_eq(s.worker_size, cases[i].kept);
		if (cases[i].kept > 0)
			ck_assert_uint_eq(strlen(adit_share_worker(&s)), cases[i].kept);
		else
			ck_assert_ptr_null(adit_share_worker(&s));
	}
	/* a size that the memory says wrong is none */
	append(&ring, 41, 41);
	record_at(&ring, share_ring_written(ring.memory) % CAPACITY)[7] = (uint64_t)250 << 16 | 41;
	struct adit_share s;

	ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
	ck_assert_uint_eq(s.worker_size, 0);
	ck_assert_uint_eq(strlen(s.user), 41);
}
END_TEST

/* Many times round, two readers of different pace; nothing is lost that is read in time. */
START_TEST(wraps)
{
	struct share_ring ring = new_ring();
	struct share_cursor fast, slow;
	uint64_t fast_read = 0, slow_read = 0;

	share_cursor_begin(&fast, &ring);
	share_cursor_begin(&slow, &ring);
	for (uint64_t i = 0; i < 1000; i++) {
		append(&ring, i * 16 + 1, i * 16 + 16);
		fast_read += read_all(&ring, &fast, 5);
		if (i % 4 == 3)
			slow_read += read_all(&ring, &slow, 64);
	}
	ck_assert_uint_eq(fast_read, 16000);
	ck_assert_uint_eq(slow_read, 16000);
	ck_assert_uint_eq(fast.lost + slow.lost, 0);
}
END_TEST

START_TEST(overflow_is_counted_exactly)
{
	struct share_ring ring = new_ring();
	struct share_cursor prompt, late, later;

	share_cursor_begin(&prompt, &ring);
	share_cursor_begin(&late, &ring);
	append(&ring, 1, 10);
	ck_assert_uint_eq(read_all(&ring, &late, 64), 10);
	for (uint64_t i = 11; i <= 1000; i++) {
		append(&ring, i, i);
		read_all(&ring, &prompt, 64);
	}
	ck_assert_uint_eq(prompt.lost, 0);
	ck_assert_uint_eq(read_all(&ring, &late, 64), CAPACITY);
	ck_assert_uint_eq(late.lost, 990 - CAPACITY);
	ck_assert_uint_eq(late.read, 1000);
	/* who begins now has missed nothing that it could have had */
	share_cursor_begin(&later, &ring);
	ck_assert_uint_eq(read_all(&ring, &later, 3), CAPACITY);
	ck_assert_uint_eq(later.lost, 0);
}
END_TEST

START_TEST(seeks)
{
	struct share_ring ring = new_ring();
	struct share_cursor c;

	share_cursor_begin(&c, &ring);
	ck_assert(!share_cursor_seek(&c, &ring, 0));
	ck_assert(share_cursor_seek(&c, &ring, 1));
	ck_assert(!share_cursor_seek(&c, &ring, 2));
	append(&ring, 1, 100);
	ck_assert(!share_cursor_seek(&c, &ring, 102));
	ck_assert(!share_cursor_seek(&c, &ring, UINT64_MAX));
	ck_assert(share_cursor_seek(&c, &ring, 101));
	ck_assert_uint_eq(read_all(&ring, &c, 64), 0);
	ck_assert(share_cursor_seek(&c, &ring, 90));
	ck_assert_uint_eq(read_all(&ring, &c, 64), 11);
	ck_assert_uint_eq(c.lost, 0);
	ck_assert(share_cursor_seek(&c, &ring, 31)); /* 37 is the oldest */
	ck_assert_uint_eq(read_all(&ring, &c, 64), CAPACITY);
	ck_assert_uint_eq(c.lost, 6);
}
END_TEST

/* A writer dies after each of the steps of writing record 101, in the place of record 37; another
 * one goes on. */
START_TEST(torn_records)
{
	struct share_ring ring = new_ring();
	struct share_cursor c, whole;
	uint64_t *record = record_at(&ring, 101 % CAPACITY);
	struct adit_share torn = share_of(77);

	append(&ring, 1, 100);
	share_cursor_begin(&c, &ring);
	record[0] = 0; /* the record is cleared */
	if (_i > 0)    /* half of it is written */
		memcpy(record + 1, (uint8_t *)&torn + 8, 100);
	if (_i > 1) {
		memcpy(record + 1, (uint8_t *)&torn + 8, 312);
		record[0] = 101; /* all of it, and only the count is missing */
	}
	ck_assert_uint_eq(read_all(&ring, &c, 64), CAPACITY - 1);
	ck_assert_uint_eq(c.lost, 1);
	ck_assert_uint_eq(c.read, 100);
	share_ring_resume(&ring);
	if (_i > 1) { /* what was finished counts */
		struct adit_share s;
		uint32_t count;

		ck_assert_int_eq(share_ring_read(&ring, &c, &s, 1, &count), ADIT_OK);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(s.sequence, 101);
		ck_assert_uint_eq(s.user_size, 77);
		append(&ring, 102, 110);
		ck_assert_uint_eq(read_all(&ring, &c, 64), 9);
	} else {
		append(&ring, 101, 110);
		ck_assert_uint_eq(read_all(&ring, &c, 64), 10);
	}
	ck_assert_uint_eq(c.lost, 1);
	share_ring_resume(&ring); /* nothing to do: nothing changes */
	ck_assert_uint_eq(share_ring_written(ring.memory), 110);
	share_cursor_begin(&whole, &ring);
	whole.read = 101;
	ck_assert_uint_eq(read_all(&ring, &whole, 64), 9);
}
END_TEST

static void set_written(const struct share_ring *ring, uint64_t written)
{
	memcpy(ring->memory, &written, 8);
}

/* Whatever stands in the memory, a reader stays inside of it and comes to an end. */
START_TEST(garbage)
{
	struct share_ring ring = new_ring();
	struct adit_share shares[CAPACITY];
	struct share_cursor c = {.read = 0};
	uint32_t count;

	append(&ring, 1, 100);
	share_cursor_begin(&c, &ring);
	set_written(&ring, UINT64_MAX);
	ck_assert_int_eq(share_ring_read(&ring, &c, shares, CAPACITY, &count), ADIT_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(c.read, UINT64_MAX);
	ck_assert_uint_eq(c.lost, UINT64_MAX - 36);
	set_written(&ring, 90); /* and back: told once, then read on */
	ck_assert_int_eq(share_ring_read(&ring, &c, shares, CAPACITY, &count), ADIT_E_PROTOCOL);
	ck_assert_uint_eq(c.read, 90);
	set_written(&ring, 100);
	ck_assert_uint_eq(read_all(&ring, &c, 64), 10);
	c.lost = 0;
	append(&ring, 101, 101);
	record_at(&ring, 101 % CAPACITY)[7] = 256; /* user_size */
	ck_assert_int_eq(share_ring_read(&ring, &c, shares, 1, &count), ADIT_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(c.lost, 1);
	memset(ring.memory, 0xff, share_ring_bytes(CAPACITY));
	share_ring_resume(&ring); /* the next sequence is 0 */
	append(&ring, 1, 5);
	ck_assert_int_eq(share_ring_read(&ring, &c, shares, CAPACITY, &count), ADIT_E_PROTOCOL);
}
END_TEST

/* A writer in another process that is killed at any moment, again and again, with readers that look
 * all the time: what they get is whole, in order, and the sum is right. */
START_TEST(killed_writers)
{
	struct share_ring ring = new_ring();
	struct share_cursor a, b;
	uint64_t read_a = 0, read_b = 0;

	share_cursor_begin(&a, &ring);
	share_cursor_begin(&b, &ring);
	for (int round = 0; round < 50; round++) {
		uint64_t goal = share_ring_written(ring.memory) + 2000;
		int status;
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0) {
			share_ring_resume(&ring);
			for (uint64_t i = share_ring_written(ring.memory) + 1;; i++)
				append(&ring, i, i);
		}
		while (share_ring_written(ring.memory) < goal)
			read_a += read_all(&ring, &a, 64);
		read_b += read_all(&ring, &b, 16);
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));
	}
	share_ring_resume(&ring);
	read_a += read_all(&ring, &a, 64);
	read_b += read_all(&ring, &b, 64);
	ck_assert_uint_gt(read_a, 0);
	ck_assert_uint_eq(read_a + a.lost, share_ring_written(ring.memory));
	ck_assert_uint_eq(read_b + b.lost, share_ring_written(ring.memory));
}
END_TEST

/* --- files --------------------------------------------------------------------------------------
 */

static const struct share_file *open_file(struct share_log *log, const char *producer)
{
	struct error e;
	size_t index;

	ck_assert_msg(share_log_open(log, producer, 100, &index, &e) == ADIT_OK, "%s", e.text);
	ck_assert(log->files[index].busy);
	return &log->files[index];
}

START_TEST(files_are_kept)
{
	struct share_log log = {0};
	uint64_t first = open_file(&log, "pool.1")->id;
	uint64_t second = open_file(&log, "pool.2")->id;
	char name[200];
	size_t index;
	struct error e;

	ck_assert_uint_ne(first, second);
	ck_assert_uint_eq(log.count, 2);
	share_log_release(&log, 0);
	ck_assert_int_eq(share_log_open(&log, "pool.1", 5000, &index, &e), ADIT_OK);
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(log.files[0].id, first);
	ck_assert_uint_eq(log.files[0].capacity, 128);
	ck_assert_uint_eq(log.count, 2);
	/* never two writers */
	ck_assert_int_eq(share_log_open(&log, "pool.1", 5000, &index, &e), ADIT_OK);
	ck_assert_uint_eq(index, 2);
	ck_assert_uint_ne(log.files[2].id, first);
	ck_assert_uint_eq(log.files[2].capacity, 8192);
	share_log_release(&log, 2);
	share_log_release(&log, 0);
	ck_assert_uint_eq(open_file(&log, "pool.1")->id, first);
	ck_assert_uint_eq(log.count, 3);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(share_log_open(&log, name, 64, &index, &e), ADIT_E_LIMIT);
	share_log_free(&log);
	ck_assert_uint_eq(log.count, 0);
}
END_TEST

/* Nobody can change the size; a reader's descriptor can't write. */
START_TEST(files_are_sealed)
{
	struct share_log log = {0};
	const struct share_file *file = open_file(&log, "pool.1");
	off_t size = (off_t)share_ring_bytes(128);
	struct stat st;

	ck_assert_int_eq(fstat(file->writer, &st), 0);
	ck_assert_int_eq(st.st_size, size);
	ck_assert_int_ge(st.st_blocks * 512, size); /* the memory is there */
	ck_assert_int_ne(ftruncate(file->writer, 0), 0);
	ck_assert_int_ne(ftruncate(file->writer, size * 2), 0);
	ck_assert_int_ne(fcntl(file->writer, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(fcntl(file->reader, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_ne(ftruncate(file->reader, 0), 0);
	ck_assert_int_eq(write(file->reader, "x", 1), -1);
	ck_assert(mmap(NULL, (size_t)size, PROT_WRITE, MAP_SHARED, file->reader, 0) == MAP_FAILED);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_ne(fcntl(file->writer, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(file->reader, F_GETFD) & FD_CLOEXEC, 0);
	share_log_free(&log);
}
END_TEST

static void arrives(int socket, const struct share_file *file)
{
	struct share_log_message message;
	struct stat wanted, got;
	int fd;

	ck_assert(share_log_receive(socket, &message, &fd));
	ck_assert_str_eq(message.producer, file->producer);
	ck_assert_uint_eq(message.id, file->id);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(file->writer, &wanted), 0);
	ck_assert_int_eq(fstat(fd, &got), 0);
	ck_assert_uint_eq(wanted.st_ino, got.st_ino);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
}

/* Each file once, in order; those that the socket had no room for come later. */
START_TEST(files_are_sent)
{
	struct share_log log = {0};
	struct share_log_message message;
	struct error e;
	size_t sent = 0, seen = 0;
	int host, role, fd, size = 1;

	ck_assert_int_eq(share_log_socket(&host, &role, &e), ADIT_OK);
	ck_assert_int_eq(setsockopt(host, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	ck_assert(!share_log_receive(role, &message, &fd));
	for (int i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "pool.%d", i + 1);
		open_file(&log, name);
	}
	share_log_send(&log, host, &sent);
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt(sent, 40);
	while (seen < 40) {
		while (seen < sent)
			arrives(role, &log.files[seen++]);
		ck_assert(!share_log_receive(role, &message, &fd));
		share_log_send(&log, host, &sent);
		ck_assert(seen == 40 || sent > seen);
	}
	close(role);
	open_file(&log, "late.1");
	share_log_send(&log, host, &sent); /* nobody is there: no signal, nothing counted */
	ck_assert_uint_eq(sent, 40);
	close(host);
	share_log_free(&log);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share_log");
	TCase *ring = tcase_create("ring"), *files = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_set_timeout(ring, 120);
	tcase_add_test(ring, sizes);
	tcase_add_test(ring, records_arrive_whole);
	tcase_add_test(ring, long_users);
	tcase_add_test(ring, workers);
	tcase_add_test(ring, wraps);
	tcase_add_test(ring, overflow_is_counted_exactly);
	tcase_add_test(ring, seeks);
	tcase_add_loop_test(ring, torn_records, 0, 3);
	tcase_add_test(ring, garbage);
	tcase_add_test(ring, killed_writers);
	tcase_add_test(files, files_are_kept);
	tcase_add_test(files, files_are_sealed);
	tcase_add_test(files, files_are_sent);
	suite_add_tcase(suite, ring);
	suite_add_tcase(suite, files);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

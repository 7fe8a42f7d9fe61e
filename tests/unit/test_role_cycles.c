/* SPDX-License-Identifier: MIT */
/*
 * The run-time of a role process, started and stopped 1,000 times inside one process, with the
 * plugin tests/plugins/abi_count.c, which asks for everything and counts. After each stop no
 * callback came any more and each destructor was called once; after all of them descriptors, timers
 * and memory are where they were.
 *
 * A child is the role process over and over; the test plays the host at the other end of the
 * channel. The child is this program again, with the allocator's cache per thread off: what lies in
 * it counts as allocated.
 */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adit/error.h>

#include "host/exit_codes.h"
#include "host/ipc.h"
#include "host/manifest.h"
#include "host/role.h"
#include "host/start.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"

#define CYCLES 1000
#define WARM_UP 100 /* cycles until caches of the libraries are filled */
#define ENDPOINT 7
#define WAIT_MS 60000

#if defined(__SANITIZE_ADDRESS__)
#define MEASURED_BY_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEASURED_BY_SANITIZER 1
#endif
#endif
#ifdef MEASURED_BY_SANITIZER
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc brings no header for it */
#endif

/* What the child found; it writes this to its standard output. */
struct measured {
	size_t cycles;
	size_t wrong_exits;
	size_t files_before; /* after the warm-up */
	size_t files_after;
	size_t bytes_before;
	size_t bytes_after;
	size_t resident_before; /* KiB */
	size_t resident_after;
};

static char directory[64];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* --- the child: role processes ------------------------------------------------------------------
 */

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

static size_t allocated_bytes(void)
{
#ifdef MEASURED_BY_SANITIZER
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

static size_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total = 0;
	unsigned long resident = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void role_process_once(struct measured *m)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		_exit(10);
	if (fd != ROLE_CHANNEL_FD) {
		if (dup2(fd, ROLE_CHANNEL_FD) != ROLE_CHANNEL_FD)
			_exit(11);
		(void)close(fd);
	}
	if (role_main("abi-count.1") != HOST_EXIT_OK)
		m->wrong_exits++;
	m->cycles++;
}

/* The child: CYCLES role processes that connect to the socket at PATH. */
static int role_processes(const char *path)
{
	struct measured m = {0};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; i < CYCLES; i++) {
		if (i == WARM_UP) {
			m.files_before = open_files();
			m.resident_before = resident_kib();
			m.bytes_before = allocated_bytes();
		}
		role_process_once(&m);
	}
	m.files_after = open_files();
	m.bytes_after = allocated_bytes();
	m.resident_after = resident_kib();
	return write(STDOUT_FILENO, &m, sizeof(m)) == sizeof(m) ? 0 : 12;
}

/* Starts the child; *OUT is its standard output. */
static pid_t role_processes_start(int *out)
{
	int pair[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pair), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0) {
		(void)close(pair[1]);
		*out = pair[0];
		return pid;
	}
	(void)close(pair[0]);
	/* ROLE_CHANNEL_FD is the channel's */
	for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
		if (fd != pair[1])
			(void)close(fd);
	if (dup2(pair[1], STDOUT_FILENO) != STDOUT_FILENO ||
	    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) != 0)
		_exit(13);
	(void)close(pair[1]);
	(void)execl("/proc/self/exe", "test-role-cycles", address.sun_path, (char *)NULL);
	_exit(14);
}

/* --- the test: the host -------------------------------------------------------------------------
 */

static void host_send(int fd, const struct ipc_frame *frame)
{
	uint8_t header[IPC_HEADER];
	struct buf out = {.limit = 1 << 20};
	const char *name = frame->name != NULL ? frame->name : "";
	const char *text = frame->text != NULL ? frame->text : "";

	ck_assert_int_eq(ipc_encode_header(frame, header), ADIT_OK);
	ck_assert(buf_append(&out, header, sizeof(header)));
	ck_assert(buf_append(&out, name, strlen(name)));
	ck_assert(buf_append(&out, text, strlen(text)));
	ck_assert(buf_append(&out, frame->json, frame->json_size));
	ck_assert(buf_append(&out, frame->attachment, frame->attachment_size));
	/* the other end may have gone */
	if (send(fd, out.data, out.size, MSG_NOSIGNAL) != (ssize_t)out.size)
		ck_assert(errno == EPIPE || errno == ECONNRESET);
	buf_free(&out);
}

static bool host_read(int fd, uint8_t *to, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (size > 0) {
		ssize_t n;

		ck_assert_msg(poll(&p, 1, WAIT_MS) == 1, "the role process says nothing");
		n = read(fd, to, size);
		if (n <= 0)
			return false;
		to += n;
		size -= (size_t)n;
	}
	return true;
}

/* The next frame; false at the end. */
static bool host_receive(int fd, struct ipc_frame *frame, struct ipc_strings *strings)
{
	static uint8_t data[65536];
	size_t size;

	if (!host_read(fd, data, IPC_HEADER))
		return false;
	ck_assert_int_eq(ipc_frame_size(data, &size), ADIT_OK);
	ck_assert_uint_le(size, sizeof(data));
	ck_assert(host_read(fd, data + IPC_HEADER, size - IPC_HEADER));
	ck_assert_int_eq(ipc_decode(data, size, frame, strings), ADIT_OK);
	return true;
}

static void host_start(int fd, const char *stop)
{
	char role[] = "abi-count", worker[] = "abi-count.1", network[] = "regtest";
	char path[] = ABI_PLUGINS "/abi-count.so", key[] = "stop";
	char value[8];
	struct start_setting setting = {key, value};
	struct start_instance instance = {
	    .id = ENDPOINT,
	    .slice = 1,
	    .capabilities = CAPABILITY_SUBSCRIBE_EVENTS | CAPABILITY_PUBLISH_EVENTS |
			    CAPABILITY_CALL_MODULE | CAPABILITY_REGISTER_MODULE_API,
	    .role = role,
	    .instance = role,
	    .worker_name = worker,
	    .path = path,
	    .state_dir = directory,
	    .settings = &setting,
	    .setting_count = 1,
	};
	const struct start start = {
	    .process = worker,
	    .network = network,
	    .worker = 1,
	    .workers = 1,
	    .log_level = ADIT_LOG_WARNING,
	    .instances = &instance,
	    .instance_count = 1,
	};
	struct buf json = {.limit = IPC_JSON_MAX};
	struct ipc_frame frame = {.kind = IPC_START};
	const struct ipc_frame wanted = {.kind = IPC_WANTED, .name = "*", .status = 1};

	(void)snprintf(value, sizeof(value), "%s", stop);
	ck_assert(start_encode(&start, &json));
	frame.json = json.data;
	frame.json_size = json.size;
	host_send(fd, &wanted);
	host_send(fd, &frame);
	buf_free(&json);
}

static void host_call(int fd, const char *method, uint64_t number)
{
	const struct ipc_frame frame = {
	    .kind = IPC_CALL,
	    .target = ENDPOINT,
	    .name = method,
	    .text = "control",
	    .correlation = number,
	    .extra = 10000,
	    .json = "{}",
	    .json_size = 2,
	};

	host_send(fd, &frame);
}

/* What the plugin publishes comes back to it as an event, and so do its calls; `hold` is open until
 * the end. */
static void host_serve(int fd, const struct ipc_frame *frame)
{
	struct ipc_frame back = *frame;

	back.source = 0;
	back.target = ENDPOINT;
	if (frame->kind == IPC_PUBLISH) {
		back.kind = IPC_EVENT;
		back.text = "abi-count.1";
	} else {
		back.kind = IPC_REPLY;
		back.name = back.text = "";
	}
	if (frame->kind == IPC_CALL && strcmp(frame->name, "echo") == 0)
		host_call(fd, "echo", 2);
	if (frame->kind == IPC_PUBLISH || strcmp(frame->name, "echo") == 0)
		host_send(fd, &back);
}

struct seen {
	unsigned answered; /* our calls, with ADIT_OK */
	unsigned refused;  /* our call of `hold`, at the end */
	unsigned published;
	unsigned called;
	bool started;
	bool stopped; /* we have asked it to */
};

static void host_look(int fd, const struct ipc_frame *frame, struct seen *seen)
{
	const struct ipc_frame stop = {.kind = IPC_STOP};

	switch (frame->kind) {
	case IPC_STARTED:
		seen->started = true;
		host_call(fd, "hold", 1);
		host_call(fd, "echo", 2);
		host_call(fd, "status", 3);
		break;
	case IPC_PUBLISH:
		seen->published++;
		host_serve(fd, frame);
		break;
	case IPC_CALL:
		seen->called++;
		host_serve(fd, frame);
		break;
	case IPC_REPLY:
		seen->answered += frame->status == ADIT_OK ? 1 : 0;
		seen->refused += frame->status == ADIT_E_UNAVAILABLE ? 1 : 0;
		break;
	case IPC_LOG:
	case IPC_FAILED:
		ck_abort_msg("%s%.*s", frame->text, (int)frame->json_size,
			     frame->json_size > 0 ? (const char *)frame->json : "");
		break;
	default:
		break;
	}
	if (!seen->stopped && seen->answered >= 2 && seen->published >= 3 && seen->called >= 3) {
		seen->stopped = true;
		host_send(fd, &stop);
	}
}

static unsigned report_number(const char *text, const char *name)
{
	char line[64];
	const char *at;

	(void)snprintf(line, sizeof(line), "\n%s=", name);
	at = strstr(text, line);
	ck_assert_msg(at != NULL, "%s is not in the report:%s", name, text);
	return (unsigned)strtoul(at + strlen(line), NULL, 10);
}

/* The plugin's own books. */
static void check_report(bool later)
{
	static const char *const callbacks[] = {"event", "reply", "method", "timer", "io"};
	char path[128];
	char text[1024] = "\n";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/report", directory);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "the plugin has left no report");
	ck_assert_uint_gt(fread(text + 1, 1, sizeof(text) - 2, f), 0);
	(void)fclose(f);
	ck_assert_int_eq(remove(path), 0);
	ck_assert_msg(report_number(text, "late") == 0, "calls after the end:%s", text);
	ck_assert_msg(report_number(text, "unended") == 0, "destructors not called:%s", text);
	ck_assert_msg(report_number(text, "twice") == 0, "destructors called twice:%s", text);
	ck_assert_msg(report_number(text, "events_left") == 0, "events left in the loop:%s", text);
	ck_assert_msg(report_number(text, "taken") == 0,
		      "registrations of a stopped instance were taken:%s", text);
	ck_assert_msg(report_number(text, "refused") > 0, "nothing was registered at the end:%s",
		      text);
	ck_assert_uint_ge(report_number(text, "registered"), 20);
	for (size_t i = 0; later && i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
		ck_assert_msg(report_number(text, callbacks[i]) > 0, "no %s:%s", callbacks[i],
			      text);
}

static void one_cycle(int listener, bool later)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct seen seen = {0};
	struct ipc_strings strings;
	struct ipc_frame frame;
	int fd;

	ck_assert_msg(poll(&p, 1, WAIT_MS) == 1, "no role process");
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	host_start(fd, later ? "later" : "now");
	while (host_receive(fd, &frame, &strings))
		host_look(fd, &frame, &seen);
	ck_assert(seen.started && seen.stopped);
	ck_assert_uint_ge(seen.answered, 2);
	ck_assert_uint_ge(seen.refused, 1);
	(void)close(fd);
	check_report(later);
}

static int listen_here(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(directory, sizeof(directory), "/tmp/adit-role-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/host", directory);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

START_TEST(nothing_remains)
{
	int listener = listen_here();
	uint64_t start = clock_monotonic_ms();
	struct measured m;
	int status;
	int out;
	pid_t pid = role_processes_start(&out);

	for (int i = 0; i < CYCLES; i++)
		one_cycle(listener, i % 2 == 1);
	ck_assert_int_eq(read(out, &m, sizeof(m)), sizeof(m));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fprintf(stderr,
		"%zu starts and stops in %llu ms; after the first %d: %zu -> %zu descriptors, "
		"%zu -> %zu bytes allocated, %zu -> %zu KiB resident\n",
		m.cycles, (unsigned long long)(clock_monotonic_ms() - start), WARM_UP,
		m.files_before, m.files_after, m.bytes_before, m.bytes_after, m.resident_before,
		m.resident_after);
	ck_assert_uint_eq(m.cycles, CYCLES);
	ck_assert_uint_eq(m.wrong_exits, 0);
	ck_assert_uint_eq(m.files_after, m.files_before);
	ck_assert_msg(m.bytes_after <= m.bytes_before, "memory was lost: %zu bytes in %d cycles",
		      m.bytes_after - m.bytes_before, CYCLES - WARM_UP);
	(void)close(out);
	(void)close(listener);
	(void)unlink(address.sun_path);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *c;
	SRunner *runner;
	int failed;

	if (argc == 2)
		return role_processes(argv[1]);
	suite = suite_create("role cycles");
	c = tcase_create("cycles");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, nothing_remains);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

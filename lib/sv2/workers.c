/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/random.h"

#define MAGIC 0x32574441u /* "ADW2" */
/* Slots of a worker: while a process is replaced, both it and its successor have one. A process has
 * the lock on the first byte of its slot, which the kernel takes from it when it dies. */
#define SLOTS_EACH 2u
#define ADDRESSES 65536u /* places, a power of two */
#define ADDRESSES_MOST (ADDRESSES / 4 * 3)
#define SECOND_US 1000000u

struct page {
	uint32_t magic;
	uint32_t workers;
	uint64_t seed; /* nobody outside can choose addresses that meet in one place */
	/* When the role's next connection is due, monotonic us: the theoretical arrival time of the
	 * generic cell rate algorithm (ITU-T I.371). */
	_Atomic uint64_t due_us;
};

struct place {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint32_t count;
};

/* Written by its worker alone. */
struct slot {
	_Atomic uint64_t beat_ms; /* 0: gone */
	_Atomic uint32_t accepting;
	_Atomic uint32_t connections;
	_Atomic uint32_t handshakes;
	_Atomic uint32_t addresses; /* places in use */
	struct place places[ADDRESSES];
};

struct sv2_workers {
	struct page *page;
	struct slot *slots;
	struct slot *own;
	size_t size; /* of the mapping */
	uint32_t workers;
	uint32_t slot_count;
	int fd; /* of the file, which holds the lock; -1: alone */
};

/* --- the file ----------------------------------------------------------------------------------
 */

/* Slots begin at a page of their own, so that the rate's clock is not on a counter's cache line. */
#define SLOTS_AT 4096u

static size_t file_size(uint32_t workers)
{
	return SLOTS_AT + (size_t)workers * SLOTS_EACH * sizeof(struct slot);
}

static bool file_good(int fd, uint32_t workers)
{
	struct page page;
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)file_size(workers) &&
	       pread(fd, &page, sizeof(page), 0) == (ssize_t)sizeof(page) && page.magic == MAGIC &&
	       page.workers == workers;
}

/* A new one takes the place of the old: who still maps that one keeps it. All of it is allocated
 * now, since a full disk would later be a signal. */
static int file_make(const char *path, uint32_t workers, struct error *e)
{
	struct page page = {.magic = MAGIC, .workers = workers};
	int error;
	int fd;

	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
		return -1;
	}
	random_bytes(&page.seed, sizeof(page.seed));
	error = posix_fallocate(fd, 0, (off_t)file_size(workers));
	if (error == 0 && pwrite(fd, &page, sizeof(page), 0) != (ssize_t)sizeof(page))
		error = EIO;
	if (error == 0)
		return fd;
	(void)error_set(e, ADIT_E_IO, "%s: %s", path, strerror(error));
	(void)unlink(path);
	(void)close(fd);
	return -1;
}

/* One worker at a time: DIRECTORY is locked meanwhile. */
static int file_open(const char *directory, uint32_t workers, struct error *e)
{
	char path[PATH_MAX];
	int lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (lock < 0 || flock(lock, LOCK_EX) != 0) {
		(void)error_set(e, ADIT_E_IO, "%s: %s", directory, strerror(errno));
		if (lock >= 0)
			(void)close(lock);
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/" SV2_WORKERS_FILE, directory);
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !file_good(fd, workers)) {
		(void)close(fd);
		fd = -1;
	}
	if (fd < 0)
		fd = file_make(path, workers, e);
	(void)close(lock);
	return fd;
}

/* Forgets what this worker's slot says. */
static void slot_clear(struct slot *slot)
{
	atomic_store(&slot->beat_ms, 0);
	atomic_store(&slot->accepting, 0);
	atomic_store(&slot->connections, 0);
	atomic_store(&slot->handshakes, 0);
	if (atomic_load(&slot->addresses) == 0)
		return;
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		atomic_store_explicit(&slot->places[i].key, 0, memory_order_relaxed);
		atomic_store_explicit(&slot->places[i].count, 0, memory_order_relaxed);
	}
	atomic_store(&slot->addresses, 0);
}

/* Locks (or unlocks) slot NUMBER; false: a process has it. */
static bool slot_lock(int fd, uint32_t number, bool lock)
{
	struct flock what = {
	    .l_type = (short)(lock ? F_WRLCK : F_UNLCK),
	    .l_whence = SEEK_SET,
	    .l_start = (off_t)(SLOTS_AT + (size_t)number * sizeof(struct slot)),
	    .l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &what) == 0;
}

/* Takes a slot of WORKER that no process has, and forgets what dead ones have left in both. */
static bool slot_take(struct sv2_workers *w, uint32_t worker)
{
	uint32_t first = worker < w->workers ? worker * SLOTS_EACH : 0;

	if (w->fd < 0) {
		w->own = &w->slots[0];
		return true;
	}
	for (uint32_t i = first; i < first + SLOTS_EACH; i++) {
		if (!slot_lock(w->fd, i, true))
			continue;
		slot_clear(&w->slots[i]);
		if (w->own == NULL)
			w->own = &w->slots[i];
		else
			(void)slot_lock(w->fd, i, false);
	}
	return w->own != NULL;
}

int32_t sv2_workers_open(const char *directory, uint32_t worker, uint32_t workers,
			 struct sv2_workers **out, struct error *e)
{
	struct sv2_workers *w = calloc(1, sizeof(*w));
	bool alone = workers <= 1;
	void *at;
	int fd = -1;

	if (w == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	w->workers = alone ? 1 : workers;
	w->slot_count = alone ? 1 : workers * SLOTS_EACH;
	w->size = file_size(w->workers);
	if (!alone && (fd = file_open(directory, workers, e)) < 0) {
		free(w);
		return ADIT_E_IO;
	}
	at = mmap(NULL, w->size, PROT_READ | PROT_WRITE,
		  alone ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "the workers' counts: %s", strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		free(w);
		return ADIT_E_NO_MEMORY;
	}
	w->fd = fd;
	w->page = at;
	w->slots = (struct slot *)(void *)((uint8_t *)at + SLOTS_AT);
	if (!slot_take(w, worker)) {
		(void)munmap(w->page, w->size);
		(void)close(fd);
		free(w);
		return error_set(e, ADIT_E_EXISTS,
				 "two other processes are this worker: have they stopped?");
	}
	if (alone)
		random_bytes(&w->page->seed, sizeof(w->page->seed));
	*out = w;
	return ADIT_OK;
}

void sv2_workers_close(struct sv2_workers *w)
{
	if (w == NULL)
		return;
	slot_clear(w->own);
	(void)munmap(w->page, w->size);
	if (w->fd >= 0)
		(void)close(w->fd);
	free(w);
}

/* --- connections -------------------------------------------------------------------------------
 */

bool sv2_workers_shared(const struct sv2_workers *w)
{
	return w->workers > 1;
}

uint32_t sv2_workers_count(const struct sv2_workers *w)
{
	return w->workers;
}

void sv2_workers_beat(struct sv2_workers *w, uint64_t now_ms, bool accepting)
{
	atomic_store(&w->own->accepting, accepting ? 1 : 0);
	atomic_store(&w->own->beat_ms, now_ms > 0 ? now_ms : 1);
}

void sv2_workers_set(struct sv2_workers *w, uint32_t connections, uint32_t handshakes)
{
	atomic_store(&w->own->connections, connections);
	atomic_store(&w->own->handshakes, handshakes);
}

/* A beat of another boot may lie in the future. */
static bool slot_lives(const struct sv2_workers *w, const struct slot *slot, uint64_t now_ms)
{
	uint64_t beat = atomic_load(&slot->beat_ms);

	if (slot == w->own)
		return true;
	return beat != 0 && beat < now_ms + SV2_WORKERS_DEAD_MS &&
	       now_ms < beat + SV2_WORKERS_DEAD_MS;
}

struct sv2_workers_sum sv2_workers_sum(const struct sv2_workers *w, uint64_t now_ms)
{
	struct sv2_workers_sum sum = {0};

	for (uint32_t i = 0; i < w->slot_count; i++) {
		const struct slot *slot = &w->slots[i];

		if (!slot_lives(w, slot, now_ms))
			continue;
		sum.connections += atomic_load(&slot->connections);
		sum.handshakes += atomic_load(&slot->handshakes);
	}
	return sum;
}

bool sv2_workers_over_share(const struct sv2_workers *w, uint64_t now_ms)
{
	uint64_t own = atomic_load(&w->own->connections);
	uint64_t sum = own;
	uint64_t sharers = 1;

	for (uint32_t i = 0; i < w->slot_count; i++) {
		const struct slot *slot = &w->slots[i];

		if (slot == w->own || !slot_lives(w, slot, now_ms) ||
		    atomic_load(&slot->accepting) == 0)
			continue;
		sum += atomic_load(&slot->connections);
		sharers++;
	}
	/* own > sum / sharers * 1.05 + 1 */
	return own * sharers * 20 > sum * 21 + sharers * 20;
}

/* --- addresses ---------------------------------------------------------------------------------
 *
 * A table with linear probing a worker. A reader in another process may miss an entry that is being
 * moved: the limit is off by one connection for that moment.
 */

/* The finalizer of MurmurHash3, over the seed. */
static uint32_t home(const struct sv2_workers *w, uint64_t key)
{
	uint64_t h = key ^ w->page->seed;

	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	h ^= h >> 33;
	return (uint32_t)h & (ADDRESSES - 1);
}

/* The place of KEY, or the free one where it would go. Bounded, whatever another process does. */
static uint32_t find(const struct sv2_workers *w, const struct slot *slot, uint64_t key)
{
	uint32_t at = home(w, key);

	for (uint32_t i = 0; i < ADDRESSES; i++) {
		uint64_t there = atomic_load_explicit(&slot->places[at].key, memory_order_relaxed);

		if (there == key || there == 0)
			break;
		at = (at + 1) & (ADDRESSES - 1);
	}
	return at;
}

uint32_t sv2_workers_address(const struct sv2_workers *w, uint64_t now_ms, uint64_t key)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < w->slot_count && key != 0; i++) {
		const struct slot *slot = &w->slots[i];
		const struct place *p;

		if (!slot_lives(w, slot, now_ms) || atomic_load(&slot->addresses) == 0)
			continue;
		p = &slot->places[find(w, slot, key)];
		if (atomic_load_explicit(&p->key, memory_order_relaxed) == key)
			sum += atomic_load_explicit(&p->count, memory_order_relaxed);
	}
	return sum;
}

bool sv2_workers_address_add(struct sv2_workers *w, uint64_t key)
{
	struct slot *slot = w->own;
	struct place *p;

	if (key == 0)
		return false;
	p = &slot->places[find(w, slot, key)];
	if (atomic_load(&p->key) != key) {
		if (atomic_load(&slot->addresses) >= ADDRESSES_MOST)
			return false;
		atomic_store(&p->count, 0);
		atomic_store(&p->key, key);
		atomic_fetch_add(&slot->addresses, 1);
	}
	atomic_fetch_add(&p->count, 1);
	return true;
}

/* Frees place AT: those behind it that were displaced move up, so that no gap hides them. */
static void place_free(struct sv2_workers *w, uint32_t at)
{
	struct place *places = w->own->places;
	uint32_t next = at;

	for (;;) {
		uint64_t key;

		next = (next + 1) & (ADDRESSES - 1);
		key = atomic_load(&places[next].key);
		if (key == 0)
			break;
		/* it may stay when its home lies behind AT */
		if (((next - home(w, key)) & (ADDRESSES - 1)) < ((next - at) & (ADDRESSES - 1)))
			continue;
		atomic_store(&places[at].count, atomic_load(&places[next].count));
		atomic_store(&places[at].key, key);
		at = next;
	}
	atomic_store(&places[at].key, 0);
	atomic_store(&places[at].count, 0);
	atomic_fetch_sub(&w->own->addresses, 1);
}

void sv2_workers_address_remove(struct sv2_workers *w, uint64_t key)
{
	uint32_t at = find(w, w->own, key);
	struct place *p = &w->own->places[at];

	if (key == 0 || atomic_load(&p->key) != key)
		return;
	if (atomic_fetch_sub(&p->count, 1) == 1)
		place_free(w, at);
}

/* --- accept rate -------------------------------------------------------------------------------
 */

/* A time further ahead than a full second of connections is of another boot. */
static uint64_t due_now(uint64_t due, uint64_t now_us)
{
	return due < now_us || due > now_us + 3u * SECOND_US ? now_us : due;
}

uint32_t sv2_workers_accept_wait(const struct sv2_workers *w, uint64_t now_us, uint32_t rate)
{
	uint64_t ahead;
	uint64_t burst;

	if (rate == 0)
		return 0;
	burst = SECOND_US - SECOND_US / rate;
	ahead = due_now(atomic_load(&w->page->due_us), now_us) - now_us;
	return ahead <= burst ? 0 : (uint32_t)((ahead - burst) / 1000 + 1);
}

void sv2_workers_accept_took(struct sv2_workers *w, uint64_t now_us, uint32_t rate)
{
	uint64_t due;
	uint64_t next;

	if (rate == 0)
		return;
	due = atomic_load(&w->page->due_us);
	do {
		next = due_now(due, now_us) + SECOND_US / rate;
	} while (!atomic_compare_exchange_weak(&w->page->due_us, &due, next));
}

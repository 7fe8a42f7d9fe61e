/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/hasher.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "plugins/cpu-miner/pace.h"

#define QUEUE_SIZE 64
#define NS 1000000000u
/* When a job has no headers left for this second; the search looks at the clock then. */
#define EXHAUSTED_REST_NS 50000000u

struct hashing_thread {
	struct miner_hasher *hasher;
	pthread_t id;
	uint32_t index;
	uint64_t generation; /* of the job it works on */
	struct miner_pace pace;
	_Atomic uint64_t hashes;
};

struct miner_hasher {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* generation, stop, or room in the queue */
	/* Under the lock. The generation is also read without, to leave a slice early. */
	_Atomic uint64_t generation;
	struct miner_job *job;
	uint64_t seed;
	bool stop;
	struct miner_result queue[QUEUE_SIZE];
	uint32_t queue_at;
	uint32_t queue_count;
	/* Fixed after the start. */
	int pipe[2];
	uint32_t thread_count;
	struct hashing_thread threads[];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static bool is_current(const struct hashing_thread *t)
{
	return atomic_load_explicit(&t->hasher->generation, memory_order_relaxed) == t->generation;
}

/* Waits for REST_NS, less when the job changes. */
static void rest(struct hashing_thread *t, uint64_t rest_ns)
{
	struct miner_hasher *h = t->hasher;
	uint64_t until = now_ns() + rest_ns;
	struct timespec at = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};

	pthread_mutex_lock(&h->lock);
	while (is_current(t) && pthread_cond_timedwait(&h->changed, &h->lock, &at) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&h->lock);
}

/* Under the lock. One byte in the pipe says that the queue is not empty; there is always room for
 * it. */
static void put(struct miner_hasher *h, struct miner_job *job, const struct miner_found *found)
{
	struct miner_result *r = &h->queue[(h->queue_at + h->queue_count) % QUEUE_SIZE];

	if (h->queue_count == 0 && write(h->pipe[1], "", 1) != 1)
		return;
	r->job = miner_job_ref(job);
	r->found = *found;
	h->queue_count++;
}

/* Waits for room as long as the job is the current one; for an old one it is not worth it. */
static void deliver(struct hashing_thread *t, struct miner_job *job,
		    const struct miner_found *found)
{
	struct miner_hasher *h = t->hasher;

	pthread_mutex_lock(&h->lock);
	while (h->queue_count == QUEUE_SIZE && is_current(t))
		pthread_cond_wait(&h->changed, &h->lock);
	if (h->queue_count < QUEUE_SIZE)
		put(h, job, found);
	pthread_mutex_unlock(&h->lock);
}

/* Hashes until the generation changes. */
static void work(struct hashing_thread *t, struct miner_job *job, uint64_t seed)
{
	struct miner_search search;
	struct miner_found found;
	bool hit;

	miner_search_init(&search, job, t->index, t->hasher->thread_count, seed);
	while (is_current(t)) {
		uint32_t n = miner_search_run(&search, clock_monotonic_us(),
					      miner_pace_slice(&t->pace), &found, &hit);

		atomic_fetch_add_explicit(&t->hashes, n, memory_order_relaxed);
		if (hit)
			deliver(t, job, &found);
		uint64_t rest_ns =
		    n > 0 ? miner_pace_rest(&t->pace, n, now_ns()) : EXHAUSTED_REST_NS;
		if (rest_ns > 0)
			rest(t, rest_ns);
	}
}

/* Waits for a job, and returns a reference to it; NULL: the end. */
static struct miner_job *next_job(struct hashing_thread *t, uint64_t *seed)
{
	struct miner_hasher *h = t->hasher;
	struct miner_job *job;

	pthread_mutex_lock(&h->lock);
	while (!h->stop && h->job == NULL)
		pthread_cond_wait(&h->changed, &h->lock);
	t->generation = atomic_load(&h->generation);
	*seed = h->seed;
	job = h->stop ? NULL : miner_job_ref(h->job);
	pthread_mutex_unlock(&h->lock);
	return job;
}

static void *run(void *user)
{
	struct hashing_thread *t = user;
	struct miner_job *job;
	uint64_t seed;

	while ((job = next_job(t, &seed)) != NULL) {
		work(t, job, seed);
		miner_job_unref(job);
	}
	return NULL;
}

/* Signals belong to the process's main thread. */
static int start_thread(struct hashing_thread *t)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void init_lock(struct miner_hasher *h)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static int start_threads(struct miner_hasher *h, uint32_t threads, uint64_t rate)
{
	int r = 0;

	/* Fixed before the first thread reads it: each searches its part of THREADS. */
	h->thread_count = threads;
	for (uint32_t i = 0; i < threads && r == 0; i++) {
		struct hashing_thread *t = &h->threads[i];

		t->hasher = h;
		t->index = i;
		/* The remainder goes to the first ones; no thread may get 0, which means no limit.
		 */
		t->pace.rate = rate / threads + (i < rate % threads);
		if (rate > 0 && t->pace.rate == 0)
			t->pace.rate = 1;
		r = start_thread(t);
		if (r != 0)
			h->thread_count = i;
	}
	return r;
}

struct miner_hasher *miner_hasher_new(uint32_t threads, uint64_t rate, struct error *e)
{
	struct miner_hasher *h = calloc(1, sizeof(*h) + threads * sizeof(h->threads[0]));
	int r;

	if (h == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory for %u hashing threads", threads);
		return NULL;
	}
	init_lock(h);
	if (pipe2(h->pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
		error_set(e, ADIT_E_IO, "pipe: %s", strerror(errno));
		h->pipe[0] = h->pipe[1] = -1;
		miner_hasher_free(h);
		return NULL;
	}
	r = start_threads(h, threads, rate);
	if (r != 0) {
		error_set(e, ADIT_E_LIMIT, "threads = %u: the system gave %u: %s", threads,
			  h->thread_count, strerror(r));
		miner_hasher_free(h);
		return NULL;
	}
	return h;
}

void miner_hasher_free(struct miner_hasher *h)
{
	struct miner_result r;

	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	atomic_fetch_add(&h->generation, 1);
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	for (uint32_t i = 0; i < h->thread_count; i++)
		pthread_join(h->threads[i].id, NULL);
	while (miner_hasher_take(h, &r))
		miner_job_unref(r.job);
	miner_job_unref(h->job);
	if (h->pipe[0] >= 0) {
		close(h->pipe[0]);
		close(h->pipe[1]);
	}
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void miner_hasher_set_job(struct miner_hasher *h, struct miner_job *job, uint64_t seed)
{
	struct miner_job *before;

	pthread_mutex_lock(&h->lock);
	before = h->job;
	h->job = job != NULL ? miner_job_ref(job) : NULL;
	h->seed = seed;
	atomic_fetch_add(&h->generation, 1);
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	miner_job_unref(before);
}

int miner_hasher_fd(const struct miner_hasher *h)
{
	return h->pipe[0];
}

/* Under the lock; there is one. */
static void get(struct miner_hasher *h, struct miner_result *out)
{
	char byte;

	*out = h->queue[h->queue_at];
	h->queue_at = (h->queue_at + 1) % QUEUE_SIZE;
	if (h->queue_count-- == QUEUE_SIZE)
		pthread_cond_broadcast(&h->changed);
	if (h->queue_count == 0 && read(h->pipe[0], &byte, 1) != 1)
		return; /* never: the byte of put() is there */
}

bool miner_hasher_take(struct miner_hasher *h, struct miner_result *out)
{
	bool any;

	pthread_mutex_lock(&h->lock);
	any = h->queue_count > 0;
	if (any)
		get(h, out);
	pthread_mutex_unlock(&h->lock);
	return any;
}

uint64_t miner_hasher_hashes(const struct miner_hasher *h)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < h->thread_count; i++)
		sum += atomic_load_explicit(&h->threads[i].hashes, memory_order_relaxed);
	return sum;
}

double miner_hasher_measure(void)
{
	static const uint8_t block[64], tail[16], target[32]; /* target 0 is never met */
	const uint32_t count = 16384;
	struct sha256_midstate mid;
	uint8_t hash[32];
	uint32_t nonce;
	uint64_t from, ns;

	sha256_midstate(block, &mid);
	from = now_ns();
	(void)sha256d_scan(&mid, tail, 0, count, target, &nonce, hash);
	ns = now_ns() - from;
	return (double)count * 1e9 / (double)(ns > 0 ? ns : 1);
}

/* SPDX-License-Identifier: MIT */
/*
 * allocation_counter.c: preloaded into aditd and its processes: counts what they allocate, in a
 * file $ALLOCATION_COUNTER.PID that a test maps. Goes by the allocator's own names, which glibc
 * keeps for such uses.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define EXPORT __attribute__((visibility("default")))
EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t count, size_t size);
EXPORT void *realloc(void *old, size_t size);
EXPORT void *aligned_alloc(size_t alignment, size_t size);
EXPORT int posix_memalign(void **out, size_t alignment, size_t size);

static _Atomic uint64_t unseen; /* until there is a file */
static _Atomic uint64_t *counter = &unseen;

/* Also after fork(): the child of this process has the same counter until it has called exec. */
__attribute__((constructor)) static void open_counter(void)
{
	const char *prefix = getenv("ALLOCATION_COUNTER");
	char path[256];
	void *map;
	int fd;

	if (prefix == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s.%ld", prefix, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*counter)) != 0)
		return;
	map = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map != MAP_FAILED)
		counter = map;
}

static void count(void)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	count();
	return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	count();
	*out = __libc_memalign(alignment, size);
	return *out != NULL ? 0 : ENOMEM;
}

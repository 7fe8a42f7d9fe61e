/* SPDX-License-Identifier: MIT */
/*
 * share_reader.c: a consumer of the share log that keeps books. Its method `status` tells of all
 * rings together: `records`, `accepted`, `blocks`, `lost`, `last` (the sequences of the rings' last
 * records); `complete`: in each ring every sequence up to the last was either read or lost;
 * `faults`: records that break a rule. What asked for a right it may not have was answered stands
 * in `writer` and `ring`.
 *
 * With `keep` it stores after each look how far it is, and goes on from there after a restart, as
 * an accounting role would.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>
#include <adit/share_log.h>

#define READER_RINGS 8
#define READER_STEP 16

struct reader_ring {
	uint64_t id;
	uint64_t last; /* sequence */
	uint64_t records;
	uint64_t accepted;
	uint64_t blocks;
	uint64_t lost;
	bool begun; /* since this start */
};

struct reader {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	bool keep;
	struct reader_ring rings[READER_RINGS];
	unsigned faults;
	const char *writer; /* what share_log_writer answered */
	const char *ring;   /* what share_log_ring answered last */
};

static void reader_path(const struct reader *p, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", p->info.state_dir, name);
}

/* The old file or the new one, whenever we are killed. */
static void reader_store(struct reader *p)
{
	char path[4096], new[4096];
	FILE *f;

	reader_path(p, "cursors", path, sizeof(path));
	reader_path(p, "cursors.new", new, sizeof(new));
	f = fopen(new, "w");
	if (f == NULL) {
		p->faults++;
		return;
	}
	for (size_t i = 0; i < READER_RINGS; i++)
		(void)fprintf(
		    f, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		    p->rings[i].id, p->rings[i].last, p->rings[i].records, p->rings[i].accepted,
		    p->rings[i].blocks, p->rings[i].lost);
	if (fclose(f) != 0 || rename(new, path) != 0)
		p->faults++;
}

/* What was stored of RING, if it is of the same ring. */
static void reader_load(const struct reader *p, struct reader_ring *ring)
{
	struct reader_ring r = {0};
	char path[4096];
	FILE *f;

	reader_path(p, "cursors", path, sizeof(path));
	f = fopen(path, "r");
	while (f != NULL &&
	       fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		      &r.id, &r.last, &r.records, &r.accepted, &r.blocks, &r.lost) == 6) {
		if (r.id == ring->id)
			*ring = r;
	}
	if (f != NULL)
		(void)fclose(f);
}

/* The first look at ring INDEX. */
static void reader_begin(struct reader *p, uint32_t index, const struct adit_share_ring *info)
{
	struct reader_ring *ring = &p->rings[index];

	*ring = (struct reader_ring){.id = info->id, .last = info->read};
	if (p->keep)
		reader_load(p, ring);
	if (ring->last != info->read &&
	    p->api->share_log_seek(p->host, index, ring->last + 1) != ADIT_OK)
		p->faults++;
	ring->begun = true;
}

static bool reader_share_is_good(const struct reader_ring *ring, const struct adit_share *s)
{
	return s->sequence > ring->last && s->time_ms > 1000000000000u && s->user_size > 0 &&
	       strlen(s->user) == s->user_size && s->connection > 0 && s->channel > 1 &&
	       (s->result != ADIT_SHARE_ACCEPTED ||
		(s->difficulty > 0 && s->hash_difficulty > 0 && s->height > 0));
}

static void reader_read(struct reader *p, uint32_t index)
{
	struct reader_ring *ring = &p->rings[index];
	struct adit_share shares[READER_STEP];
	uint32_t count;
	uint64_t lost;

	do {
		if (p->api->share_log_read(p->host, index, shares, READER_STEP, &count, &lost) !=
		    ADIT_OK) {
			p->faults++;
			return;
		}
		for (uint32_t i = 0; i < count; i++) {
			if (!reader_share_is_good(ring, &shares[i]))
				p->faults++;
			ring->last = shares[i].sequence;
			ring->accepted += shares[i].result == ADIT_SHARE_ACCEPTED ? 1 : 0;
			ring->blocks += (shares[i].flags & ADIT_SHARE_BLOCK) != 0 ? 1 : 0;
		}
		ring->records += count;
		ring->lost += lost;
	} while (count > 0 || lost > 0);
}

static void reader_on_timer(void *user)
{
	struct reader *p = user;
	struct adit_share_ring info = {.size = sizeof(info)};
	uint32_t index = 0;
	int32_t error;

	while ((error = p->api->share_log_ring(p->host, index, &info)) == ADIT_OK &&
	       index < READER_RINGS) {
		if (!p->rings[index].begun)
			reader_begin(p, index, &info);
		reader_read(p, index++);
	}
	p->ring = adit_error_name(error);
	if (p->keep)
		reader_store(p);
}

static void reader_on_status(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct reader *p = user;
	struct reader_ring all = {0};
	bool complete = true;
	char json[512];
	int size;

	(void)info;
	for (size_t i = 0; i < READER_RINGS; i++) {
		const struct reader_ring *r = &p->rings[i];

		all.last += r->last;
		all.records += r->records;
		all.accepted += r->accepted;
		all.blocks += r->blocks;
		all.lost += r->lost;
		complete = complete && r->records + r->lost == r->last;
	}
	size = snprintf(json, sizeof(json),
			"{\"records\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"blocks\":%" PRIu64
			",\"lost\":%" PRIu64 ",\"last\":%" PRIu64
			",\"complete\":%s,\"faults\":%u,\"writer\":\"%s\",\"ring\":\"%s\"}",
			all.records, all.accepted, all.blocks, all.lost, all.last,
			complete ? "true" : "false", p->faults, p->writer, p->ring);
	p->api->reply(p->host, request, ADIT_OK, NULL, json, (size_t)size, NULL, 0);
}

static int32_t reader_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct reader *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	p->info.size = sizeof(p->info);
	p->ring = "";
	*instance = p;
	return api->info(host, &p->info);
}

static int32_t reader_start(void *instance)
{
	struct reader *p = instance;
	struct adit_share_writer *writer;
	int64_t interval = 0;
	int32_t error;

	p->writer = adit_error_name(p->api->share_log_writer(p->host, &writer));
	(void)p->api->config_int(p->host, "interval", &interval);
	(void)p->api->config_bool(p->host, "keep", &p->keep);
	error =
	    p->api->register_method(p->host, "status", ADIT_METHOD_ALL, reader_on_status, p, NULL);
	if (error == ADIT_OK)
		error = p->api->timer_add(p->host, 0, (uint32_t)interval, reader_on_timer, p, NULL,
					  NULL);
	return error;
}

static int32_t reader_stop(void *instance)
{
	reader_on_timer(instance); /* what came since the last look */
	return ADIT_OK;
}

static void reader_fini(void *instance)
{
	free(instance);
}

#ifndef READER_NAME
#define READER_NAME "share-reader"
#endif

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = READER_NAME,
    .version = "1.0",
    .init = reader_init,
    .start = reader_start,
    .stop = reader_stop,
    .fini = reader_fini,
};

/* SPDX-License-Identifier: MIT */
/*
 * logs.h: time series by key and tag, as MiningOS has them ("stat-5m" of "t-miner"): rings of JSON
 * texts in memory, which go to STATE/logs.json when the role ends and come from there when it
 * begins.
 */
#ifndef MININGOS_LOGS_H
#define MININGOS_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;

#define LOGS_MAX 512u    /* pairs of key and tag */
#define LOGS_TAG_MAX 95u /* bytes */
#define LOG_ENTRY_MAX 65536u

struct log_entry {
	uint64_t ts; /* Unix ms */
	char *json;
};

struct log {
	char key[24];
	char tag[LOGS_TAG_MAX + 1];
	struct log_entry *entries; /* a ring */
	size_t room, count, next;
};

struct logs {
	struct log *list[LOGS_MAX];
	size_t count;
};

void logs_fini(struct logs *logs);
struct log *logs_find(const struct logs *logs, const char *key, const char *tag);
/* How many entries a log of KEY holds; 0: there is no such key. */
size_t logs_room(const char *key);
/* Appends ENTRY, which is consumed, with the time TS, which also becomes its member `ts`. Of one
 * time there is one entry, the last. Past LOGS_MAX nothing is stored. */
void logs_add(struct logs *logs, const char *key, const char *tag, uint64_t ts,
	      struct json_object *entry);
/* Entry number INDEX from the newest (0) on; NULL past the oldest. */
const struct log_entry *log_at(const struct log *log, size_t index);

/* Which entries are wanted; newest first. */
struct log_range {
	uint64_t start, end; /* Unix ms, both inclusive */
	size_t offset, limit;
	uint64_t group_ms; /* 0, or: one entry for each such span, the newest or */
	bool average;      /* the mean of all of them */
};

/* A new array. */
struct json_object *log_read(const struct log *log, const struct log_range *range);
/* The mean of the numbers in entries of LIST (an array of objects, which may hold objects); what is
 * no number is the first one's. A new object, NULL of an empty list. */
struct json_object *logs_mean(struct json_object *list);

/* A file that is not there is none; lines that are none are left out. */
int32_t logs_load(struct logs *logs, const char *file, struct error *e);
int32_t logs_save(const struct logs *logs, const char *file, struct error *e);

#endif

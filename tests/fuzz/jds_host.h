/* SPDX-License-Identifier: MIT */
/*
 * jds_host.h: the host of the role jds for its fuzz target: timers that go off and calls to the
 * node that are answered when the target says so, and at no other time. One instance, for all runs.
 */
#ifndef FUZZ_JDS_HOST_H
#define FUZZ_JDS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/jds/jds.h"

/* A call to the node that has no answer yet. */
struct jds_call {
	uint64_t id;
	const char *method; /* static */
	adit_reply_fn fn;
	void *user;
	adit_destroy_fn destroy;
	uint8_t *attachment; /* a copy */
	size_t attachment_size;
};

/* Starts the role; its files are removed at exit. Aborts when that fails. */
struct jds *jds_host_start(void);
size_t jds_host_calls(void);
/* The INDEXth open call. */
const struct jds_call *jds_host_call(size_t index);
/* Answers it; JSON is text. */
void jds_host_answer(size_t index, int32_t error, const char *json, const void *attachment,
		     size_t attachment_size);
/* Lets the INDEXth of those timers go off that were not set at the start; false past the last. */
bool jds_host_fire(size_t index);
/* An event that says there is a new block. */
void jds_host_new_block(void);

#endif

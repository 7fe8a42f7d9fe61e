/* SPDX-License-Identifier: MIT */
/*
 * upstream.h: jobs that come whole from an upstream, in the place of a template provider's
 * templates. They are templates with one coinbase for all classes (templates.h), so everything
 * after them is as for any other work.
 */
#ifndef MINING_UPSTREAM_H
#define MINING_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mining/templates.h"

#define UPSTREAM_FUTURES_MAX 8

/* Where work comes from. */
enum mining_source { SOURCE_TEMPLATES, SOURCE_UPSTREAM, SOURCE_NOTHING };

struct upstream_work {
	bool has_tip;
	struct tip tip;
	struct template *futures[UPSTREAM_FUTURES_MAX]; /* oldest first */
	uint32_t future_count;
};

/* What the upstream has sent is of no use any more. */
void upstream_forget(struct mining *mining);

#endif

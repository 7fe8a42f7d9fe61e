/* SPDX-License-Identifier: MIT */
/*
 * farm.h: a farm for tests: a node of its own, a template provider, jdc behind an sv2-server, and
 * miners; all in the present daemon of harness.h. And several daemons in one test.
 */
#ifndef FUNCTIONAL_FARM_H
#define FUNCTIONAL_FARM_H

#include <stdint.h>

#include "lib/noise/keys.h"
#include "tests/functional/fake_upstream.h"
#include "tests/functional/harness.h"

/* A block is 262,160 hashes, a share 4,295. */
#define FARM_NBITS "1f003fff"
#define FARM_DIFFICULTY "0.000001"
/* No block is found in a test's time. */
#define FARM_NO_BLOCKS "1d00ffff"
/* Each miner's hashes a second: some 30 shares. */
#define FARM_HASHRATE 130000
#define FARM_USER "farm.account"
/* Lines for [jdc]: what is waited for is short, where a test wants to see it end. */
#define FARM_IMPATIENT                                                                             \
	"answer_timeout = 1s\nconnect_timeout = 1s\nupstream_return = 100ms\n"                     \
	"upstream_cooling = 100ms\nsolo_after = 1s\n"

/* [host], [node] on an embedded chain of NBITS without traffic, [template-provider] in process
 * `templates`, [sv2-server] on harness.port and [jdc] in process `farm`. NODE_KEYS and JDC_KEYS are
 * more lines. */
void farm_configure(const char *nbits, const char *node_keys, const char *jdc_keys);
/* The same with the template provider of another machine, behind PROVIDER, whose key is KEY. */
void farm_remote_templates(const char *nbits, const char *provider, const char *key,
			   const char *jdc_keys);
/* A section [jdc/NAME]. JDS_PORT 0: there is none. KEYS are more lines. */
struct farm_pool {
	const char *name;
	uint16_t port;
	const char *key;
	uint16_t jds_port;
	const char *jds_key; /* NULL: as the pool's */
	const char *keys;    /* NULL: none */
};
void farm_pool(const struct farm_pool *pool);
/* The same for one that a test plays. */
void farm_fake(const char *name, const struct fake_upstream *u);
/* Two miners: "one" with a standard channel, "two" with an extended one. */
void farm_miners(void);
/* Starts all, and waits until it runs. */
void farm_start(void);

/* COUNT more transactions at the node: a new template on the same tip. */
void farm_new_template(unsigned count);
/* Shares of the two miners that were accepted, and refused, by jdc. */
int64_t farm_accepted(void);
int64_t farm_refused(void);
/* Waits for MORE accepted shares than there are. */
void farm_wait_accepted(int64_t more);
/* Fails the test if a miner's connection was made more than once. */
void farm_check_connections(void);

/* --- several daemons ---
 * harness.h has one; these are put in its place by their number. */
#define FARM_DAEMONS 3
void farm_daemons_setup(unsigned count);
void farm_daemons_teardown(void);
void farm_with(unsigned number);
/* The authority key of [sv2-server], or of another instance, of the present daemon: "sv2-server",
 * "sv2-server@jds", "template-provider". */
void farm_authority(const char *instance, char key[NOISE_KEY_TEXT_SIZE]);

#endif

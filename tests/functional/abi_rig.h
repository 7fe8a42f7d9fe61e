/* SPDX-License-Identifier: MIT */
/*
 * abi_rig.h: a real aditd (see harness.h) whose plugins are those of tests/plugins, for tests of
 * the plugin interface. Each role has a file of its own in conf.d, which can be written anew.
 */
#ifndef FUNCTIONAL_ABI_RIG_H
#define FUNCTIONAL_ABI_RIG_H

#include <stdbool.h>

#include "tests/functional/harness.h"

#define RIG_WAIT_MS HARNESS_WAIT_MS

#if defined(__SANITIZE_ADDRESS__)
#define RIG_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_SANITIZED 1
#endif
#endif

/* check fixtures: a configuration with the embedded node and no roles, a plugin directory. */
void rig_setup(void);
void rig_teardown(void);

/* Puts plugin and manifest NAME of the build into the plugin directory. */
void rig_put_plugin(const char *name);
/* The path of FILE in the plugin directory; valid until the next call. */
const char *rig_plugin_path(const char *file);

/* Writes (anew) the section [INSTANCE] with the given lines. */
void rig_role(const char *instance, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Has aditd read its configuration. */
void rig_reload(void);

/* What `status` says of a role; the caller frees them with rig_state_free(). */
struct rig_state {
	char *state;
	char *text;
	char *last_exit;
	long restarts;
};
struct rig_state rig_state(const char *instance);
void rig_state_free(struct rig_state *state);

/* Waits until INSTANCE is in STATE ("running", "failing") after at least RESTARTS restarts. */
void rig_wait_state(const char *instance, const char *state, long restarts);
/* Fails the test unless the text of a failing role contains PART. */
void rig_says(const char *instance, const char *part);

#endif

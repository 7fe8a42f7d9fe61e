/* SPDX-License-Identifier: MIT */
/*
 * The plugin interface as a contract: where each field of each public struct lies, what each
 * constant is, and what of a descriptor the host reads. Numbers here are those of version 1.0. They
 * are never changed: a plugin that was built then has them inside. New fields and constants are
 * added, here too.
 */
#include "config.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <adit/plugin.h>
#include <adit/share_log.h>

#include "host/role.h"

struct field {
	const char *name;
	size_t offset;
	size_t expected;
};

#define FIELD(type, field, expected)                                                               \
	{                                                                                          \
#type "." #field, offsetof(struct type, field), expected                           \
	}
#define SIZE_AT_LEAST(type, expected)                                                              \
	ck_assert_msg(sizeof(struct type) >= (expected), "struct " #type " has shrunk")

/* With pointers of 8 bytes. */
static const struct field fields[] = {
    FIELD(adit_instance_info, size, 0),
    FIELD(adit_instance_info, worker, 4),
    FIELD(adit_instance_info, workers, 8),
    FIELD(adit_instance_info, server_id, 12),
    FIELD(adit_instance_info, slice, 14),
    FIELD(adit_instance_info, role, 16),
    FIELD(adit_instance_info, instance, 24),
    FIELD(adit_instance_info, worker_name, 32),
    FIELD(adit_instance_info, state_dir, 40),
    FIELD(adit_instance_info, network, 48),
    FIELD(adit_listener, size, 0),
    FIELD(adit_listener, fd, 4),
    FIELD(adit_listener, address, 8),
    FIELD(adit_listener, is_unix, 16),
    FIELD(adit_event, size, 0),
    FIELD(adit_event, type, 8),
    FIELD(adit_event, source, 16),
    FIELD(adit_event, sequence, 24),
    FIELD(adit_event, lost, 32),
    FIELD(adit_event, json, 40),
    FIELD(adit_event, json_size, 48),
    FIELD(adit_event, attachment, 56),
    FIELD(adit_event, attachment_size, 64),
    FIELD(adit_reply, size, 0),
    FIELD(adit_reply, error, 4),
    FIELD(adit_reply, message, 8),
    FIELD(adit_reply, json, 16),
    FIELD(adit_reply, json_size, 24),
    FIELD(adit_reply, attachment, 32),
    FIELD(adit_reply, attachment_size, 40),
    FIELD(adit_request_info, size, 0),
    FIELD(adit_request_info, method, 8),
    FIELD(adit_request_info, caller, 16),
    FIELD(adit_request_info, json, 24),
    FIELD(adit_request_info, json_size, 32),
    FIELD(adit_request_info, attachment, 40),
    FIELD(adit_request_info, attachment_size, 48),
    FIELD(adit_host_api, magic, 0),
    FIELD(adit_host_api, abi_major, 4),
    FIELD(adit_host_api, abi_minor, 6),
    FIELD(adit_host_api, size, 8),
    FIELD(adit_host_api, reserved, 12),
    FIELD(adit_host_api, info, 16),
    FIELD(adit_host_api, log, 24),
    FIELD(adit_host_api, log_enabled, 32),
    FIELD(adit_host_api, config, 40),
    FIELD(adit_host_api, config_int, 48),
    FIELD(adit_host_api, config_bool, 56),
    FIELD(adit_host_api, set_error, 64),
    FIELD(adit_host_api, event_wanted, 72),
    FIELD(adit_host_api, publish, 80),
    FIELD(adit_host_api, subscribe, 88),
    FIELD(adit_host_api, unsubscribe, 96),
    FIELD(adit_host_api, call, 104),
    FIELD(adit_host_api, call_cancel, 112),
    FIELD(adit_host_api, register_method, 120),
    FIELD(adit_host_api, reply, 128),
    FIELD(adit_host_api, timer_add, 136),
    FIELD(adit_host_api, timer_cancel, 144),
    FIELD(adit_host_api, io_watch, 152),
    FIELD(adit_host_api, io_unwatch, 160),
    FIELD(adit_host_api, listener, 168),
    FIELD(adit_host_api, service_offer, 176),
    FIELD(adit_host_api, service_find, 184),
    FIELD(adit_host_api, loop, 192),
    FIELD(adit_host_api, stopped, 200),
    FIELD(adit_host_api, fail, 208),
    FIELD(adit_host_api, status, 216),
    FIELD(adit_host_api, share_log_writer, 224), /* 1.3 */
    FIELD(adit_host_api, share_log_append, 232),
    FIELD(adit_host_api, share_log_ring, 240),
    FIELD(adit_host_api, share_log_read, 248),
    FIELD(adit_host_api, share_log_seek, 256),
    FIELD(adit_share, sequence, 0),
    FIELD(adit_share, time_ms, 8),
    FIELD(adit_share, difficulty, 16),
    FIELD(adit_share, hash_difficulty, 24),
    FIELD(adit_share, connection, 32),
    FIELD(adit_share, channel, 36),
    FIELD(adit_share, job_id, 40),
    FIELD(adit_share, submit_sequence, 44),
    FIELD(adit_share, height, 48),
    FIELD(adit_share, slice, 52),
    FIELD(adit_share, result, 54),
    FIELD(adit_share, flags, 55),
    FIELD(adit_share, user_size, 56),
    FIELD(adit_share, worker_size, 58), /* 1.4; reserved16 before, always 0 */
    FIELD(adit_share, reserved32, 60),
    FIELD(adit_share, user, 64),
    FIELD(adit_share_ring, size, 0),
    FIELD(adit_share_ring, id, 8),
    FIELD(adit_share_ring, producer, 16),
    FIELD(adit_share_ring, capacity, 24),
    FIELD(adit_share_ring, written, 32),
    FIELD(adit_share_ring, read, 40),
    FIELD(adit_share_ring, lost, 48),
    FIELD(adit_plugin_descriptor, magic, 0),
    FIELD(adit_plugin_descriptor, abi_major, 4),
    FIELD(adit_plugin_descriptor, abi_minor, 6),
    FIELD(adit_plugin_descriptor, size, 8),
    FIELD(adit_plugin_descriptor, reserved, 12),
    FIELD(adit_plugin_descriptor, name, 16),
    FIELD(adit_plugin_descriptor, version, 24),
    FIELD(adit_plugin_descriptor, init, 32),
    FIELD(adit_plugin_descriptor, start, 40),
    FIELD(adit_plugin_descriptor, reload, 48),
    FIELD(adit_plugin_descriptor, stop, 56),
    FIELD(adit_plugin_descriptor, fini, 64),
    FIELD(adit_plugin_descriptor, drain, 72),
};

START_TEST(fields_stay)
{
	if (sizeof(void *) != 8)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_msg(fields[i].offset == fields[i].expected, "%s is at %zu, was at %zu",
			      fields[i].name, fields[i].offset, fields[i].expected);
	SIZE_AT_LEAST(adit_instance_info, 56);
	SIZE_AT_LEAST(adit_listener, 24);
	SIZE_AT_LEAST(adit_event, 72);
	SIZE_AT_LEAST(adit_reply, 48);
	SIZE_AT_LEAST(adit_request_info, 56);
	SIZE_AT_LEAST(adit_host_api, 264);
	SIZE_AT_LEAST(adit_plugin_descriptor, 72);
	SIZE_AT_LEAST(adit_share_ring, 56);
	/* an array of them crosses the interface: this one never grows */
	ck_assert_uint_eq(sizeof(struct adit_share), 320);
}
END_TEST

START_TEST(constants_stay)
{
	ck_assert_uint_eq(ADIT_PLUGIN_MAGIC, 0x54494441u);
	ck_assert_uint_eq(ADIT_HOST_MAGIC, 0x54534f48u);
	ck_assert_int_eq(ADIT_ABI_MAJOR, 1);
	ck_assert_int_eq(ADIT_LOG_ERROR, 0);
	ck_assert_int_eq(ADIT_LOG_TRACE, 4);
	ck_assert_int_eq(ADIT_METHOD_ANY, 0);
	ck_assert_int_eq(ADIT_METHOD_ALL, 1);
	ck_assert_int_eq(ADIT_METHOD_ONE, 2);
	ck_assert_int_eq(ADIT_METHOD_LOOKS, 0x100);
	ck_assert_int_eq(ADIT_IO_READ, 1);
	ck_assert_int_eq(ADIT_IO_WRITE, 2);
	ck_assert_int_eq(ADIT_SHARE_ACCEPTED, 0);
	ck_assert_int_eq(ADIT_SHARE_STALE, 1);
	ck_assert_int_eq(ADIT_SHARE_DUPLICATE, 2);
	ck_assert_int_eq(ADIT_SHARE_LOW_DIFFICULTY, 3);
	ck_assert_int_eq(ADIT_SHARE_UNKNOWN_JOB, 4);
	ck_assert_int_eq(ADIT_SHARE_UNKNOWN_CHANNEL, 5);
	ck_assert_int_eq(ADIT_SHARE_INVALID, 6);
	ck_assert_int_eq(ADIT_SHARE_REFUSED, 7);
	ck_assert_int_eq(ADIT_SHARE_BLOCK, 1);
}
END_TEST

START_TEST(error_names_stay)
{
	static const char *const names[] = {
	    "ok",          "internal", "invalid-argument", "not-found", "permission-denied",
	    "unsupported", "timeout",  "unavailable",      "no-memory", "limit",
	    "protocol",    "exists",   "cancelled",        "io",        "config",
	};

	for (int32_t i = 0; i < (int32_t)(sizeof(names) / sizeof(names[0])); i++)
		ck_assert_str_eq(adit_error_name(-i), names[i]);
	ck_assert_str_eq(adit_error_name(1), "internal");
	ck_assert_str_eq(adit_error_name(INT32_MIN), "internal");
}
END_TEST

/* ADIT_HAS is how both sides tell whether a table has a field. */
START_TEST(has_tells_by_size)
{
	struct adit_host_api api = {.size = offsetof(struct adit_host_api, status)};

	ck_assert(ADIT_HAS(&api, fail));
	ck_assert(!ADIT_HAS(&api, status));
	api.size += sizeof(api.status) - 1;
	ck_assert(!ADIT_HAS(&api, status));
	api.size++;
	ck_assert(ADIT_HAS(&api, status));
}
END_TEST

START_TEST(host_table_is_complete)
{
	const uint8_t *table = (const uint8_t *)&role_api;

	ck_assert_uint_eq(role_api.magic, ADIT_HOST_MAGIC);
	ck_assert_uint_eq(role_api.abi_major, ADIT_ABI_MAJOR);
	ck_assert_uint_eq(role_api.abi_minor, ADIT_ABI_MINOR);
	ck_assert_uint_eq(role_api.size, sizeof(struct adit_host_api));
	for (size_t at = offsetof(struct adit_host_api, info); at < sizeof(role_api);
	     at += sizeof(void *)) {
		void *function;

		memcpy(&function, table + at, sizeof(function));
		ck_assert_msg(function != NULL, "the function at offset %zu is missing", at);
	}
}
END_TEST

/* --- what the host reads of a descriptor --------------------------------------------------------
 */

static int32_t nothing(void *instance)
{
	(void)instance;
	return ADIT_OK;
}

static int32_t nothing_init(const struct adit_host_api *api, struct adit_host *host,
			    void **instance)
{
	(void)api;
	(void)host;
	*instance = NULL;
	return ADIT_OK;
}

static void nothing_fini(void *instance)
{
	(void)instance;
}

static struct adit_plugin_descriptor good(void)
{
	return (struct adit_plugin_descriptor){
	    .magic = ADIT_PLUGIN_MAGIC,
	    .abi_major = ADIT_ABI_MAJOR,
	    .abi_minor = 0,
	    .size = sizeof(struct adit_plugin_descriptor),
	    .name = "thing",
	    .version = "1",
	    .init = nothing_init,
	    .start = nothing,
	    .stop = nothing,
	    .fini = nothing_fini,
	};
}

static int32_t look_at(const struct adit_plugin_descriptor *d, struct error *e)
{
	e->text[0] = '\0';
	return loader_check(d, "/dir/thing.so", "thing", e);
}

/* The first SIZE bytes of D, right before memory that can't be read. */
static const struct adit_plugin_descriptor *at_the_brink(const struct adit_plugin_descriptor *d,
							 size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages =
	    mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(pages != MAP_FAILED);
	ck_assert_int_eq(mprotect(pages + page, page, PROT_NONE), 0);
	memcpy(pages + page - size, d, size);
	return (const void *)(pages + page - size);
}

/* Version 1.0 had 72 bytes; a host that knows more reads no more of such a descriptor. */
START_TEST(reads_no_further_than_size)
{
	struct adit_plugin_descriptor d = good();
	struct error e;

	d.size = 72;
	ck_assert_int_eq(look_at(at_the_brink(&d, 72), &e), ADIT_OK);
	d.size = 64;
	ck_assert_int_eq(look_at(at_the_brink(&d, 64), &e), ADIT_E_UNSUPPORTED);
	d.abi_major = 2;
	d.size = 16;
	ck_assert_int_eq(look_at(at_the_brink(&d, 16), &e), ADIT_E_UNSUPPORTED);
	d.magic++;
	ck_assert_int_eq(look_at(at_the_brink(&d, 16), &e), ADIT_E_UNSUPPORTED);
}
END_TEST

START_TEST(versions)
{
	struct adit_plugin_descriptor d = good();
	struct error e;
	char own[16];

	(void)snprintf(own, sizeof(own), "has %d.%d", ADIT_ABI_MAJOR, ADIT_ABI_MINOR);
	ck_assert_int_eq(look_at(&d, &e), ADIT_OK);
	d.abi_minor = ADIT_ABI_MINOR;
	d.size += 100; /* fields that this host does not know */
	ck_assert_int_eq(look_at(&d, &e), ADIT_OK);
	d.abi_minor = ADIT_ABI_MINOR + 1;
	ck_assert_int_eq(look_at(&d, &e), ADIT_E_UNSUPPORTED);
	ck_assert_msg(strstr(e.text, "/dir/thing.so") != NULL && strstr(e.text, own) != NULL &&
			  strstr(e.text, "install a newer aditd") != NULL,
		      "%s", e.text);
	d.abi_minor = 5;
	d.abi_major = 0;
	ck_assert_int_eq(look_at(&d, &e), ADIT_E_UNSUPPORTED);
	ck_assert_msg(strstr(e.text, "/dir/thing.so") != NULL && strstr(e.text, own) != NULL &&
			  strstr(e.text, " 0.5,") != NULL && strstr(e.text, "build") != NULL,
		      "%s", e.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("abi");
	TCase *c = tcase_create("abi");
	SRunner *runner;
	int failed;

	tcase_add_test(c, fields_stay);
	tcase_add_test(c, constants_stay);
	tcase_add_test(c, error_names_stay);
	tcase_add_test(c, has_tells_by_size);
	tcase_add_test(c, host_table_is_complete);
	tcase_add_test(c, reads_no_further_than_size);
	tcase_add_test(c, versions);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

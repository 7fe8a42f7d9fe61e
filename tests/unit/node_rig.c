/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/node_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char rig_dir[] = "/tmp/adit-embedded-XXXXXX";

struct adit_host *rig_with(const char *key, const char *value, const char *dir)
{
	struct adit_host *h = fake_host_new("node", adit_node_manifest, NULL, NULL);

	fake_host_set_config(h, "backend", "embedded");
	fake_host_set_config(h, "embedded_nbits", "207fffff");
	fake_host_set_config(h, "embedded_tx_interval", "3600000");
	if (key != NULL)
		fake_host_set_config(h, key, value);
	if (dir != NULL)
		fake_host_set_state_dir(h, dir);
	return h;
}

bool rig_is_ready(void *user)
{
	return strstr(fake_host_status(user), "height") != NULL;
}

struct adit_host *rig_start(const char *dir)
{
	struct adit_host *h = rig_with(NULL, NULL, dir);

	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	return h;
}

struct json_object *rig_ask(struct adit_host *h, const char *method)
{
	struct fake_reply *reply = fake_host_call(h, method, "{}", NULL, 0);
	struct json_object *o;

	ck_assert_msg(reply->error == ADIT_OK, "%s: %s", method, reply->message);
	o = json_tokener_parse(reply->json);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(reply);
	return o;
}

int64_t rig_number(struct adit_host *h, const char *method, const char *key)
{
	struct json_object *o = rig_ask(h, method);
	struct json_object *value;
	int64_t n;

	ck_assert(json_object_object_get_ex(o, key, &value));
	n = json_object_get_int64(value);
	json_object_put(o);
	return n;
}

void rig_builder(struct adit_host *h, struct block_builder *b)
{
	struct fake_reply *reply = fake_host_call(h, "get_block_template", "{}", NULL, 0);

	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	block_builder_init(b, reply->json, reply->attachment, reply->attachment_size);
	fake_reply_free(reply);
}

/* The answer to a submission as text, "accepted", "duplicate" or the reason, in static storage. */
const char *rig_submit(struct adit_host *h, const struct buf *block)
{
	static char text[256];
	struct fake_reply *reply =
	    fake_host_call(h, "submit_block", "{}", block->data, block->size);
	struct json_object *o = json_tokener_parse(reply->json);
	struct json_object *value;

	if (reply->error != ADIT_OK) {
		snprintf(text, sizeof(text), "error: %s", adit_error_name(reply->error));
	} else if (json_object_object_get_ex(o, "accepted", &value) &&
		   json_object_get_boolean(value)) {
		snprintf(text, sizeof(text), "%s",
			 json_object_object_get_ex(o, "duplicate", NULL) ? "duplicate"
									 : "accepted");
	} else {
		ck_assert(json_object_object_get_ex(o, "reason", &value));
		snprintf(text, sizeof(text), "%s", json_object_get_string(value));
	}
	json_object_put(o);
	fake_reply_free(reply);
	return text;
}

/* Makes the block, submits it and releases the builder. */
const char *rig_submit_builder(struct adit_host *h, struct block_builder *b)
{
	struct buf block = {0};
	uint8_t hash[32];
	const char *text;

	block_builder_make(b, &block, hash);
	text = rig_submit(h, &block);
	buf_free(&block);
	block_builder_free(b);
	return text;
}

void rig_mine(struct adit_host *h)
{
	struct block_builder b;

	rig_builder(h, &b);
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
}

void rig_file(char *out, size_t capacity)
{
	snprintf(out, capacity, "%s/blocks.dat", rig_dir);
}

off_t rig_file_size(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

void rig_make_dir(void)
{
	strcpy(rig_dir + strlen(rig_dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig_dir));
}

void rig_remove_dir(void)
{
	char path[64];

	rig_file(path, sizeof(path));
	unlink(path);
	rmdir(rig_dir);
}

/* --- for every backend --------------------------------------------------------------------------
 */

void rig_use_rpc(struct adit_host *h, unsigned port, const char *cookie, const char *tip_interval)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	fake_host_set_config(h, "rpc_url", url);
	fake_host_set_config(h, "rpc_cookie_file", cookie);
	fake_host_set_config(h, "tip_interval", tip_interval);
}

const char *rig_answer(struct adit_host *h, const char *method, const char *json, const void *data,
		       size_t size)
{
	static char text[4096];
	struct fake_reply *reply = fake_host_call(h, method, json, data, size);

	if (reply->error == ADIT_OK)
		snprintf(text, sizeof(text), "%s", reply->json);
	else
		snprintf(text, sizeof(text), "%s: %s", adit_error_name(reply->error),
			 reply->message);
	fake_reply_free(reply);
	return text;
}

void rig_must_have(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "%s is not in %s", part, text);
}

static void on_cancelled(void *user, const struct adit_reply *reply)
{
	int32_t *error = user;

	*error = reply->error;
}

static bool has_error(void *user)
{
	const int32_t *error = user;

	return *error != ADIT_OK;
}

void rig_stop_while_submitting(struct adit_host *h)
{
	struct adit_host *caller = fake_host_new("caller", NULL, NULL, h);
	uint8_t block[100] = {0};
	int32_t error = ADIT_OK;

	fake_host_api()->call(caller, "node", "submit_block", "{}", 2, block, sizeof(block), 60000,
			      on_cancelled, &error, NULL, NULL);
	fake_host_run(h, 100);
	ck_assert_int_eq(fake_host_stop(h), ADIT_OK);
	ck_assert(fake_host_wait(caller, has_error, &error, 60000));
	ck_assert_int_eq(error, ADIT_E_CANCELLED);
	fake_host_free(caller);
}

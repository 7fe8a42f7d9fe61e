/* SPDX-License-Identifier: MIT */
/* Tokens as they come: nothing but what was sealed opens. And bodies of any form under the right
 * key, as from a server of another version: they are read or refused, and what is read seals and
 * opens again. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/noise/aead.h"
#include "lib/sv2/token.h"

#define NOW 1000
#define HEAD_SIZE 17

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct token_keys *make_keys(void)
{
	char directory[] = "/tmp/fuzz-job-token-XXXXXX";
	char path[64], lock[80];
	struct token_keys *k;
	struct error e;

	require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/key", directory);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	require(token_keys_open(&k, path, NOW, &e) == ADIT_OK);
	unlink(path);
	unlink(lock);
	rmdir(directory);
	return k;
}

/* BODY under the right key. */
static size_t seal_body(struct token_keys *k, const uint8_t *body, size_t size,
			uint8_t out[JOB_TOKEN_MAX])
{
	uint32_t id;
	void *context = token_keys_newest(k, &id);

	if (size > JOB_TOKEN_MAX - HEAD_SIZE - 16)
		size = JOB_TOKEN_MAX - HEAD_SIZE - 16;
	memset(out, 0, HEAD_SIZE);
	out[0] = 1;
	for (int i = 0; i < 4; i++)
		out[1 + i] = (uint8_t)(id >> (8 * i));
	require(aead_seal(context, out + 5, out, 5, body, size, out + HEAD_SIZE) == ADIT_OK);
	return HEAD_SIZE + size + 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_keys *keys;
	uint8_t token[JOB_TOKEN_MAX];
	struct job_token t, again;
	size_t sealed;

	if (keys == NULL)
		keys = make_keys();
	require(!job_token_open(keys, data, size, NOW, &t));
	if (size == 0)
		return 0;
	sealed = seal_body(keys, data, size, token);
	if (!job_token_open(keys, token, sealed, NOW, &t))
		return 0;
	require(t.expires > NOW && t.pay_size <= sizeof(t.pay));
	sealed = job_token_seal(keys, &t, token);
	require(sealed > 0 && job_token_open(keys, token, sealed, NOW, &again));
	require(memcmp(&t, &again, sizeof(t)) == 0);
	return 0;
}

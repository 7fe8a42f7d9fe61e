/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/farm.h"

#include <stdio.h>
#include <string.h>

/* --- configuration ------------------------------------------------------------------------------
 */

static void configure_host(const char *nbits, const char *node_keys)
{
	harness_configure("[host]\n"
			  "state_dir = %s/state\n"
			  "run_dir = %s\n"
			  "plugin_dir = %s\n"
			  "log_level = debug\n"
			  "\n[node]\n"
			  "backend = embedded\n"
			  "network = regtest\n"
			  "embedded_nbits = %s\n"
			  "%s",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS, nbits,
			  node_keys);
}

static void configure_jdc(const char *provider, const char *jdc_keys)
{
	harness_configure("\n[sv2-server]\n"
			  "process = farm\n"
			  "listen = 127.0.0.1:%u\n"
			  "\n[jdc]\n"
			  "process = farm\n"
			  "payout = " HARNESS_ADDRESS "\n"
			  "template_provider = %s\n"
			  "min_difficulty = 0.0000001\n"
			  "fixed_difficulty = " FARM_DIFFICULTY "\n"
			  "%s",
			  harness.port, provider, jdc_keys);
}

void farm_configure(const char *nbits, const char *node_keys, const char *jdc_keys)
{
	char provider[100];

	snprintf(provider, sizeof(provider), "unix:%s/tdp.sock", harness.directory);
	configure_host(nbits, node_keys);
	harness_configure("\n[template-provider]\n"
			  "process = templates\n"
			  "listen = %s\n"
			  "fee_threshold = 0\n"
			  "min_interval = 100ms\n",
			  provider);
	configure_jdc(provider, jdc_keys);
}

void farm_remote_templates(const char *nbits, const char *provider, const char *key,
			   const char *jdc_keys)
{
	char both[256];

	snprintf(both, sizeof(both), "%s %s", provider, key);
	configure_host(nbits, "");
	configure_jdc(both, jdc_keys);
}

void farm_pool(const struct farm_pool *p)
{
	harness_configure("\n[jdc/%s]\n"
			  "address = 127.0.0.1:%u\n"
			  "authority_key = %s\n"
			  "user_identity = " FARM_USER "\n"
			  "%s",
			  p->name, p->port, p->key, p->keys != NULL ? p->keys : "");
	if (p->jds_port != 0)
		harness_configure("jds_address = 127.0.0.1:%u\n"
				  "jds_authority_key = %s\n",
				  p->jds_port, p->jds_key != NULL ? p->jds_key : p->key);
}

void farm_fake(const char *name, const struct fake_upstream *u)
{
	farm_pool(&(struct farm_pool){
	    .name = name, .port = u->pool_port, .key = u->key, .jds_port = u->jds_port});
}

void farm_miners(void)
{
	harness_configure_miner("one", "standard", FARM_HASHRATE);
	harness_configure_miner("two", "extended", FARM_HASHRATE);
}

void farm_start(void)
{
	harness_start();
	harness_wait_running();
}

/* --- looking ------------------------------------------------------------------------------------
 */

void farm_new_template(unsigned count)
{
	struct json_object *params = json_object_new_object();
	struct json_object *own = json_object_new_object();

	json_object_object_add(own, "count", json_object_new_int((int32_t)count));
	json_object_object_add(params, "target", json_object_new_string("node"));
	json_object_object_add(params, "method", json_object_new_string("add_transactions"));
	json_object_object_add(params, "params", own);
	json_object_put(harness_request("call", params));
	json_object_put(params);
}

static int64_t of_miners(const char *key)
{
	struct json_object *status = harness_status();
	int64_t sum = json_integer(harness_said(status, "cpu-miner@one"), key, 0) +
		      json_integer(harness_said(status, "cpu-miner@two"), key, 0);

	json_object_put(status);
	return sum;
}

int64_t farm_accepted(void)
{
	return of_miners("shares_accepted");
}

int64_t farm_refused(void)
{
	return of_miners("shares_rejected");
}

static bool has_accepted(void *user)
{
	return farm_accepted() >= *(const int64_t *)user;
}

void farm_wait_accepted(int64_t more)
{
	int64_t least = farm_accepted() + more;

	harness_wait(HARNESS_WAIT_MS, has_accepted, &least, "the miners' shares are accepted");
}

void farm_check_connections(void)
{
	int64_t accepted = harness_wait_number("sv2-server", "accepted", 2, HARNESS_WAIT_MS);

	must(accepted == 2, "%lld connections of two miners", (long long)accepted);
}

/* --- several daemons ----------------------------------------------------------------------------
 */

static struct harness daemons[FARM_DAEMONS];
static unsigned daemon_count;
static unsigned present;

void farm_with(unsigned number)
{
	daemons[present] = harness;
	present = number;
	harness = daemons[number];
}

void farm_daemons_setup(unsigned count)
{
	memset(daemons, 0, sizeof(daemons));
	daemon_count = count;
	for (present = 0; present < count; present++) {
		harness_setup();
		harness.beside = true; /* the others are there when one ends */
		daemons[present] = harness;
	}
	present = 0;
	harness = daemons[0];
}

void farm_daemons_teardown(void)
{
	for (unsigned i = daemon_count; i > 0; i--) {
		farm_with(i - 1);
		harness_teardown();
	}
}

void farm_authority(const char *instance, char key[NOISE_KEY_TEXT_SIZE])
{
	char path[192];
	FILE *f;

	snprintf(path, sizeof(path), "%s/state/%s/authority.pub", harness.directory, instance);
	f = fopen(path, "r");
	must(f != NULL && fgets(key, NOISE_KEY_TEXT_SIZE, f) != NULL, "%s can't be read", path);
	fclose(f);
	key[strcspn(key, "\n")] = '\0';
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/methods.h"

#include "lib/mining/engine.h"
#include "lib/mining/listing.h"
#include "lib/mining/orders.h"
#include "lib/mining/share_log.h"

static int32_t register_all(const struct mining *m, const struct mining_method *methods,
			    size_t count, void *user)
{
	int32_t result = ADIT_OK;

	for (size_t i = 0; i < count && result == ADIT_OK; i++)
		result = m->api->register_method(m->host, methods[i].name, methods[i].mode,
						 methods[i].fn, user, NULL);
	return result;
}

int32_t mining_begin(struct mining *m, const struct mining_method *methods, size_t count,
		     struct error *e)
{
	static const struct mining_method engine[] = {
	    {"get_connected_miners", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_list_miners},
	    {"list_channels", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_list_channels},
	    {"list_jobs", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_list_jobs},
	    {"list_workers", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_list_workers},
	    /* Each worker knows its own: the others answer that they changed nothing. */
	    {"set_difficulty", ADIT_METHOD_ALL, on_set_difficulty},
	    {"disconnect_miner", ADIT_METHOD_ALL, on_disconnect_miner},
	};
	int32_t result = register_all(m, methods, count, m->context);

	if (result == ADIT_OK)
		result = register_all(m, engine, sizeof engine / sizeof engine[0], m);
	if (result != ADIT_OK)
		return error_set(e, result, "methods: %s", adit_error_name(result));
	result = share_log_start(m);
	if (result != ADIT_OK)
		return error_set(e, result, "share log: %s", adit_error_name(result));
	return ADIT_OK;
}

/* SPDX-License-Identifier: MIT */
/* plusplus.cc: the least a plugin in C++17 has to be. */
#include <cstring>
#include <new>

#include <adit/plugin.h>

namespace {

struct Plugin {
	const adit_host_api *api;
	adit_host *host;
	bool knows_status;
};

void on_status(void *user, adit_request *request, const adit_request_info *)
{
	const auto *p = static_cast<const Plugin *>(user);
	static const char json[] = "{\"language\":\"C++\"}";

	p->api->reply(p->host, request, ADIT_OK, nullptr, json, std::strlen(json), nullptr, 0);
}

int32_t init(const adit_host_api *api, adit_host *host, void **instance)
{
	*instance = new (std::nothrow) Plugin{api, host, ADIT_HAS(api, status)};
	return *instance != nullptr ? ADIT_OK : ADIT_E_NO_MEMORY;
}

int32_t start(void *instance)
{
	const auto *p = static_cast<const Plugin *>(instance);

	if (p->knows_status)
		p->api->status(p->host, "speaks C++");
	return p->api->register_method(p->host, "status", ADIT_METHOD_ALL, on_status, instance, nullptr);
}

int32_t stop(void *)
{
	return ADIT_OK;
}

void fini(void *instance)
{
	delete static_cast<Plugin *>(instance);
}

} // namespace

const adit_plugin_descriptor adit_plugin = {
    ADIT_PLUGIN_MAGIC,
    ADIT_ABI_MAJOR,
    ADIT_ABI_MINOR,
    sizeof(adit_plugin_descriptor),
    0,
    "plusplus",
    "1.0",
    init,
    start,
    nullptr,
    stop,
    fini,
};

/* SPDX-License-Identifier: MIT */
/* loader.c: from a file to a descriptor that this host can use. */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/node/node_plugin.h"
#include "host/role.h"

/* Size of the descriptor in version 1.0 of the interface; fields are only appended. */
#define LOADER_SIZE_1_0                                                                            \
	(offsetof(struct adit_plugin_descriptor, fini) +                                           \
	 sizeof(((struct adit_plugin_descriptor *)0)->fini))

int32_t loader_check(const struct adit_plugin_descriptor *d, const char *file, const char *name,
		     struct error *e)
{
	if (d->magic != ADIT_PLUGIN_MAGIC)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: its `adit_plugin` is no plugin descriptor: build it with "
				 "<adit/plugin.h>",
				 file);
	if (d->abi_major != ADIT_ABI_MAJOR)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: built for plugin interface %u.%u, this aditd has %u.%u: %s",
				 file, d->abi_major, d->abi_minor, ADIT_ABI_MAJOR, ADIT_ABI_MINOR,
				 d->abi_major > ADIT_ABI_MAJOR
				     ? "install a newer aditd, or build the plugin against this one"
				     : "build the plugin against this aditd's <adit/plugin.h>");
	if (d->abi_minor > ADIT_ABI_MINOR)
		return error_set(
		    e, ADIT_E_UNSUPPORTED,
		    "%s: needs plugin interface %u.%u, this aditd has %u.%u: install a "
		    "newer aditd, or build the plugin against this one",
		    file, d->abi_major, d->abi_minor, ADIT_ABI_MAJOR, ADIT_ABI_MINOR);
	if (d->size < LOADER_SIZE_1_0)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: its descriptor of %u bytes is shorter than the %zu of "
				 "interface 1.0: build it again",
				 file, d->size, LOADER_SIZE_1_0);
	if (d->name == NULL || strcmp(d->name, name) != 0)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: calls itself `%.60s`, its manifest says `%s`", file,
				 d->name != NULL ? d->name : "", name);
	if (d->init == NULL || d->start == NULL || d->stop == NULL || d->fini == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: init, start, stop or fini is missing in its descriptor",
				 file);
	return ADIT_OK;
}

/* The descriptor does not reach beyond its symbol, whose length the file's table tells. (A file may
 * leave it out.) */
static int32_t loader_check_symbol(const struct adit_plugin_descriptor *d, const char *file,
				   struct error *e)
{
	void *found = NULL;
	const ElfW(Sym) * symbol;
	Dl_info where;

	if (dladdr1(d, &where, &found, RTLD_DL_SYMENT) == 0 || found == NULL)
		return ADIT_OK;
	symbol = found;
	if (symbol->st_size == 0)
		return ADIT_OK;
	if (symbol->st_size < offsetof(struct adit_plugin_descriptor, reserved))
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: its `adit_plugin` is no plugin descriptor, it has %zu bytes: "
				 "build it with <adit/plugin.h>",
				 file, (size_t)symbol->st_size);
	if (d->magic == ADIT_PLUGIN_MAGIC && d->size > symbol->st_size)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: its descriptor says that it has %u bytes, but has %zu: set "
				 "`size` to sizeof(struct adit_plugin_descriptor)",
				 file, d->size, (size_t)symbol->st_size);
	return ADIT_OK;
}

/* Code is run from files only that nobody but root and ourselves can have written. */
static int32_t loader_check_file(const char *path, struct error *e)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return error_set(e, ADIT_E_NOT_FOUND, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, ADIT_E_PERMISSION_DENIED, "%s: no regular file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & S_IWOTH) != 0)
		return error_set(e, ADIT_E_PERMISSION_DENIED,
				 "%s: others than root and the user of aditd can write it: chown "
				 "root and chmod 755 it",
				 path);
	return ADIT_OK;
}

int32_t loader_open(const char *path, const char *name,
		    const struct adit_plugin_descriptor **plugin, struct error *e)
{
	int32_t error;
	void *library;

	if (path[0] == '\0') {
		*plugin = &adit_node_plugin;
		return loader_check(*plugin, "aditd", name, e);
	}
	error = loader_check_file(path, e);
	if (error != ADIT_OK)
		return error;
	/* never closed: the process ends with its plugins */
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "can't load: %s", dlerror());
	*plugin = dlsym(library, "adit_plugin");
	if (*plugin == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "%s: exports no `adit_plugin`: is it a plugin of adit?", path);
	error = loader_check_symbol(*plugin, path, e);
	return error == ADIT_OK ? loader_check(*plugin, path, name, e) : error;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/random.h"

int32_t rpc_auth_init(struct rpc_auth *a, const char *cookie, const char *user,
		      const char *password, struct error *e)
{
	memset(a, 0, sizeof(*a));
	if (user == NULL) {
		if (strlen(cookie) >= sizeof(a->cookie))
			return error_set(e, ADIT_E_CONFIG, "the path of the cookie is too long");
		strcpy(a->cookie, cookie);
		return ADIT_OK;
	}
	if (strlen(user) >= sizeof(a->user) || strlen(password) >= sizeof(a->password))
		return error_set(e, ADIT_E_CONFIG, "rpc_user or rpc_password is too long");
	strcpy(a->user, user);
	strcpy(a->password, password);
	return ADIT_OK;
}

void rpc_auth_fini(struct rpc_auth *a)
{
	secure_wipe(a, sizeof(*a));
}

static bool same_file(const struct rpc_auth *a, const struct stat *st)
{
	return a->user[0] != '\0' && a->inode == st->st_ino && a->size == st->st_size &&
	       a->changed.tv_sec == st->st_mtim.tv_sec && a->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* "__cookie__:0123...": everything up to the first colon is the user. */
static bool take_cookie(struct rpc_auth *a, char *text, bool *changed)
{
	char *colon;

	text[strcspn(text, "\r\n")] = '\0';
	colon = strchr(text, ':');
	if (colon == NULL || colon == text)
		return false;
	*colon = '\0';
	*changed = strcmp(a->user, text) != 0 || strcmp(a->password, colon + 1) != 0;
	strcpy(a->user, text);
	strcpy(a->password, colon + 1);
	return true;
}

static int32_t read_cookie(struct rpc_auth *a, int fd, bool force, bool *changed, struct error *e)
{
	char text[RPC_AUTH_MAX] = {0};
	struct stat st;
	ssize_t size;
	bool ok;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return error_set(e, ADIT_E_UNAVAILABLE,
				 "cookie %s is not a regular file; see rpc_cookie_file", a->cookie);
	if (!force && same_file(a, &st))
		return ADIT_OK;
	size = read(fd, text, sizeof(text) - 1);
	ok = size > 0 && take_cookie(a, text, changed);
	secure_wipe(text, sizeof(text));
	if (!ok)
		return error_set(e, ADIT_E_UNAVAILABLE,
				 "cookie %s holds no user:password; see rpc_cookie_file",
				 a->cookie);
	a->inode = st.st_ino;
	a->size = st.st_size;
	a->changed = st.st_mtim;
	return ADIT_OK;
}

static const char *remedy(int error)
{
	if (error == ENOENT)
		return "; is the node running, with server=1? It lies where rpc_datadir or"
		       " rpc_cookie_file say";
	if (error == EACCES)
		return "; the node makes it readable for its group with rpccookieperms=group, and"
		       " aditd's user has to be in it; or take rpc_user and rpc_password";
	return "";
}

int32_t rpc_auth_refresh(struct rpc_auth *a, bool force, bool *changed, struct error *e)
{
	int32_t result;
	int fd;

	*changed = false;
	if (a->cookie[0] == '\0')
		return ADIT_OK;
	fd = open(a->cookie, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(e, ADIT_E_UNAVAILABLE, "cookie %s: %s%s", a->cookie,
				 strerror(errno), remedy(errno));
	result = read_cookie(a, fd, force, changed, e);
	close(fd);
	return result;
}

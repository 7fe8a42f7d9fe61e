/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/link.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/p2p.h"
#include "plugins/miningos/rest.h"

struct link {
	struct p2p *p2p;   /* NULL with p2p_enabled = no */
	struct rest *rest; /* NULL with http_enabled = no */
};

/* What people read in `aditctl status`. */
static void show(struct miningos *m)
{
	char text[768]; /* what is missing comes with a command */

	snprintf(text, sizeof(text), "%zu things%s%s%s%s", m->things.count,
		 m->link->p2p != NULL ? "; bridge: " : "", p2p_text(m->link->p2p),
		 m->link->rest != NULL ? "; app-node: " : "",
		 m->link->rest != NULL ? rest_state_name(rest_state(m->link->rest)) : "");
	m->api->status(m->host, text);
}

static void on_log(void *user, int32_t level, const char *text)
{
	mos_log(user, level, "%s", text);
}

static void on_changed(void *user)
{
	show(user);
}

static int32_t begin_rest(struct miningos *m, struct error *e)
{
	const struct rest_owner owner = {.user = m, .log = on_log, .changed = on_changed};
	struct event_base *base = m->api->loop(m->host, "libevent-2");
	struct rest_settings settings;
	int32_t r;

	if (!m->settings.http_enabled)
		return ADIT_OK;
	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "this host has no libevent loop; http_enabled = no does without");
	r = rest_settings_read(&settings, m->api, m->host, e);
	if (r == ADIT_OK)
		r = rest_new(&m->link->rest, base, &settings, &owner, e);
	if (r != ADIT_OK)
		return r;
	r = rest_register(m->link->rest, m->api, m->host);
	if (r != ADIT_OK)
		return error_set(e, r, "the methods of the REST client can't be registered");
	rest_start(m->link->rest);
	return ADIT_OK;
}

static void on_timer(void *user)
{
	show(user);
}

int32_t link_begin(struct miningos *m, struct error *e)
{
	int32_t r;

	m->link = calloc(1, sizeof(*m->link));
	if (m->link == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	r = p2p_begin(m, &m->link->p2p, e);
	if (r == ADIT_OK)
		r = begin_rest(m, e);
	if (r == ADIT_OK &&
	    m->api->timer_add(m->host, 1000, 5000, on_timer, m, NULL, NULL) != ADIT_OK)
		r = error_set(e, ADIT_E_LIMIT, "no timer");
	return r;
}

static void on_stopped(void *user)
{
	struct miningos *m = user;

	m->api->stopped(m->host);
}

bool link_stop(struct miningos *m)
{
	if (m->link == NULL)
		return false;
	rest_stop(m->link->rest);
	return m->link->p2p != NULL && p2p_stop(m->link->p2p, on_stopped, m);
}

void link_free(struct miningos *m)
{
	if (m->link == NULL)
		return;
	rest_free(m->link->rest);
	p2p_free(m->link->p2p);
	free(m->link);
	m->link = NULL;
}

void link_status(const struct miningos *m, struct json_object *o)
{
	p2p_status(m->link != NULL ? m->link->p2p : NULL, o);
	add_object(o, "oauth",
		   m->link != NULL && m->link->rest != NULL ? rest_status(m->link->rest) : NULL);
}

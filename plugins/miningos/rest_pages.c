/* SPDX-License-Identifier: MIT */
/* Everything that an endpoint has, page after page. */
#include "config.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "plugins/miningos/rest_answer.h"
#include "plugins/miningos/rest_endpoints.h"
#include "plugins/miningos/rest_impl.h"

#define MOST_OF_A_PAGE 200 /* what an app-node gives of its own lists, whatever is asked for */

struct rest_pages {
	struct rest_pages *next;
	struct rest *rest;
	const struct rest_endpoint *endpoint;
	struct json_object *arguments;
	struct rest_call *call;
	uint32_t limit;
	size_t max;
	size_t offset;
	size_t count; /* items so far */
	bool giving;
	bool cancelled;
	rest_page_fn fn;
	void *user;
};

static void pages_free(struct rest_pages *p)
{
	struct rest_pages **at = &p->rest->pages;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	rest_cancel(p->call);
	json_object_put(p->arguments);
	free(p);
}

void rest_pages_end(struct rest *r)
{
	while (r->pages != NULL)
		pages_free(r->pages);
}

/* False: there are no more, and P is gone. */
static bool give(struct rest_pages *p, const struct rest_page *page)
{
	bool more;

	p->giving = true;
	more = p->fn(p->user, page) && !p->cancelled && !page->last && page->error == ADIT_OK;
	p->giving = false;
	if (!more)
		pages_free(p);
	return more;
}

static void fail(struct rest_pages *p, int32_t error, const char *message)
{
	struct rest_page page = {
	    .error = error, .message = message, .offset = p->offset, .last = true};

	(void)give(p, &page);
}

static void on_answer(void *user, const struct rest_answer *answer);

static int32_t ask(struct rest_pages *p, struct error *e)
{
	json_object_object_add(p->arguments, "offset", json_object_new_int64((int64_t)p->offset));
	json_object_object_add(p->arguments, "limit", json_object_new_int64(p->limit));
	return rest_call(p->rest, p->endpoint->name, p->arguments, on_answer, p, &p->call, e);
}

static void on_answer(void *user, const struct rest_answer *answer)
{
	struct rest_pages *p = user;
	struct rest_page page = {.error = ADIT_OK, .message = "", .offset = p->offset};
	struct error e = {0};
	size_t got;
	bool more;

	p->call = NULL;
	if (answer->error != ADIT_OK) {
		fail(p, answer->error, answer->message);
		return;
	}
	page.items = rest_answer_items(p->endpoint->shape, answer->json);
	got = page.items != NULL ? json_object_array_length(page.items) : 0;
	if (got > p->max - p->count) {
		json_object_put(page.items);
		fail(p, ADIT_E_LIMIT, "there are more items than were to be taken");
		return;
	}
	p->count += got;
	p->offset += p->limit;
	/* A rack that has more gave LIMIT of them; so fewer in all is the end of all. */
	page.last = got < p->limit;
	page.message = answer->message;
	more = give(p, &page);
	json_object_put(page.items);
	if (more && ask(p, &e) != ADIT_OK)
		fail(p, e.code, e.text);
}

static struct json_object *copy_arguments(struct json_object *arguments)
{
	struct json_object *copy = json_object_new_object();

	if (arguments == NULL || !json_object_is_type(arguments, json_type_object))
		return copy;
	json_object_object_foreach(arguments, name, value)
	{
		json_object_object_add(copy, name, json_object_get(value));
	}
	return copy;
}

int32_t rest_pages(struct rest *r, const char *endpoint, struct json_object *arguments,
		   uint32_t limit, size_t max, rest_page_fn fn, void *user,
		   struct rest_pages **pages, struct error *e)
{
	const struct rest_endpoint *found = rest_endpoint_find(endpoint);
	struct rest_pages *p;
	int32_t result;

	if (found == NULL)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "there is no endpoint \"%.60s\"; rest_endpoints lists them",
				 endpoint);
	if (!rest_endpoint_has_pages(found) || limit == 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s has no pages", endpoint);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	*p = (struct rest_pages){
	    .next = r->pages,
	    .rest = r,
	    .endpoint = found,
	    .arguments = copy_arguments(arguments),
	    .limit = found->shape == REST_PAGE && limit > MOST_OF_A_PAGE ? MOST_OF_A_PAGE : limit,
	    .max = max,
	    .fn = fn,
	    .user = user};
	r->pages = p;
	result = ask(p, e);
	if (result != ADIT_OK)
		pages_free(p);
	else if (pages != NULL)
		*pages = p;
	return result;
}

void rest_pages_cancel(struct rest_pages *pages)
{
	if (pages == NULL)
		return;
	pages->cancelled = true;
	if (!pages->giving)
		pages_free(pages);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/extensions.h"

#include "lib/util/reader.h"

#define MASK_BITS 32
/* One request is out at a time, so that its number says nothing. */
#define REQUEST_ID 1

static bool in_mask(uint32_t mask, uint16_t id)
{
	return id < MASK_BITS && (mask >> id & 1) != 0;
}

uint32_t sv2_extensions_mask(const struct adit_sv2_seq *list)
{
	struct reader r;
	uint32_t mask = 0;

	reader_init(&r, list->data, list->size);
	for (uint32_t i = 0; i < list->count; i++) {
		uint16_t id = reader_u16(&r);

		if (id < MASK_BITS)
			mask |= 1u << id;
	}
	return mask;
}

struct adit_sv2_seq sv2_extensions_list(uint32_t mask, uint8_t out[SV2_EXTENSIONS_LIST_SIZE])
{
	struct adit_sv2_seq list = {.data = out};
	struct writer w;

	writer_init(&w, out, SV2_EXTENSIONS_LIST_SIZE);
	for (uint16_t id = 0; id < MASK_BITS; id++) {
		if (!in_mask(mask, id))
			continue;
		writer_u16(&w, id);
		list.count++;
	}
	list.size = list.count * 2;
	return list;
}

uint16_t sv2_extensions_first(const struct adit_sv2_seq *list)
{
	struct reader r;
	uint16_t first = 0;

	reader_init(&r, list->data, list->size);
	for (uint32_t i = 0; i < list->count; i++) {
		uint16_t id = reader_u16(&r);

		if (i == 0 || id < first)
			first = id;
	}
	return first;
}

/* The ids of LIST that are not in MASK, in OUT, which is as large as LIST. */
static struct adit_sv2_seq list_without(const struct adit_sv2_seq *list, uint32_t mask,
					uint8_t *out)
{
	struct adit_sv2_seq rest = {.data = out};
	struct reader r;
	struct writer w;

	reader_init(&r, list->data, list->size);
	writer_init(&w, out, list->size);
	for (uint32_t i = 0; i < list->count; i++) {
		uint16_t id = reader_u16(&r);

		if (in_mask(mask, id))
			continue;
		writer_u16(&w, id);
		rest.count++;
	}
	rest.size = rest.count * 2;
	return rest;
}

static int32_t answer_error(struct sv2_conn *c, const struct adit_sv2_request_extensions *m,
			    uint32_t supported, uint32_t missing)
{
	uint8_t unsupported[1024]; /* the largest RequestExtensions */
	uint8_t required[SV2_EXTENSIONS_LIST_SIZE];
	struct adit_sv2_request_extensions_error answer = {
	    .request_id = m->request_id,
	    .unsupported_extensions =
		list_without(&m->requested_extensions, supported, unsupported),
	    .required_extensions = sv2_extensions_list(missing, required),
	};

	return sv2_conn_send(c, ADIT_SV2_REQUEST_EXTENSIONS_ERROR, &answer);
}

/* Section 4 of the extension: Error when none of the requested is supported (hence also for an
 * empty request), or when one that is required was not requested. */
int32_t sv2_extensions_answer(struct sv2_conn *c, const struct adit_sv2_request_extensions *m,
			      uint32_t supported, uint32_t required, bool *met)
{
	uint8_t ids[SV2_EXTENSIONS_LIST_SIZE];
	struct adit_sv2_request_extensions_success answer = {.request_id = m->request_id};
	uint32_t requested = sv2_extensions_mask(&m->requested_extensions);
	uint32_t missing = required & ~requested;

	*met = missing == 0;
	c->extensions = 0;
	if ((requested & supported) == 0 || missing != 0)
		return answer_error(c, m, supported, missing);
	c->extensions = requested & supported;
	answer.supported_extensions = sv2_extensions_list(c->extensions, ids);
	return sv2_conn_send(c, ADIT_SV2_REQUEST_EXTENSIONS_SUCCESS, &answer);
}

int32_t sv2_extensions_request(struct sv2_conn *c, uint32_t mask)
{
	uint8_t ids[SV2_EXTENSIONS_LIST_SIZE];
	struct adit_sv2_request_extensions m = {
	    .request_id = REQUEST_ID,
	    .requested_extensions = sv2_extensions_list(mask, ids),
	};

	c->asks_extensions = true;
	return sv2_conn_send(c, ADIT_SV2_REQUEST_EXTENSIONS, &m);
}

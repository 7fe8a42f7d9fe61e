/* SPDX-License-Identifier: MIT */
/*
 * codec_tlv.c: the fields that extensions append to messages (specification 03 section 3.4.3):
 *
 *   U16 extension, U8 field type, U16 length, value
 *
 * Byte order: section 3.1 makes every integer little-endian, and so the deployed implementations
 * write these; the examples of section 3.4.3 and of extension 0x0002 print them big-endian. We send
 * little-endian. On receipt a header counts as big-endian when, read so, it names a field of a
 * negotiated extension, and read little-endian it doesn't.
 */
#include "config.h"

#include <string.h>

#include "lib/sv2/codec.h"
#include "lib/util/reader.h"

#define HEADER_SIZE 5
/* Ids beyond have no bit. */
#define EXTENSION_BITS 32

#define MAX_STR0_32 32

/* clang-format off */
enum tlv_message {
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	message_of_##s = ADIT_SV2_##constant,
#include "lib/sv2/messages.def"
};

#define TLV(s, extension, field_type, type, name, help) \
	_Static_assert((extension) < EXTENSION_BITS, #name); \
	_Static_assert(_Generic(((struct adit_sv2_##s *)0)->name, struct adit_bytes: 1, default: 0), #name);
#include "lib/sv2/messages.def"

const struct sv2_tlv sv2_tlvs[] = {
#define TLV(s, extension, field_type, type, name, help) \
	{#name, message_of_##s, offsetof(struct adit_sv2_##s, name), extension, field_type, MAX_##type},
#include "lib/sv2/messages.def"
};
/* clang-format on */

const size_t sv2_tlv_count = sizeof(sv2_tlvs) / sizeof(sv2_tlvs[0]);

static bool negotiated(uint32_t extensions, uint16_t extension)
{
	return extension < EXTENSION_BITS && (extensions >> extension & 1) != 0;
}

static uint16_t swap(uint16_t value)
{
	return (uint16_t)(value >> 8 | value << 8);
}

/* The field TYPE of EXTENSION, if that is negotiated, wherever it may stand; else NULL. */
static const struct sv2_tlv *tlv_find(uint32_t extensions, uint16_t extension, uint8_t type)
{
	for (size_t i = 0; i < sv2_tlv_count; i++)
		if (sv2_tlvs[i].extension == extension && sv2_tlvs[i].type == type &&
		    negotiated(extensions, extension))
			return &sv2_tlvs[i];
	return NULL;
}

/* Whether MESSAGE has a TLV of EXTENSIONS. */
static bool tlv_possible(int32_t message, uint32_t extensions)
{
	for (size_t i = 0; i < sv2_tlv_count; i++)
		if (sv2_tlvs[i].message == message && negotiated(extensions, sv2_tlvs[i].extension))
			return true;
	return false;
}

static struct adit_bytes *value_of(const struct sv2_tlv *t, void *body)
{
	return (struct adit_bytes *)((char *)body + t->offset);
}

static const struct adit_bytes *value_of_const(const struct sv2_tlv *t, const void *body)
{
	return (const struct adit_bytes *)((const char *)body + t->offset);
}

/* Reads one TLV: *T is NULL for one that isn't negotiated. False when it is truncated. */
static bool tlv_read(struct reader *r, uint32_t extensions, const struct sv2_tlv **t,
		     struct adit_bytes *value)
{
	uint16_t extension = reader_u16(r);
	uint8_t type = reader_u8(r);
	uint16_t length = reader_u16(r);

	*t = tlv_find(extensions, extension, type);
	if (*t == NULL) {
		*t = tlv_find(extensions, swap(extension), type);
		if (*t != NULL)
			length = swap(length);
	}
	value->data = reader_bytes(r, length);
	value->size = length;
	return value->data != NULL;
}

int32_t sv2_decode_tlvs(int32_t message, uint32_t extensions, const uint8_t *area, size_t size,
			void *body)
{
	const struct sv2_tlv *t;
	struct adit_bytes value;
	struct reader r;

	if (size == 0 || !tlv_possible(message, extensions))
		return ADIT_OK;
	reader_init(&r, area, size);
	while (reader_left(&r) > 0) {
		if (!tlv_read(&r, extensions, &t, &value))
			return ADIT_E_PROTOCOL;
		if (t == NULL || t->message != message)
			continue;
		if (value.size > t->max)
			return ADIT_E_PROTOCOL;
		if (value_of(t, body)->data == NULL) /* of two the first counts */
			*value_of(t, body) = value;
	}
	return ADIT_OK;
}

const void *sv2_keep_tlvs(int32_t message, uint32_t extensions, const void *body,
			  union sv2_body *copy)
{
	for (size_t i = 0; i < sv2_tlv_count; i++) {
		const struct sv2_tlv *t = &sv2_tlvs[i];

		if (t->message != message || negotiated(extensions, t->extension) ||
		    value_of_const(t, body)->data == NULL)
			continue;
		if (body != copy)
			memcpy(copy, body, sv2_message(message)->struct_size);
		body = copy;
		*value_of(t, copy) = (struct adit_bytes){0};
	}
	return body;
}

void sv2_tlvs_clear(int32_t message, void *body)
{
	for (size_t i = 0; i < sv2_tlv_count; i++)
		if (sv2_tlvs[i].message == message)
			*value_of(&sv2_tlvs[i], body) = (struct adit_bytes){0};
}

bool sv2_tlvs_size(int32_t message, const void *body, size_t *size)
{
	*size = 0;
	for (size_t i = 0; i < sv2_tlv_count; i++) {
		const struct sv2_tlv *t = &sv2_tlvs[i];

		if (t->message != message || value_of_const(t, body)->data == NULL)
			continue;
		if (value_of_const(t, body)->size > t->max)
			return false;
		*size += HEADER_SIZE + value_of_const(t, body)->size;
	}
	return true;
}

void sv2_tlvs_encode(struct writer *w, int32_t message, const void *body)
{
	for (size_t i = 0; i < sv2_tlv_count; i++) {
		const struct sv2_tlv *t = &sv2_tlvs[i];
		const struct adit_bytes *value = value_of_const(t, body);

		if (t->message != message || value->data == NULL)
			continue;
		writer_u16(w, t->extension);
		writer_u8(w, t->type);
		writer_u16(w, (uint16_t)value->size);
		writer_bytes(w, value->data, value->size);
	}
}

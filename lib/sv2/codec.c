/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/codec.h"

#include <math.h>
#include <string.h>

#include "lib/sv2/frame.h"
#include "lib/util/reader.h"

/* clang-format off */

/* Each field's C type is what the codec stores for its wire type. */
#define CTYPE_BOOL bool
#define CTYPE_U8 uint8_t
#define CTYPE_U16 uint16_t
#define CTYPE_U16_OR_400 uint16_t
#define CTYPE_U32 uint32_t
#define CTYPE_U64 uint64_t
#define CTYPE_F32 float
#define CTYPE_U256 struct adit_u256
#define CTYPE_STR0_255 struct adit_bytes
#define CTYPE_CODE struct adit_bytes
#define CTYPE_B0_32 struct adit_bytes
#define CTYPE_B0_255 struct adit_bytes
#define CTYPE_B0_64K struct adit_bytes
#define CTYPE_SEQ0_255_U256 struct adit_sv2_seq
#define CTYPE_SEQ0_64K_U16 struct adit_sv2_seq
#define CTYPE_SEQ0_64K_U256 struct adit_sv2_seq
#define CTYPE_SEQ0_64K_U32 struct adit_sv2_seq
#define CTYPE_SEQ0_64K_B0_16M struct adit_sv2_seq
#define CTYPE_OPTION_U32 struct adit_sv2_option_u32
#define CTYPE_OPTIONAL_U32 struct adit_sv2_option_u32

#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	_Static_assert(sizeof(struct adit_sv2_##s) <= UINT16_MAX, #s); \
	_Static_assert((max) <= SV2_MAX_PAYLOAD, #s);
#define FIELD(s, type, name, help) \
	_Static_assert(_Generic(((struct adit_sv2_##s *)0)->name, CTYPE_##type: 1, default: 0), \
	               #s "." #name " is not a " #type);
#include "lib/sv2/messages.def"

#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	static const struct sv2_field fields_##s[] = {
#define FIELD(s, type, name, help) {#name, offsetof(struct adit_sv2_##s, name), SV2_TYPE_##type},
#define END_MESSAGE(s) };
#include "lib/sv2/messages.def"

static const struct sv2_message messages[ADIT_SV2_MESSAGE_COUNT] = {
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	[ADIT_SV2_##constant] = {title, #s, fields_##s, max, sizeof(struct adit_sv2_##s), extension, \
	                         sizeof(fields_##s) / sizeof(fields_##s[0]), type, \
	                         SV2_SCOPE_##scope, SV2_##direction, channel_msg},
#include "lib/sv2/messages.def"
};

int32_t sv2_message_find(uint16_t extension, uint8_t type)
{
	switch ((uint32_t)extension << 8 | type) {
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	case (uint32_t)(extension) << 8 | (type): return ADIT_SV2_##constant;
#include "lib/sv2/messages.def"
	default: return -1;
	}
}
/* clang-format on */

const struct sv2_message *sv2_message(int32_t message)
{
	if (message < 0 || message >= ADIT_SV2_MESSAGE_COUNT)
		return NULL;
	return &messages[message];
}

/* --- decoding ----------------------------------------------------------------------------------
 */

/* Pending change #227 of the specification: NaN, infinities and negative values are errors. */
static bool decode_f32(struct reader *r, float *out)
{
	uint32_t bits = reader_u32(r);

	memcpy(out, &bits, sizeof(bits));
	return isfinite(*out) && !(*out < 0.0f);
}

static bool decode_bytes(struct reader *r, size_t size, struct adit_bytes *out)
{
	out->data = reader_bytes(r, size);
	out->size = (uint32_t)size;
	return out->data != NULL;
}

/* Section 3.1: a B0_32 is 0 to 32 bytes long; its length byte could say more. */
static bool decode_b0_32(struct reader *r, struct adit_bytes *out)
{
	uint8_t size = reader_u8(r);

	return size <= 32 && decode_bytes(r, size, out);
}

/* Section 3.1: COUNT is a number of elements. What it promises has to be there. */
static bool decode_fixed_seq(struct reader *r, uint32_t count, size_t element,
			     struct adit_sv2_seq *out)
{
	size_t size = count * element;

	out->data = reader_bytes(r, size);
	out->size = (uint32_t)size;
	out->count = count;
	return out->data != NULL;
}

/* SEQ0_64K[B0_16M]: every element's length is checked, so that users may walk without checks. */
static bool decode_b0_16m_seq(struct reader *r, struct adit_sv2_seq *out)
{
	uint32_t count = reader_u16(r);

	if (r->failed || (size_t)count * 3 > reader_left(r))
		return false;
	out->data = r->at;
	out->count = count;
	for (uint32_t i = 0; i < count; i++)
		if (reader_bytes(r, reader_u24(r)) == NULL)
			return false;
	out->size = (uint32_t)(r->at - out->data);
	return true;
}

/* Section 3.1: OPTION[T] is a sequence of at most one element. */
static bool decode_option_u32(struct reader *r, struct adit_sv2_option_u32 *out)
{
	uint8_t count = reader_u8(r);

	out->present = count == 1;
	out->value = count == 1 ? reader_u32(r) : 0;
	return count <= 1;
}

static bool decode_optional_u32(struct reader *r, struct adit_sv2_option_u32 *out)
{
	out->present = reader_left(r) > 0;
	out->value = out->present ? reader_u32(r) : 0;
	return true;
}

static bool decode_field(struct reader *r, uint8_t type, void *out)
{
	switch ((enum sv2_type)type) {
	case SV2_TYPE_BOOL: /* section 3.1: the other seven bits mean nothing */
		*(bool *)out = (reader_u8(r) & 1) != 0;
		return true;
	case SV2_TYPE_U8:
		*(uint8_t *)out = reader_u8(r);
		return true;
	case SV2_TYPE_U16:
		*(uint16_t *)out = reader_u16(r);
		return true;
	case SV2_TYPE_U32:
		*(uint32_t *)out = reader_u32(r);
		return true;
	case SV2_TYPE_U64:
		*(uint64_t *)out = reader_u64(r);
		return true;
	case SV2_TYPE_F32:
		return decode_f32(r, out);
	case SV2_TYPE_U256:
		reader_copy(r, ((struct adit_u256 *)out)->b, 32);
		return true;
	case SV2_TYPE_STR0_255:
	case SV2_TYPE_CODE:
	case SV2_TYPE_B0_255:
		return decode_bytes(r, reader_u8(r), out);
	case SV2_TYPE_B0_32:
		return decode_b0_32(r, out);
	case SV2_TYPE_B0_64K:
		return decode_bytes(r, reader_u16(r), out);
	case SV2_TYPE_SEQ0_255_U256:
		return decode_fixed_seq(r, reader_u8(r), 32, out);
	case SV2_TYPE_SEQ0_64K_U16:
		return decode_fixed_seq(r, reader_u16(r), 2, out);
	case SV2_TYPE_SEQ0_64K_U256:
		return decode_fixed_seq(r, reader_u16(r), 32, out);
	case SV2_TYPE_SEQ0_64K_U32:
		return decode_fixed_seq(r, reader_u16(r), 4, out);
	case SV2_TYPE_SEQ0_64K_B0_16M:
		return decode_b0_16m_seq(r, out);
	case SV2_TYPE_OPTION_U32:
		return decode_option_u32(r, out);
	case SV2_TYPE_OPTIONAL_U32:
		return decode_optional_u32(r, out);
	case SV2_TYPE_U16_OR_400:
		*(uint16_t *)out = reader_left(r) > 0 ? reader_u16(r) : 400;
		return true;
	}
	return false;
}

int32_t sv2_decode(int32_t message, const uint8_t *payload, size_t size, void *body, size_t *used)
{
	const struct sv2_message *m = sv2_message(message);
	struct reader r;

	if (m == NULL)
		return ADIT_E_INVALID_ARGUMENT;
	if (size > m->max_payload)
		return ADIT_E_PROTOCOL;
	sv2_tlvs_clear(message, body);
	reader_init(&r, payload, size);
	for (uint8_t i = 0; i < m->field_count; i++)
		if (!decode_field(&r, m->fields[i].type, (char *)body + m->fields[i].offset))
			return ADIT_E_PROTOCOL;
	if (r.failed)
		return ADIT_E_PROTOCOL;
	if (used != NULL)
		*used = size - reader_left(&r);
	return ADIT_OK;
}

/* --- encoding ----------------------------------------------------------------------------------
 */

/* Size of BYTES behind a length field of PREFIX bytes; 0 when it is longer than MAX. */
static size_t size_bytes(const struct adit_bytes *bytes, size_t prefix, uint32_t max)
{
	return bytes->size <= max ? prefix + bytes->size : 0;
}

/* Section 3.5: codes are for logs and scripts; control characters have no place in them. */
static size_t size_code(const struct adit_bytes *code)
{
	for (uint32_t i = 0; i < code->size; i++)
		if (code->data[i] < 0x20 || code->data[i] > 0x7e)
			return 0;
	return size_bytes(code, 1, 255);
}

static size_t size_fixed_seq(const struct adit_sv2_seq *seq, size_t prefix, uint32_t max,
			     uint32_t element)
{
	if (seq->count > max || seq->size != seq->count * element)
		return 0;
	return prefix + seq->size;
}

static size_t size_b0_16m_seq(const struct adit_sv2_seq *seq)
{
	struct reader r;

	if (seq->count > UINT16_MAX)
		return 0;
	reader_init(&r, seq->data, seq->size);
	for (uint32_t i = 0; i < seq->count; i++)
		if (reader_bytes(&r, reader_u24(&r)) == NULL)
			return 0;
	return reader_left(&r) == 0 ? 2 + (size_t)seq->size : 0;
}

static size_t size_option(const struct adit_sv2_option_u32 *option)
{
	return option->present ? 5 : 1;
}

/* Encoded size of a field; 0 when it can't be sent. (OPTIONAL_U32, whose size may be 0, is the
 * caller's.) */
static size_t field_size(uint8_t type, const void *in)
{
	float f;

	switch ((enum sv2_type)type) {
	case SV2_TYPE_BOOL:
	case SV2_TYPE_U8:
		return 1;
	case SV2_TYPE_U16:
	case SV2_TYPE_U16_OR_400:
		return 2;
	case SV2_TYPE_U32:
		return 4;
	case SV2_TYPE_U64:
		return 8;
	case SV2_TYPE_F32:
		f = *(const float *)in;
		return isfinite(f) && !(f < 0.0f) ? 4 : 0;
	case SV2_TYPE_U256:
		return 32;
	case SV2_TYPE_STR0_255:
	case SV2_TYPE_B0_255:
		return size_bytes(in, 1, 255);
	case SV2_TYPE_CODE:
		return size_code(in);
	case SV2_TYPE_B0_32:
		return size_bytes(in, 1, 32);
	case SV2_TYPE_B0_64K:
		return size_bytes(in, 2, UINT16_MAX);
	case SV2_TYPE_SEQ0_255_U256:
		return size_fixed_seq(in, 1, 255, 32);
	case SV2_TYPE_SEQ0_64K_U16:
		return size_fixed_seq(in, 2, UINT16_MAX, 2);
	case SV2_TYPE_SEQ0_64K_U256:
		return size_fixed_seq(in, 2, UINT16_MAX, 32);
	case SV2_TYPE_SEQ0_64K_U32:
		return size_fixed_seq(in, 2, UINT16_MAX, 4);
	case SV2_TYPE_SEQ0_64K_B0_16M:
		return size_b0_16m_seq(in);
	case SV2_TYPE_OPTION_U32:
		return size_option(in);
	case SV2_TYPE_OPTIONAL_U32:
		break;
	}
	return 0;
}

int32_t sv2_encoded_size(int32_t message, const void *body, size_t *size)
{
	const struct sv2_message *m = sv2_message(message);
	size_t total;

	if (m == NULL || body == NULL || !sv2_tlvs_size(message, body, &total))
		return ADIT_E_INVALID_ARGUMENT;
	for (uint8_t i = 0; i < m->field_count; i++) {
		const void *in = (const char *)body + m->fields[i].offset;
		size_t one = field_size(m->fields[i].type, in);

		if (m->fields[i].type == SV2_TYPE_OPTIONAL_U32)
			one = ((const struct adit_sv2_option_u32 *)in)->present ? 4 : 0;
		else if (one == 0)
			return ADIT_E_INVALID_ARGUMENT;
		total += one;
	}
	if (total > m->max_payload)
		return ADIT_E_INVALID_ARGUMENT;
	*size = total;
	return ADIT_OK;
}

static void encode_f32(struct writer *w, const float *in)
{
	uint32_t bits;

	memcpy(&bits, in, sizeof(bits));
	writer_u32(w, bits);
}

static void encode_short(struct writer *w, const struct adit_bytes *in)
{
	writer_u8(w, (uint8_t)in->size);
	writer_bytes(w, in->data, in->size);
}

static void encode_long(struct writer *w, const struct adit_bytes *in)
{
	writer_u16(w, (uint16_t)in->size);
	writer_bytes(w, in->data, in->size);
}

static void encode_short_seq(struct writer *w, const struct adit_sv2_seq *in)
{
	writer_u8(w, (uint8_t)in->count);
	writer_bytes(w, in->data, in->size);
}

static void encode_long_seq(struct writer *w, const struct adit_sv2_seq *in)
{
	writer_u16(w, (uint16_t)in->count);
	writer_bytes(w, in->data, in->size);
}

static void encode_option(struct writer *w, const struct adit_sv2_option_u32 *in, bool counted)
{
	if (counted)
		writer_u8(w, in->present ? 1 : 0);
	if (in->present)
		writer_u32(w, in->value);
}

/* Writes a field that field_size() has approved. */
static void encode_field(struct writer *w, uint8_t type, const void *in)
{
	switch ((enum sv2_type)type) {
	case SV2_TYPE_BOOL:
		writer_u8(w, *(const bool *)in ? 1 : 0);
		break;
	case SV2_TYPE_U8:
		writer_u8(w, *(const uint8_t *)in);
		break;
	case SV2_TYPE_U16:
	case SV2_TYPE_U16_OR_400:
		writer_u16(w, *(const uint16_t *)in);
		break;
	case SV2_TYPE_U32:
		writer_u32(w, *(const uint32_t *)in);
		break;
	case SV2_TYPE_U64:
		writer_u64(w, *(const uint64_t *)in);
		break;
	case SV2_TYPE_F32:
		encode_f32(w, in);
		break;
	case SV2_TYPE_U256:
		writer_bytes(w, ((const struct adit_u256 *)in)->b, 32);
		break;
	case SV2_TYPE_STR0_255:
	case SV2_TYPE_CODE:
	case SV2_TYPE_B0_255:
	case SV2_TYPE_B0_32:
		encode_short(w, in);
		break;
	case SV2_TYPE_B0_64K:
		encode_long(w, in);
		break;
	case SV2_TYPE_SEQ0_255_U256:
		encode_short_seq(w, in);
		break;
	case SV2_TYPE_SEQ0_64K_U16:
	case SV2_TYPE_SEQ0_64K_U32:
	case SV2_TYPE_SEQ0_64K_U256:
	case SV2_TYPE_SEQ0_64K_B0_16M:
		encode_long_seq(w, in);
		break;
	case SV2_TYPE_OPTION_U32:
	case SV2_TYPE_OPTIONAL_U32:
		encode_option(w, in, type == SV2_TYPE_OPTION_U32);
		break;
	}
}

/* Writes the payload, whose size is known to fit. */
static void encode_payload(int32_t message, const void *body, uint8_t *out, size_t size)
{
	const struct sv2_message *m = &messages[message];
	struct writer w;

	writer_init(&w, out, size);
	for (uint8_t i = 0; i < m->field_count; i++)
		encode_field(&w, m->fields[i].type, (const char *)body + m->fields[i].offset);
	sv2_tlvs_encode(&w, message, body);
}

int32_t sv2_encode(int32_t message, const void *body, uint8_t *out, size_t capacity, size_t *size)
{
	int32_t r = sv2_encoded_size(message, body, size);

	if (r != ADIT_OK)
		return r;
	if (*size > capacity)
		return ADIT_E_LIMIT;
	encode_payload(message, body, out, *size);
	return ADIT_OK;
}

int32_t sv2_encode_frame(int32_t message, const void *body, uint8_t *out, size_t capacity,
			 size_t *size)
{
	size_t payload;
	int32_t r = sv2_encoded_size(message, body, &payload);

	if (r != ADIT_OK)
		return r;
	*size = SV2_HEADER_SIZE + payload;
	if (out == NULL)
		return ADIT_OK;
	if (*size > capacity)
		return ADIT_E_LIMIT;
	sv2_header_write(message, (uint32_t)payload, out);
	encode_payload(message, body, out + SV2_HEADER_SIZE, payload);
	return ADIT_OK;
}

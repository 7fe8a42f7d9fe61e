/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/print.h"

#include <inttypes.h>
#include <string.h>

#include "lib/util/hex.h"
#include "lib/util/reader.h"

static void print_text(struct buf *out, const char *text)
{
	(void)buf_append(out, text, strlen(text));
}

static void print_hex(struct buf *out, const uint8_t *data, size_t size)
{
	uint8_t *at = buf_reserve(out, 2 * size + 1);

	if (at == NULL)
		return;
	hex_encode(data, size, (char *)at);
	out->size += 2 * size;
}

/* A hash or target in display order. */
static void print_u256(struct buf *out, const uint8_t *data)
{
	uint8_t *at = buf_reserve(out, 65);

	if (at == NULL)
		return;
	hex_encode_reversed(data, 32, (char *)at);
	out->size += 64;
}

/* Bytes of the character of UTF-8 that DATA begins with, when it is one to be shown: well-formed
 * (RFC 3629), not ASCII, no control of C1, none of the formats that turn a line around or hide in
 * it. Else 0. */
static uint32_t shown_size(const uint8_t *data, uint32_t size)
{
	uint32_t n = data[0] >= 0xf0 ? 4 : data[0] >= 0xe0 ? 3 : 2;
	uint32_t code = data[0] & (0x7fu >> n);

	if (data[0] < 0xc2 || data[0] > 0xf4 || n > size)
		return 0;
	for (uint32_t i = 1; i < n; i++) {
		if ((data[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (data[i] & 0x3f);
	}
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	if (code < 0xa0 || code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
	    (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	    code == 0xfeff || (code >= 0xfff0 && code <= 0xfffb) || code >= 0xe0000)
		return 0;
	return n;
}

/* The escapes are JSON's; in text they serve as well. A byte that is not part of a character to be
 * shown is escaped by its value. */
static void print_string(struct buf *out, const struct adit_bytes *in)
{
	print_text(out, "\"");
	for (uint32_t i = 0; i < in->size; i++) {
		uint8_t c = in->data[i];
		uint32_t n = c < 0x80 ? 0 : shown_size(in->data + i, in->size - i);

		if (n > 0) {
			(void)buf_append(out, in->data + i, n);
			i += n - 1;
		} else if (c == '"' || c == '\\') {
			(void)buf_printf(out, "\\%c", c);
		} else if (c >= 0x20 && c < 0x7f) {
			(void)buf_append_u8(out, c);
		} else {
			(void)buf_printf(out, "\\u%04x", c);
		}
	}
	print_text(out, "\"");
}

static void print_f32(struct buf *out, float value)
{
	(void)buf_printf(out, "%.9g", (double)value);
}

static void print_option(struct buf *out, const struct adit_sv2_option_u32 *in,
			 enum sv2_print_style style)
{
	if (in->present)
		(void)buf_printf(out, "%" PRIu32, in->value);
	else
		print_text(out, style == SV2_PRINT_JSON ? "null" : "-");
}

static void print_u256_seq(struct buf *out, const struct adit_sv2_seq *in, const char *quote)
{
	print_text(out, "[");
	for (uint32_t i = 0; i < in->count; i++) {
		(void)buf_printf(out, "%s%s", i > 0 ? "," : "", quote);
		print_u256(out, in->data + (size_t)i * 32);
		print_text(out, quote);
	}
	print_text(out, "]");
}

/* Numbers of WIDTH bytes, 2 or 4. */
static void print_number_seq(struct buf *out, const struct adit_sv2_seq *in, size_t width)
{
	struct reader r;

	reader_init(&r, in->data, in->size);
	print_text(out, "[");
	for (uint32_t i = 0; i < in->count; i++)
		(void)buf_printf(out, "%s%" PRIu32, i > 0 ? "," : "",
				 width == 2 ? reader_u16(&r) : reader_u32(&r));
	print_text(out, "]");
}

static void print_transactions(struct buf *out, const struct adit_sv2_seq *in,
			       enum sv2_print_style style)
{
	struct reader r;

	if (style == SV2_PRINT_TEXT) {
		(void)buf_printf(out, "[%" PRIu32 " of %" PRIu32 " bytes]", in->count, in->size);
		return;
	}
	reader_init(&r, in->data, in->size);
	print_text(out, "[");
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t size = reader_u24(&r);
		const uint8_t *data = reader_bytes(&r, size);

		print_text(out, i > 0 ? ",\"" : "\"");
		if (data != NULL)
			print_hex(out, data, size);
		print_text(out, "\"");
	}
	print_text(out, "]");
}

static void print_field(struct buf *out, uint8_t type, const void *in, enum sv2_print_style style)
{
	const char *quote = style == SV2_PRINT_JSON ? "\"" : "";

	switch ((enum sv2_type)type) {
	case SV2_TYPE_BOOL:
		print_text(out, *(const bool *)in ? "true" : "false");
		break;
	case SV2_TYPE_U8:
		(void)buf_printf(out, "%u", *(const uint8_t *)in);
		break;
	case SV2_TYPE_U16:
	case SV2_TYPE_U16_OR_400:
		(void)buf_printf(out, "%u", *(const uint16_t *)in);
		break;
	case SV2_TYPE_U32:
		(void)buf_printf(out, "%" PRIu32, *(const uint32_t *)in);
		break;
	case SV2_TYPE_U64:
		(void)buf_printf(out, "%" PRIu64, *(const uint64_t *)in);
		break;
	case SV2_TYPE_F32:
		print_f32(out, *(const float *)in);
		break;
	case SV2_TYPE_U256:
		print_text(out, quote);
		print_u256(out, ((const struct adit_u256 *)in)->b);
		print_text(out, quote);
		break;
	case SV2_TYPE_STR0_255:
	case SV2_TYPE_CODE:
		print_string(out, in);
		break;
	case SV2_TYPE_B0_32:
	case SV2_TYPE_B0_255:
	case SV2_TYPE_B0_64K:
		print_text(out, quote);
		print_hex(out, ((const struct adit_bytes *)in)->data,
			  ((const struct adit_bytes *)in)->size);
		print_text(out, quote);
		break;
	case SV2_TYPE_SEQ0_255_U256:
	case SV2_TYPE_SEQ0_64K_U256:
		print_u256_seq(out, in, quote);
		break;
	case SV2_TYPE_SEQ0_64K_U32:
		print_number_seq(out, in, 4);
		break;
	case SV2_TYPE_SEQ0_64K_U16:
		print_number_seq(out, in, 2);
		break;
	case SV2_TYPE_SEQ0_64K_B0_16M:
		print_transactions(out, in, style);
		break;
	case SV2_TYPE_OPTION_U32:
	case SV2_TYPE_OPTIONAL_U32:
		print_option(out, in, style);
		break;
	}
}

/* TLVs that are present, as the other fields. */
static void print_tlvs(struct buf *out, int32_t message, const void *body, bool json)
{
	for (size_t i = 0; i < sv2_tlv_count; i++) {
		const void *value = (const char *)body + sv2_tlvs[i].offset;

		if (sv2_tlvs[i].message != message ||
		    ((const struct adit_bytes *)value)->data == NULL)
			continue;
		(void)buf_printf(out, json ? ",\"%s\":" : " %s=", sv2_tlvs[i].name);
		print_string(out, value);
	}
}

bool sv2_print(struct buf *out, int32_t message, const void *body, enum sv2_print_style style)
{
	const struct sv2_message *m = sv2_message(message);
	bool json = style == SV2_PRINT_JSON;

	if (m == NULL)
		return false;
	(void)buf_printf(out, json ? "{\"message\":\"%s\"" : "%s", m->title);
	for (uint8_t i = 0; i < m->field_count; i++) {
		(void)buf_printf(out, json ? ",\"%s\":" : " %s=", m->fields[i].name);
		print_field(out, m->fields[i].type, (const char *)body + m->fields[i].offset,
			    style);
	}
	print_tlvs(out, message, body, json);
	if (json)
		print_text(out, "}");
	return !out->failed;
}

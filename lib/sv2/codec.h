/* SPDX-License-Identifier: MIT */
/*
 * codec.h: messages between their structs (adit/sv2_messages.h) and the wire. Everything is driven
 * by the table that messages.def makes; messages are named by enum adit_sv2_message.
 *
 * Rules of specification 03 section 3.1 as held here: BOOL looks at bit 0 alone; OPTION has 0 or 1
 * elements; B0_32 holds at most 32 bytes; F32 is finite and not negative; the count of a SEQ must
 * fit in the bytes that are left. Bytes after the last field are the TLV area (section 3.4.3): what
 * belongs to no negotiated extension is ignored.
 */
#ifndef SV2_CODEC_H
#define SV2_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

/* The only version of the protocol. */
#define SV2_VERSION 2

enum sv2_type {
	SV2_TYPE_BOOL,
	SV2_TYPE_U8,
	SV2_TYPE_U16,
	SV2_TYPE_U32,
	SV2_TYPE_U64,
	SV2_TYPE_F32,
	SV2_TYPE_U256,
	SV2_TYPE_STR0_255,
	SV2_TYPE_CODE, /* STR0_255; section 3.5: printable ASCII in what we send */
	SV2_TYPE_B0_32,
	SV2_TYPE_B0_255,
	SV2_TYPE_B0_64K,
	SV2_TYPE_SEQ0_255_U256,
	SV2_TYPE_SEQ0_64K_U16,
	SV2_TYPE_SEQ0_64K_U32,
	SV2_TYPE_SEQ0_64K_U256,
	SV2_TYPE_SEQ0_64K_B0_16M,
	SV2_TYPE_OPTION_U32,
	SV2_TYPE_OPTIONAL_U32, /* last field only: older peers leave it out */
	SV2_TYPE_U16_OR_400    /* likewise; we always send it */
};

enum sv2_scope {
	SV2_SCOPE_COMMON,
	SV2_SCOPE_MINING,
	SV2_SCOPE_JOB_DECLARATION,
	SV2_SCOPE_TEMPLATE,
	SV2_SCOPE_EXTENSIONS /* their negotiation, on connections of every protocol */
};

/* Who sends a message; usable as a mask. */
enum sv2_direction { SV2_C2S = 1, SV2_S2C = 2, SV2_BOTH = 3 };

struct sv2_field {
	const char *name;
	uint16_t offset; /* in the struct */
	uint8_t type;    /* enum sv2_type */
};

struct sv2_message {
	const char *title; /* "SubmitShares.Success" */
	const char *name;  /* "submit_shares_success" */
	const struct sv2_field *fields;
	uint32_t max_payload; /* bytes */
	uint16_t struct_size;
	uint16_t extension;
	uint8_t field_count;
	uint8_t type;      /* msg_type */
	uint8_t scope;     /* enum sv2_scope */
	uint8_t direction; /* enum sv2_direction */
	bool channel_msg;  /* bit that is sent; ignored on receipt */
};

/* A TLV that an extension appends to a message. Its value is a struct adit_bytes in the message's
 * struct, with data NULL when the TLV is absent. */
struct sv2_tlv {
	const char *name;
	int32_t message;    /* enum adit_sv2_message */
	uint16_t offset;    /* in the struct */
	uint16_t extension; /* id */
	uint8_t type;       /* field type inside the extension */
	uint8_t max;        /* bytes of value */
};

/* Room for any message's struct. */
union sv2_body {
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section,  \
		help)                                                                              \
	struct adit_sv2_##s s;
#include "lib/sv2/messages.def"
};

/* The table's entry; NULL when MESSAGE is no message number. */
const struct sv2_message *sv2_message(int32_t message);
/* The number of message TYPE of EXTENSION (without the channel bit); -1 when unknown. */
int32_t sv2_message_find(uint16_t extension, uint8_t type);

/* The TLVs of all messages, ordered as they have to be sent. */
extern const struct sv2_tlv sv2_tlvs[];
extern const size_t sv2_tlv_count;

/* Reads a payload of SIZE bytes into BODY, the message's struct. Byte runs and sequences point into
 * PAYLOAD. Bytes consumed go to *USED (may be NULL), what follows is the TLV area; TLVs in BODY are
 * absent. ADIT_E_PROTOCOL when the payload is not a MESSAGE; BODY is then undefined. Never
 * allocates. */
int32_t sv2_decode(int32_t message, const uint8_t *payload, size_t size, void *body, size_t *used);
/* Reads the TLV area, SIZE bytes, of MESSAGE into BODY, which sv2_decode() has filled, as far as
 * the TLVs belong to EXTENSIONS (negotiated; bit n stands for extension n). Others are skipped. The
 * header of a TLV is read in either byte order, see codec_tlv.c. ADIT_E_PROTOCOL when MESSAGE has
 * TLVs in EXTENSIONS and one is truncated or has too long a value. */
int32_t sv2_decode_tlvs(int32_t message, uint32_t extensions, const uint8_t *area, size_t size,
			void *body);
/* BODY without the TLVs of extensions other than EXTENSIONS: BODY itself if it has none of them,
 * else COPY. */
const void *sv2_keep_tlvs(int32_t message, uint32_t extensions, const void *body,
			  union sv2_body *copy);

/* Payload bytes of BODY, present TLVs included. ADIT_E_INVALID_ARGUMENT when a field can't be sent
 * (too long, a sequence whose size and count disagree, NaN, a code that is not printable ASCII) or
 * the payload passes the message's bound. */
int32_t sv2_encoded_size(int32_t message, const void *body, size_t *size);
/* Writes the payload to OUT and its size to *SIZE. Also ADIT_E_LIMIT when CAPACITY is too small. */
int32_t sv2_encode(int32_t message, const void *body, uint8_t *out, size_t capacity, size_t *size);
/* The same with the frame header in front; with OUT NULL only the size. */
int32_t sv2_encode_frame(int32_t message, const void *body, uint8_t *out, size_t capacity,
			 size_t *size);

/* Between codec.c and codec_tlv.c: makes the TLVs of BODY absent; the size of those it carries,
 * false when one can't be sent; writes them. */
struct writer;
void sv2_tlvs_clear(int32_t message, void *body);
bool sv2_tlvs_size(int32_t message, const void *body, size_t *size);
void sv2_tlvs_encode(struct writer *w, int32_t message, const void *body);

#endif

/* SPDX-License-Identifier: MIT */
/* Tests of codec.h, frame.h and print.h. Vectors: sections 15.1 and 15.2 of the protocol digest,
 * which took the payloads from the unit tests of the reference template provider. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <json.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/sv2/print.h"
#include "lib/util/hex.h"
#include "tests/unit/sv2_random.h"

#define ROUNDS 200

static struct adit_bytes text(const char *s)
{
	return (struct adit_bytes){.data = (const uint8_t *)s, .size = (uint32_t)strlen(s)};
}

static void ck_text(const struct adit_bytes *have, const char *want)
{
	ck_assert_uint_eq(have->size, strlen(want));
	ck_assert_mem_eq(have->data, want, have->size);
}

/* Hexadecimal digits with blanks between; returns how many bytes. */
static size_t unhex(const char *digits, uint8_t *out, size_t capacity)
{
	char pair[3] = {0};
	size_t n = 0;

	for (; *digits != '\0'; digits++) {
		if (*digits == ' ')
			continue;
		pair[0] = *digits++;
		pair[1] = *digits;
		ck_assert_uint_lt(n, capacity);
		ck_assert(hex_decode(pair, out + n, 1));
		n++;
	}
	return n;
}

/* BODY encodes to the payload DIGITS. */
static void ck_encodes(int32_t message, const void *body, const char *digits)
{
	uint8_t want[512];
	uint8_t have[512];
	size_t want_size = unhex(digits, want, sizeof(want));
	size_t size;

	ck_assert_int_eq(sv2_encode(message, body, have, sizeof(have), &size), ADIT_OK);
	ck_assert_uint_eq(size, want_size);
	ck_assert_mem_eq(have, want, size);
}

static int32_t decode_hex(int32_t message, const char *digits, union sv2_body *body, size_t *used)
{
	static uint8_t payload[70000];
	size_t size = unhex(digits, payload, sizeof(payload));

	return sv2_decode(message, payload, size, body, used);
}

/* --- vectors -----------------------------------------------------------------------------------
 */

static const char setup_connection_hex[] =
    "02 0200 0200 01000000 07302e302e302e30 6121 074269746d61696e 085339692031332e35"
    "1c62726169696e732d6f732d323031382d30392d32322d312d68617368"
    "10736f6d652d6465766963652d75756964";

static struct adit_sv2_setup_connection setup_connection(void)
{
	return (struct adit_sv2_setup_connection){
	    .protocol = 2,
	    .min_version = 2,
	    .max_version = 2,
	    .flags = 1,
	    .endpoint_host = text("0.0.0.0"),
	    .endpoint_port = 8545,
	    .vendor = text("Bitmain"),
	    .hardware_version = text("S9i 13.5"),
	    .firmware = text("braiins-os-2018-09-22-1-hash"),
	    .device_id = text("some-device-uuid"),
	};
}

START_TEST(test_vector_setup_connection)
{
	struct adit_sv2_setup_connection m = setup_connection();
	union sv2_body body;
	size_t used;

	ck_encodes(ADIT_SV2_SETUP_CONNECTION, &m, setup_connection_hex);
	ck_assert_int_eq(decode_hex(ADIT_SV2_SETUP_CONNECTION, setup_connection_hex, &body, &used),
			 0);
	ck_assert_uint_eq(used, 82);
	ck_assert_uint_eq(body.setup_connection.protocol, 2);
	ck_assert_uint_eq(body.setup_connection.flags, 1);
	ck_assert_uint_eq(body.setup_connection.endpoint_port, 8545);
	ck_text(&body.setup_connection.endpoint_host, "0.0.0.0");
	ck_text(&body.setup_connection.vendor, "Bitmain");
	ck_text(&body.setup_connection.hardware_version, "S9i 13.5");
	ck_text(&body.setup_connection.device_id, "some-device-uuid");
}
END_TEST

START_TEST(test_vector_setup_answers)
{
	struct adit_sv2_setup_connection_success success = {.used_version = 2, .flags = 3};
	struct adit_sv2_setup_connection_error error = {.error_code =
							    text("protocol-version-mismatch")};

	ck_encodes(ADIT_SV2_SETUP_CONNECTION_SUCCESS, &success, "0200 03000000");
	ck_encodes(ADIT_SV2_SETUP_CONNECTION_ERROR, &error,
		   "00000000 19 70726f746f636f6c2d76657273696f6e2d6d69736d61746368");
}
END_TEST

START_TEST(test_vector_new_template)
{
	static const char digits[] =
	    "0100000000000000 00 00000030 02000000 04 03012100 ffffffff 0040075af0750700 01000000"
	    "0c00 0100000000000000036a012a dbc80d00 01"
	    "1a6240823de4c8d6aaf826851bdf2b0e8d5acf7c31e8578cff4c394b5a32bd4e";
	static const uint8_t output[] = {1, 0, 0, 0, 0, 0, 0, 0, 3, 0x6a, 1, 0x2a};
	union sv2_body body;
	const struct adit_sv2_new_template *m = &body.new_template;

	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_TEMPLATE, digits, &body, NULL), ADIT_OK);
	ck_assert_uint_eq(m->template_id, 1);
	ck_assert(!m->future_template);
	ck_assert_uint_eq(m->version, 0x30000000);
	ck_assert_uint_eq(m->coinbase_tx_version, 2);
	ck_assert_uint_eq(m->coinbase_prefix.size, 4);
	ck_assert_uint_eq(m->coinbase_tx_input_sequence, 0xffffffff);
	ck_assert_uint_eq(m->coinbase_tx_value_remaining, 2100000000000000);
	ck_assert_uint_eq(m->coinbase_tx_outputs_count, 1);
	ck_assert_uint_eq(m->coinbase_tx_outputs.size, sizeof(output));
	ck_assert_mem_eq(m->coinbase_tx_outputs.data, output, sizeof(output));
	ck_assert_uint_eq(m->coinbase_tx_locktime, 903387);
	ck_assert_uint_eq(m->merkle_path.count, 1);
	ck_assert_uint_eq(m->merkle_path.data[0], 0x1a);
	ck_encodes(ADIT_SV2_NEW_TEMPLATE, m, digits);
}
END_TEST

START_TEST(test_vector_template_set_new_prev_hash)
{
	static const char digits[] =
	    "0200000000000000 e59a2ef8d4826b89fe637f3b5322c0f167fd2d3dc88ec568a7c2c8ffd8eb8873"
	    "973c0e63 ffff7f03 ffff7f0000000000000000000000000000000000000000000000000000000000";
	union sv2_body body;
	const struct adit_sv2_template_set_new_prev_hash *m = &body.template_set_new_prev_hash;

	ck_assert_int_eq(decode_hex(ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH, digits, &body, NULL), 0);
	ck_assert_uint_eq(m->template_id, 2);
	ck_assert_uint_eq(m->ntime_start, 1661877399);
	ck_assert_uint_eq(m->n_bits, 0x037fffff);
	ck_assert_uint_eq(m->target.b[2], 0x7f);
	ck_encodes(ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH, m, digits);
}
END_TEST

/* Keys k1 and k2 of the transcript in section 15.1, first frame of either direction. */
static void ck_seals(const char *key_hex, const uint8_t *frame, size_t size, const char *wire_hex)
{
	struct noise_cipher cipher;
	uint8_t key[32];
	uint8_t want[256];
	uint8_t have[256];
	size_t wire = unhex(wire_hex, want, sizeof(want));

	ck_assert(hex_decode(key_hex, key, 32));
	ck_assert_uint_eq(sv2_sealed_size((uint32_t)size - SV2_HEADER_SIZE), wire);
	ck_assert_int_eq(noise_cipher_init(&cipher, key), ADIT_OK);
	ck_assert_int_eq(sv2_seal_frame(&cipher, frame, size, have), ADIT_OK);
	ck_assert_mem_eq(have, want, wire);
	noise_cipher_fini(&cipher);

	ck_assert_int_eq(noise_cipher_init(&cipher, key), ADIT_OK);
	memcpy(have, frame, SV2_HEADER_SIZE);
	memcpy(have + SV2_SEALED_HEADER_SIZE, frame + SV2_HEADER_SIZE, size - SV2_HEADER_SIZE);
	ck_assert_int_eq(sv2_seal_in_place(&cipher, have, (uint32_t)size - SV2_HEADER_SIZE),
			 ADIT_OK);
	ck_assert_mem_eq(have, want, wire);
	noise_cipher_fini(&cipher);
}

START_TEST(test_vector_transport)
{
	static const uint8_t header[] = {0, 0, 0, 0x52, 0, 0};
	struct adit_sv2_setup_connection m = setup_connection();
	struct adit_sv2_setup_connection_success success = {.used_version = 2};
	uint8_t frame[128];
	size_t size;

	ck_assert_int_eq(
	    sv2_encode_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame), &size), ADIT_OK);
	ck_assert_uint_eq(size, 88);
	ck_assert_mem_eq(frame, header, sizeof(header));
	ck_seals("9f6cfe615868a68bc0b2803c47f8624e42f1d34dbf7f8d50f750504cd3325377", frame, size,
		 "46416bd0c530922a4f6f1fd99d0391851727f168f27a"
		 "3596d8a3bbc27f68613b4ae8569d19f7c1c76aa9b3ed413e6d3a0827908be58670e602188c92e3e8"
		 "38130b374ed79870b3c3c685278281b694fa79994776a5be39af6c06d2daa14cd5af9c24198df54f"
		 "4eb4de0cc92e828fc4bc8d7f6c4877e4bd63");
	ck_assert_int_eq(sv2_encode_frame(ADIT_SV2_SETUP_CONNECTION_SUCCESS, &success, frame,
					  sizeof(frame), &size),
			 ADIT_OK);
	ck_seals("f9148e83633059310b365ca3c2dfcdbfeb312d18dbc3efdf83f3d5eca6d62032", frame, size,
		 "7cf8b7027b1eb5350f3a50b8b24ae12b3a80fde6f355"
		 "8630eb58493a46a2aa74176f52fead8ce97874a9e5eb");
}
END_TEST

/* --- frames ------------------------------------------------------------------------------------
 */

START_TEST(test_header)
{
	static const uint8_t with_bit[] = {0xbc, 0x8a, 0x15, 0x03, 0x02, 0x01};
	struct sv2_header h;
	uint8_t out[SV2_HEADER_SIZE];

	sv2_header_read(with_bit, &h);
	ck_assert_uint_eq(h.extension, 0x0abc);
	ck_assert(h.channel_msg);
	ck_assert_uint_eq(h.type, 0x15);
	ck_assert_uint_eq(h.size, 0x010203);
	sv2_header_write(ADIT_SV2_NEW_MINING_JOB, 45, out);
	ck_assert_mem_eq(out, "\x00\x80\x15\x2d\x00\x00", 6);
}
END_TEST

START_TEST(test_sealed_size)
{
	ck_assert_uint_eq(sv2_sealed_size(0), 22);
	ck_assert_uint_eq(sv2_sealed_size(1), 22 + 17);
	ck_assert_uint_eq(sv2_sealed_size(65519), 22 + 65535);
	ck_assert_uint_eq(sv2_sealed_size(65520), 22 + 65520 + 32);
	ck_assert_uint_eq(sv2_sealed_size(0xffffff), 22 + 0xffffff + 16 * 257);
}
END_TEST

/* Sealing where the frame lies gives the same bytes as sealing elsewhere, for any number of chunks.
 */
START_TEST(test_seal_in_place)
{
	static const uint32_t sizes[] = {0, 1, 24, 65518, 65519, 65520, 131038, 131039, 400000};
	uint32_t size = sizes[_i];
	size_t wire = sv2_sealed_size(size);
	uint8_t *frame = malloc(SV2_HEADER_SIZE + (size_t)size);
	uint8_t *elsewhere = malloc(wire);
	uint8_t *in_place = malloc(wire);
	const uint8_t key[32] = {9};
	struct noise_cipher a;
	struct noise_cipher b;

	for (size_t i = 0; i < SV2_HEADER_SIZE + (size_t)size; i++)
		frame[i] = (uint8_t)(i * 7 + i / 251);
	memcpy(in_place, frame, SV2_HEADER_SIZE);
	memcpy(in_place + SV2_SEALED_HEADER_SIZE, frame + SV2_HEADER_SIZE, size);
	ck_assert_int_eq(noise_cipher_init(&a, key), ADIT_OK);
	ck_assert_int_eq(noise_cipher_init(&b, key), ADIT_OK);
	ck_assert_int_eq(sv2_seal_frame(&a, frame, SV2_HEADER_SIZE + (size_t)size, elsewhere), 0);
	ck_assert_int_eq(sv2_seal_in_place(&b, in_place, size), ADIT_OK);
	ck_assert(memcmp(elsewhere, in_place, wire) == 0);
	ck_assert_uint_eq(a.nonce, b.nonce);
	noise_cipher_fini(&a);
	noise_cipher_fini(&b);
	free(frame);
	free(elsewhere);
	free(in_place);
}
END_TEST

/* --- every message -----------------------------------------------------------------------------
 */

static void encode_random(struct sv2_random *r, int32_t message, union sv2_body *body, uint8_t *out,
			  size_t capacity, size_t *size)
{
	size_t announced;

	sv2_random_message(r, message, body);
	ck_assert_int_eq(sv2_encoded_size(message, body, &announced), ADIT_OK);
	ck_assert_int_eq(sv2_encode(message, body, out, capacity, size), ADIT_OK);
	ck_assert_uint_eq(*size, announced);
	ck_assert_int_eq(sv2_encode(message, body, out, *size, size), ADIT_OK);
	if (*size > 0)
		ck_assert_int_eq(sv2_encode(message, body, out, *size - 1, &announced),
				 ADIT_E_LIMIT);
}

/* What was decoded encodes to the same bytes, and the struct's text is the original's. */
START_TEST(test_round_trip)
{
	static struct sv2_random random;
	static uint8_t wire[1 << 17];
	static uint8_t again[1 << 17];
	union sv2_body body;
	union sv2_body back;
	struct buf one = {0};
	struct buf two = {0};
	size_t size;
	size_t used;

	sv2_random_seed(&random, (uint64_t)_i + 1);
	for (int round = 0; round < ROUNDS; round++) {
		encode_random(&random, _i, &body, wire, sizeof(wire), &size);
		ck_assert_int_eq(sv2_decode(_i, wire, size, &back, &used), ADIT_OK);
		ck_assert_uint_eq(used, size);
		ck_assert_int_eq(sv2_encode(_i, &back, again, sizeof(again), &used), ADIT_OK);
		ck_assert_uint_eq(used, size);
		ck_assert(memcmp(wire, again, size) == 0);
		buf_clear(&one);
		buf_clear(&two);
		ck_assert(sv2_print(&one, _i, &body, SV2_PRINT_JSON));
		ck_assert(sv2_print(&two, _i, &back, SV2_PRINT_JSON));
		ck_assert_uint_eq(one.size, two.size);
		ck_assert(memcmp(one.data, two.data, one.size) == 0);
	}
	buf_free(&one);
	buf_free(&two);
}
END_TEST

/* Where a trailing field may be left out, the payload without it is a message too. */
static size_t optional_size(int32_t message)
{
	const struct sv2_message *m = sv2_message(message);

	switch (m->fields[m->field_count - 1].type) {
	case SV2_TYPE_OPTIONAL_U32:
		return 4;
	case SV2_TYPE_U16_OR_400:
		return 2;
	default:
		return 0;
	}
}

/* No proper prefix is a message. Each lies at the end of its own allocation, so that a sanitizer
 * sees a read behind it. */
START_TEST(test_truncation)
{
	static struct sv2_random random;
	static uint8_t wire[1 << 17];
	union sv2_body body;
	size_t size;

	sv2_random_seed(&random, (uint64_t)_i + 77);
	for (int round = 0; round < 8; round++) {
		bool has_optional;

		encode_random(&random, _i, &body, wire, sizeof(wire), &size);
		has_optional = optional_size(_i) == 2 ||
			       (optional_size(_i) == 4 &&
				body.open_extended_mining_channel_success.group_channel_id.present);
		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *exact = malloc(cut > 0 ? cut : 1);
			int32_t want = has_optional && cut == size - optional_size(_i)
					   ? ADIT_OK
					   : ADIT_E_PROTOCOL;

			memcpy(exact, wire, cut);
			ck_assert_int_eq(sv2_decode(_i, exact, cut, &body, NULL), want);
			free(exact);
		}
	}
}
END_TEST

/* Bytes after the last field are the TLV area. */
START_TEST(test_tlv_area)
{
	static struct sv2_random random;
	static uint8_t wire[1 << 17];
	union sv2_body body;
	size_t size;
	size_t used;

	if (optional_size(_i) > 0 || sv2_message(_i)->max_payload > 0xfffff0)
		return;
	sv2_random_seed(&random, (uint64_t)_i + 5);
	encode_random(&random, _i, &body, wire, sizeof(wire), &size);
	if (size + 7 > sv2_message(_i)->max_payload)
		return;
	memset(wire + size, 0xaa, 7);
	ck_assert_int_eq(sv2_decode(_i, wire, size + 7, &body, &used), ADIT_OK);
	ck_assert_uint_eq(used, size);
}
END_TEST

START_TEST(test_table)
{
	const struct sv2_message *m = sv2_message(_i);

	ck_assert_int_eq(sv2_message_find(m->extension, m->type), _i);
	ck_assert_uint_gt(m->field_count, 0);
	ck_assert_uint_le(m->struct_size, sizeof(union sv2_body));
	for (uint8_t i = 0; i < m->field_count; i++) {
		ck_assert_uint_lt(m->fields[i].offset, m->struct_size);
		if (m->fields[i].type == SV2_TYPE_OPTIONAL_U32 ||
		    m->fields[i].type == SV2_TYPE_U16_OR_400)
			ck_assert_uint_eq(i, m->field_count - 1);
	}
}
END_TEST

START_TEST(test_lookup)
{
	ck_assert_int_eq(sv2_message_find(0, 0x1a), ADIT_SV2_SUBMIT_SHARES_STANDARD);
	ck_assert_int_eq(sv2_message_find(0, 0x1e), -1);
	ck_assert_int_eq(sv2_message_find(0, 0xff), -1);
	ck_assert_int_eq(sv2_message_find(1, 0x00), ADIT_SV2_REQUEST_EXTENSIONS);
	ck_assert_int_eq(sv2_message_find(1, 0x03), -1);
	ck_assert_int_eq(sv2_message_find(2, 0x00), -1);
	ck_assert_int_eq(sv2_message_find(0x7fff, 0x1a), -1);
	ck_assert_ptr_null(sv2_message(-1));
	ck_assert_ptr_null(sv2_message(ADIT_SV2_MESSAGE_COUNT));
	ck_assert_int_eq(sv2_decode(-1, NULL, 0, NULL, NULL), ADIT_E_INVALID_ARGUMENT);
}
END_TEST

/* --- rules of the data types -------------------------------------------------------------------
 */

START_TEST(test_bool_bit)
{
	static const char digits[] = "01000000 02000000 00 04000000 %s 00 0000 0000";
	char line[128];
	union sv2_body body;

	(void)snprintf(line, sizeof(line), digits, "fe");
	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_EXTENDED_MINING_JOB, line, &body, NULL), ADIT_OK);
	ck_assert(!body.new_extended_mining_job.version_rolling_allowed);
	(void)snprintf(line, sizeof(line), digits, "03");
	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_EXTENDED_MINING_JOB, line, &body, NULL), ADIT_OK);
	ck_assert(body.new_extended_mining_job.version_rolling_allowed);
}
END_TEST

START_TEST(test_option_count)
{
	char zeros[65];
	char line[256];
	union sv2_body body;

	memset(zeros, '0', 64);
	zeros[64] = '\0';
	(void)snprintf(line, sizeof(line), "01000000 02000000 00 04000000 %s", zeros);
	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_MINING_JOB, line, &body, NULL), ADIT_OK);
	ck_assert(!body.new_mining_job.ntime_start.present);
	(void)snprintf(line, sizeof(line), "01000000 02000000 01 05000000 04000000 %s", zeros);
	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_MINING_JOB, line, &body, NULL), ADIT_OK);
	ck_assert(body.new_mining_job.ntime_start.present);
	ck_assert_uint_eq(body.new_mining_job.ntime_start.value, 5);
	(void)snprintf(line, sizeof(line), "01000000 02000000 02 05000000 05000000 04000000 %s",
		       zeros);
	ck_assert_int_eq(decode_hex(ADIT_SV2_NEW_MINING_JOB, line, &body, NULL), ADIT_E_PROTOCOL);
}
END_TEST

START_TEST(test_b0_32_bound)
{
	struct adit_sv2_set_extranonce_prefix m = {.channel_id = 1};
	uint8_t payload[64] = {1, 0, 0, 0};
	uint8_t out[64];
	union sv2_body body;
	size_t size;

	payload[4] = 32;
	ck_assert_int_eq(sv2_decode(ADIT_SV2_SET_EXTRANONCE_PREFIX, payload, 37, &body, NULL),
			 ADIT_OK);
	payload[4] = 33;
	ck_assert_int_eq(sv2_decode(ADIT_SV2_SET_EXTRANONCE_PREFIX, payload, 38, &body, NULL),
			 ADIT_E_PROTOCOL);
	m.extranonce_prefix = (struct adit_bytes){.data = payload, .size = 33};
	ck_assert_int_eq(sv2_encode(ADIT_SV2_SET_EXTRANONCE_PREFIX, &m, out, sizeof(out), &size),
			 ADIT_E_INVALID_ARGUMENT);
}
END_TEST

START_TEST(test_f32)
{
	static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xbf800000, 0x80000001};
	struct adit_sv2_update_channel m = {.channel_id = 1};
	uint8_t payload[40] = {0};
	uint8_t out[64];
	union sv2_body body;
	size_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(payload + 4, &bad[i], 4); /* tests run on little-endian machines */
		memcpy(&m.nominal_hash_rate, &bad[i], 4);
		ck_assert_int_eq(sv2_decode(ADIT_SV2_UPDATE_CHANNEL, payload, 40, &body, NULL),
				 ADIT_E_PROTOCOL);
		ck_assert_int_eq(sv2_encode(ADIT_SV2_UPDATE_CHANNEL, &m, out, sizeof(out), &size),
				 ADIT_E_INVALID_ARGUMENT);
	}
	memcpy(payload + 4, "\x00\x00\x80\x3f", 4);
	ck_assert_int_eq(sv2_decode(ADIT_SV2_UPDATE_CHANNEL, payload, 40, &body, NULL), ADIT_OK);
	ck_assert_float_eq(body.update_channel.nominal_hash_rate, 1.0f);
}
END_TEST

/* A count that can't fit in what is left is refused, whatever it asks for. */
START_TEST(test_seq_counts)
{
	union sv2_body body;

	ck_assert_int_eq(
	    decode_hex(ADIT_SV2_SET_GROUP_CHANNEL, "01000000 ffff 01000000", &body, NULL),
	    ADIT_E_PROTOCOL);
	ck_assert_int_eq(
	    decode_hex(ADIT_SV2_SET_GROUP_CHANNEL, "01000000 0100 01000000", &body, NULL), ADIT_OK);
	ck_assert_uint_eq(body.set_group_channel.channel_ids.count, 1);
	ck_assert_int_eq(decode_hex(ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS,
				    "0100000000000000 0000 ffff 000000", &body, NULL),
			 ADIT_E_PROTOCOL);
	ck_assert_int_eq(decode_hex(ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS,
				    "0100000000000000 0000 0200 010000aa ffffff", &body, NULL),
			 ADIT_E_PROTOCOL);
	ck_assert_int_eq(decode_hex(ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS,
				    "0100000000000000 0000 0200 010000aa 000000", &body, NULL),
			 ADIT_OK);
	ck_assert_uint_eq(body.request_transaction_data_success.transaction_list.size, 7);
	ck_assert_int_eq(
	    decode_hex(ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS, "01000000 0200 010002", &body, NULL),
	    ADIT_E_PROTOCOL);
	ck_assert_int_eq(decode_hex(ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS, "01000000 0200 01000203",
				    &body, NULL),
			 ADIT_OK);
	ck_assert_uint_eq(body.provide_missing_transactions.unknown_tx_position_list.size, 4);
	ck_assert_int_eq(
	    decode_hex(ADIT_SV2_DECLARE_MINING_JOB,
		       "01000000 00 02000000 0000 0000 0200"
		       "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
		       "0000",
		       &body, NULL),
	    ADIT_E_PROTOCOL);
	ck_assert_int_eq(
	    decode_hex(ADIT_SV2_DECLARE_MINING_JOB,
		       "01000000 00 02000000 0000 0000 0100"
		       "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
		       "0000",
		       &body, NULL),
	    ADIT_OK);
	ck_assert_uint_eq(body.declare_mining_job.wtxid_list.count, 1);
}
END_TEST

/* Sequences whose count and size disagree are ours to refuse. */
START_TEST(test_encode_refuses)
{
	static const uint8_t data[128];
	struct adit_sv2_set_group_channel group = {.channel_ids = {data, 8, 3}};
	struct adit_sv2_request_transaction_data_success list = {.transaction_list = {data, 6, 3}};
	struct adit_sv2_setup_connection_error error = {.error_code = {data, 256}};
	struct adit_sv2_new_template template = {.merkle_path = {data, 64, 3}};
	size_t size;

	ck_assert_int_eq(sv2_encoded_size(ADIT_SV2_SET_GROUP_CHANNEL, &group, &size),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(sv2_encoded_size(ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &list, &size),
			 ADIT_E_INVALID_ARGUMENT);
	list.transaction_list.count = 2;
	ck_assert_int_eq(sv2_encoded_size(ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &list, &size),
			 ADIT_OK);
	ck_assert_int_eq(sv2_encoded_size(ADIT_SV2_SETUP_CONNECTION_ERROR, &error, &size),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(sv2_encoded_size(ADIT_SV2_NEW_TEMPLATE, &template, &size),
			 ADIT_E_INVALID_ARGUMENT);
}
END_TEST

/* Older peers leave the last field out; one to three bytes are neither that nor a TLV. */
START_TEST(test_optional_trailing)
{
	uint8_t payload[64] = {0};
	union sv2_body body;
	const struct adit_sv2_open_extended_mining_channel_success *m =
	    &body.open_extended_mining_channel_success;
	const int32_t message = ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS;

	ck_assert_int_eq(sv2_decode(message, payload, 43, &body, NULL), ADIT_OK);
	ck_assert(!m->group_channel_id.present);
	ck_assert_int_eq(sv2_decode(message, payload, 45, &body, NULL), ADIT_E_PROTOCOL);
	payload[43] = 9;
	ck_assert_int_eq(sv2_decode(message, payload, 47, &body, NULL), ADIT_OK);
	ck_assert(m->group_channel_id.present);
	ck_assert_uint_eq(m->group_channel_id.value, 9);
}
END_TEST

START_TEST(test_payload_bound)
{
	static uint8_t payload[2000];
	union sv2_body body;

	ck_assert_int_eq(sv2_decode(ADIT_SV2_SETUP_CONNECTION, payload, 1300, &body, NULL),
			 ADIT_OK);
	ck_assert_int_eq(sv2_decode(ADIT_SV2_SETUP_CONNECTION, payload, 1301, &body, NULL),
			 ADIT_E_PROTOCOL);
}
END_TEST

/* --- printing ----------------------------------------------------------------------------------
 */

/* Names of miners are UTF-8: what can be shown is; what is malformed, a control, or would turn or
 * hide the line, is escaped byte by byte. */
static const struct {
	const char *in;
	const char *out;
} strings[] = {
    {"\xc3\xa9\xe2\x9b\x8f \xf0\x9f\x98\x80", "\xc3\xa9\xe2\x9b\x8f \xf0\x9f\x98\x80"},
    {"\xc3", "\\u00c3"},                                  /* cut off */
    {"\xc0\xaf", "\\u00c0\\u00af"},                       /* overlong */
    {"\xe0\x9f\xbf", "\\u00e0\\u009f\\u00bf"},            /* overlong */
    {"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},            /* half a surrogate pair */
    {"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"}, /* past U+10FFFF */
    {"\xc2\x9b", "\\u00c2\\u009b"},                       /* CSI */
    {"\xe2\x80\xae", "\\u00e2\\u0080\\u00ae"},            /* right-to-left override */
    {"\x7f", "\\u007f"},
};

START_TEST(test_print_utf8)
{
	struct adit_sv2_setup_connection_error m = {.error_code = text(strings[_i].in)};
	char expected[120];
	struct buf out = {0};

	(void)snprintf(expected, sizeof(expected),
		       "SetupConnection.Error flags=0 error_code=\"%s\"", strings[_i].out);
	ck_assert(sv2_print(&out, ADIT_SV2_SETUP_CONNECTION_ERROR, &m, SV2_PRINT_TEXT));
	ck_assert(buf_append_u8(&out, 0));
	ck_assert_str_eq((char *)out.data, expected);
	buf_free(&out);
}
END_TEST

START_TEST(test_print_text)
{
	struct adit_sv2_setup_connection_error m = {.flags = 5, .error_code = text("a\"b\n\xff")};
	struct adit_sv2_submit_shares_success success = {1, 2, 3, 18446744073709551615u};
	struct buf out = {0};

	ck_assert(sv2_print(&out, ADIT_SV2_SETUP_CONNECTION_ERROR, &m, SV2_PRINT_TEXT));
	ck_assert(buf_append_u8(&out, 0));
	ck_assert_str_eq((char *)out.data,
			 "SetupConnection.Error flags=5 error_code=\"a\\\"b\\u000a\\u00ff\"");
	buf_clear(&out);
	ck_assert(sv2_print(&out, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &success, SV2_PRINT_JSON));
	ck_assert(buf_append_u8(&out, 0));
	ck_assert_str_eq((char *)out.data,
			 "{\"message\":\"SubmitShares.Success\",\"channel_id\":1,"
			 "\"last_sequence_number\":2,\"new_submits_accepted_count\":3,"
			 "\"new_shares_sum\":18446744073709551615}");
	buf_free(&out);
}
END_TEST

/* Every message prints as one JSON object with its fields, in text without line breaks. */
START_TEST(test_print_json)
{
	static struct sv2_random random;
	union sv2_body body;
	struct buf out = {0};
	struct json_object *o;

	sv2_random_seed(&random, (uint64_t)_i);
	for (int round = 0; round < 20; round++) {
		sv2_random_message(&random, _i, &body);
		buf_clear(&out);
		ck_assert(sv2_print(&out, _i, &body, SV2_PRINT_JSON));
		ck_assert(buf_append_u8(&out, 0));
		o = json_tokener_parse((char *)out.data);
		ck_assert_msg(o != NULL, "%s", (char *)out.data);
		ck_assert_int_eq(json_object_object_length(o), sv2_message(_i)->field_count + 1);
		json_object_put(o);
		buf_clear(&out);
		ck_assert(sv2_print(&out, _i, &body, SV2_PRINT_TEXT));
		ck_assert_ptr_null(memchr(out.data, '\n', out.size));
	}
	buf_free(&out);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_vector_setup_connection);
	tcase_add_test(tcase, test_vector_setup_answers);
	tcase_add_test(tcase, test_vector_new_template);
	tcase_add_test(tcase, test_vector_template_set_new_prev_hash);
	tcase_add_test(tcase, test_vector_transport);
	tcase_add_test(tcase, test_header);
	tcase_add_test(tcase, test_sealed_size);
	tcase_add_loop_test(tcase, test_seal_in_place, 0, 9);
	tcase_add_loop_test(tcase, test_round_trip, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_loop_test(tcase, test_truncation, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_loop_test(tcase, test_tlv_area, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_loop_test(tcase, test_table, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_test(tcase, test_lookup);
	tcase_add_test(tcase, test_bool_bit);
	tcase_add_test(tcase, test_option_count);
	tcase_add_test(tcase, test_b0_32_bound);
	tcase_add_test(tcase, test_f32);
	tcase_add_test(tcase, test_seq_counts);
	tcase_add_test(tcase, test_encode_refuses);
	tcase_add_test(tcase, test_optional_trailing);
	tcase_add_test(tcase, test_payload_bound);
	tcase_add_test(tcase, test_print_text);
	tcase_add_loop_test(tcase, test_print_utf8, 0, (int)(sizeof(strings) / sizeof(strings[0])));
	tcase_add_loop_test(tcase, test_print_json, 0, ADIT_SV2_MESSAGE_COUNT);
}

int main(void)
{
	Suite *suite = suite_create("sv2-codec");
	TCase *tcase = tcase_create("codec");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

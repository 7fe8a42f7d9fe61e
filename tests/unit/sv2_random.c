/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/sv2_random.h"

#include <string.h>

void sv2_random_seed(struct sv2_random *r, uint64_t seed)
{
	r->state = seed;
	r->used = 0;
}

/* splitmix64 */
uint64_t sv2_random_next(struct sv2_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t below(struct sv2_random *r, uint32_t bound)
{
	return (uint32_t)(sv2_random_next(r) % bound);
}

static uint8_t *some_bytes(struct sv2_random *r, size_t size)
{
	uint8_t *at = r->pool + r->used;

	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)sv2_random_next(r);
	r->used += size;
	return at;
}

static struct adit_bytes random_bytes_of(struct sv2_random *r, uint32_t most)
{
	uint32_t size = below(r, 4) == 0 ? most : below(r, most + 1);

	return (struct adit_bytes){.data = some_bytes(r, size), .size = size};
}

static struct adit_bytes random_code(struct sv2_random *r)
{
	struct adit_bytes code = random_bytes_of(r, 255);

	for (uint32_t i = 0; i < code.size; i++)
		r->pool[r->used - code.size + i] = (uint8_t)(0x20 + below(r, 0x5f));
	return code;
}

static struct adit_sv2_seq random_seq(struct sv2_random *r, uint32_t count, uint32_t element)
{
	return (struct adit_sv2_seq){.data = some_bytes(r, (size_t)count * element),
				     .size = count * element,
				     .count = count};
}

static struct adit_sv2_seq random_transactions(struct sv2_random *r)
{
	struct adit_sv2_seq seq = {.data = r->pool + r->used, .count = below(r, 5)};

	for (uint32_t i = 0; i < seq.count; i++) {
		uint32_t size = below(r, 300);
		uint8_t *at = some_bytes(r, 3 + size);

		at[0] = (uint8_t)size;
		at[1] = (uint8_t)(size >> 8);
		at[2] = 0;
		seq.size += 3 + size;
	}
	return seq;
}

static struct adit_sv2_option_u32 random_option(struct sv2_random *r)
{
	struct adit_sv2_option_u32 option = {.present = below(r, 2) == 1};

	if (option.present)
		option.value = (uint32_t)sv2_random_next(r);
	return option;
}

static void random_field(struct sv2_random *r, uint8_t type, void *out)
{
	switch ((enum sv2_type)type) {
	case SV2_TYPE_BOOL:
		*(bool *)out = below(r, 2) == 1;
		break;
	case SV2_TYPE_U8:
		*(uint8_t *)out = (uint8_t)sv2_random_next(r);
		break;
	case SV2_TYPE_U16:
	case SV2_TYPE_U16_OR_400:
		*(uint16_t *)out = (uint16_t)sv2_random_next(r);
		break;
	case SV2_TYPE_U32:
		*(uint32_t *)out = (uint32_t)sv2_random_next(r);
		break;
	case SV2_TYPE_U64:
		*(uint64_t *)out = sv2_random_next(r);
		break;
	case SV2_TYPE_F32:
		*(float *)out = (float)below(r, 1000000) * 1e9f;
		break;
	case SV2_TYPE_U256:
		memcpy(out, some_bytes(r, 32), 32);
		break;
	case SV2_TYPE_STR0_255:
	case SV2_TYPE_B0_255:
		*(struct adit_bytes *)out = random_bytes_of(r, 255);
		break;
	case SV2_TYPE_CODE:
		*(struct adit_bytes *)out = random_code(r);
		break;
	case SV2_TYPE_B0_32:
		*(struct adit_bytes *)out = random_bytes_of(r, 32);
		break;
	case SV2_TYPE_B0_64K:
		*(struct adit_bytes *)out = random_bytes_of(r, 2000);
		break;
	case SV2_TYPE_SEQ0_255_U256:
		*(struct adit_sv2_seq *)out = random_seq(r, below(r, 20), 32);
		break;
	case SV2_TYPE_SEQ0_64K_U16:
		*(struct adit_sv2_seq *)out = random_seq(r, below(r, 300), 2);
		break;
	case SV2_TYPE_SEQ0_64K_U256:
		*(struct adit_sv2_seq *)out = random_seq(r, below(r, 300), 32);
		break;
	case SV2_TYPE_SEQ0_64K_U32:
		*(struct adit_sv2_seq *)out = random_seq(r, below(r, 300), 4);
		break;
	case SV2_TYPE_SEQ0_64K_B0_16M:
		*(struct adit_sv2_seq *)out = random_transactions(r);
		break;
	case SV2_TYPE_OPTION_U32:
	case SV2_TYPE_OPTIONAL_U32:
		*(struct adit_sv2_option_u32 *)out = random_option(r);
		break;
	}
}

void sv2_random_message(struct sv2_random *r, int32_t message, union sv2_body *body)
{
	const struct sv2_message *m = sv2_message(message);

	memset(body, 0, sizeof(*body));
	r->used = 0;
	for (uint8_t i = 0; i < m->field_count; i++)
		random_field(r, m->fields[i].type, (char *)body + m->fields[i].offset);
}

void sv2_random_tlvs(struct sv2_random *r, int32_t message, union sv2_body *body)
{
	for (size_t i = 0; i < sv2_tlv_count; i++)
		if (sv2_tlvs[i].message == message)
			*(struct adit_bytes *)((char *)body + sv2_tlvs[i].offset) =
			    random_bytes_of(r, sv2_tlvs[i].max);
}

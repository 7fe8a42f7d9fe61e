/* SPDX-License-Identifier: MIT */
/* copy.c: from a message that is read into one that is written. The reader's limits on nesting and
 * on visited words end a copy that would never end. */
#include "config.h"

#include "lib/capnp/capnp.h"

static void copy_struct(struct capn_ref to, struct capn_ptr from)
{
	for (uint32_t i = 0; i < from.data_size; i += 8)
		capn_write64(to, i, capn_read64(from, i));
	for (uint32_t i = 0; i < from.pointer_count; i++)
		capn_copy(to, i, capn_getp(from, i));
}

static void copy_list(struct capn_ref parent, uint32_t index, struct capn_ptr from)
{
	struct capn_ref to;
	switch (from.element) {
	case CAPN_COMPOSITE:
		to = capn_new_composite(parent, index, from.count, (uint16_t)(from.data_size / 8),
					from.pointer_count);
		/* Elements without size are all there is to them; a failed list takes no more work.
		 */
		for (uint32_t i = 0; i < from.count && from.step > 0 && to.builder != NULL; i++)
			copy_struct(capn_ref_element(to, i), capn_element(from, i));
		break;
	case CAPN_POINTER:
		to = capn_new_list(parent, index, CAPN_POINTER, from.count);
		for (uint32_t i = 0; i < from.count && to.builder != NULL; i++)
			capn_copy(to, i, capn_getp(from, i));
		break;
	case CAPN_BIT:
		to = capn_new_list(parent, index, CAPN_BIT, from.count);
		for (uint32_t i = 0; i < from.count && to.builder != NULL; i++)
			capn_write_bit(to, i, capn_read_bit(from, i));
		break;
	default:
		to = capn_new_list(parent, index, (enum capn_element)from.element, from.count);
		for (uint32_t i = 0; i < from.count * from.step && to.builder != NULL; i++)
			capn_write8(to, i, from.data[i]);
		break;
	}
}

void capn_copy(struct capn_ref parent, uint32_t index, struct capn_ptr source)
{
	switch (source.type) {
	case CAPN_STRUCT: {
		struct capn_ref to = capn_new_struct(
		    parent, index, (uint16_t)(source.data_size / 8), source.pointer_count);
		if (to.builder != NULL)
			copy_struct(to, source);
		break;
	}
	case CAPN_LIST:
		copy_list(parent, index, source);
		break;
	case CAPN_CAP:
		capn_set_cap(parent, index, source.cap);
		break;
	default:
		break;
	}
}

/* SPDX-License-Identifier: MIT */
/* descsum.h: the checksum at the end of a descriptor. Internal; descriptor_checksum() is in
 * address.h. */
#ifndef BITCOIN_DESCSUM_H
#define BITCOIN_DESCSUM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define DESCRIPTOR_CHECKSUM_SIZE 8

/* Checks the #checksum of TEXT, if it has one; SIZE is then that of what is before it. */
int32_t descriptor_check_sum(const char *text, size_t *size, struct error *e);

#endif

/* SPDX-License-Identifier: MIT */
/* test_bitcoin.h: the suites of lib/bitcoin, one per file. */
#ifndef TEST_BITCOIN_H
#define TEST_BITCOIN_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

Suite *sha256_suite(void);

/* Bytes of a hexadecimal text, at most CAPACITY; fails the test otherwise. Returns how many. */
size_t unhex(const char *text, uint8_t *out, size_t capacity);

#endif

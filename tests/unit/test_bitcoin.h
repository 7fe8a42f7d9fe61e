/* SPDX-License-Identifier: MIT */
/* test_bitcoin.h: the suites of lib/bitcoin, one per file. */
#ifndef TEST_BITCOIN_H
#define TEST_BITCOIN_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Suite *sha256_suite(void);
Suite *merkle_suite(void);
Suite *target_suite(void);
Suite *tx_suite(void);
Suite *script_suite(void);
Suite *coinbase_suite(void);
Suite *address_suite(void);
Suite *bech32_suite(void);
Suite *descriptor_suite(void);
Suite *keys_suite(void);
Suite *reward_suite(void);

/* Bytes of a hexadecimal text, at most CAPACITY; fails the test otherwise. Returns how many. */
size_t unhex(const char *text, uint8_t *out, size_t capacity);
/* Fails the test unless DATA reads TEXT in hexadecimal; the second form in display order. */
void assert_hex(const uint8_t *data, size_t size, const char *text);
void assert_hash(const uint8_t hash[32], const char *text);

#endif

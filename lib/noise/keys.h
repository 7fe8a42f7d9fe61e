/* SPDX-License-Identifier: MIT */
/*
 * keys.h: authority keys. The public key's text form is Base58Check of 01 00 | x (32 bytes), the
 * secret's Base58Check of the bare 32 bytes; URLs are stratum2+tcp://host:port/PUBLIC.
 */
#ifndef NOISE_KEYS_H
#define NOISE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define NOISE_KEY_TEXT_SIZE 64 /* either text form with its NUL */

int32_t noise_key_generate(uint8_t secret[32], uint8_t public_x[32]);
int32_t noise_key_public(const uint8_t secret[32], uint8_t public_x[32]);
int32_t noise_public_parse(const char *text, uint8_t public_x[32], struct error *e);
void noise_public_format(const uint8_t public_x[32], char out[NOISE_KEY_TEXT_SIZE]);
int32_t noise_secret_parse(const char *text, uint8_t secret[32], struct error *e);
void noise_secret_format(const uint8_t secret[32], char out[NOISE_KEY_TEXT_SIZE]);

/* A key file holds the secret's text form and a newline. Load refuses a file that others than its
 * owner can read and says which chmod mends it. Create refuses to overwrite and writes mode 0600
 * (written beside, synced, renamed). load_or_create is what a server does at first start. */
int32_t noise_key_load(const char *path, uint8_t secret[32], struct error *e);
int32_t noise_key_create(const char *path, uint8_t secret[32], struct error *e);
int32_t noise_key_load_or_create(const char *path, uint8_t secret[32], struct error *e);

/* The public key's text form in a file of its own, which a server leaves beside its secret for the
 * machines that connect. Store replaces an older file (mode 0644, written beside, renamed). */
int32_t noise_public_load(const char *path, uint8_t public_x[32], struct error *e);
int32_t noise_public_store(const char *path, const uint8_t public_x[32], struct error *e);

#endif

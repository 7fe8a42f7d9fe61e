/* SPDX-License-Identifier: MIT */
/* pool_server.h: where a server of a pool is, and the key that it has to prove. */
#ifndef JDC_POOL_SERVER_H
#define JDC_POOL_SERVER_H

#include <stdint.h>

#include "lib/noise/keys.h"
#include "lib/util/error.h"

#define JDC_ADDRESS_MAX 320 /* HOST:PORT */
#define JDC_PATH_MAX 256

struct pool_server {
	char address[JDC_ADDRESS_MAX]; /* "HOST:PORT", "[V6]:PORT"; "": there is none */
	char key[NOISE_KEY_TEXT_SIZE]; /* authority public key as text; "": read the file */
	char key_file[JDC_PATH_MAX];
};

/* Reads the place of a server as people write it (lib/sv2/url.h), with a key in it or not, into
 * SERVER, whose key is kept when there is none in TEXT. ADIT_E_CONFIG with E. */
int32_t pool_server_parse(struct pool_server *server, const char *text, struct error *e);
/* SERVER's key as text, from its file if need be. ADIT_E_NOT_FOUND when that is not there yet,
 * ADIT_E_IO, ADIT_E_CONFIG. */
int32_t pool_server_key(const struct pool_server *server, char out[NOISE_KEY_TEXT_SIZE],
			struct error *e);

#endif

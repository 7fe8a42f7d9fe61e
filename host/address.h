/* SPDX-License-Identifier: MIT */
/* address.h: socket addresses as text: HOST:PORT, [V6]:PORT, unix:PATH. */
#ifndef HOST_ADDRESS_H
#define HOST_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

#define ADDRESS_TEXT_MAX 256

/* Appends TEXT in its one spelling to OUT: Unix paths absolute (from BASE), "localhost" and "*" as
 * numbers. With CONNECT a host name is allowed, and what follows the address after a blank is kept
 * as it is. ADIT_E_INVALID_ARGUMENT with a text that says what was expected. */
int32_t address_normal(const char *text, const char *base, bool connect, struct buf *out,
		       struct error *e);

/* The socket address of TEXT, which address_normal() made for listening. */
bool address_sockaddr(const char *text, struct sockaddr_storage *address, socklen_t *size);

/* The text of ADDRESS; at most ADDRESS_TEXT_MAX bytes with the NUL. */
void address_text(const struct sockaddr *address, socklen_t size, char *out);

#endif

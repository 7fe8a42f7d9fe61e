/* SPDX-License-Identifier: MIT */
/* socket.h: small things about connected sockets and addresses. */
#ifndef SV2_SOCKET_H
#define SV2_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "lib/util/error.h"

#define SV2_PEER_SIZE 80

/* No delay for small writes; keep-alive, so that a peer that vanished is noticed within minutes. */
void sv2_socket_tune(int fd);
/* The peer's address as text: "192.0.2.1:50112", "[2001:db8::1]:50112", "unix:pid 4711". */
void sv2_socket_peer(int fd, bool is_unix, char out[SV2_PEER_SIZE]);
/* Our own end's address in the same form, as the peer sees it; "" for a Unix socket. */
void sv2_socket_local(int fd, char out[SV2_PEER_SIZE]);
/* The peer's network as a number: an IPv4 address, the first 64 bits of an IPv6 one, which is what a
 * customer gets (RFC 6177); 0 for a Unix socket. */
uint64_t sv2_socket_key(int fd);

/* Where a client connects to. */
struct sv2_address {
	bool is_unix;
	char host[256]; /* name or address, without brackets */
	uint16_t port;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Reads "host:port", "[v6]:port" or "unix:/path"; ADIT_E_CONFIG with a text. */
int32_t sv2_address_parse(const char *text, struct sv2_address *a, struct error *e);
/* The same text again. */
void sv2_address_format(const struct sv2_address *a, char *out, size_t capacity);

#endif

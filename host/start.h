/* SPDX-License-Identifier: MIT */
/* start.h: what a role process is told when it starts: the JSON text of IPC_START. */
#ifndef HOST_START_H
#define HOST_START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct start_setting {
	char *key;
	char *value;
};

/* A listening socket that the process has inherited. */
struct start_listener {
	char *key;
	char *address;
	int fd;
	bool is_unix;
};

struct start_instance {
	uint32_t id; /* endpoint */
	uint16_t slice;
	uint32_t capabilities; /* that it has */
	uint32_t requested;    /* by its manifest */
	char *remedy;          /* how to grant those it has not; NULL or "": none */
	char *role;
	char *instance;
	char *worker_name;
	char *path; /* of the shared object; "" when linked in */
	char *state_dir;
	struct start_setting *settings;
	size_t setting_count;
	struct start_listener *listeners;
	size_t listener_count;
	int share_ring; /* descriptor of its own ring of the share log, 0: none */
};

struct start {
	char *process;
	char *network;
	uint32_t worker;
	uint32_t workers;
	uint16_t server_id;
	int log_level;
	int share_socket; /* brings the rings of the share log, 0: none (share_log.h) */
	struct start_instance *instances;
	size_t instance_count;
};

/* Appends the JSON text to OUT; false when it did not fit. */
bool start_encode(const struct start *start, struct buf *out);
/* The opposite; NULL when TEXT is none. */
struct start *start_decode(const char *text, size_t size);
/* The settings of one instance alone, the JSON text of IPC_RELOAD. start_decode_settings() puts
 * those in place of INSTANCE's; false, without a change, when TEXT is none. */
bool start_encode_settings(const struct start_setting *settings, size_t count, struct buf *out);
bool start_decode_settings(struct start_instance *instance, const char *text, size_t size);
void start_settings_free(struct start_setting *settings, size_t count);
/* Frees what start_decode() made. */
void start_free(struct start *start);

#endif

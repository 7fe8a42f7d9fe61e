/* SPDX-License-Identifier: MIT */
/* node.h: a real Bitcoin node in a test, through bitcoin-cli: what the script with-node runs.
 * Failures end the test. */
#ifndef FUNCTIONAL_BITCOIND_NODE_H
#define FUNCTIONAL_BITCOIND_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

/* The script of HARNESS_ADDRESS: the hash of BIP173's example key. */
#define PAYOUT_SCRIPT "0014751e76e8199196d454941c45d1b3a323f1433bd6"

/* What bitcoin-cli prints for a command: JSON, or a text. The caller's; never NULL. Arguments with
 * blanks or quotation marks go between '...'. */
struct json_object *node_cli(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same when only its text or number matters; the text is the caller's. */
char *node_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t node_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Blocks made by the node itself, whose coins anyone can spend. TAG makes those of two branches
 * differ. */
void node_generate(unsigned count, unsigned tag);
/* Puts a family of three transactions with fees into the mempool: one without witness that spends
 * the next unspent coinbase, and two with witness that spend it in turn. False when no coinbase is
 * old enough. */
bool node_add_transactions(void);
/* An amount as the node writes it ("50.00001000") in satoshi. */
int64_t node_amount(struct json_object *amount);
/* Asserts that the coinbase of the block at HEIGHT pays subsidy and fees, all of it, to SCRIPT; returns
 * the fees. */
int64_t node_check_payout(int64_t height, const char *script);
/* Its version, as in getnetworkinfo: 310100 is 31.1. */
int64_t node_version(void);
/* The process of the node; 0 while there is none. */
pid_t node_pid(void);
/* Stops the node and waits until its successor answers. */
void node_restart(void);

#endif

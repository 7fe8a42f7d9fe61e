/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/node_plugin.h"


const char adit_node_manifest[] =
    "[plugin]\n"
    "name = node\n"
    "version = " PACKAGE_VERSION "\n"
    "entry_point = builtin\n"
    "description = The Bitcoin node: templates, blocks, chain tip\n"
    "author = the adit developers\n"
    "workers = one\n"
    "capabilities = publish_events, register_module_api\n"
    "[dependencies]\n"
    "[optional_dependencies]\n"
    "[config_schema]\n"
    "backend = enum | embedded | embedded,bitcoin-rpc"
    " | where blocks come from: a chain of its own with worthless coins, or a Bitcoin node\n"
    "network = enum | regtest | main,testnet4,testnet3,signet,regtest"
    " | the network; a node that is on another one is not used\n"
    "template_interval = duration | 30s | 1s..10m"
    " | a new template is asked for at least this often\n"
    /* backend = bitcoin-rpc */
    "rpc_url = string | - | - | http://HOST:PORT/ of the node's RPC server; default 127.0.0.1 and the"
    " network's port\n"
    "rpc_datadir = path | - | - | the node's data directory, where its cookie lies; default"
    " ~/.bitcoin\n"
    "rpc_cookie_file = path | - | - | the cookie itself, when it lies elsewhere\n"
    "rpc_user = string | - | - | user for the RPC server, instead of the cookie\n"
    "rpc_password = string | - | - | password of rpc_user\n"
    "rpc_timeout = duration | 30s | 1s..10m | how long the node may take for one answer\n"
    "tip_interval = duration | 2s | 100ms..1m | how often the tip is asked for, beside the long"
    " poll\n"
    /* backend = embedded */
    "embedded_nbits = string | 1e03ffff | - | difficulty of the embedded chain in compact form:"
    " 207fffff is two hashes a block, 1e03ffff four million\n"
    "embedded_tx_interval = duration | 700ms | 0..1h | pause between new synthetic transactions; 0:"
    " none\n"
    "embedded_mempool = int | 500 | 0..5000 | synthetic transactions that may wait for a block\n";

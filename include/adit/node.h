/* SPDX-License-Identifier: MIT */
/*
 * adit/node.h: NodeAPI, what the role `node` answers through `api->call(host, "node", METHOD, ...)`
 * and which events it publishes. Hashes in JSON are display order (as block explorers and
 * bitcoind's RPC print them), amounts are satoshi, weights weight units, times Unix seconds.
 *
 * An answer of ADIT_E_UNAVAILABLE means that the node is absent, starting or in initial download;
 * the message says which. ADIT_E_UNSUPPORTED: this backend can't know it.
 *
 * get_status        {} -> {"backend":"embedded","network":"regtest","state":"ready",
 *                   "detail":"","height":7,"hash":"..","bits":"207fffff","difficulty":4.6e-10,
 *                   "tip_time":1700000000,"mempool_tx":3,"blocks_accepted":1,"blocks_rejected":0,
 *                   "mempool_tx_by_wtxid":0,"version":"/Satoshi:31.0.0/","ipc":"","missing_methods":[],
 *                   "queries_limited":0}
 *                   bits and difficulty are absent while they are not known. ipc: how the node's
 *                   IPC socket does, with the backend bitcoin-ipc. missing_methods: what of its RPC the node does not have. queries_limited: how
 *                   many were refused for being too many. Always answers. state: connecting, starting, initial-download, ready, failing.
 * get_chain_tip     {} -> {"hash":"..","height":7}
 * get_chain_info    {} -> {"hash","height","bits","difficulty","next_bits":"207fffff",
 *                   "block_interval_ms":0,"median_time","network","initial_block_download":false}
 *                   block_interval_ms: what the embedded chain's difficulty is steered to, else 0.
 * get_block_template {} -> see below; the newest template of the current tip.
 * submit_block      attachment: the serialized block with witness ->
 *                   {"accepted":true,"hash":"..","height":8} or
 *                   {"accepted":false,"hash":"..","reason":"bad-cb-amount"}. A duplicate of a block
 *                   that was accepted before is {"accepted":true,"duplicate":true,..}. While the
 *                   node is away the answer waits for it, a minute at most.
 * queue_received_block  the same for a block that came from elsewhere: it is not counted, and no
 *                   BlockMined is published. Needs the capability submit_block, too.
 * get_block         {"hash":".."} -> {"hash","height","confirmations"}; attachment: the block.
 *                   No confirmations: a block beside the best chain.
 * get_block_by_height {"height":7} -> the same.
 * get_transactions_by_wtxid  attachment: at most 65535 wtxids of 32 bytes in internal order ->
 *                   {"count":3,"found":2}; attachment: for each wtxid, in order, the size of its
 *                   transaction (4 bytes, little-endian; 0: the node does not know it, or what
 *                   precedes it fills the answer: 16 MiB at most) and that many bytes,
 *                   serialized with witness. Transactions that are neither in a block nor
 *                   waiting for one need not be known. A node that can't be asked by wtxid
 *                   has its mempool mirrored from the first question on (mempool_tx_by_wtxid
 *                   of get_status says how far); until then, the newest template's are known.
 * check_block       attachment: a block as for submit_block, whose proof of work is not looked at ->
 *                   {"valid":true} or {"valid":false,"reason":"bad-cb-amount"}, with the reasons of
 *                   submit_block: whether it could be the successor of the present tip. Nothing
 *                   is kept of it. "inconclusive-not-best-prevblk": it follows another block.
 *
 * get_block_height  {} -> {"height":7}
 * get_sync_status   {} -> {"phase":"ready","detail":"","synced":true,
 *                   "initial_block_download":false,"height":7,"headers":7,"progress":0.99}
 *                   phase: the state of get_status. What is not known is null. Always answers.
 *
 * The following ask the node each time, as get_block, get_transactions_by_wtxid and check_block do.
 * Each worker may ask `query_rate` such questions a second and `query_burst` at once, see adit.conf(5);
 * then the answer is ADIT_E_LIMIT, which names the limit and when to ask again. ADIT_E_UNSUPPORTED: this node has no such RPC method,
 * which the message names. ADIT_E_NOT_FOUND: there is no such thing.
 *
 * get_block_header  {"hash":".."} -> {"hash","height","confirmations","version","prev_hash",
 *                   "merkle_root","time","bits","nonce"}; attachment: its 80 bytes.
 * get_transaction   {"hash":"..","block_hash":".."} -> {"txid","wtxid","size","weight",
 *                   "block_hash","confirmations"}, the last two when it is in a block; attachment:
 *                   the transaction. HASH is its txid. Without BLOCK_HASH a node without an index of
 *                   transactions (txindex) looks in its mempool only.
 * has_transaction   {"hash":".."} -> {"found":true}; the same holds.
 * get_utxo          {"hash":"..","index":0,"mempool":true} -> {"value","script","confirmations",
 *                   "coinbase"}; mempool (default true): with what it creates and spends.
 * get_chain_tips    {} -> {"tips":[{"hash","height","branch_length":0,"status":"active"}, ...]}
 *                   The ends of all branches, 100 at most, the active one first; others are
 *                   "valid-fork" and so on, branch_length blocks long.
 * get_mempool_transactions {} -> {"count":2,"txids":["..", ...]}; attachment: all txids, 32 bytes
 *                   each in internal byte order. The list in JSON ends after 1000.
 * get_mempool_transaction {"hash":".."} -> {"txid","wtxid","size","weight","fee","time"};
 *                   attachment: the transaction.
 * get_mempool_size  {} -> {"transaction_count","size_bytes","total_fee","min_fee_rate"}
 *                   size_bytes: virtual bytes. min_fee_rate: satoshi per virtual byte.
 * check_transaction_in_mempool {"hash":".."} -> {"in_mempool":true}
 * get_fee_estimate  {"target_blocks":6} -> {"target_blocks":6,"fee_rate":12.345}: satoshi per virtual
 *                   byte. ADIT_E_UNAVAILABLE: the node has seen too little to say.
 * get_network_stats {} -> {"peer_count","inbound","outbound","bytes_sent","bytes_received",
 *                   "hash_rate"}, as far as the node tells.
 * get_network_peers {} -> {"count":8,"peers":[{"id","addr","transport","network","services",
 *                   "version","subversion","connected_since","inbound"}, ...]}, 1000 at most.
 * ban_peer          {"address":"192.0.2.1","seconds":86400} -> {"banned":true}. Only for the
 *                   administrator, that is over the control socket.
 * send_transaction  {"transaction":"0200.."} -> {"txid":".."}: serialized with witness, in
 *                   hexadecimal, 400000 bytes at most. The node takes it into its mempool and
 *                   relays it; one that is there already is no error. ADIT_E_INVALID_ARGUMENT: it
 *                   does not want it, the message has its reason ("bad-txns-inputs-missingorspent");
 *                   a fee beyond the node's own limit for mistakes is one, too. ADIT_E_UNSUPPORTED:
 *                   the embedded chain, or no RPC. Needs the capability send_transactions.
 *
 * Only with the embedded chain, else ADIT_E_UNSUPPORTED; and only for the administrator:
 * reorganise        {"depth":2} -> {"done":true,"old_tip":"..","new_tip":"..","height":9,
 *                   "disconnected":2,"connected":3}. Mines a branch of its own that replaces the
 *                   last blocks, at least DEPTH (100 at most). Takes as long as depth + 1 blocks
 *                   take one thread: after eight seconds the answer is {"done":false,"mined":1},
 *                   and events tell of the end.
 * add_transactions  {"count":5} -> {"added":5,"mempool_tx":17}. Synthetic ones, as many as there is
 *                   room for; they are in the next template, which is made at once.
 *
 * Template:
 *   {"id":12, "prev_hash":"..", "height":8, "version":536870912, "bits":"207fffff",
 *    "target":"7fffff..", "curtime":.., "mintime":.., "coinbase_value":5000001000, "fees":1000,
 *    "default_witness_commitment":"6a24aa21a9ed.." (script hex),
 *    "sigop_limit":80000, "weight_limit":4000000, "size_limit":4000000,
 *    "transactions":[{"txid":"..","wtxid":"..","fee":1000,"sigops":4,"weight":561,"size":150,
 *                     "depends":[1]}, ...]}
 *   `depends` are 1-based indices into the list, as in getblocktemplate (BIP22/23). Attachment: the
 *   transactions, fully serialized, one after the other, `size` bytes each, in list order.
 *   `id` grows by at least one with every template that differs; same id = same template. Ids go on
 *   growing when the service is restarted. `curtime` is when the template was made, so a header's
 *   time is the larger of the clock and `mintime`.
 *
 * Reasons of submit_block are bitcoind's (BIP22): "high-hash", "bad-txnmrklroot", "bad-cb-amount" ...
 *   "inconclusive", "inconclusive-not-best-prevblk" and "prev-blk-not-found" mean that the block is
 *   stale: it does not follow the tip. After "inconclusive" it is kept, and may yet become part of
 *   the chain if others follow it. "block-decode-failed": the attachment is not a block.
 *
 * Events of the owner `node`. In a reorganisation: BlockDisconnected for each block that leaves,
 * newest first, NewBlock for each that comes, ChainReorg, BlockTemplateUpdated.
 *   NewBlock              {"block_hash":"..","height":8}
 *   BlockDisconnected     {"hash":"..","height":8}
 *   ChainReorg            {"old_tip":"..","new_tip":".."}
 *   BlockTemplateUpdated  {"prev_hash":"..","height":9,"tx_count":3,"id":13,"new_tip":true,
 *                         "empty":{..}}  `empty`, with a new tip only: the template as above, but
 *                         without transactions and fees
 *   BlockMined            {"block_hash":"..","height":8,"miner_id":null}  an own submission was accepted
 *   SyncStateChanged      {"old_state":"connecting","new_state":"ready"}
 * Of a Bitcoin node's mempool, see adit-events(7):
 *   NewTransaction        {"tx_hash":".."}
 *   MempoolTransactionAdded   {"tx_hash":"..","fee_rate":2.5,"mempool_size":22}
 *   MempoolTransactionRemoved {"tx_hash":"..","reason":"confirmed","mempool_size":21}
 */
#ifndef ADIT_NODE_H
#define ADIT_NODE_H

#define ADIT_NODE_ROLE "node"

#endif

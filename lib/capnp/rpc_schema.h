/* SPDX-License-Identifier: MIT */
/*
 * rpc_schema.h: the messages of the two-party protocol (rpc.capnp, level 1): where fields are.
 * SIZE_X is "data words, pointers" of struct X; offsets of numbers are bytes, of bits bits;
 * defaults of true are stored inverted.
 */
#ifndef CAPNP_RPC_SCHEMA_H
#define CAPNP_RPC_SCHEMA_H

/* Message: which one it is in a u16 at 0, its struct in pointer 0. */
#define SIZE_MESSAGE 1, 1
enum rpc_message {
	MESSAGE_UNIMPLEMENTED = 0,
	MESSAGE_ABORT = 1,
	MESSAGE_CALL = 2,
	MESSAGE_RETURN = 3,
	MESSAGE_FINISH = 4,
	MESSAGE_RESOLVE = 5,
	MESSAGE_RELEASE = 6,
	MESSAGE_BOOTSTRAP = 8,
	MESSAGE_DISEMBARGO = 13
};

/* Bootstrap: question u32 0. Finish: question u32 0, bit 32 don't release the results'
 * capabilities. */
#define SIZE_BOOTSTRAP 1, 1
#define SIZE_FINISH 1, 0
#define FINISH_KEEP_CAPS 32

/* Call: question u32 0, method u16 4, send results to u16 6, interface u64 8; target 0, params 1.
 */
#define SIZE_CALL 3, 3
#define CALL_METHOD 4
#define CALL_RESULTS_TO 6
#define CALL_INTERFACE 8
#define CALL_TARGET 0
#define CALL_PARAMS 1

/* Where results go: to the caller, or kept for a call of the callee's own that the caller answers with
 * RETURN_TAKE. */
enum rpc_results_to { RESULTS_TO_CALLER = 0, RESULTS_TO_YOURSELF = 1 };

/* Return: answer u32 0, bit 32 don't release the parameters' capabilities, which u16 6, question to
 * take the results of u32 8; pointer 0. */
#define SIZE_RETURN 2, 1
#define RETURN_KEEP_CAPS 32
#define RETURN_WHICH 6
#define RETURN_TAKEN_FROM 8
enum rpc_return {
	RETURN_RESULTS = 0,
	RETURN_EXCEPTION = 1,
	RETURN_CANCELED = 2,
	RETURN_ELSEWHERE = 3,
	RETURN_TAKE = 4
};

/* Resolve: promise u32 0, which u16 4 (0 capability, 1 exception); pointer 0. */
#define RESOLVE_WHICH 4
/* Release: import u32 0, references u32 4. */
#define SIZE_RELEASE 1, 0
#define RELEASE_COUNT 4

/* Disembargo: id u32 0, which u16 4; target 0. */
#define SIZE_DISEMBARGO 1, 1
#define DISEMBARGO_WHICH 4
enum rpc_disembargo { DISEMBARGO_SENDER_LOOPBACK = 0, DISEMBARGO_RECEIVER_LOOPBACK = 1 };

/* MessageTarget: capability u32 0, which u16 4; promised answer 0. */
#define SIZE_TARGET 1, 1
#define TARGET_WHICH 4
enum rpc_target { TARGET_IMPORTED = 0, TARGET_ANSWER = 1 };

/* PromisedAnswer: question u32 0; transform 0, a list of Op: which u16 0 (0 nothing, 1 pointer
 * field), field u16 2. */
#define SIZE_ANSWER 1, 1
#define SIZE_OP 1, 0
#define OP_FIELD 2

/* Payload: content 0, table of capabilities 1. CapDescriptor: which u16 0, byte 2 stored XOR 255,
 * id u32 4; promised answer 0. */
#define SIZE_PAYLOAD 0, 2
#define PAYLOAD_CONTENT 0
#define PAYLOAD_CAPS 1
#define SIZE_DESCRIPTOR 1, 1
#define DESCRIPTOR_ID 4
enum rpc_descriptor {
	DESCRIPTOR_NONE = 0,
	DESCRIPTOR_SENDER_HOSTED = 1,
	DESCRIPTOR_SENDER_PROMISE = 2,
	DESCRIPTOR_RECEIVER_HOSTED = 3,
	DESCRIPTOR_RECEIVER_ANSWER = 4
};

/* Exception: type u16 4; reason 0. */
#define SIZE_EXCEPTION 1, 2
#define EXCEPTION_TYPE 4

#endif

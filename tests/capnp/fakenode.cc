// SPDX-License-Identifier: MIT
// fakenode SOCKET DIALECT [young]: as much of Bitcoin Core's Mining interface as a template provider asks
// for, on the reference implementation of Cap'n Proto, in one of the dialects v30, v31, v32;
// numbers and places are written down here a second time, so that they check those of lib/node-ipc.
// With `young` it has just been started: up to v31 it can't be asked of Mining for two seconds.
// It has a chain of its own on regtest, believes nothing, and misbehaves when told to.
//
// Orders on standard input, one a line; each is answered by a line on standard output:
//   tip           a block by somebody else
//   load N        N transactions of 800 weight units in templates from now on
//   fault NAME    see `fault` below (drop: the session, at a solution; late: its answer); "fault none" ends it
//   count         "templates=T accepted=A refused=R by=ORDINAL left=L" (T: live ones, R: without
//                 work, ORDINAL: of the last block, L: clients that left while waitNext was under way)
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <sys/time.h>
#include <unistd.h>

#include <capnp/rpc-twoparty.h>
#include <capnp/any.h>
#include <kj/async-io.h>
#include <openssl/sha.h>

namespace
{

using Bytes = std::vector<uint8_t>;
using Hash = std::array<uint8_t, 32>;
using Context = capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer>;

constexpr uint64_t INIT = 0x8838c700ba5cba65, THREAD_MAP = 0xee5e37179ad9dc9d,
		   THREAD = 0x81c1e2600d0b56c5, MINING = 0xf9c68436df3af39e,
		   TEMPLATE = 0xf9671ad841b2f622;
constexpr uint64_t SUBSIDY = 5000000000, FEE = 1000, MAX_MONEY = 2100000000000000;

// --- bytes
// -----------------------------------------------------------------------------------------

template <typename T> void put(Bytes &b, T value, size_t size = sizeof(T))
{
	for (size_t i = 0; i < size; i++)
		b.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
}

void append(Bytes &b, const Bytes &more)
{
	b.insert(b.end(), more.begin(), more.end());
}

Hash hash_of(const uint8_t *data, size_t size)
{
	Hash once, twice;
	SHA256(data, size, once.data());
	SHA256(once.data(), once.size(), twice.data());
	return twice;
}

Hash merkle_root(std::vector<Hash> level)
{
	while (level.size() > 1) {
		if (level.size() % 2 == 1)
			level.push_back(level.back());
		std::vector<Hash> next;
		for (size_t i = 0; i < level.size(); i += 2) {
			uint8_t both[64];
			memcpy(both, level[i].data(), 32);
			memcpy(both + 32, level[i + 1].data(), 32);
			next.push_back(hash_of(both, 64));
		}
		level = std::move(next);
	}
	return level[0];
}

void put_count(Bytes &b, size_t count)
{
	if (count < 0xfd) {
		put<uint8_t>(b, static_cast<uint8_t>(count));
	} else {
		b.push_back(0xfd);
		put<uint16_t>(b, static_cast<uint16_t>(count));
	}
}

// 200 bytes, 800 weight units, its own txid and wtxid.
Bytes transaction(uint32_t number)
{
	Bytes b;
	put<uint32_t>(b, 2);
	b.push_back(1);
	put<uint32_t>(b, number);
	b.resize(b.size() + 28, 7);
	put<uint32_t>(b, 0);
	b.push_back(0);
	put<uint32_t>(b, 0xffffffff);
	b.push_back(1);
	put<uint64_t>(b, 1000);
	b.push_back(140);
	b.resize(b.size() + 140, 0x6a);
	put<uint32_t>(b, 0);
	KJ_ASSERT(b.size() == 200);
	return b;
}

// --- the chain
// -------------------------------------------------------------------------------------

struct World {
	std::string dialect, fault = "none";
	uint32_t height = 200; // of the tip
	Hash tip{};
	uint32_t transactions = 3;
	unsigned templates = 0, accepted = 0, refused = 0, waits = 0, left = 0;
	int by = -1;
	bool loading = false;
	kj::Timer *timer = nullptr;
	std::list<kj::Own<kj::PromiseFulfiller<void>>> waiters;
	std::list<kj::Own<kj::PromiseFulfiller<void>>> sessions;

	bool v30() const
	{
		return dialect == "v30";
	}

	void move_tip(const Hash &hash)
	{
		tip = hash;
		height++;
		for (auto &waiter : waiters)
			waiter->fulfill();
		waiters.clear();
	}

	void end_sessions()
	{
		for (auto &session : sessions)
			session->fulfill();
		sessions.clear();
	}
};

World world;

struct Template {
	uint32_t height;
	Hash prev;
	uint32_t time;
	std::vector<Bytes> txs;
	Hash witness_root;

	explicit Template(bool full = true)
	    : height(world.height + 1), prev(world.tip),
	      time(static_cast<uint32_t>(std::time(nullptr)))
	{
		std::vector<Hash> ids(1);
		for (uint32_t i = 0; full && i < world.transactions; i++) {
			txs.push_back(transaction(height * 10000 + i));
			ids.push_back(hash_of(txs.back().data(), txs.back().size()));
		}
		witness_root = merkle_root(ids);
		world.templates++;
	}
	~Template()
	{
		world.templates--;
	}

	uint64_t fees() const
	{
		return FEE * txs.size();
	}

	Bytes script_prefix() const
	{
		Bytes b;
		b.push_back(2); // heights of this chain take two bytes
		put<uint16_t>(b, static_cast<uint16_t>(height));
		return b;
	}

	Bytes commitment() const
	{
		uint8_t both[64] = {};
		Bytes b = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
		memcpy(both, witness_root.data(), 32);
		Hash h = hash_of(both, 64);
		b.insert(b.end(), h.begin(), h.end());
		return b;
	}

	Bytes commitment_output() const
	{
		Bytes b;
		put<uint64_t>(b, 0);
		b.push_back(38);
		append(b, commitment());
		return b;
	}

	Bytes coinbase() const
	{
		Bytes b = {2, 0, 0, 0, 0, 1, 1};
		b.resize(b.size() + 32);
		put<uint32_t>(b, 0xffffffff);
		Bytes script = script_prefix();
		script.push_back(0);
		b.push_back(static_cast<uint8_t>(script.size()));
		append(b, script);
		put<uint32_t>(b, 0xfffffffe);
		b.push_back(2);
		put<uint64_t>(b, SUBSIDY + fees());
		b.push_back(1);
		b.push_back(0x51);
		append(b, commitment_output());
		b.push_back(1);
		b.push_back(32);
		b.resize(b.size() + 32);
		put<uint32_t>(b, height - 1);
		return b;
	}

	Bytes header(uint32_t version, uint32_t when, uint32_t nonce,
		     const Bytes &coinbase_tx) const
	{
		Bytes stripped(coinbase_tx.begin(), coinbase_tx.begin() + 4), b;
		KJ_REQUIRE(coinbase_tx.size() > 100 && coinbase_tx[4] == 0 && coinbase_tx[5] == 1,
			   "a coinbase without witness");
		stripped.insert(stripped.end(), coinbase_tx.begin() + 6, coinbase_tx.end() - 38);
		stripped.insert(stripped.end(), coinbase_tx.end() - 4, coinbase_tx.end());
		std::vector<Hash> ids = {hash_of(stripped.data(), stripped.size())};
		for (auto &tx : txs)
			ids.push_back(hash_of(tx.data(), tx.size()));
		Hash root = merkle_root(ids);
		put<uint32_t>(b, version);
		b.insert(b.end(), prev.begin(), prev.end());
		b.insert(b.end(), root.begin(), root.end());
		put<uint32_t>(b, when);
		put<uint32_t>(b, 0x207fffff);
		put<uint32_t>(b, nonce);
		return b;
	}

	Bytes block() const
	{
		Bytes b = header(0x20000000, time, 0, coinbase());
		put_count(b, txs.size() + 1);
		append(b, coinbase());
		for (auto &tx : txs)
			append(b, tx);
		return b;
	}
};

// The verdict on a header that was put together as a block's.
bool judge(const Bytes &header, int by)
{
	Hash hash = hash_of(header.data(), 80);
	bool works = hash[31] <= 0x7f;
	bool follows = memcmp(header.data() + 4, world.tip.data(), 32) == 0;
	world.by = by;
	// A second block on the same tip is nobody's fault.
	if (!works)
		world.refused++;
	if (!works || !follows)
		return false;
	world.accepted++;
	world.move_tip(hash);
	return true;
}

// --- the wire
// --------------------------------------------------------------------------------------

using Params = capnp::AnyStruct::Reader;

uint64_t number(Params p, size_t offset, size_t size)
{
	auto data = p.getDataSection();
	uint64_t value = 0;
	for (size_t i = 0; i < size && offset + i < data.size(); i++)
		value |= static_cast<uint64_t>(data[offset + i]) << (8 * i);
	return value;
}

Params inner(Params p, unsigned index)
{
	KJ_REQUIRE(index < p.getPointerSection().size(), "a parameter is missing");
	return p.getPointerSection()[index].getAs<capnp::AnyStruct>();
}

Bytes data(Params p, unsigned index)
{
	auto d = p.getPointerSection()[index].getAs<capnp::Data>();
	return Bytes(d.begin(), d.end());
}

// Parameter 0 is a context that names a thread.
void require_thread(Params p)
{
	KJ_REQUIRE(p.getPointerSection().size() > 0, "no context");
	auto pointers = inner(p, 0).getPointerSection();
	KJ_REQUIRE(pointers.size() > 0 && pointers[0].isCapability(), "a context without thread");
}

struct Results {
	capnp::AnyStruct::Builder s;

	Results(Context &context, uint16_t words, uint16_t pointers)
	    : s(context.getResults().initAsAnyStruct(words, pointers))
	{
	}
	explicit Results(capnp::AnyStruct::Builder other) : s(other)
	{
	}
	void set(size_t offset, uint64_t value, size_t size)
	{
		for (size_t i = 0; i < size; i++)
			s.getDataSection()[offset + i] = static_cast<uint8_t>(value >> (8 * i));
	}
	capnp::AnyPointer::Builder at(unsigned i)
	{
		return s.getPointerSection()[i];
	}
	void bytes(unsigned i, const Bytes &b)
	{
		at(i).setAs<capnp::Data>(kj::arrayPtr(b.data(), b.size()));
	}
};

kj::Exception unimplemented(uint64_t interface, uint16_t method)
{
	return kj::Exception(
	    kj::Exception::Type::UNIMPLEMENTED, __FILE__, __LINE__,
	    kj::str("Method not implemented; interface ", interface, " method ", method));
}

// What all objects have in common: faults that concern every call.
class Server : public capnp::Capability::Server
{
      public:
	DispatchCallResult dispatchCall(uint64_t interface, uint16_t method,
					Context context) override
	{
		return {run(interface, method, context), false};
	}

      protected:
	virtual kj::Promise<void> call(uint64_t interface, uint16_t method, Context context) = 0;

      private:
	// Up to v30 two calls that wait for one thread are the end of the node; all but those that
	// wait for a template, solutions, and createNewBlock, which has none, are on the session's.
	kj::Promise<void> one_by_one(uint64_t interface, uint16_t method, Context context)
	{
		static unsigned under_way = 0;
		if (under_way++ > 0)
			std::abort();
		return world.timer->afterDelay(1 * kj::MILLISECONDS)
		    .then([this, interface, method, context]() mutable {
			    return call(interface, method, context);
		    })
		    .attach(kj::defer([]() { under_way--; }));
	}

	kj::Promise<void> run(uint64_t interface, uint16_t method, Context context)
	{
		if (world.loading && interface == MINING && method != 8)
			std::abort();
		if (world.fault == "hang")
			return kj::NEVER_DONE;
		if (world.fault == "slow")
			return world.timer->afterDelay(200 * kj::MILLISECONDS)
			    .then([this, interface, method, context]() mutable {
				    return call(interface, method, context);
			    });
		if (world.v30() && ((interface == MINING && method != 4) ||
				    (interface == TEMPLATE && method < 9)))
			return one_by_one(interface, method, context);
		return kj::evalNow([&]() { return call(interface, method, context); });
	}
};

class Thread final : public Server
{
	kj::Promise<void> call(uint64_t, uint16_t, Context context) override
	{
		Results(context, 0, 1).at(0).setAs<capnp::Text>("thread");
		return kj::READY_NOW;
	}
};

class ThreadMap final : public Server
{
	kj::Promise<void> call(uint64_t interface, uint16_t method, Context context) override
	{
		if (interface != THREAD_MAP || method != 0)
			return unimplemented(interface, method);
		Results(context, 0, 1).at(0).setAs<capnp::Capability>(kj::heap<Thread>());
		return kj::READY_NOW;
	}
};

class BlockTemplate final : public Server
{
      public:
	explicit BlockTemplate(bool full = true) : t(std::make_unique<Template>(full))
	{
	}

      private:
	std::unique_ptr<Template> t;

	// Numbers by dialect; -1: none.
	static int ordinal(int v30, int v31, int v32)
	{
		return world.v30() ? v30 : world.dialect == "v31" ? v31 : v32;
	}

	// Of this template's waitNext: ends it without a template.
	kj::Own<kj::PromiseFulfiller<void>> interrupt;

	kj::Promise<void> call(uint64_t interface, uint16_t method, Context context) override
	{
		auto p = context.getParams().getAs<capnp::AnyStruct>();
		int m = method;

		KJ_REQUIRE(interface == TEMPLATE);
		if (m == ordinal(-1, 9, 9)) {
			Results(context, 0, 0);
			if (interrupt.get() != nullptr)
				interrupt->fulfill();
			return kj::READY_NOW;
		}
		if (m == 7 && world.dialect == "v32")
			KJ_FAIL_REQUIRE("Old submitSolution is not supported");
		require_thread(p);
		if (m == 0) {
			Results(context, 0, 0);
			t = nullptr;
			return kj::READY_NOW;
		}
		KJ_REQUIRE(t != nullptr, "the template was destroyed");
		if (m >= 1 && m <= 5)
			return part(m, context);
		if (m == ordinal(8, 6, 6)) {
			path(context);
			return kj::READY_NOW;
		}
		if (m == ordinal(9, 7, 10))
			return submit(m, p, context);
		if (m == ordinal(10, 8, 8))
			return wait_next(p, context);
		return unimplemented(interface, method);
	}

	void numbers(Context &context, uint64_t value)
	{
		auto list =
		    Results(context, 0, 1)
			.at(0)
			.initAs<capnp::List<uint64_t>>(static_cast<unsigned>(t->txs.size()));
		for (unsigned i = 0; i < list.size(); i++)
			list.set(i, value);
	}

	void path(Context &context)
	{
		std::vector<Hash> level(1), siblings;
		for (auto &tx : t->txs)
			level.push_back(hash_of(tx.data(), tx.size()));
		while (level.size() > 1) {
			std::vector<Hash> next(1);
			if (level.size() % 2 == 1)
				level.push_back(level.back());
			siblings.push_back(level[1]);
			for (size_t i = 2; i < level.size(); i += 2)
				next.push_back(merkle_root({level[i], level[i + 1]}));
			level = std::move(next);
		}
		auto list =
		    Results(context, 0, 1)
			.at(0)
			.initAs<capnp::List<capnp::Data>>(static_cast<unsigned>(siblings.size()));
		for (unsigned i = 0; i < list.size(); i++)
			list.set(i, kj::arrayPtr(siblings[i].data(), siblings[i].size()));
	}

	kj::Promise<void> part(int m, Context &context)
	{
		if (world.fault == "types") {
			// Of another kind each: a text, a number, a list of structs.
			Results r(context, 1, 1);
			r.set(0, 0x1234567890, 8);
			if (m % 2 == 0)
				r.at(0).setAs<capnp::Text>("neither bytes nor numbers");
			else
				r.at(0).initAsAnyStruct(1, 1);
			return kj::READY_NOW;
		}
		if (m == 4 && world.fault == "unimplemented")
			return unimplemented(TEMPLATE, 4);
		Bytes block = t->block();
		if (m == 1)
			Results(context, 0, 1).bytes(0, Bytes(block.begin(), block.begin() + 80));
		else if (m == 2)
			Results(context, 0, 1).bytes(0, block);
		else if (m == 3 || m == 4)
			numbers(context, m == 3 ? FEE : 4);
		else
			coinbase(context);
		return kj::READY_NOW;
	}

	void coinbase(Context &context)
	{
		Results r(context, 0, 1);
		if (world.v30()) {
			r.bytes(0, t->coinbase());
			return;
		}
		Results tx(r.at(0).initAsAnyStruct(3, 3));
		tx.set(0, 2, 4);
		tx.set(4, 0xfffffffe, 4);
		tx.set(8, SUBSIDY + t->fees(), 8);
		tx.set(16, t->height - 1, 4);
		tx.bytes(0, t->script_prefix());
		tx.bytes(1, Bytes(32));
		auto outputs = tx.at(2).initAs<capnp::List<capnp::Data>>(1);
		Bytes output = t->commitment_output();
		outputs.set(0, kj::arrayPtr(output.data(), output.size()));
	}

	kj::Promise<void> submit(int m, Params p, Context &context)
	{
		KJ_REQUIRE(world.fault != "submit", "this fails as it was told to");
		if (world.fault == "drop" || world.fault == "drop once") {
			if (world.fault == "drop once")
				world.fault = "none";
			world.end_sessions();
			return kj::NEVER_DONE;
		}
		Bytes header = t->header(static_cast<uint32_t>(number(p, 0, 4)),
					 static_cast<uint32_t>(number(p, 4, 4)),
					 static_cast<uint32_t>(number(p, 8, 4)), data(p, 1));
		bool good = judge(header, m);
		Results r(context, 1, world.dialect == "v32" ? 2 : 0);
		r.set(0, good, 1);
		if (!good && world.dialect == "v32")
			r.at(0).setAs<capnp::Text>("high-hash");
		if (world.fault == "late")
			return world.timer->afterDelay(4 * kj::SECONDS);
		return kj::READY_NOW;
	}

	kj::Promise<void> wait_next(Params p, Context context)
	{
		Params options = inner(p, 1);
		uint64_t bits = number(options, 0, 8) ^ (world.v30() ? 0 : 0x7fefffffffffffff);
		uint64_t threshold = number(options, 8, 8) ^ (world.v30() ? 0 : MAX_MONEY);
		double timeout;
		memcpy(&timeout, &bits, 8);
		KJ_REQUIRE(timeout > 0 && timeout <= 3600000, "bad timeout", timeout);
		KJ_REQUIRE(threshold <= MAX_MONEY, "bad fee threshold", threshold);
		if (t->prev != world.tip) {
			Results(context, 0, 1)
			    .at(0)
			    .setAs<capnp::Capability>(kj::heap<BlockTemplate>());
			return kj::READY_NOW;
		}
		auto pair = kj::newPromiseAndFulfiller<void>();
		world.waiters.push_back(kj::mv(pair.fulfiller));
		auto broken = kj::newPromiseAndFulfiller<void>();
		interrupt = kj::mv(broken.fulfiller);
		world.waits++;
		return pair.promise.then([]() { return true; })
		    .exclusiveJoin(broken.promise.then([]() { return false; }))
		    .exclusiveJoin(
			world.timer->afterDelay(static_cast<int64_t>(timeout) * kj::MILLISECONDS)
			    .then([]() { return false; }))
		    .then([context](bool moved) mutable {
			    Results r(context, 0, 1);
			    if (moved)
				    r.at(0).setAs<capnp::Capability>(kj::heap<BlockTemplate>());
		    })
		    .attach(kj::defer([]() { world.waits--; }));
	}
};

class Mining final : public Server
{
	kj::Promise<void> call(uint64_t interface, uint16_t method, Context context) override
	{
		auto p = context.getParams().getAs<capnp::AnyStruct>();
		KJ_REQUIRE(interface == MINING);
		if (method > 7 && (method > 9 || world.dialect != "v32"))
			return unimplemented(interface, method);
		if (method != 4 || !world.v30())
			require_thread(p);
		switch (method) {
		case 0:
			Results(context, 1, 0).set(0, 1, 1);
			return kj::READY_NOW;
		case 1:
			Results(context, 1, 0).set(0, world.fault == "download", 1);
			return kj::READY_NOW;
		case 2:
			return get_tip(context);
		case 4:
			return create(inner(p, world.v30() ? 0 : 1), context);
		case 7:
			if (world.dialect == "v32")
				return submit_block(data(p, 1), context);
			return unimplemented(interface, method);
		case 8: {
			Results r(context, 0, 1);
			r.at(0).initAsAnyList(capnp::ElementSize::POINTER, 0);
			return kj::READY_NOW;
		}
		default:
			return unimplemented(interface, method);
		}
	}

	kj::Promise<void> get_tip(Context &context)
	{
		Results r(context, 1, 1);
		r.set(0, 1, 1);
		Results ref(r.at(0).initAsAnyStruct(1, 1));
		ref.set(0, world.height, 4);
		ref.bytes(0, Bytes(world.tip.begin(), world.tip.end()));
		return kj::READY_NOW;
	}

	kj::Promise<void> create(Params options, Context &context)
	{
		uint64_t mask = world.v30() ? 0 : ~uint64_t{0};
		KJ_REQUIRE((number(options, 8, 8) ^ (mask & 8000)) == 8000, "bad reserved weight");
		KJ_REQUIRE((number(options, 16, 8) ^ (mask & 400)) == 400, "bad sigops");
		KJ_REQUIRE(world.fault != "exception", "no template today");
		Results(context, 0, 1).at(0).setAs<capnp::Capability>(
		    kj::heap<BlockTemplate>(((number(options, 0, 1) ^ mask) & 1) == 1));
		return kj::READY_NOW;
	}

	kj::Promise<void> submit_block(const Bytes &block, Context &context)
	{
		Results r(context, 1, 2);
		bool good = block.size() > 80 && judge(block, 107);
		r.set(0, good, 1);
		if (!good)
			r.at(0).setAs<capnp::Text>("bad-block");
		return kj::READY_NOW;
	}
};

class Init final : public Server
{
	kj::Promise<void> call(uint64_t interface, uint16_t method, Context context) override
	{
		KJ_REQUIRE(interface == INIT);
		if (method == 0) {
			Results(context, 0, 1)
			    .at(0)
			    .setAs<capnp::Capability>(kj::heap<ThreadMap>());
			return kj::READY_NOW;
		}
		if (!world.v30() && method == 2)
			KJ_FAIL_REQUIRE("Old mining interface not supported");
		if (method != (world.v30() ? 2 : 3))
			return unimplemented(interface, method);
		require_thread(context.getParams().getAs<capnp::AnyStruct>());
		Results(context, 0, 1).at(0).setAs<capnp::Capability>(kj::heap<Mining>());
		return kj::READY_NOW;
	}
};

// --- connections
// -----------------------------------------------------------------------------------

// A stream that can be cut in the middle of what is written, or write something else.
class BadStream final : public kj::AsyncIoStream
{
      public:
	explicit BadStream(kj::Own<kj::AsyncIoStream> stream) : inner(kj::mv(stream))
	{
	}

	kj::Promise<size_t> tryRead(void *buffer, size_t least, size_t most) override
	{
		return inner->tryRead(buffer, least, most);
	}
	kj::Promise<void> write(const void *buffer, size_t size) override
	{
		return is_bad(size) ? spoil(size) : inner->write(buffer, size);
	}
	kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override
	{
		size_t size = 0;
		for (auto &piece : pieces)
			size += piece.size();
		return is_bad(size) ? spoil(size) : inner->write(pieces);
	}
	kj::Promise<void> whenWriteDisconnected() override
	{
		return inner->whenWriteDisconnected();
	}
	void shutdownWrite() override
	{
		inner->shutdownWrite();
	}

      private:
	static bool is_bad(size_t size)
	{
		return (world.fault == "cut" && size > 600) || world.fault == "garbage";
	}

	kj::Promise<void> spoil(size_t size)
	{
		static uint32_t seed = 1;
		// The head of a message with one segment, and not all of it; or noise.
		bad.clear();
		if (world.fault == "cut") {
			put<uint32_t>(bad, 0);
			put<uint32_t>(bad, static_cast<uint32_t>(size / 8));
		}
		for (size_t i = 0; i < 400; i++) {
			seed = seed * 1664525 + 1013904223;
			bad.push_back(static_cast<uint8_t>(world.fault == "cut" ? 0 : seed >> 24));
		}
		return inner->write(bad.data(), bad.size()).then([this]() {
			inner->shutdownWrite();
		});
	}

	kj::Own<kj::AsyncIoStream> inner;
	Bytes bad;
};

struct Conversation {
	kj::Own<BadStream> stream;
	capnp::TwoPartyVatNetwork network;
	capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;

	explicit Conversation(kj::Own<kj::AsyncIoStream> s)
	    : stream(kj::heap<BadStream>(kj::mv(s))),
	      network(*stream, capnp::rpc::twoparty::Side::SERVER),
	      system(capnp::makeRpcServer(network, kj::heap<Init>()))
	{
	}
};

class Errors final : public kj::TaskSet::ErrorHandler
{
	void taskFailed(kj::Exception &&) override
	{
	}
};

kj::Promise<void> accept_all(kj::ConnectionReceiver &listener, kj::TaskSet &tasks)
{
	return listener.accept().then([&](kj::Own<kj::AsyncIoStream> &&stream) {
		auto c = kj::heap<Conversation>(kj::mv(stream));
		auto end = kj::newPromiseAndFulfiller<void>();
		world.sessions.push_back(kj::mv(end.fulfiller));
		auto gone = c->network.onDisconnect().then(
		    []() { world.left += world.waits > 0 ? 1 : 0; });
		auto over = gone.exclusiveJoin(kj::mv(end.promise));
		tasks.add(over.attach(kj::mv(c)));
		return accept_all(listener, tasks);
	});
}

void obey(const std::string &line)
{
	if (line == "tip") {
		Hash next = world.tip;
		next[0]++;
		next[31] = 0;
		world.move_tip(next);
	} else if (line.rfind("load ", 0) == 0) {
		world.transactions = static_cast<uint32_t>(std::atoi(line.c_str() + 5));
	} else if (line.rfind("fault ", 0) == 0) {
		world.fault = line.substr(6);
	}
	std::printf("templates=%u accepted=%u refused=%u by=%d left=%u\n", world.templates,
		    world.accepted, world.refused, world.by, world.left);
	std::fflush(stdout);
}

kj::Promise<void> read_orders(kj::AsyncInputStream &in)
{
	static char buffer[4096];
	static std::string pending;
	return in.tryRead(buffer, 1, sizeof(buffer)).then([&in](size_t n) -> kj::Promise<void> {
		size_t at;
		if (n == 0)
			return kj::READY_NOW;
		pending.append(buffer, n);
		while ((at = pending.find('\n')) != std::string::npos) {
			obey(pending.substr(0, at));
			pending.erase(0, at + 1);
		}
		return read_orders(in);
	});
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 3)
		return EXIT_FAILURE;
	bool young = argc > 3;
	world.dialect = argv[2];
	auto io = kj::setupAsyncIo();
	Errors errors;
	kj::TaskSet tasks(errors);
	world.timer = &io.provider->getTimer();
	unlink(argv[1]);
	auto listener = io.provider->getNetwork()
			    .parseAddress(kj::str("unix:", argv[1]))
			    .wait(io.waitScope)
			    ->listen();
	if (young && world.dialect != "v32") {
		world.loading = true;
		tasks.add(world.timer->afterDelay(2 * kj::SECONDS).then([]() {
			world.loading = false;
		}));
	} else if (!young) {
		struct timeval long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
		KJ_ASSERT(utimes(argv[1], long_ago) == 0);
	}
	auto in = io.lowLevelProvider->wrapInputFd(0);
	tasks.add(accept_all(*listener, tasks));
	read_orders(*in).wait(io.waitScope);
	return EXIT_SUCCESS;
}

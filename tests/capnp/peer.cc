// SPDX-License-Identifier: MIT
// peer FD: the other end of the conversations of test_rpc.c, on the reference implementation: serves
// trial.capnp on the connected socket FD until it is closed.
#include <cstdlib>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "tests/capnp/trial.capnp.h"

namespace {

uint32_t counters;
uint32_t cancelled;

class CounterImpl final : public trial::Counter::Server {
public:
	explicit CounterImpl(uint64_t start) : value(start) { counters++; }
	~CounterImpl() { counters--; }

	kj::Promise<void> next(NextContext context) override
	{
		context.getResults().setValue(value++);
		return kj::READY_NOW;
	}

private:
	uint64_t value;
};

class TrialImpl final : public trial::Trial::Server {
public:
	kj::Promise<void> echo(EchoContext context) override
	{
		context.getResults().setText(context.getParams().getText());
		context.getResults().setData(context.getParams().getData());
		return kj::READY_NOW;
	}

	kj::Promise<void> counter(CounterContext context) override
	{
		context.getResults().setCounter(
		    kj::heap<CounterImpl>(context.getParams().getStart()));
		return kj::READY_NOW;
	}

	kj::Promise<void> callBack(CallBackContext context) override
	{
		return once(context.getParams().getTo(), 0, context.getParams().getTimes(), 0)
		    .then([context](uint64_t sum) mutable { context.getResults().setSum(sum); });
	}

	kj::Promise<void> fail(FailContext context) override
	{
		auto type = static_cast<kj::Exception::Type>(context.getParams().getType());
		return kj::Exception(type, __FILE__, __LINE__,
				     kj::str(context.getParams().getReason()));
	}

	kj::Promise<void> hang(HangContext context) override
	{
		context.allowCancellation();
		return kj::Promise<void>(kj::NEVER_DONE).attach(kj::defer([]() { cancelled++; }));
	}

	kj::Promise<void> seen(SeenContext context) override
	{
		context.getResults().setCancelled(cancelled);
		context.getResults().setCounters(counters);
		return kj::READY_NOW;
	}

	kj::Promise<void> later(LaterContext context) override
	{
		auto pair = kj::newPromiseAndFulfiller<trial::Counter::Client>();
		fulfiller = kj::mv(pair.fulfiller);
		context.getResults().setCounter(kj::mv(pair.promise));
		return kj::READY_NOW;
	}

	kj::Promise<void> resolve(ResolveContext context) override
	{
		fulfiller->fulfill(context.getParams().getTo());
		return kj::READY_NOW;
	}

	kj::Promise<void> keep(KeepContext context) override
	{
		kept = context.getParams().getWhat();
		return kj::READY_NOW;
	}

	kj::Promise<void> drop(DropContext) override
	{
		kept = nullptr;
		return kj::READY_NOW;
	}

	kj::Promise<void> nested(NestedContext context) override
	{
		context.getResults().initOuter().setCounter(kj::heap<CounterImpl>(70));
		return kj::READY_NOW;
	}

private:
	static kj::Promise<uint64_t> once(trial::Sink::Client to, uint32_t n, uint32_t times,
					  uint64_t sum)
	{
		if (n == times)
			return sum;
		auto request = to.takeRequest();
		request.setValue(n);
		return request.send().then([to, n, times, sum](auto response) mutable {
			return once(kj::mv(to), n + 1, times, sum + response.getValue());
		});
	}

	kj::Own<kj::PromiseFulfiller<trial::Counter::Client>> fulfiller;
	kj::Maybe<trial::Sink::Client> kept;
};

} // namespace

int main(int argc, char **argv)
{
	if (argc != 2)
		return EXIT_FAILURE;
	auto io = kj::setupAsyncIo();
	auto stream = io.lowLevelProvider->wrapSocketFd(
	    std::atoi(argv[1]), kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
	capnp::TwoPartyVatNetwork network(*stream, capnp::rpc::twoparty::Side::SERVER);
	auto system = capnp::makeRpcServer(network, kj::heap<TrialImpl>());
	network.onDisconnect().wait(io.waitScope);
	return EXIT_SUCCESS;
}

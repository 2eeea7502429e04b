#include "node/client/detail/calls.h"

#include <chrono>

namespace hanse::client::detail {

bool Watcher::next() {
  constexpr std::chrono::milliseconds kIdleEvery{200};
  for (;;) {
    void* tag = nullptr;
    bool ok = false;
    const auto got = queue.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kIdleEvery);
    if (got == grpc::CompletionQueue::GOT_EVENT) return ok;
    if (got == grpc::CompletionQueue::SHUTDOWN) return false;
    if (!ended && idle && !idle()) end();
  }
}

}  // namespace hanse::client::detail

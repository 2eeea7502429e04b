#include "node/peering/calls.h"

#include <algorithm>
#include <chrono>

#include "base/core/text.h"

namespace hanse::peering {

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kCallMs = 10'000;         // the mesh's thread answers within, or hangs
constexpr std::int64_t kLookNs = 20 * kNsPerMs;  // between two looks at what is waited for

bool is_ready(std::future<void>& future, std::int64_t wait_ms) {
  return future.wait_for(std::chrono::milliseconds(wait_ms)) == std::future_status::ready;
}

std::unexpected<Error> stopped_error() {
  return fail(Kind::kUnavailable, "peering.stopped", "the mesh of this node has stopped");
}

}  // namespace

Status Calls::run(const SharedTicket& ticket, std::function<void(std::int64_t now_ns)> work) {
  auto promise = std::make_shared<std::promise<void>>();
  auto done = promise->get_future();
  if (stopped.load()) return stopped_error();
  TRY_OK(sockets_->post([sockets = sockets_, ticket, promise, work = std::move(work)]() {
    const std::lock_guard lock(ticket->mutex);
    if (ticket->abandoned) return;
    work(sockets->now_ns());
    promise->set_value();
  }));
  if (is_ready(done, kCallMs)) return {};
  ticket->abandon();
  return stopped_error();
}

Status Calls::wait(std::function<Status(std::int64_t now_ns)> begin, std::function<bool(std::int64_t now_ns)> done,
                   std::int64_t wait_ms) {
  const auto ticket = std::make_shared<Ticket>();
  std::future<void> ended;
  Status begun;
  TRY_OK(run(ticket, [&, this](std::int64_t now_ns) {
    if (waits_.size() >= kWaitsMax) {
      begun = fail(Kind::kExhausted, "peering.limit", text("found {} calls that wait, expected fewer", waits_.size()));
      return;
    }
    begun = begin(now_ns);
    if (!begun) return;
    waits_.push_back({.ticket = ticket, .done = std::move(done), .until_ns = now_ns + wait_ms * kNsPerMs, .end = {}});
    ended = waits_.back().end.get_future();
  }));
  TRY_OK(std::move(begun));
  if (is_ready(ended, wait_ms + kCallMs)) return {};
  ticket->abandon();
  return stopped_error();
}

void Calls::look(std::int64_t now_ns) {
  looked_ns_ = now_ns;
  std::erase_if(waits_, [&](Wait& wait) {
    const SharedTicket ticket = wait.ticket;
    const std::lock_guard lock(ticket->mutex);
    if (!ticket->abandoned && !wait.done(now_ns) && now_ns < wait.until_ns) return false;
    wait.end.set_value();
    return true;
  });
}

std::int64_t Calls::next_ns(std::int64_t next) const {
  for (const Wait& wait : waits_) next = std::min({next, wait.until_ns, looked_ns_ + kLookNs});
  return next;
}

}  // namespace hanse::peering

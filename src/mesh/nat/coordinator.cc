#include "mesh/nat/coordinator.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::nat {
namespace {

constexpr std::int64_t kMinuteNs = 60 * std::int64_t{1'000'000'000};

}  // namespace

void Coordinator::age(std::int64_t now_ns) {
  std::erase_if(peers_, [&](const auto& p) { return p.second.until_ns <= now_ns; });
}

Status Coordinator::register_peer(const AccountId& peer, ConnectionId connection, std::int64_t now_ns) {
  if (!peers_.contains(peer) && peers_.size() >= registrations_max_) age(now_ns);
  if (!peers_.contains(peer) && peers_.size() >= registrations_max_)
    return fail(Kind::kExhausted, "nat.coordinator_full", text("found {} registered peers", peers_.size()));
  peers_[peer] = {connection, now_ns + kRegistrationNs};
  return {};
}

void Coordinator::closed(ConnectionId connection) {
  std::erase_if(peers_, [&](const auto& p) { return p.second.connection == connection; });
}

std::size_t Coordinator::registered(std::int64_t now_ns) {
  age(now_ns);
  return peers_.size();
}

Result<ConnectionId> Coordinator::forward(const Forward& f, std::int64_t now_ns) {
  const auto from = peers_.find(f.from);
  if (from == peers_.end() || from->second.until_ns <= now_ns || from->second.connection != f.connection)
    return fail(Kind::kDenied, "nat.forward_from", "found a sender that this connection has not registered");
  const auto to = peers_.find(f.to);
  if (to == peers_.end() || to->second.until_ns <= now_ns || f.to == f.from)
    return fail(Kind::kNotFound, "nat.forward_to", text("found no registration of {}", f.to));
  if (f.bytes > kForwardBytesMax)
    return fail(Kind::kExhausted, "nat.forward_limit", text("found {} bytes, at most {}", f.bytes, kForwardBytesMax));
  const auto key = std::minmax(f.from, f.to);
  auto pair = pairs_.find(key);
  if (pair == pairs_.end()) {
    if (pairs_.size() >= kPairsMax)
      std::erase_if(pairs_, [&](const auto& p) { return p.second.since_ns + kMinuteNs <= now_ns; });
    if (pairs_.size() >= kPairsMax)
      return fail(Kind::kExhausted, "nat.forward_limit", text("found {} pairs in a minute", pairs_.size()));
    pair = pairs_.emplace(key, Pair{now_ns, 0}).first;
  }
  if (pair->second.since_ns + kMinuteNs <= now_ns) pair->second = {now_ns, 0};
  if (pair->second.count >= kForwardsPerMinute)
    return fail(Kind::kExhausted, "nat.forward_limit",
                text("found {} messages of this pair in a minute", pair->second.count));
  ++pair->second.count;
  return to->second.connection;
}

}  // namespace hanse::nat

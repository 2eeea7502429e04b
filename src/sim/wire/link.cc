#include "sim/wire/link.h"

#include <algorithm>

namespace hanse::wire {

void Link::send(std::int64_t now_ns, Bytes packet) {
  ++counts_.in;
  counts_.in_bytes += packet.size();
  if (options_.down) {
    ++counts_.down;
    return;
  }
  if (packet.size() > std::size_t{options_.mtu} + options_.header_bytes) {
    ++counts_.too_big;
    return;
  }
  if (lost()) {
    ++counts_.lost;
    return;
  }
  std::int64_t sent_ns = now_ns;
  if (flights_.size() >= kWaitingMax || !queued(now_ns, packet.size(), sent_ns)) {
    ++counts_.queue_full;
    return;
  }
  std::int64_t at_ns = sent_ns + options_.delay_ns;
  if (options_.jitter_ns > 0)
    at_ns += static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options_.jitter_ns) + 1));
  if (chance(options_.late_ppm)) {
    ++counts_.late;
    at_ns = std::max(at_ns, last_ns_) + options_.late_ns;
  } else {
    at_ns = last_ns_ = std::max(at_ns, last_ns_);
  }
  if (chance(options_.twice_ppm) && flights_.size() + 1 < kWaitingMax) {
    ++counts_.twice;
    launch(at_ns, packet);
  }
  launch(at_ns, std::move(packet));
}

std::optional<std::int64_t> Link::next_ns() const {
  if (flights_.empty()) return std::nullopt;
  return flights_.front().at_ns;
}

std::optional<Bytes> Link::receive(std::int64_t now_ns) {
  if (flights_.empty() || flights_.front().at_ns > now_ns) return std::nullopt;
  std::pop_heap(flights_.begin(), flights_.end());
  Bytes packet = std::move(flights_.back().packet);
  flights_.pop_back();
  ++counts_.out;
  counts_.out_bytes += packet.size();
  return packet;
}

bool Link::lost() {
  const std::uint32_t loss = std::min(options_.loss_ppm, kCertain);
  if (options_.burst_milli == 0 || loss == 0 || loss == kCertain) return chance(loss);
  // A run of losses ends with probability r = 1 / burst, and one begins with p = r * loss / (1 - loss): then the share
  // of packets in the losing state, p / (p + r), is the loss.
  const std::uint64_t r = std::min<std::uint64_t>(1'000'000'000ull / options_.burst_milli, kCertain);
  const std::uint64_t p = std::min<std::uint64_t>(r * loss / (kCertain - loss), kCertain);
  const std::uint64_t draw = random_.below(kCertain);
  losing_ = losing_ ? draw >= r : draw < p;
  return losing_;
}

bool Link::queued(std::int64_t now_ns, std::size_t size, std::int64_t& sent_ns) {
  if (options_.rate_bps == 0) return true;
  const std::int64_t begins_ns = std::max(now_ns, free_ns_);
  // What waits is what the rate needs until it is free; a packet is taken when it still fits behind that.
  if (size > options_.queue_bytes) return false;
  const std::uint64_t room_ns = (options_.queue_bytes - size) * 8'000'000'000ull / options_.rate_bps;
  if (static_cast<std::uint64_t>(begins_ns - now_ns) > room_ns) return false;
  free_ns_ = begins_ns + static_cast<std::int64_t>(std::uint64_t{size} * 8 * 1'000'000'000ull / options_.rate_bps);
  sent_ns = free_ns_;
  return true;
}

void Link::launch(std::int64_t at_ns, Bytes packet) {
  flights_.push_back({at_ns, order_++, std::move(packet)});
  std::push_heap(flights_.begin(), flights_.end());
}

}  // namespace hanse::wire

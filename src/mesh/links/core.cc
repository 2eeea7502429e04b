#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/logging/log.h"
#include "mesh/links/detail/core.h"

namespace hanse::links {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNever = INT64_MAX;
constexpr int kFarewellTurnsMax = 16;
constexpr unsigned long kTimerSlackNs =
    1000;  // the system's 50 us would be more than a round trip between near machines
// Datagrams of handshakes that one turn takes: a signature takes a millisecond that votes do not wait for twice.
constexpr std::size_t kHellosPerTurn = 8, kHellosMax = 256;
// Of a connection's bytes that mesh/transport keeps until they are acknowledged. Bulk stops first: there is always room
// for a vote, which then goes before all bulk that is in no packet yet.
constexpr std::array<std::uint64_t, kPriorities> kHandedMax = {12u << 20, 8u << 20, 4u << 20};

}  // namespace

void Links::Core::run() {
  name_thread("links");
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  inside_ = std::this_thread::get_id();
  if (const Status turned = sockets_->run(); !turned)
    logging::log_error("links have stopped", {{"reason", turned.error().str()}});
  stopping_ = true;
  endpoint_->close_all(transport::CloseCode::kDone, clock_.mono_ns());
  for (int i = 0; i < kFarewellTurnsMax; ++i)
    if (!sockets_->turn(0)) return;
}

// ---- the machine ---------------------------------------------------------------------------------------------------

void Links::Core::receive(const transport::Path& path, ByteView datagram, std::uint8_t ecn, std::int64_t now_ns) {
  const bool shakes_hands = !datagram.empty() && (datagram[0] & 0x80) != 0;  // RFC 9000, 17.2: a long header
  if (shakes_hands && (!hellos_.empty() || ++hellos_taken_ > kHellosPerTurn)) {
    if (hellos_.size() < kHellosMax) hellos_.push_back({.path = path, .bytes = to_bytes(datagram), .ecn = ecn});
    return;
  }
  endpoint_->receive(path, datagram, ecn, now_ns);
}

bool Links::Core::transmit(transport::Batch& out, std::int64_t now_ns) {
  now_ns_ = now_ns;
  if (dirty_.exchange(false)) take_incoming();  // a vote that came meanwhile goes before what is left
  return endpoint_->transmit(out, now_ns);
}

std::int64_t Links::Core::next_deadline_ns() const {
  if (!hellos_.empty()) return now_ns_;
  return std::min({endpoint_->next_deadline_ns(), pool_->next_deadline_ns(), scan_at_ns_});
}

void Links::Core::on_deadline(std::int64_t now_ns) {
  now_ns_ = now_ns;
  for (; !hellos_.empty() && hellos_taken_ < kHellosPerTurn; ++hellos_taken_) {
    const Hello& hello = hellos_.front();
    endpoint_->receive(hello.path, hello.bytes, hello.ecn, now_ns);
    hellos_.pop_front();
  }
  if (endpoint_->next_deadline_ns() <= now_ns) endpoint_->on_deadline(now_ns);
  if (pool_->next_deadline_ns() <= now_ns) pool_->on_deadline(now_ns);
  if (scan_at_ns_ <= now_ns) scan();
}

void Links::Core::deliver(std::int64_t now_ns) {
  now_ns_ = now_ns;
  hellos_taken_ = 0;
  take_events();
  if (std::exchange(read_, false) && options_.callbacks.on_read) options_.callbacks.on_read();
  if (dirty_.exchange(false)) take_incoming();
  for (const auto& peer : peers()) feed(*peer);
}

void Links::Core::take_events() {
  Event event;
  peers::PeerEvent of_peer;
  for (;;) {
    while (pool_->next_event(of_peer)) on_peer(std::move(of_peer));
    if (!endpoint_->next_event(event)) return;
    on_event(std::move(event));
  }
}

void Links::Core::on_event(Event event) {
  if (event.type == Event::Type::kUp) return met(std::move(event));
  if (event.type == Event::Type::kDown) return over(std::move(event));
  const auto at = links_.find(event.connection);
  if (at == links_.end()) return endpoint_->consumed(std::move(event));  // refused, and not over yet
  Link& link = at->second;
  if (event.type == Event::Type::kFrame && event.protocol == transport::kControlProtocol)
    return on_control(link, std::move(event));
  if (link.state != Link::State::kUp) return hold(at->first, link, std::move(event));
  pool_->handle(std::move(event), now_ns_);
}

void Links::Core::on_peer(peers::PeerEvent event) {
  using Type = peers::PeerEvent::Type;
  Peer* peer = find(event.peer);
  if (peer == nullptr) return;
  switch (event.type) {
    case Type::kFrame: return on_frame(std::move(event));
    case Type::kDown: return gone(*peer, *event.error);
    case Type::kMoved:
      // The rest of a begun body would come without its begin.
      for (auto& queue : peer->queues)
        if (!queue.empty()) queue.front().next = 0;
      return;
    case Type::kUp:
      peer->counters.connects.fetch_add(1, std::memory_order_relaxed);
      {
        const std::lock_guard lock(peer->mutex);
        peer->up = true;
      }
      look_at(*peer);
      scan_at_ns_ = std::min(scan_at_ns_, peer->silent_at_ns);
      logging::log_info("link up", {{"peer", peer->index}});
      if (options_.callbacks.on_up) options_.callbacks.on_up(peer->index);
      return;
    default: return;
  }
}

void Links::Core::on_frame(peers::PeerEvent event) {
  const auto at = links_.find(event.connection);
  const std::uint64_t p = event.protocol - detail::kFirstProtocol;
  if (at == links_.end() || p >= kPriorities) return pool_->consumed(std::move(event));
  Peer& peer = *at->second.peer;
  auto whole = at->second.joiners[p].feed(event.frame_type, event.body, options_.limits);
  pool_->consumed(std::move(event));
  if (!whole) {
    peer.counters.violations.fetch_add(1, std::memory_order_relaxed);
    peer.why = std::move(whole).error();
    return pool_->close(peer.id, transport::CloseCode::kViolation, now_ns_);
  }
  if (!*whole) return;
  peer.counters.frames_in.fetch_add(1, std::memory_order_relaxed);
  peer.counters.bytes_in.fetch_add((*whole)->body.size(), std::memory_order_relaxed);
  read_ = true;
  if (options_.callbacks.on_frame) options_.callbacks.on_frame(peer.index, (*whole)->type, std::move((*whole)->body));
}

void Links::Core::gone(Peer& peer, const Error& why) {
  std::array<std::vector<std::shared_ptr<const Cut>>, kPriorities> frames;  // freed outside the lock
  {
    const std::lock_guard lock(peer.mutex);
    peer.up = false;
    std::swap(frames, peer.incoming);
    for (auto& queued : peer.queued_bytes) queued = 0;
  }
  std::uint64_t lost = 0;
  for (const auto& queue : frames) lost += queue.size();
  for (auto& queue : peer.queues) lost += std::exchange(queue, {}).size();
  peer.counters.dropped_down.fetch_add(lost, std::memory_order_relaxed);
  peer.nonce.reset();
  const auto own = std::exchange(peer.why, std::nullopt);
  const Error reason = stopping_ ? Error(Kind::kUnavailable, "links.closed", "the links were stopped")
                       : own     ? own->clone()
                                 : why.clone();
  logging::log_info("link down", {{"peer", peer.index}, {"id", reason.id()}, {"reason", reason.message()}});
  if (options_.callbacks.on_down) options_.callbacks.on_down(peer.index, reason);
  if (stopping_ || !peer.waiting) return;
  const ConnectionId next = *std::exchange(peer.waiting, std::nullopt);
  welcome(next, links_.at(next));
}

// ---- sending -------------------------------------------------------------------------------------------------------

void Links::Core::take_incoming() {
  for (const auto& each : peers()) {
    Peer& peer = *each;
    if (!peer.has_incoming.exchange(false, std::memory_order_acquire)) continue;
    std::array<std::vector<std::shared_ptr<const Cut>>, kPriorities> taken;
    std::optional<transport::Address> address;
    {
      const std::lock_guard lock(peer.mutex);
      std::swap(taken, peer.incoming);
      std::swap(address, peer.new_address);
    }
    if (address) peer.address = address;
    if (address || !peer.wanted) want(peer);
    for (std::size_t p = 0; p < kPriorities; ++p)
      for (auto& cut : taken[p]) peer.queues[p].push_back({.cut = std::move(cut)});
    feed(peer);
  }
}

void Links::Core::want(Peer& peer) {
  peer.wanted = true;
  std::vector<transport::Address> addresses;
  if (peer.address) addresses.push_back(*peer.address);
  (void)pool_->want(peer.id, std::move(addresses), now_ns_);  // its limits are larger than ours
}

// Hands frames to the connection, highest first, as far as their priority's share of its bytes goes.
void Links::Core::feed(Peer& peer) {
  if (std::ranges::all_of(peer.queues, [](const auto& queue) { return queue.empty(); })) return;
  const auto stats = pool_->stats(peer.id);
  if (!stats) return;
  std::uint64_t handed = stats->send_bytes;
  for (std::size_t p = 0; p < kPriorities; ++p) {
    auto& queue = peer.queues[p];
    while (!queue.empty() && handed < kHandedMax[p]) {
      detail::Queued& first = queue.front();
      const Shared& body = first.cut->frame(first.next);
      const Status sent =
          pool_->send(peer.id, detail::kFirstProtocol + p, first.cut->frame_type(first.next), body, now_ns_);
      if (!sent) {  // a peer that lets no stream be opened
        peer.why = sent.error().clone();
        return pool_->close(peer.id, transport::CloseCode::kViolation, now_ns_);
      }
      handed += body->size() + kFrameCost;
      if (++first.next < first.cut->count()) continue;
      peer.counters.frames_out.fetch_add(1, std::memory_order_relaxed);
      peer.counters.bytes_out.fetch_add(first.cut->size, std::memory_order_relaxed);
      peer.queued_bytes[p].fetch_sub(first.cut->size + kFrameCost, std::memory_order_relaxed);
      queue.pop_front();
    }
  }
}

void Links::Core::send_control(ConnectionId connection, std::uint8_t type, ByteView body) {
  (void)endpoint_->send_control(connection, type, std::make_shared<const Bytes>(to_bytes(body)));  // full: it is ending
}

// ---- deadlines -----------------------------------------------------------------------------------------------------

// Serves every deadline that has passed and finds the next one.
void Links::Core::scan() {
  std::vector<ConnectionId> late;
  std::int64_t next = kNever;
  for (const auto& [id, link] : links_) {
    if (link.state == Link::State::kUp) continue;
    if (link.until_ns <= now_ns_)
      late.push_back(id);
    else
      next = std::min(next, link.until_ns);
  }
  scan_at_ns_ = kNever;  // what follows may lower it
  for (const ConnectionId id : late) {
    const auto at = links_.find(id);
    if (at != links_.end()) timed_out(id, at->second);
  }
  for (const auto& peer : peers()) {
    if (!peer->up.load(std::memory_order_relaxed)) continue;
    if (peer->silent_at_ns <= now_ns_) look_at(*peer);
    next = std::min(next, peer->silent_at_ns);
  }
  handshakes_full_ = endpoint_->totals().full;
  scan_at_ns_ = std::min(scan_at_ns_, next);
}

// Was anything heard of it, and how far is it?
void Links::Core::look_at(Peer& peer) {
  const Timing& t = options_.timing;
  const auto stats = pool_->stats(peer.id);
  if (!stats) return;
  peer.counters.rtt_us.store(std::max<std::int64_t>(stats->rtt_ns / 1000, 1), std::memory_order_relaxed);
  const std::int64_t dead_at = stats->heard_ns + t.dead_after_ms * kNsPerMs;
  peer.silent_at_ns = std::min(dead_at, now_ns_ + t.ping_ms * kNsPerMs);
  if (now_ns_ < dead_at) return;
  peer.silent_at_ns = kNever;
  peer.why = Error(Kind::kTimeout, "links.silent", text("nothing was heard within {} ms", t.dead_after_ms));
  pool_->close(peer.id, static_cast<transport::CloseCode>(detail::Close::kSilent), now_ns_);
}

}  // namespace hanse::links

#include <utility>

#include "base/core/text.h"
#include "base/logging/log.h"
#include "mesh/channel/detail/core.h"

namespace hanse::channel {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

// Asked by TLS, before the peer's proof of the key is checked and long before a byte of it is read. Our own key passes,
// so that a second process that holds it is found rather than called a stranger.
bool Channels::Core::knows_key(Link& link, const crypto::PublicKey& key) {
  if (key == options_.key->public_key()) {
    link.own_key = true;
    return true;
  }
  if (link.outbound) return key == find(link.peer)->key;
  for (const auto& peer : peers()) {
    if (peer->key != key) continue;
    link.peer = peer->index;
    return true;
  }
  return false;
}

void Channels::Core::say_hello(Link& link) {
  const Hello hello{.network = options_.network,
                    .epoch = options_.epoch,
                    .from = options_.self,
                    .to = link.own_key && !link.outbound ? options_.self : link.peer,
                    .nonce = nonce_};
  [[maybe_unused]] const Status status = link.tls->write(encode(hello));  // memory alone; a broken TLS shows on reading
}

Status Channels::Core::judge_hello(Link& link, const Hello& hello) {
  if (hello.network != options_.network)
    return fail(Kind::kDenied, "channel.wrong_network",
                text("found network {}, expected {}", hello.network, options_.network));
  if (hello.epoch != options_.epoch)
    return fail(Kind::kDenied, "channel.wrong_epoch", text("found epoch {}, expected {}", hello.epoch, options_.epoch));
  const std::uint16_t owner = link.own_key ? options_.self : link.peer;
  if (hello.from != owner)
    return fail(Kind::kDenied, "channel.wrong_identity",
                text("found index {} with the key of index {}", hello.from, owner));
  if (link.own_key && hello.nonce == nonce_)
    return fail(Kind::kDenied, "channel.wrong_identity", "found ourselves at the other end");
  if (link.own_key)
    return fail(Kind::kConflict, "channel.twin", text("another process holds our key of index {}", options_.self));
  if (hello.to != options_.self)
    return fail(Kind::kDenied, "channel.wrong_identity",
                text("the peer wants index {}, this is index {}", hello.to, options_.self));
  if (!link.outbound && hello.from > options_.self && !find(link.peer)->address)
    return fail(
        Kind::kCorrupt, "channel.bad_hello",
        text("found a connection from index {} to {}, expected the lower index to dial", hello.from, options_.self));
  return {};
}

// The side that was dialed answers the hello when it has checked it: with its own hello also when it refuses, so that
// the other side can tell the reason; with nothing when it is a twin's.
bool Channels::Core::judge(Link& link) {
  auto hello = decode_hello(link.hello);
  Status status = hello ? judge_hello(link, *hello) : Status(std::unexpected(hello.error().clone()));
  if (!link.outbound && !status) {
    say_hello(link);
    [[maybe_unused]] const Status sent = link.flush();  // it is closed either way
  }
  if (!status) {
    const bool twin = link.own_key && status.error().id() == "channel.twin";
    refuse(link, status.error());
    if (twin && options_.callbacks.on_twin) options_.callbacks.on_twin(options_.self);
    return false;
  }
  link.nonce = hello->nonce;
  Peer& peer = *find(link.peer);
  link.knock = link.outbound == (peer.index < options_.self);
  if (!link.knock || (!link.outbound && peer.link != nullptr && peer.link->nonce != link.nonce))
    return admit(link, peer);
  knocked(link, peer);
  return false;
}

// Ours was heard and answered, or a higher index asks to be dialed.
void Channels::Core::knocked(Link& link, Peer& peer) {
  if (!link.outbound && peer.link == nullptr) peer.dial_at_ns = now_ns_;
  remove(link);
}

bool Channels::Core::admit(Link& link, Peer& peer) {
  if (peer.link == nullptr) {
    come_up(link, peer);
    return true;
  }
  if (peer.link->nonce == link.nonce) {  // the same process dialed anew: it has given up the first
    if (peer.waiting != nullptr)
      refuse(*peer.waiting, Error(Kind::kConflict, "channel.twin", "the first process of this key dialed anew"));
    drop(*peer.link, Error(Kind::kUnavailable, "channel.closed", "the peer opened a new connection"));
    come_up(link, peer);
    return true;
  }
  if (peer.waiting != nullptr) {
    refuse(link, Error(Kind::kConflict, "channel.twin", "another connection of this key is being judged"));
    return false;
  }
  link.state = Link::State::kWaiting;
  peer.waiting = &link;
  peer.twin_token = static_cast<std::uint64_t>(now_ns_);
  peer.waiting_until_ns = now_ns_ + options_.timing.twin_answer_ms * kNsPerMs;
  scan_at_ns_ = std::min(scan_at_ns_, peer.waiting_until_ns);
  peer.link->pinged_ns = now_ns_;
  peer.link->writer.push_link(LinkKind::kPing, peer.twin_token);
  unsent_.push_back(peer.link->id);
  return true;
}

void Channels::Core::found_twin(Peer& peer) {
  Link& second = *std::exchange(peer.waiting, nullptr);
  refuse(second, Error(Kind::kConflict, "channel.twin",
                       text("found a second process with the key of peer {} while the first answers", peer.index)));
  if (options_.callbacks.on_twin) options_.callbacks.on_twin(peer.index);
}

void Channels::Core::come_up(Link& link, Peer& peer) {
  if (!link.outbound) {
    say_hello(link);
    handshakes_ -= 1;
  }
  peer.dialing = nullptr;
  peer.link = &link;
  link.state = Link::State::kUp;
  link.up_ns = link.heard_ns = link.pinged_ns = now_ns_;
  scan_at_ns_ = now_ns_;
  unsent_.push_back(link.id);  // our hello
  peer.counters.connects.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(peer.mutex);
    peer.up = true;
  }
  logging::log_info("channel up", {{"peer", peer.index}});
  if (options_.callbacks.on_up) options_.callbacks.on_up(peer.index);
}

void Channels::Core::note_refusal(std::uint16_t index, const Error& why) {
  Peer* peer = find(index);
  if (peer != nullptr)
    peer->counters.refusals.fetch_add(1, std::memory_order_relaxed);
  else
    strangers_.fetch_add(1, std::memory_order_relaxed);
  auto& logged_ns = peer != nullptr ? peer->refusal_logged_ns : stranger_logged_ns_;
  if (!logged_ns || now_ns_ - *logged_ns >= options_.timing.refusal_log_ms * kNsPerMs) {
    logged_ns = now_ns_;
    logging::log_warn("channel refused", {{"peer", index}, {"id", why.id()}, {"reason", why.message()}});
  }
  if (options_.callbacks.on_refused) options_.callbacks.on_refused(index, why);
}

void Channels::Core::refuse(Link& link, const Error& why) {
  const std::uint16_t index = link.own_key && !link.outbound ? options_.self : link.peer;
  const bool quiet = link.knock && link.outbound;  // who dials tells what is wrong
  remove(link);
  if (quiet) return;
  note_refusal(index, why);
}

void Channels::Core::drop(Link& link, const Error& why) {
  if (link.state != Link::State::kUp) return refuse(link, why);
  Peer& peer = *find(link.peer);
  std::uint64_t lost = 0;
  peer.link = nullptr;
  std::array<std::vector<QueuedFrame>, kPriorities> frames;  // freed outside the lock
  {
    const std::lock_guard lock(peer.mutex);
    peer.up = false;
    std::swap(frames, peer.incoming);
    for (auto& queued : peer.queued_bytes) queued = 0;
  }
  for (const auto& queue : frames) lost += queue.size();
  lost += link.writer.waiting();
  peer.counters.dropped_down.fetch_add(lost, std::memory_order_relaxed);
  if (now_ns_ - link.up_ns >= options_.timing.redial_most_ms * kNsPerMs) peer.backoff.reset();
  peer.dial_at_ns = now_ns_ + peer.backoff.next_ms() * kNsPerMs;
  scan_at_ns_ = now_ns_;
  remove(link);
  logging::log_info("channel down", {{"peer", peer.index}, {"id", why.id()}, {"reason", why.message()}});
  if (options_.callbacks.on_down) options_.callbacks.on_down(peer.index, why);
  Link* next = std::exchange(peer.waiting, nullptr);
  if (next == nullptr || stopping_) return;
  if (next->knock) return knocked(*next, peer);
  come_up(*next, peer);
}

void Channels::Core::remove(Link& link) {
  if (!link.outbound && link.state != Link::State::kUp) handshakes_ -= 1;
  if (Peer* peer = find(link.peer); peer != nullptr) {
    if (peer->dialing == &link) peer->dialing = nullptr;
    if (peer->waiting == &link) peer->waiting = nullptr;
  }
  scan_at_ns_ = now_ns_;
  links_.erase(link.id);
}

}  // namespace hanse::channel

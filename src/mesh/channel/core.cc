#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/core/text.h"
#include "base/core/thread_name.h"
#include "base/logging/log.h"
#include "mesh/channel/detail/core.h"

namespace hanse::channel {
namespace {

constexpr std::uint64_t kWakeId = 0, kListenerId = 1, kFirstLinkId = 2;
constexpr int kEventsMax = 128;
constexpr int kAcceptsPerTurnMax = 16;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNever = INT64_MAX;
// A begun handshake that is older gives way to a new one when all places are taken.
constexpr std::int64_t kHandshakeGraceMs = 1000;
// How long no connection is taken after the process ran out of descriptors.
constexpr std::int64_t kAcceptPauseMs = 100;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "channel.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

Error silent(std::string_view what, std::int64_t ms) {
  return Error(Kind::kTimeout, "channel.silent", text("{} within {} ms", what, ms));
}

}  // namespace

Status Channels::Core::open_loop() {
  epoll_ = detail::Fd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = detail::Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (epoll_.get() < 0 || wake_.get() < 0) return system_error("epoll_create1, eventfd");
  next_id_ = kFirstLinkId;
  read_buffer_.resize(kRecordMax);
  record_.resize(kRecordMax);
  TRY_OK(watch(wake_.get(), kWakeId, EPOLLIN | EPOLLET));  // edges: it is written, never read
  return watch(listener_.fd.get(), kListenerId, EPOLLIN);
}

Status Channels::Core::watch(int fd, std::uint64_t id, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.u64 = id}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  if (errno == EEXIST && epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return {};
  return system_error("epoll_ctl");
}

void Channels::Core::run() {
  name_thread("channels");
  inside_ = std::this_thread::get_id();
  now_ns_ = clock_.mono_ns();
  while (!stopping_) turn();
  const Error stopped(Kind::kUnavailable, "channel.closed", "the channels were stopped");
  while (!links_.empty()) drop(*links_.begin()->second, stopped);
}

int Channels::Core::wait_ms() const {
  if (dirty_ || !unread_.empty() || !unsent_.empty() || !unshaken_.empty()) return 0;
  const std::int64_t ns = scan_at_ns_ - clock_.mono_ns();
  if (ns <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>((ns + kNsPerMs - 1) / kNsPerMs, 60'000));
}

void Channels::Core::turn() {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_.get(), events, kEventsMax, wait_ms());
  now_ns_ = clock_.mono_ns();
  shook_hands_ = false;
  const std::vector<std::uint64_t> unread = std::exchange(unread_, {});
  const std::vector<std::uint64_t> unsent = std::exchange(unsent_, {});
  for (const std::uint64_t id : std::exchange(unshaken_, {})) {
    if (const auto it = links_.find(id); it != links_.end() && it->second->state == Link::State::kHandshake)
      shake_hands(*it->second);
  }
  for (int i = 0; i < count; ++i) on_event(events[i].data.u64, events[i].events);
  for (const std::uint64_t id : unread) {
    if (const auto it = links_.find(id); it != links_.end()) drain(*it->second);
  }
  if (std::exchange(read_, false) && options_.callbacks.on_read) options_.callbacks.on_read();
  if (dirty_.exchange(false)) take_incoming();
  for (const std::uint64_t id : unsent) {
    if (const auto it = links_.find(id); it != links_.end()) pump(*it->second);
  }
  if (now_ns_ >= scan_at_ns_) scan_at_ns_ = scan();
}

void Channels::Core::on_event(std::uint64_t id, std::uint32_t events) {
  if (id == kWakeId) return;
  if (id == kListenerId) return accept_all();
  const auto it = links_.find(id);
  if (it == links_.end()) return;  // closed earlier in this turn
  Link& link = *it->second;
  if (link.state == Link::State::kConnecting) return connected(link);
  if (link.state == Link::State::kHandshake) return shake_hands(link);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    drain(link);
    if (!links_.contains(id)) return;
  }
  if ((events & EPOLLOUT) != 0) pump(link);
}

void Channels::Core::accept_all() {
  for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
    detail::Fd fd(accept4(listener_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) {
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
      // The listener stays readable: it is left alone for a while.
      accepts_failed_.fetch_add(1, std::memory_order_relaxed);
      logging::log_warn("no connection can be taken", {{"reason", strerror(errno)}});
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.fd.get(), nullptr);
      listening_ = false;
      accept_again_ns_ = now_ns_ + kAcceptPauseMs * kNsPerMs;
      scan_at_ns_ = now_ns_;
      return;
    }
    if (handshakes_ >= kHandshakesMax && !make_room_for_handshake()) {
      handshakes_refused_.fetch_add(1, std::memory_order_relaxed);
      note_refusal(kNobody,
                   Error(Kind::kExhausted, "channel.handshakes",
                         text("found {} handshakes under way, expected at most {}", handshakes_ + 1, kHandshakesMax)));
      continue;
    }
    if (!detail::set_up_stream(fd.get())) continue;
    Link* link = add_link(std::move(fd), false);
    if (link != nullptr) link->state = Link::State::kHandshake;
  }
}

bool Channels::Core::make_room_for_handshake() {
  for (const auto& [id, link] : links_) {
    if (link->outbound || link->state == Link::State::kUp || link->state == Link::State::kWaiting) continue;
    if (now_ns_ - link->began_ns < kHandshakeGraceMs * kNsPerMs) return false;
    refuse(*link, silent("no hello, and its place is wanted", kHandshakeGraceMs));
    return true;
  }
  return false;
}

// Null when the system refused; the socket is closed then.
Channels::Core::Link* Channels::Core::add_link(detail::Fd fd, bool outbound) {
  auto made = std::make_unique<Link>(next_id_++, std::move(fd), outbound, options_.limits);
  Link* link = made.get();
  const auto side = outbound ? detail::TlsSession::Side::kDials : detail::TlsSession::Side::kAccepts;
  auto tls = detail::TlsSession::create(*tls_, link->fd.get(), side,
                                        [this, link](const crypto::PublicKey& key) { return knows_key(*link, key); });
  Status watched = tls ? watch(link->fd.get(), link->id, outbound ? EPOLLOUT : EPOLLIN)
                       : Status(std::unexpected(tls.error().clone()));
  if (!watched) {
    note_refusal(kNobody, watched.error());
    return nullptr;
  }
  link->tls = std::move(*tls);
  link->began_ns = now_ns_;
  link->wants_write = outbound;
  handshakes_ += outbound ? 0 : 1;
  links_.emplace(link->id, std::move(made));
  scan_at_ns_ = now_ns_;
  return link;
}

// The higher index only knocks: the lower, whose own dialing may be backing off, then dials at once.
void Channels::Core::dial(Peer& peer) {
  peer.dial_at_ns = now_ns_ + peer.backoff.next_ms() * kNsPerMs;
  scan_at_ns_ = std::min(scan_at_ns_, peer.dial_at_ns);
  auto fd = detail::dial(*peer.address, options_.receive_buffer_bytes);
  if (!fd) {
    if (peer.index > options_.self) note_refusal(peer.index, fd.error());
    return;
  }
  Link* link = add_link(std::move(*fd), true);
  if (link == nullptr) return;
  link->peer = peer.index;
  link->knock = peer.index < options_.self;
  peer.dialing = link;
}

void Channels::Core::connected(Link& link) {
  if (Status status = detail::dialed(link.fd.get()); !status) return refuse(link, status.error());
  link.state = Link::State::kHandshake;
  settle(link);
  shake_hands(link);
}

// One step of one handshake a turn: its signature takes a millisecond that votes do not wait for twice.
void Channels::Core::shake_hands(Link& link) {
  if (shook_hands_) {
    if (!std::ranges::contains(unshaken_, link.id)) unshaken_.push_back(link.id);
    return;
  }
  shook_hands_ = true;
  auto done = link.tls->handshake();
  if (Status sent = link.flush(); !sent && done) return refuse(link, sent.error());
  if (!done) return refuse(link, done.error());
  settle(link);
  if (!*done) return;
  link.state = Link::State::kHello;
  if (link.outbound) {
    say_hello(link);
    const std::uint64_t id = link.id;
    pump(link);
    if (!links_.contains(id)) return;
  }
  drain(link);  // what came behind the handshake is in TLS's buffer already
}

void Channels::Core::drain(Link& link) {
  const std::uint64_t id = link.id;
  std::size_t turn = 0;
  while (turn < detail::kTurnBytesMax) {
    auto got = link.tls->read(read_buffer_);
    if (!got) return drop(link, got.error());
    if (link.blocked() && !link.wants_write) unsent_.push_back(id);  // TLS itself had something to say
    if (*got == 0) return;
    turn += *got;
    link.heard_ns = now_ns_;
    if (!consume(link, ByteView(read_buffer_).first(*got))) return;
    if (!link.tls->holds_bytes()) return;  // what the socket still holds, epoll tells
  }
  unread_.push_back(id);
}

bool Channels::Core::consume(Link& link, ByteView bytes) {
  if (link.state != Link::State::kUp) {
    const std::size_t take = std::min(bytes.size(), kHelloSize - link.hello.size());
    append(link.hello, bytes.first(take));
    bytes = bytes.subspan(take);
    if (take > 0 && link.hello.size() == kHelloSize && !judge(link)) return false;
    if (bytes.empty()) return true;
    if (link.state != Link::State::kUp) {
      refuse(link, Error(Kind::kCorrupt, "channel.bad_hello",
                         text("found {} bytes behind the hello, expected none before its answer", bytes.size())));
      return false;
    }
  }
  reading_ = &link;
  Status fed = link.reader.feed(bytes, *this);
  reading_ = nullptr;
  if (fed) return true;
  find(link.peer)->counters.violations.fetch_add(1, std::memory_order_relaxed);
  drop(link, fed.error());
  return false;
}

void Channels::Core::frame(Priority, std::uint8_t type, Bytes body) {
  detail::Counters& counters = find(reading_->peer)->counters;
  counters.frames_in.fetch_add(1, std::memory_order_relaxed);
  counters.bytes_in.fetch_add(body.size(), std::memory_order_relaxed);
  if (options_.callbacks.on_frame) options_.callbacks.on_frame(reading_->peer, type, std::move(body));
  read_ = true;
}

// A token is the sender's clock, so an answer to a ping tells the time it took.
void Channels::Core::link(LinkKind kind, std::uint64_t token) {
  Link& link = *reading_;
  if (kind == LinkKind::kPing) {
    link.writer.push_link(LinkKind::kPong, token);
    unsent_.push_back(link.id);
    return;
  }
  Peer& peer = *find(link.peer);
  if (token > static_cast<std::uint64_t>(now_ns_)) return;  // not one of ours
  const std::int64_t rtt_us = (now_ns_ - static_cast<std::int64_t>(token)) / 1000;
  peer.counters.rtt_us.store(std::max<std::int64_t>(rtt_us, 1), std::memory_order_relaxed);
  if (peer.waiting != nullptr && token >= peer.twin_token) found_twin(peer);
}

void Channels::Core::take_incoming() {
  for (const auto& peer : peers()) {
    if (!peer->has_incoming.load(std::memory_order_relaxed)) continue;
    move_incoming(*peer);
    if (peer->link != nullptr) pump(*peer->link);
  }
}

void Channels::Core::move_incoming(Peer& peer) {
  if (!peer.has_incoming.exchange(false, std::memory_order_acquire)) return;
  std::array<std::vector<QueuedFrame>, kPriorities> taken;
  std::optional<detail::Address> address;
  {
    const std::lock_guard lock(peer.mutex);
    std::swap(taken, peer.incoming);
    std::swap(address, peer.new_address);
  }
  if (address) {
    peer.address = address;
    peer.backoff.reset();
    peer.dial_at_ns = now_ns_;
    scan_at_ns_ = now_ns_;
  }
  if (peer.link == nullptr) return;  // the channel went down meanwhile: nothing was taken
  for (std::size_t p = 0; p < kPriorities; ++p) {
    for (QueuedFrame& frame : taken[p]) peer.link->writer.push(static_cast<Priority>(p), std::move(frame));
  }
}

void Channels::Core::pump(Link& link) {
  Peer* peer = link.state == Link::State::kUp ? find(link.peer) : nullptr;
  Link::Pumped pumped;
  Status status = link.pump(
      record_, options_.rekey_records,
      [&] {
        if (peer != nullptr) move_incoming(*peer);
      },
      pumped);
  if (peer != nullptr) {
    for (std::size_t p = 0; p < kPriorities; ++p) {
      peer->counters.frames_out.fetch_add(pumped.frames[p], std::memory_order_relaxed);
      peer->counters.bytes_out.fetch_add(pumped.body_bytes[p], std::memory_order_relaxed);
      peer->queued_bytes[p].fetch_sub(pumped.body_bytes[p] + pumped.frames[p] * kFrameHeaderSize,
                                      std::memory_order_relaxed);
    }
  }
  if (!status) return drop(link, status.error());
  if (pumped.more) unsent_.push_back(link.id);
  settle(link);
}

void Channels::Core::settle(Link& link) {
  const bool wants_write = link.blocked();
  if (wants_write == link.wants_write) return;
  link.wants_write = wants_write;
  epoll_event event{.events = EPOLLIN | (wants_write ? std::uint32_t{EPOLLOUT} : 0u), .data = {.u64 = link.id}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, link.fd.get(), &event);
}

// Serves every deadline that has passed; answers the next one.
std::int64_t Channels::Core::scan() {
  std::int64_t next = kNever;
  std::vector<std::uint64_t> ids;
  for (const auto& [id, link] : links_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    if (const auto it = links_.find(id); it != links_.end()) next = std::min(next, scan_link(*it->second));
  }
  scan_at_ns_ = kNever;  // what follows may lower it
  for (const auto& peer : peers()) next = std::min(next, scan_peer(*peer));
  if (!listening_) {
    listening_ = now_ns_ >= accept_again_ns_ && watch(listener_.fd.get(), kListenerId, EPOLLIN).has_value();
    if (!listening_) next = std::min(next, std::max(accept_again_ns_, now_ns_ + kNsPerMs));
  }
  return std::min(next, scan_at_ns_);
}

std::int64_t Channels::Core::scan_link(Link& link) {
  const Timing& t = options_.timing;
  if (link.state == Link::State::kWaiting) return kNever;  // scan_peer judges it
  if (link.state != Link::State::kUp) {
    const std::int64_t until = link.began_ns + t.handshake_ms * kNsPerMs;
    if (now_ns_ < until) return until;
    refuse(link, silent("no checked hello", t.handshake_ms));
    return kNever;
  }
  const std::int64_t dead_at = link.heard_ns + t.dead_after_ms * kNsPerMs;
  if (now_ns_ >= dead_at) {
    drop(link, silent("nothing was heard", t.dead_after_ms));
    return kNever;
  }
  if (now_ns_ >= link.pinged_ns + t.ping_ms * kNsPerMs) {
    link.pinged_ns = now_ns_;
    link.writer.push_link(LinkKind::kPing, static_cast<std::uint64_t>(now_ns_));
    unsent_.push_back(link.id);
  }
  return std::min(dead_at, link.pinged_ns + t.ping_ms * kNsPerMs);
}

std::int64_t Channels::Core::scan_peer(Peer& peer) {
  if (peer.waiting != nullptr && now_ns_ >= peer.waiting_until_ns) {
    Link& first = *peer.link;
    drop(first, silent("no answer while a second connection waited", options_.timing.twin_answer_ms));
  }
  if (peer.waiting != nullptr) return peer.waiting_until_ns;
  if (!peer.address || peer.link != nullptr || peer.dialing != nullptr) return kNever;
  if (now_ns_ < peer.dial_at_ns) return peer.dial_at_ns;
  dial(peer);
  return kNever;
}

}  // namespace hanse::channel

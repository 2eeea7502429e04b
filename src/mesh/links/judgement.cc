#include <utility>

#include "base/core/text.h"
#include "base/logging/log.h"
#include "mesh/links/detail/core.h"

namespace hanse::links {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kHeldMax = 4096;               // events of a connection whose MEET was overtaken
constexpr std::uint32_t kAccessDenied = 0x100 + 49;  // RFC 8446, 6.2: nobody here has the dialed id

using transport::CloseCode;

CloseCode code_of(const Error& why) {
  if (why.id() == "links.wrong_epoch") return static_cast<CloseCode>(detail::Close::kWrongEpoch);
  if (why.id() == "links.twin") return static_cast<CloseCode>(detail::Close::kTwin);
  if (why.id() == "links.silent") return static_cast<CloseCode>(detail::Close::kSilent);
  if (why.id() == "links.wrong_identity") return CloseCode::kWrongIdentity;
  return CloseCode::kViolation;
}

// What the other side's code means here.
Error reason_of(const Error& given) {
  if (given.id() != "transport.refused") return given.clone();
  switch (static_cast<detail::Close>(given.code())) {
    case detail::Close::kWrongEpoch: return Error(Kind::kDenied, "links.wrong_epoch", "the peer is of another epoch");
    case detail::Close::kTwin:
      return Error(Kind::kConflict, "links.twin", "the peer is connected with another process of our key");
    case detail::Close::kSilent:
      return Error(Kind::kTimeout, "links.silent", "the peer had heard nothing of us for too long");
  }
  return given.clone();
}

}  // namespace

// A connection whose other end has proved a key. The dialer says what it is; the other side answers when it has taken
// that, so a second process of a key hears nothing from those who know the first.
void Links::Core::met(Event event) {
  const ConnectionId id = event.connection;
  Link& link = links_[id];
  link.peer = find(event.peer);
  link.outbound = !event.inbound;
  link.until_ns = now_ns_ + options_.timing.handshake_ms * kNsPerMs;
  link.remote = event.path.remote;
  link.up = std::move(event);
  scan_at_ns_ = std::min(scan_at_ns_, link.until_ns);
  if (link.outbound) say_meet(id, link);
}

void Links::Core::say_meet(ConnectionId id, const Link& link) {
  const Meet own{.epoch = options_.epoch,
                 .from = options_.self,
                 .to = link.peer != nullptr ? link.peer->index : options_.self,
                 .nonce = nonce_};
  send_control(id, detail::kMeetFrame, encode(own));
}

void Links::Core::on_control(Link& link, Event event) {
  endpoint_->consumed(event.connection, event.stream, event.credit);
  const ConnectionId id = event.connection;
  if (event.frame_type == detail::kMeetFrame) {
    auto meet = link.state == Link::State::kMeeting && !link.answered
                    ? decode_meet(event.body)
                    : Result<Meet>(fail(Kind::kCorrupt, "links.bad_meet", "found a second MEET"));
    const Status status = meet ? judge(link, *meet) : Status(std::unexpected(meet.error().clone()));
    if (!status) {
      const bool twin = link.peer == nullptr && status.error().id() == "links.twin";
      refuse(id, status.error());
      if (twin && options_.callbacks.on_twin) options_.callbacks.on_twin(options_.self);
      return;
    }
    link.nonce = meet->nonce;
    return admit(id, link);
  }
  if (event.frame_type == detail::kReadyFrame && event.body.empty() && link.answered &&
      link.state == Link::State::kMeeting)
    return admit(id, link);
  if (event.body.size() != detail::kTokenSize || event.frame_type == detail::kReadyFrame || link.peer == nullptr)
    return refuse(id,
                  Error(Kind::kCorrupt, "links.bad_frame",
                        text("found a control frame of {} bytes, expected {}", event.body.size(), detail::kTokenSize)));
  if (event.frame_type == detail::kPingFrame) return send_control(id, detail::kPongFrame, event.body);
  Peer& peer = *link.peer;
  if (peer.waiting && link.state == Link::State::kUp && load_be<std::uint64_t>(event.body.data()) == peer.twin_token)
    found_twin(peer);
}

Status Links::Core::judge(const Link& link, const Meet& meet) const {
  if (meet.epoch != options_.epoch)
    return fail(Kind::kDenied, "links.wrong_epoch", text("found epoch {}, expected {}", meet.epoch, options_.epoch));
  const std::uint16_t owner = link.peer != nullptr ? link.peer->index : options_.self;
  if (meet.from != owner)
    return fail(Kind::kDenied, "links.wrong_identity",
                text("found index {} with the key of index {}", meet.from, owner));
  if (meet.to != options_.self)
    return fail(Kind::kDenied, "links.wrong_identity",
                text("the peer wants index {}, this is index {}", meet.to, options_.self));
  if (link.peer != nullptr) return {};
  if (meet.nonce == nonce_) return fail(Kind::kDenied, "links.wrong_identity", "found ourselves at the other end");
  return fail(Kind::kConflict, "links.twin", text("another process holds our key of index {}", options_.self));
}

// Another process than the one that is up waits until that one has answered, or has not: a key that was copied, or a
// process that died unheard. Two that live have two ports, so the same one is that of a process that came after.
void Links::Core::admit(ConnectionId id, Link& link) {
  Peer& peer = *link.peer;
  const auto active = pool_->pool().connection(peer.id);
  if (!active || peer.nonce == link.nonce) return welcome(id, link);
  if (peer.waiting)
    return refuse(id, Error(Kind::kConflict, "links.twin", "another connection of this key is being judged"));
  peer.waiting = id;
  link.state = Link::State::kWaiting;
  if (links_.at(*active).remote == link.remote) return give_up_first(peer, "another process came to its port");
  link.until_ns = now_ns_ + options_.timing.twin_answer_ms * kNsPerMs;
  scan_at_ns_ = std::min(scan_at_ns_, link.until_ns);
  peer.twin_token = random_.next_u64();
  Bytes token;
  append_be(token, peer.twin_token);
  send_control(*active, detail::kPingFrame, token);
}

// The dialer is up first. Were it the other way round, two that dial each other could each take what the other one
// dialed, give up what it dialed itself, and have nothing left.
void Links::Core::welcome(ConnectionId id, Link& link) {
  if (link.outbound) {
    send_control(id, detail::kReadyFrame, {});
  } else if (!std::exchange(link.answered, true)) {
    link.state = Link::State::kMeeting;
    link.until_ns = now_ns_ + options_.timing.handshake_ms * kNsPerMs;
    scan_at_ns_ = std::min(scan_at_ns_, link.until_ns);
    return say_meet(id, link);
  }
  come_up(id, link);
}

void Links::Core::come_up(ConnectionId id, Link& link) {
  link.state = Link::State::kUp;
  link.peer->nonce = link.nonce;
  endpoint_->keep_alive(id, options_.timing.ping_ms * kNsPerMs);
  pool_->handle(std::move(link.up), now_ns_);
  for (Event& event : std::exchange(link.held, {})) pool_->handle(std::move(event), now_ns_);
}

// Its MEET was overtaken, or is being judged.
void Links::Core::hold(ConnectionId id, Link& link, Event event) {
  if (event.type != Event::Type::kFrame) return;
  if (link.held.size() == kHeldMax)
    return refuse(id, Error(Kind::kCorrupt, "links.bad_frame", text("found {} frames before a MEET", kHeldMax)));
  link.held.push_back(std::move(event));
}

void Links::Core::timed_out(ConnectionId id, Link& link) {
  const Timing& t = options_.timing;
  if (link.state == Link::State::kMeeting)
    return refuse(id, Error(Kind::kTimeout, "links.silent", text("no checked MEET within {} ms", t.handshake_ms)));
  give_up_first(*link.peer, text("no answer within {} ms while a second connection waited", t.twin_answer_ms));
}

void Links::Core::give_up_first(Peer& peer, std::string_view why) {
  peer.why = Error(Kind::kTimeout, "links.silent", why);
  pool_->close(peer.id, static_cast<CloseCode>(detail::Close::kSilent), now_ns_);  // gone() lets the second come up
}

void Links::Core::found_twin(Peer& peer) {
  refuse(*peer.waiting,
         Error(Kind::kConflict, "links.twin",
               text("found a second process with the key of peer {} while the first answers", peer.index)));
  if (options_.callbacks.on_twin) options_.callbacks.on_twin(peer.index);
}

void Links::Core::over(Event event) {
  const auto ended = links_.extract(event.connection);
  Peer* peer = find(event.peer);
  const bool own = event.peer == endpoint_->id();
  if (!ended.empty() && peer != nullptr && peer->waiting == event.connection) peer->waiting.reset();
  // One that is not there was refused here and told, was given up by the pool, or never proved a key.
  const bool given_up = event.error->id() == "transport.closed" ||
                        event.error->code() == static_cast<std::uint32_t>(CloseCode::kDuplicate);
  const bool failed = !given_up && (ended.empty() ? !own : ended.mapped().state != Link::State::kUp);
  const Error reason = reason_of(*event.error);
  if (failed) note_refusal(peer, own ? options_.self : kNobody, reason);
  const bool twin = failed && own && reason.id() == "links.twin";  // who says so holds our key
  if (failed && peer != nullptr && !event.inbound && event.error->code() == kAccessDenied) ask_whether_ourselves(*peer);
  pool_->handle(std::move(event), now_ns_);
  if (twin && options_.callbacks.on_twin) options_.callbacks.on_twin(options_.self);
}

// Whoever listens at its address has another id. Is it ours, of another process or even our own?
void Links::Core::ask_whether_ourselves(const Peer& peer) {
  if (!peer.address) return;
  const auto path = sockets_->path_to(*peer.address);
  if (path) (void)endpoint_->dial(*path, endpoint_->id(), now_ns_);  // a limit: another time
}

// Any connection, up or not; it is gone afterwards.
void Links::Core::refuse(ConnectionId id, const Error& why) {
  const auto at = links_.find(id);
  if (at == links_.end()) return;
  Peer* peer = at->second.peer;
  if (at->second.state == Link::State::kUp) {
    peer->counters.violations.fetch_add(1, std::memory_order_relaxed);
    peer->why = why.clone();
    return pool_->close(peer->id, code_of(why), now_ns_);
  }
  links_.erase(at);
  if (peer != nullptr && peer->waiting == id) peer->waiting.reset();
  note_refusal(peer, options_.self, why);
  endpoint_->close(id, code_of(why), now_ns_);
}

void Links::Core::note_refusal(Peer* peer, std::uint16_t other, const Error& why) {
  const std::uint16_t index = peer != nullptr ? peer->index : other;
  if (peer != nullptr)
    peer->counters.refusals.fetch_add(1, std::memory_order_relaxed);
  else
    strangers_.fetch_add(1, std::memory_order_relaxed);
  auto& logged_ns = peer != nullptr ? peer->refusal_logged_ns : stranger_logged_ns_;
  if (!logged_ns || now_ns_ - *logged_ns >= options_.timing.refusal_log_ms * kNsPerMs) {
    logged_ns = now_ns_;
    logging::log_warn("link refused", {{"peer", index}, {"id", why.id()}, {"reason", why.message()}});
  }
  if (options_.callbacks.on_refused) options_.callbacks.on_refused(index, why);
}

}  // namespace hanse::links

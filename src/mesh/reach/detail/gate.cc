#include "mesh/reach/detail/gate.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::reach::detail {
namespace {

constexpr std::int64_t kLookAgainMs = 60'000;  // at most, as the wall clock may be set

}  // namespace

std::vector<PeerEvent> Gate::handle(PeerEvent event, std::int64_t now_ns) {
  using Type = PeerEvent::Type;
  std::vector<PeerEvent> out;
  auto at = peers_.find(event.peer);
  if (event.type == Type::kUp || event.type == Type::kMoved) {
    if (event.type == Type::kUp) at = peers_.insert_or_assign(event.peer, Peer{.in = !asks_}).first;
    if (!at->second.in) at->second.due_ns = now_ns + kPapersNs;
    at->second.papers = 0;
    if (has_papers_) greeted_.push_back(event.peer);
  }
  if (at == peers_.end()) {  // kFailed, or what a peer that was refused had said before
    if (event.type == Type::kFailed) out.push_back(std::move(event));
    return out;
  }
  if (event.type == Type::kDown) {
    if (!at->second.in) event.type = Type::kFailed;  // nobody above heard of it
    if (at->second.refused) event.error = std::move(at->second.refused);
    out.push_back(std::move(event));
    peers_.erase(at);
    return out;
  }
  if (event.type == Type::kFrame && event.protocol == kPapersProtocol) {
    if (event.frame_type == kPapersFrame && !at->second.refused) on_papers(at, event.body, now_ns);
    consumed_.push_back(std::move(event));
  } else if (at->second.in) {
    out.push_back(std::move(event));
    return out;
  } else if (!at->second.refused) {
    if (event.type == Type::kHello) on_hello(at, event);
    at->second.held.push_back(std::move(event));
    if (!at->second.in && at->second.held.size() > kHeldMax)
      refuse(at, Error(Kind::kDenied, "identity.no_papers",
                       text("found {} events of {} before its papers", kHeldMax, identity::id_text(at->first))));
  }
  if (!at->second.in) return out;
  for (PeerEvent& held : at->second.held) out.push_back(std::move(held));
  at->second.held.clear();
  return out;
}

void Gate::on_hello(Peers::iterator at, const PeerEvent& event) {
  if (!event.hello || (event.hello->facts.caps & kPapersCap) == 0) decide(at);
}

void Gate::on_papers(Peers::iterator at, ByteView body, std::int64_t now_ns) {
  Peer& p = at->second;
  if (++p.papers > kPapersPerPeer) return;
  auto who = [&]() -> Result<identity::Who> {
    TRY(const auto papers, identity::decode_papers(body));
    return identity::verify(papers, {.by = at->first, .now_ms = clock_.wall_ms()});
  }();
  if (who) {
    p.who = std::move(*who);
    p.papers_error.clear();
    decide(at);
    if (p.in) look_again_at(p, now_ns);
    return;
  }
  p.who.reset();
  p.papers_error = who.error().id();
  if (asks_) refuse(at, std::move(who).error());
}

void Gate::decide(Peers::iterator at) {
  if (auto good = trust_.judge(at->first, at->second.who); !good) return refuse(at, std::move(good).error());
  at->second.in = true;
  at->second.due_ns = INT64_MAX;
}

void Gate::refuse(Peers::iterator at, Error why) {
  Peer& p = at->second;
  if (p.refused) return;
  p.refused = std::move(why);
  p.held.clear();
  p.due_ns = INT64_MAX;
  refused_.push_back(at->first);
}

void Gate::look_again_at(Peer& p, std::int64_t now_ns) const {
  const std::int64_t left_ms = p.who->not_after_ms + identity::kSkewMs + 1 - clock_.wall_ms();
  p.due_ns = now_ns + std::clamp<std::int64_t>(left_ms, 1, kLookAgainMs) * 1'000'000;
}

void Gate::on_deadline(std::int64_t now_ns) {
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    Peer& p = at->second;
    if (p.due_ns > now_ns) continue;
    if (!p.in) {
      refuse(at,
             Error(Kind::kDenied, "identity.no_papers",
                   text("found no papers of {} within {} ms", identity::id_text(at->first), kPapersNs / 1'000'000)));
    } else if (clock_.wall_ms() - identity::kSkewMs <= p.who->not_after_ms) {
      look_again_at(p, now_ns);
    } else {
      p.who.reset();
      p.papers_error = "identity.expired";
      p.due_ns = INT64_MAX;
      if (!trust_.judge(at->first, {}))
        refuse(at, Error(Kind::kDenied, "identity.expired",
                         text("found papers of {} that ended while it was here", identity::id_text(at->first))));
    }
  }
}

std::int64_t Gate::next_ns() const {
  std::int64_t next = INT64_MAX;
  for (const auto& [peer, p] : peers_) next = std::min(next, p.due_ns);
  return next;
}

const identity::Who* Gate::who(const PeerId& peer) const {
  const auto at = peers_.find(peer);
  return at == peers_.end() || !at->second.who ? nullptr : &*at->second.who;
}

std::string_view Gate::papers_error(const PeerId& peer) const {
  const auto at = peers_.find(peer);
  return at == peers_.end() ? std::string_view() : at->second.papers_error;
}

}  // namespace hanse::reach::detail

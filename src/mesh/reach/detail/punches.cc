#include "mesh/reach/detail/punches.h"

#include <utility>

namespace hanse::reach::detail {
namespace {

constexpr std::int64_t kAgainNs = 200 * kMs, kWaitNs = 100 * kMs;

nat::PeerTag tag_of(const PeerId& peer) {
  nat::PeerTag out;
  nat::PeerTag::from(peer.view().first(nat::PeerTag::kSize), out);
  return out;
}

bool needs_budget(nat::PunchPlan plan) {
  return plan == nat::PunchPlan::kManySockets || plan == nat::PunchPlan::kGuess;
}

}  // namespace

std::size_t Punches::works() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(series_, [](const auto& s) { return s.second.work.has_value(); }));
}

void Punches::want(const PeerId& peer, std::int64_t now_ns) {
  Series& series = series_[peer];
  series.over = false;
  const bool busy = series.measuring || (series.work && !series.work->told);  // a path that was found may be gone
  if (series.begin_ns == kNever && !busy) series.begin_ns = now_ns;
}

void Punches::drop(const PeerId& peer) {
  const auto at = series_.find(peer);
  if (at == series_.end()) return;
  Series& series = at->second;
  if (series.work && series.work->told) {  // the other may still ask
    series.begin_ns = kNever;
    series.over = true;
    return;
  }
  end(series, 0);
  series_.erase(at);
}

void Punches::hurry(std::int64_t now_ns) {
  for (auto& [peer, series] : series_) {
    series.rest_ns = kRestMinNs;
    if (series.begin_ns != kNever) series.begin_ns = now_ns;
  }
}

void Punches::say(const PeerId& to, const std::vector<Bytes>& control) {
  for (const Bytes& body : control)
    letters.push_back({to, body.size() == nat::PunchId::kSize + 1 ? kPunchSyncFrame : kPunchFrame, body});
}

void Punches::post(const Work& work, nat::Outbox& box) {
  for (nat::Datagram& d : box) {
    if (d.socket > work.ports.size()) continue;  // the system gave us fewer
    const std::uint16_t port = d.socket == 0 ? std::uint16_t{0} : work.ports[d.socket - 1u];
    out.push_back(raw(port, std::move(d)));
  }
  box.clear();
}

bool Punches::set_up(const PeerId& peer, Series& series, bool initiator, nat::PunchOffer offer) {
  const auto key = host_.key(peer);
  if (!key) return false;
  auto session = nat::PunchSession::create(
      {.initiator = initiator, .key = *key, .own = tag_of(self_), .peer = tag_of(peer), .offer = std::move(offer)},
      random_);
  if (!session) return false;
  end(series, 0);
  series.work.emplace(Work{});
  series.work->session = std::make_unique<nat::PunchSession>(std::move(*session));
  return true;
}

void Punches::begin(const PeerId& peer, Series& series, const std::optional<nat::Endpoint>& next, std::int64_t now_ns) {
  series.begin_ns = kNever;
  if (series.tries == 0) series.first_ns = now_ns;
  nat::PunchOffer offer = host_.offer(next, now_ns);
  random_.fill(offer.session.span());
  offer.attempt = static_cast<std::uint8_t>(series.tries++);
  if (!set_up(peer, series, true, std::move(offer))) return;
  std::vector<Bytes> control;
  series.work->session->start(now_ns, control);
  say(peer, control);
}

void Punches::answer(const PeerId& peer, Series& series, const std::optional<nat::Endpoint>& next,
                     std::int64_t now_ns) {
  const Bytes theirs = std::exchange(series.offer, {});
  const auto other = nat::decode_punch(theirs);
  if (!other) return;
  nat::PunchOffer offer = host_.offer(next, now_ns);
  offer.session = other->session;
  offer.attempt = other->attempt;
  if (other->attempt == 0) series.tries = 0;
  if (!set_up(peer, series, false, std::move(offer))) return;
  std::vector<Bytes> control;
  (void)series.work->session->offer(theirs, now_ns, control);  // it was read above
  say(peer, control);
  look(peer, series, now_ns);
}

void Punches::offered(const PeerId& from, ByteView punch, std::int64_t now_ns) {
  if (!nat::decode_punch(punch)) return;
  Series& series = series_[from];
  if (series.work && series.work->session->state() == nat::PunchState::kOffered) {
    std::vector<Bytes> control;
    if (!series.work->session->offer(punch, now_ns, control)) return;  // of another attempt
    say(from, control);
    return look(from, series, now_ns);
  }
  if (!series.work && works() >= kWorksMax) return;
  series.offer = to_bytes(punch);
  series.over = false;
  consider(from, series, now_ns);
}

// The offer that waits: an answer that knows nothing of our NAT would spend the attempt.
void Punches::consider(const PeerId& peer, Series& series, std::int64_t now_ns) {
  series.answer_ns = host_.ready() ? kNever : now_ns + kWaitNs;
  if (series.answer_ns != kNever) return;
  if (!host_.counts()) return answer(peer, series, std::nullopt, now_ns);
  if (!std::exchange(series.measuring, true)) host_.measure(peer);
}

void Punches::synced(const PeerId& from, ByteView sync, std::int64_t now_ns) {
  const auto at = series_.find(from);
  if (at == series_.end() || !at->second.work) return;
  (void)at->second.work->session->sync(sync, now_ns);  // of another attempt
}

void Punches::measured(const PeerId& peer, const std::optional<nat::Endpoint>& next, std::int64_t now_ns) {
  const auto at = series_.find(peer);
  if (at == series_.end() || !std::exchange(at->second.measuring, false)) return;
  if (!at->second.offer.empty()) return answer(peer, at->second, next, now_ns);
  begin(peer, at->second, next, now_ns);
}

void Punches::receive(std::uint16_t port, const nat::Endpoint& from, ByteView probe, std::int64_t now_ns) {
  for (auto& [peer, series] : series_) {
    if (!series.work) continue;
    Work& work = *series.work;
    const auto at = std::ranges::find(work.ports, port);
    const bool own = host_.ports->is_own(port);
    if (at == work.ports.end() && !own) continue;
    nat::Outbox box;
    work.session->receive(own ? std::uint16_t{0} : static_cast<std::uint16_t>(at - work.ports.begin() + 1), from, probe,
                          now_ns, box);
    post(work, box);
    look(peer, series, now_ns);
  }
}

// What the session has come to.
void Punches::look(const PeerId& peer, Series& series, std::int64_t now_ns) {
  if (!series.work) return;
  Work& work = *series.work;
  const nat::PunchSession& session = *work.session;
  const nat::PunchState state = session.state();
  if (state == nat::PunchState::kIdle || state == nat::PunchState::kOffered) return;
  series.plan = nat::punch_plan_name(session.plan());
  if (needs_budget(session.plan()) && !std::exchange(work.budgeted, true) && series.tries <= 1 &&
      !budget_.take(tag_of(peer), now_ns)) {
    series.begin_ns = session.initiator() ? now_ns + kRestMaxNs : kNever;
    series.tries = 0;
    end(series, 0);
    return;
  }
  if (state == nat::PunchState::kDone && !std::exchange(work.told, true)) {
    ++succeeded_;
    work.end_ns = now_ns + kAnswersNs;
    const nat::PunchPath& path = *session.path();
    found_.push_back({.peer = peer,
                      .initiator = session.initiator(),
                      .port = path.socket == 0 ? std::uint16_t{0} : work.ports[path.socket - 1u],
                      .remote = to_address(path.remote)});
  }
  if (state != nat::PunchState::kFailed) return;
  ++failed_;
  const bool initiator = session.initiator(), again = session.plan() != nat::PunchPlan::kRelay;
  end(series, 0);
  if (!initiator) return;
  if (again && series.tries < kTries && now_ns < series.first_ns + kSeriesNs) {
    series.begin_ns = now_ns + kAgainNs;
    return;
  }
  series.tries = 0;
  series.begin_ns = now_ns + series.rest_ns;
  series.rest_ns = std::min(2 * series.rest_ns, kRestMaxNs);
}

void Punches::end(Series& series, std::uint16_t keep) {
  if (!series.work) return;
  for (const std::uint16_t port : series.work->ports)
    if (port != keep) closing_.push_back(port);
  series.work.reset();
}

void Punches::on_deadline(std::int64_t now_ns) {
  for (const std::uint16_t port : std::exchange(closing_, {})) host_.ports->close(port);
  for (auto at = series_.begin(); at != series_.end();) {
    const PeerId peer = at->first;
    Series& series = at->second;
    if (series.answer_ns <= now_ns) consider(peer, series, now_ns);
    if (series.begin_ns <= now_ns && !series.work && !series.measuring) {
      if (!host_.ready() || works() >= kWorksMax) {
        series.begin_ns = now_ns + kWaitNs;
      } else if (host_.counts()) {
        series.begin_ns = kNever;
        series.measuring = true;
        host_.measure(peer);
      } else {
        begin(peer, series, std::nullopt, now_ns);
      }
    }
    if (series.work) {
      Work& work = *series.work;
      if (work.wants_ports()) {
        work.opened = true;
        while (work.ports.size() < work.session->fresh_sockets()) {
          const auto port = host_.ports->open(true);
          if (!port) break;
          work.ports.push_back(*port);
        }
      }
      nat::Outbox box;
      work.session->tick(now_ns, box);
      post(work, box);
      look(peer, series, now_ns);
      if (series.work && work.end_ns <= now_ns) {
        const std::uint16_t socket = work.session->path()->socket;
        end(series, socket == 0 ? std::uint16_t{0} : work.ports[socket - 1u]);
        series.tries = 0;
      }
    }
    const bool idle = !series.work && !series.measuring && series.begin_ns == kNever && series.answer_ns == kNever;
    at = idle && (series.over || series.plan.empty()) ? series_.erase(at) : std::next(at);
  }
}

std::int64_t Punches::next_ns() const {
  if (!closing_.empty()) return kNow;
  std::int64_t next = kNever;
  for (const auto& [peer, series] : series_) {
    next = std::min(next, series.answer_ns);
    if (!series.work) {
      next = std::min(next, series.begin_ns);
      continue;
    }
    const Work& work = *series.work;
    if (work.wants_ports()) return kNow;
    next = std::min(sooner(next, work.session->next_ns()), work.end_ns);
  }
  return next;
}

std::string_view Punches::plan_with(const PeerId& peer) const {
  const auto at = series_.find(peer);
  return at == series_.end() ? std::string_view() : at->second.plan;
}

}  // namespace hanse::reach::detail

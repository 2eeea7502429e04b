#include "mesh/nat/punch.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::nat {
namespace {

constexpr std::int64_t kProbeMs[] = {0, 20, 60, 140, 300, 620};
constexpr int kLowProbes = 3;
constexpr std::int64_t kManyAgainNs = 300 * kMs, kNominateNs = 100 * kMs;
constexpr std::uint16_t kPortFirst = 1024;
constexpr std::uint32_t kPorts = 65536 - kPortFirst;
constexpr std::int64_t kMinuteNs = 60'000 * kMs;
constexpr std::size_t kPerMinute = 4;

// One that is not known is taken for easy: a probe costs little.
bool easy(const PunchOffer& o) {
  return o.mapping == Mapping::kNone || o.mapping == Mapping::kEndpoint || o.mapping == Mapping::kUnknown;
}
// Lets in any port of an address that it has sent to.
bool lax(const PunchOffer& o) { return o.filtering == Filtering::kEndpoint || o.filtering == Filtering::kAddress; }
bool counts(const PunchOffer& o) { return o.port_rule == PortRule::kDelta && !o.candidates.empty(); }

}  // namespace

std::string_view punch_plan_name(PunchPlan plan) {
  constexpr std::string_view kNames[] = {"probe", "predict", "many_sockets", "guess", "relay"};
  return kNames[static_cast<std::size_t>(plan)];
}

PunchPlan plan_of(const PunchOffer& own, const PunchOffer& other) {
  if (easy(own) && easy(other)) return PunchPlan::kProbe;
  if (!easy(own) && !easy(other)) return counts(own) && counts(other) ? PunchPlan::kPredict : PunchPlan::kRelay;
  const PunchOffer& soft = easy(own) ? own : other;
  const PunchOffer& hard = easy(own) ? other : own;
  if (lax(soft)) return PunchPlan::kProbe;
  if (counts(hard)) return easy(own) ? PunchPlan::kPredict : PunchPlan::kProbe;
  if (own.hard_sockets == 0 || other.hard_sockets == 0 || soft.candidates.empty()) return PunchPlan::kRelay;
  return easy(own) ? PunchPlan::kGuess : PunchPlan::kManySockets;
}

Result<PunchSession> PunchSession::create(PunchOptions options, Random& random) {
  if (options.own == options.peer) return fail(Kind::kInvalid, "nat.punch_options", "found the same tag on both sides");
  if (const auto checked = decode_punch(encode(options.offer)); !checked)
    return fail(Kind::kInvalid, "nat.punch_options", checked.error().message());
  return PunchSession(std::move(options), random);
}

PunchSession::PunchSession(PunchOptions options, Random& random) : options_(std::move(options)), random_(&random) {
  random.fill(path_nonce_.span());
}

void PunchSession::start(std::int64_t now_ns, std::vector<Bytes>& control) {
  if (state_ != PunchState::kIdle || !options_.initiator) return;
  control.push_back(encode(options_.offer));
  offered_ns_ = now_ns;
  end_ns_ = now_ns + kOfferNs;
  state_ = PunchState::kOffered;
}

Status PunchSession::offer(ByteView punch, std::int64_t now_ns, std::vector<Bytes>& control) {
  TRY(PunchOffer other, decode_punch(punch));
  const PunchState expected = options_.initiator ? PunchState::kOffered : PunchState::kIdle;
  if (other.session != options_.offer.session || other.attempt != options_.offer.attempt || state_ != expected)
    return fail(Kind::kConflict, "nat.punch_session",
                text("found an offer of session {} attempt {}", other.session, other.attempt));
  plan_ = plan_of(options_.offer, other);
  if (plan_ == PunchPlan::kManySockets) fresh_ = options_.offer.hard_sockets;
  if (plan_of(other, options_.offer) == PunchPlan::kPredict) fresh_ = 1;
  other_ = std::move(other);
  if (!options_.initiator) control.push_back(encode(options_.offer));
  if (plan_ == PunchPlan::kRelay) {
    state_ = PunchState::kFailed;
    return {};
  }
  end_ns_ = now_ns + kOfferNs;
  state_ = PunchState::kAgreed;
  if (options_.initiator) {
    control.push_back(encode(PunchSync{options_.offer.session, options_.offer.attempt}));
    begin(now_ns + (now_ns - offered_ns_) / 2 + other_->t_offset_ms * kMs);
  }
  return {};
}

Status PunchSession::sync(ByteView punch_sync, std::int64_t now_ns) {
  TRY(const PunchSync s, decode_punch_sync(punch_sync));
  if (s.session != options_.offer.session || s.attempt != options_.offer.attempt || options_.initiator ||
      state_ != PunchState::kAgreed)
    return fail(Kind::kConflict, "nat.punch_session",
                text("found a sync of session {} attempt {}", s.session, s.attempt));
  begin(now_ns + options_.offer.t_offset_ms * kMs);
  return {};
}

void PunchSession::begin(std::int64_t at_ns) {
  state_ = PunchState::kProbing;
  begin_ns_ = at_ns;
  end_ns_ = at_ns + kAttemptNs;
  const std::vector<Endpoint>& theirs = other_->candidates;
  if (plan_ == PunchPlan::kManySockets) {
    bursts_ = {{at_ns, kLowTtl}, {at_ns + kManyAgainNs, 0}};
    targets_ = {theirs[0]};
    return;
  }
  if (plan_ == PunchPlan::kGuess) {
    guessed_.resize(kPorts);
    return;
  }
  if (plan_ == PunchPlan::kPredict) {
    for (int k = 1; k <= kPredictions; ++k) {
      const Endpoint next{theirs[0].ip, static_cast<std::uint16_t>(theirs[0].port + k * other_->delta)};
      if (answerable(next)) targets_.push_back(next);
    }
  }
  // A mapping of another address than the first is of no use to a counting NAT, and every probe moves its counter.
  for (const Endpoint& c : theirs)
    if (targets_.size() < kCandidatesMax) targets_.push_back(c);
  for (int i = 0; i < kLowProbes; ++i) bursts_.push_back({at_ns, kLowTtl});
  for (const std::int64_t ms : kProbeMs) bursts_.push_back({at_ns + ms * kMs, 0});
}

void PunchSession::ask(ProbeType type, std::uint16_t socket, const Endpoint& to, std::uint8_t ttl, Outbox& out) {
  if (probes_ >= kProbesMax) return;
  ++probes_;
  Probe probe{type, path_nonce_, options_.own, {}, std::nullopt};
  random_->fill(probe.tx.span());
  sent_[probe.tx] = {socket, type};
  out.push_back({socket, ttl, to, seal_probe(probe, options_.key)});
}

void PunchSession::burst(std::uint8_t ttl, Outbox& out) {
  for (std::uint16_t socket = fresh_ > 0 ? 1 : 0; socket <= fresh_; ++socket)
    for (const Endpoint& to : targets_) ask(ProbeType::kPing, socket, to, ttl, out);
}

void PunchSession::guess(std::int64_t now_ns, Outbox& out) {
  while (guesses_ < kGuessesMax && begin_ns_ + guesses_ * kGuessNs <= now_ns) {
    std::uint64_t at = random_->below(kPorts);
    while (guessed_[at]) at = random_->below(kPorts);  // at most 1 in 32 is taken
    guessed_[at] = true;
    ++guesses_;
    ask(ProbeType::kPing, 0, {other_->candidates[0].ip, static_cast<std::uint16_t>(kPortFirst + at)}, 0, out);
  }
}

void PunchSession::receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns,
                           Outbox& out) {
  // Once agreed: the other may begin before we do.
  if (state_ != PunchState::kAgreed && state_ != PunchState::kProbing && state_ != PunchState::kDone) return;
  const auto probe = open_probe(datagram, options_.key);
  if (!probe || probe->sender != options_.peer) return;
  if (probe->type == ProbeType::kPong) return pong(*probe, socket, from, now_ns, out);
  pinged(*probe, socket, from, out);
}

void PunchSession::pinged(const Probe& probe, std::uint16_t socket, const Endpoint& from, Outbox& out) {
  if (++answers_ > kProbesMax) return;  // somebody on the path repeats a probe that opens
  Probe answer{ProbeType::kPong, path_nonce_, options_.own, probe.tx, from};
  out.push_back({socket, 0, from, seal_probe(answer, options_.key)});
  if (state_ == PunchState::kDone) return;
  if (probe.type == ProbeType::kNominate && !controlling()) {
    // It is nominated after a pong of ours: the pair carries authenticated bytes both ways.
    path_ = PunchPath{socket, from, std::nullopt};
    state_ = PunchState::kDone;
    return;
  }
  if (!nominated_) ask(ProbeType::kPing, socket, from, 0, out);
}

void PunchSession::pong(const Probe& probe, std::uint16_t socket, const Endpoint& from, std::int64_t now_ns,
                        Outbox& out) {
  const auto sent = sent_.find(probe.tx);
  if (sent == sent_.end() || sent->second.socket != socket) return;
  const ProbeType asked = sent->second.type;
  sent_.erase(sent);
  if (state_ == PunchState::kDone || !controlling()) return;
  if (asked == ProbeType::kNominate) {
    path_ = PunchPath{socket, from, probe.observed};
    state_ = PunchState::kDone;
    return;
  }
  if (nominated_) return;
  nominated_ = PunchPath{socket, from, probe.observed};
  ask(ProbeType::kNominate, socket, from, 0, out);
  nominate_ns_ = now_ns + kNominateNs;
}

void PunchSession::tick(std::int64_t now_ns, Outbox& out) {
  if (state_ == PunchState::kIdle || state_ == PunchState::kDone || state_ == PunchState::kFailed) return;
  if (end_ns_ <= now_ns) {
    state_ = PunchState::kFailed;
    return;
  }
  if (state_ != PunchState::kProbing || now_ns < begin_ns_) return;
  if (nominated_) {
    if (nominate_ns_ > now_ns) return;
    nominate_ns_ = now_ns + kNominateNs;
    return ask(ProbeType::kNominate, nominated_->socket, nominated_->remote, 0, out);
  }
  while (burst_at_ < bursts_.size() && bursts_[burst_at_].at_ns <= now_ns) burst(bursts_[burst_at_++].ttl, out);
  if (plan_ == PunchPlan::kGuess) guess(now_ns, out);
}

std::optional<std::int64_t> PunchSession::next_ns() const {
  if (state_ == PunchState::kIdle || state_ == PunchState::kDone || state_ == PunchState::kFailed) return std::nullopt;
  std::int64_t next = end_ns_;
  if (state_ != PunchState::kProbing) return next;
  if (nominated_) return std::min(next, nominate_ns_);
  if (burst_at_ < bursts_.size()) next = std::min(next, bursts_[burst_at_].at_ns);
  if (plan_ == PunchPlan::kGuess && guesses_ < kGuessesMax) next = std::min(next, begin_ns_ + guesses_ * kGuessNs);
  return next;
}

Status PunchBudget::take(const PeerTag& peer, std::int64_t now_ns) {
  std::erase_if(last_, [&](const auto& e) { return e.second + 10 * kMinuteNs <= now_ns; });
  std::erase_if(recent_, [&](std::int64_t at) { return at + kMinuteNs <= now_ns; });
  if (last_.contains(peer))
    return fail(Kind::kExhausted, "nat.punch_budget", "found an attempt at this peer in 10 minutes");
  if (recent_.size() >= kPerMinute)
    return fail(Kind::kExhausted, "nat.punch_budget", text("found {} attempts in a minute", recent_.size()));
  last_[peer] = now_ns;
  recent_.push_back(now_ns);
  return {};
}

}  // namespace hanse::nat

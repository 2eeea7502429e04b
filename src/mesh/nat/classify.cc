#include "mesh/nat/classify.h"

#include <algorithm>

#include "base/core/check.h"

namespace hanse::nat {

std::string_view mapping_name(Mapping mapping) {
  constexpr std::string_view kNames[] = {"unknown", "none", "endpoint", "address", "address_port"};
  return kNames[static_cast<std::size_t>(mapping)];
}
std::string_view filtering_name(Filtering filtering) {
  constexpr std::string_view kNames[] = {"unknown", "endpoint", "address", "address_port"};
  return kNames[static_cast<std::size_t>(filtering)];
}
std::string_view port_rule_name(PortRule rule) {
  constexpr std::string_view kNames[] = {"unknown", "preserved", "delta", "random"};
  return kNames[static_cast<std::size_t>(rule)];
}

std::int16_t median_step(std::span<const std::uint16_t> ports) {
  std::vector<std::int16_t> steps;
  for (std::size_t i = 1; i < ports.size(); ++i) {
    const int step = static_cast<std::int16_t>(static_cast<std::uint16_t>(ports[i] - ports[i - 1]));
    steps.push_back(static_cast<std::int16_t>(step));
  }
  if (steps.empty()) return 0;
  std::sort(steps.begin(), steps.end());
  return steps[steps.size() / 2];
}

Classifier::Classifier(ClassifierOptions options, Random& random)
    : options_(std::move(options)), client_(random, options_.timing) {
  check(options_.local.size() == kClassifySockets, "the classifier has its sockets");
}

void Classifier::start(std::int64_t now_ns, Outbox& out) { enter(Step::kFirst, now_ns, out); }

void Classifier::ask(const Ask& ask, std::int64_t now_ns, Outbox& out) {
  StunRequest request{ask.socket, ask.to, binding_request(), {Integrity::kNone, {}, true}, std::nullopt, std::nullopt};
  if (ask.change.ip || ask.change.port) {
    request.message.change_request = ask.change;
    request.answers_from = ask.to;
    if (ask.change.ip) request.answers_from->ip = alternate_->ip;
    if (ask.change.port) request.answers_from->port = alternate_->port;
  }
  if (ask.silence) request.timing = options_.silence;
  const auto id = client_.start(std::move(request), now_ns, out);
  check(id.has_value(), "the classifier has few transactions at once");
  if (step_ == Step::kHairpin) hairpins_.push_back(*id);
}

void Classifier::enter(Step step, std::int64_t now_ns, Outbox& out) {
  step_ = step;
  const Endpoint& first = options_.reflector;
  switch (step) {
    case Step::kIdle: return;
    case Step::kFirst: return ask({.to = first}, now_ns, out);
    case Step::kOtherPort:
      if (!alternate_) return enter(Step::kOtherAddress, now_ns, out);
      return ask({.to = {first.ip, alternate_->port}}, now_ns, out);
    case Step::kOtherAddress:
      if (!alternate_ && !options_.other) return enter(Step::kFilterOpen, now_ns, out);
      return ask({.to = alternate_ ? Endpoint{alternate_->ip, first.port} : *options_.other}, now_ns, out);
    case Step::kFilterOpen:
      judge_mapping();
      if (!alternate_) return enter(Step::kSample, now_ns, out);
      return ask({.socket = kFilterSocket, .to = first}, now_ns, out);
    case Step::kFilterBoth:
      return ask({.socket = kFilterSocket, .to = first, .change = {true, true}, .silence = true}, now_ns, out);
    case Step::kFilterPort:
      return ask({.socket = kFilterSocket, .to = first, .change = {false, true}, .silence = true}, now_ns, out);
    case Step::kSample:
      return ask({.socket = static_cast<std::uint16_t>(kSampleSocket + samples_.size()), .to = first}, now_ns, out);
    case Step::kHairpin:
      // Each opens its own filter for the other.
      ask({.socket = 0, .to = samples_[0], .silence = true}, now_ns, out);
      return ask({.socket = kSampleSocket, .to = *result_.mapped, .silence = true}, now_ns, out);
    case Step::kDone: client_.clear(); return;
  }
}

void Classifier::answered(const StunAnswer* answer, std::int64_t now_ns, Outbox& out) {
  const std::optional<Endpoint> seen =
      answer != nullptr && answer->message.kind == StunClass::kSuccess ? answer->message.xor_mapped : std::nullopt;
  switch (step_) {
    case Step::kFirst:
      if (!seen) return enter(Step::kDone, now_ns, out);
      result_.udp = true;
      result_.mapped = seen;
      alternate_ = answer->message.other_address;
      // Two addresses that share address or port show nothing (RFC 5780, 7.4).
      if (alternate_ && (alternate_->ip == options_.reflector.ip || alternate_->port == options_.reflector.port ||
                         alternate_->ip.v6 != options_.reflector.ip.v6 || !answerable(*alternate_)))
        alternate_.reset();
      return enter(Step::kOtherPort, now_ns, out);
    case Step::kOtherPort: seen_other_port_ = seen; return enter(Step::kOtherAddress, now_ns, out);
    case Step::kOtherAddress: seen_other_address_ = seen; return enter(Step::kFilterOpen, now_ns, out);
    case Step::kFilterOpen: return enter(seen ? Step::kFilterBoth : Step::kSample, now_ns, out);
    case Step::kFilterBoth:
      if (!seen) return enter(Step::kFilterPort, now_ns, out);
      result_.filtering = Filtering::kEndpoint;
      return enter(Step::kSample, now_ns, out);
    case Step::kFilterPort:
      result_.filtering = seen ? Filtering::kAddress : Filtering::kAddressPort;
      return enter(Step::kSample, now_ns, out);
    case Step::kSample:
      if (!seen) return enter(samples_.empty() ? Step::kDone : Step::kHairpin, now_ns, out);
      samples_.push_back(*seen);
      if (samples_.size() < kPortSamples) return enter(Step::kSample, now_ns, out);
      judge_ports();
      return enter(Step::kHairpin, now_ns, out);
    default: return;
  }
}

void Classifier::judge_mapping() {
  const Endpoint& mapped = *result_.mapped;
  if (!seen_other_address_) {  // one reflector sees a translated address, or our own
    if (mapped == options_.local[0]) result_.mapping = Mapping::kNone;
    return;
  }
  const bool same_port = !seen_other_port_ || *seen_other_port_ == mapped;
  if (mapped == options_.local[0] && same_port && *seen_other_address_ == mapped)
    result_.mapping = Mapping::kNone;
  else if (same_port && *seen_other_address_ == mapped)
    result_.mapping = Mapping::kEndpoint;
  else  // without a second port of one address the two cannot be told apart: the harder one
    result_.mapping = same_port && seen_other_port_ ? Mapping::kAddress : Mapping::kAddressPort;
}

void Classifier::judge_ports() {
  std::vector<std::uint16_t> ports;
  bool kept = true;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    ports.push_back(samples_[i].port);
    kept = kept && samples_[i].port == options_.local[kSampleSocket + i].port;
  }
  const std::int16_t step = median_step(ports);
  const bool even = step != 0 && step >= -kDeltaMax && step <= kDeltaMax;
  result_.port_rule = kept ? PortRule::kPreserved : even ? PortRule::kDelta : PortRule::kRandom;
  if (result_.port_rule == PortRule::kDelta) result_.delta = step;
}

void Classifier::receive(std::uint16_t socket, const Endpoint& from, ByteView datagram, std::int64_t now_ns,
                         Outbox& out) {
  if (done()) return;
  if (step_ == Step::kHairpin) {
    const auto m = decode_stun(datagram);
    const bool ours = m && std::find(hairpins_.begin(), hairpins_.end(), m->id) != hairpins_.end();
    if (!ours || m->kind != StunClass::kRequest) return;
    result_.hairpin = true;
    return enter(Step::kDone, now_ns, out);
  }
  if (const auto answer = client_.receive(socket, from, datagram, now_ns)) answered(&*answer, now_ns, out);
}

void Classifier::tick(std::int64_t now_ns, Outbox& out) {
  const auto gone = client_.tick(now_ns, out);
  if (gone.empty() || done()) return;
  if (step_ != Step::kHairpin) return answered(nullptr, now_ns, out);
  result_.hairpin = false;
  enter(Step::kDone, now_ns, out);
}

}  // namespace hanse::nat

#include "mesh/reach/detail/survey.h"

#include <utility>

namespace hanse::reach::detail {

void Survey::reflector(const nat::Endpoint& reflector, std::int64_t now_ns) {
  if (reflector.ip.v6 || std::ranges::find(reflectors_, reflector) != reflectors_.end()) return;
  if (reflectors_.size() == kReflectorsMax) reflectors_.erase(reflectors_.begin());
  reflectors_.push_back(reflector);
  const bool one_more_helps = reflectors_.size() <= 2 && !classifier_;
  if (one_more_helps && begin_ns_ == kNever) begin_ns_ = now_ns + kGatherNs;
}

void Survey::uplink(std::vector<Address> local, std::uint16_t own_port, std::int64_t now_ns) {
  local_ = std::move(local);
  own_port_ = own_port;
  result_.reset();
  abandon();
  if (!reflectors_.empty()) begin_ns_ = now_ns + kGatherNs;
}

void Survey::abandon() {
  if (!classifier_) return;
  classifier_.reset();
  spent_.insert(spent_.end(), sockets_.begin() + 1, sockets_.end());
}

void Survey::measure(const PeerId& whom_for) {
  if (reflectors_.empty() || measures_.size() >= kMeasuresMax) {
    measured_.push_back({whom_for, std::nullopt});
    return;
  }
  measures_.push_back({.whom_for = whom_for});
}

nat::Endpoint Survey::local_of(std::uint16_t port) const {
  const auto v4 = std::ranges::find_if(local_, [](const Address& a) { return a.is_v4(); });
  nat::Endpoint out = v4 != local_.end() ? to_endpoint(*v4) : nat::Endpoint{};
  out.port = port;
  return out;
}

void Survey::begin(std::int64_t now_ns) {
  begin_ns_ = kNever;
  if (classifier_ || reflectors_.empty()) return;
  std::vector<nat::Endpoint> local;
  sockets_ = {own_port_};
  while (sockets_.size() < nat::kClassifySockets) {
    const auto port = ports_.open(true);
    if (!port) {  // none to be had: what can be said without is little, and later there may be some
      spent_.insert(spent_.end(), sockets_.begin() + 1, sockets_.end());
      begin_ns_ = now_ns + 10 * kSecondNs;
      return;
    }
    sockets_.push_back(*port);
  }
  for (const std::uint16_t port : sockets_) local.push_back(local_of(port));
  nat::ClassifierOptions options{.reflector = reflectors_.back(), .local = std::move(local)};
  for (const nat::Endpoint& other : reflectors_)
    if (other.ip != options.reflector.ip) options.other = other;
  classifier_ = std::make_unique<nat::Classifier>(std::move(options), random_);
  nat::Outbox box;
  classifier_->start(now_ns, box);
  post(box);
}

void Survey::post(nat::Outbox& box) {
  for (nat::Datagram& d : box) {
    const std::uint16_t port = sockets_[d.socket];
    out.push_back(raw(port, std::move(d)));
  }
  box.clear();
}

void Survey::finish(std::int64_t now_ns) {
  if (!classifier_ || !classifier_->done()) return;
  result_ = classifier_->result();
  abandon();
  again_ns_ = now_ns + (result_->udp ? nat::kClassLifetimeNs : 30 * kSecondNs);
}

bool Survey::receive(std::uint16_t port, const nat::Endpoint& from, ByteView datagram, std::int64_t now_ns) {
  for (auto m = measures_.begin(); m != measures_.end(); ++m) {
    if (m->port != port || m->port == 0) continue;
    const auto answer = m->client->receive(0, from, datagram, now_ns);
    if (!answer) return true;
    measured_.push_back({m->whom_for, answer->message.xor_mapped});
    spent_.push_back(port);
    measures_.erase(m);
    return true;
  }
  if (!classifier_) return false;
  const auto at = std::ranges::find(sockets_, port);
  if (at == sockets_.end()) return false;
  nat::Outbox box;
  classifier_->receive(static_cast<std::uint16_t>(at - sockets_.begin()), from, datagram, now_ns, box);
  post(box);
  finish(now_ns);
  return true;
}

void Survey::on_deadline(std::int64_t now_ns) {
  for (const std::uint16_t port : std::exchange(spent_, {})) ports_.close(port);
  if (again_ns_ <= now_ns) {
    again_ns_ = kNever;
    begin_ns_ = now_ns;
  }
  if (begin_ns_ <= now_ns) begin(now_ns);
  nat::Outbox box;
  if (classifier_) {
    classifier_->tick(now_ns, box);
    post(box);
    finish(now_ns);
  }
  for (std::size_t i = 0; i < measures_.size();) {
    Measure& m = measures_[i];
    bool failed = false;
    if (m.port == 0) {
      const auto port = ports_.open(true);
      m.client = std::make_unique<nat::StunClient>(random_, nat::StunTiming{.rto_ms = 250, .sends = 3, .last = 2});
      failed = !port || !m.client->start({.server = reflectors_.back(),
                                          .message = nat::binding_request(),
                                          .seal = {.fingerprint = true},
                                          .answers_from = {},
                                          .timing = {}},
                                         now_ns, box);
      if (port) m.port = *port;
    } else {
      failed = !m.client->tick(now_ns, box).empty();
    }
    for (nat::Datagram& d : box) out.push_back(raw(m.port, std::move(d)));
    box.clear();
    if (!failed) {
      ++i;
      continue;
    }
    measured_.push_back({m.whom_for, std::nullopt});
    if (m.port != 0) spent_.push_back(m.port);
    measures_.erase(measures_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::int64_t Survey::next_ns() const {
  if (!spent_.empty()) return kNow;
  std::int64_t next = std::min(begin_ns_, again_ns_);
  if (classifier_) next = sooner(next, classifier_->next_ns());
  for (const Measure& m : measures_) next = m.port == 0 ? kNow : sooner(next, m.client->next_ns());
  return next;
}

std::vector<nat::Endpoint> Survey::candidates(std::int64_t now_ns) {
  std::vector<nat::Endpoint> places;
  const auto add = [&](const nat::Endpoint& e) {
    if (nat::answerable(e) && std::ranges::find(places, e) == places.end()) places.push_back(e);
  };
  if (result_ && result_->mapped) add(*result_->mapped);
  if (mapped_) add(*mapped_);
  for (const nat::Endpoint& seen : observed_.believed(now_ns)) add(seen);
  for (const Address& local : local_) {
    nat::Endpoint e = to_endpoint(local);
    e.port = own_port_;
    add(e);
  }
  return places;
}

}  // namespace hanse::reach::detail

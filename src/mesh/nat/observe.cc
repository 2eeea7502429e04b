#include "mesh/nat/observe.h"

#include <algorithm>
#include <set>

namespace hanse::nat {
namespace {

Address network_of(Address ip) {
  std::fill(ip.bytes.begin() + (ip.v6 ? 4 : 2), ip.bytes.end(), std::uint8_t{0});
  return ip;
}

}  // namespace

void ObservedAddresses::add(const Observation& o, std::int64_t now_ns) {
  std::erase_if(words_, [&](const auto& w) { return w.second.until_ns <= now_ns; });
  if (!answerable(o.seen)) {
    ++refused_;
    return;
  }
  if (!words_.contains(o.observer)) {
    const Address network = network_of(o.observer);
    const auto neighbours = static_cast<std::size_t>(
        std::count_if(words_.begin(), words_.end(), [&](const auto& w) { return network_of(w.first) == network; }));
    if (words_.size() >= kObserversMax || (o.trust == Trust::kPeer && neighbours >= kPerNetworkMax)) {
      ++refused_;
      return;
    }
  }
  words_[o.observer] = {o.seen, o.trust, now_ns + kObservationNs};
}

std::vector<Endpoint> ObservedAddresses::believed(std::int64_t now_ns) {
  std::erase_if(words_, [&](const auto& w) { return w.second.until_ns <= now_ns; });
  struct Support {
    std::set<Address> networks;
    bool trusted = false;
  };
  std::map<Endpoint, Support> support;
  for (const auto& [observer, word] : words_) {
    Support& s = support[word.seen];
    s.networks.insert(network_of(observer));
    s.trusted = s.trusted || word.trust == Trust::kConfigured;
  }
  std::vector<std::pair<std::size_t, Endpoint>> ranked;
  for (const auto& [seen, s] : support)
    if (s.trusted || s.networks.size() >= 2) ranked.emplace_back(s.networks.size(), seen);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (ranked.size() > kReflexiveMax) ranked.resize(kReflexiveMax);
  std::vector<Endpoint> out;
  for (const auto& [count, seen] : ranked) out.push_back(seen);
  return out;
}

}  // namespace hanse::nat

#include "node/overlay/company.h"

#include <utility>

namespace hanse::overlay {
namespace {

constexpr std::int64_t kLookNs = 5 * kSecondNs;
constexpr std::size_t kCompanyMax = 12;  // connected: nobody has to be kept for company

}  // namespace

void Company::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  using Type = reach::PeerEvent::Type;
  if (event.type == Type::kUp) {
    resting_.erase(event.peer);
    if (tries_.erase(event.peer) > 0) kept_.insert(event.peer);
  } else if (event.type == Type::kDown) {
    if (kept_.erase(event.peer) > 0) holds_.release(event.peer, Hold::kCompany);
    look_ns_ = std::min(look_ns_, now_ns + kSecondNs);
  } else if (event.type == Type::kFailed && tries_.contains(event.peer)) {
    tries_[event.peer] = now_ns;
    look_ns_ = now_ns;
  }
}

void Company::end_tries(std::int64_t now_ns) {
  std::erase_if(tries_, [&](const auto& attempt) {
    if (attempt.second > now_ns) return false;
    Resting& rest = resting_[attempt.first];
    rest.until_ns = now_ns + rest.wait_ns;
    rest.wait_ns = std::min(2 * rest.wait_ns, 3600 * kSecondNs);
    holds_.release(attempt.first, Hold::kCompany);
    return true;
  });
}

bool Company::dial_one(std::int64_t now_ns) {
  std::set<PeerId> not_these{reach_.id()};
  for (const reach::LinkFacts& link : reach_.links()) not_these.insert(link.peer);
  for (const auto& [peer, until] : tries_) not_these.insert(peer);
  for (const auto& [peer, rest] : resting_)
    if (rest.until_ns > now_ns) not_these.insert(peer);
  const auto peer = book_.cache().choose(random_, not_these);
  if (!peer) return false;
  const Places places = book_.places_of(*peer);
  if (places.empty() || !holds_.hold(*peer, Hold::kCompany, places, now_ns)) {
    resting_[*peer].until_ns = now_ns + kFeelerNs;
    return false;
  }
  tries_[*peer] = now_ns + kTryNs;
  return true;
}

void Company::pump(std::int64_t now_ns) {
  if (look_ns_ > now_ns) return;
  look_ns_ = now_ns + kLookNs;
  end_tries(now_ns);
  std::erase_if(resting_, [&](const auto& r) { return book_.cache().find(r.first) == nullptr; });
  const std::size_t connected = reach_.links().size();
  if (connected >= kCompanyMax)
    for (const PeerId& peer : std::exchange(kept_, {})) holds_.release(peer, Hold::kCompany);
  if (feeler_ns_ == INT64_MIN) feeler_ns_ = now_ns + kFeelerNs;
  while (connected + tries_.size() < kCompanyMin && tries_.size() < kTriesMax && dial_one(now_ns)) {
  }
  if (feeler_ns_ > now_ns) return;
  feeler_ns_ = now_ns + kFeelerNs;
  if (tries_.size() < kTriesMax) (void)dial_one(now_ns);
}

}  // namespace hanse::overlay

#include "chain/consensus/witness.h"

#include <algorithm>
#include <utility>

namespace hanse::consensus {
namespace {

Fact place_of(const Statement& s, std::size_t i) {
  return {.purpose = s.purpose, .replica = s.replica, .epoch = s.epoch, .view = s.view, .place = s.first + i};
}

std::size_t places_max(Purpose purpose) {
  switch (purpose) {
    case Purpose::kViewChange: return kWitnessViewsMax;
    case Purpose::kVotes: return kWitnessVotesMax;
    default: return kWitnessPlacesMax;
  }
}

const Hash32& id_at(const Statement& s, std::uint64_t place) { return s.ids[place - s.first]; }

}  // namespace

const Witness::Place* Witness::find(const Fact& place) const {
  const auto signer = signers_.find({place.purpose, place.replica});
  if (signer == signers_.end()) return nullptr;
  const auto it = signer->second.find({place.view, place.place});
  return it == signer->second.end() ? nullptr : &it->second;
}

// Nothing: the place is below all that is kept.
Witness::Place* Witness::make(const Fact& place) {
  Places& places = signers_[{place.purpose, place.replica}];
  const Key key{place.view, place.place};
  if (const auto it = places.find(key); it != places.end()) return &it->second;
  if (places.size() >= places_max(place.purpose)) {
    if (key < places.begin()->first) return nullptr;
    places.erase(places.begin());
  }
  return &places[key];
}

Witness::Heard Witness::add(const Said& said) {
  Heard out;
  for (std::size_t i = 0; i < said->ids.size(); ++i) {
    const Hash32& id = said->ids[i];
    Place* const place = id.is_zero() ? nullptr : make(place_of(*said, i));
    if (place == nullptr) continue;
    if (place->said && id_at(*place->said, said->first + i) != id) {
      if (!place->proven && !out.evidence) out.evidence = evidence_of(*place->said, *said);
      place->proven = true;
      continue;
    }
    place->said = said;
    const bool doubted =
        std::ranges::any_of(place->others, [&](const Hash32& other) { return !other.is_zero() && other != id; });
    if (doubted && !place->shown) {
      place->shown = true;
      out.show = said;
    }
  }
  return out;
}

Witness::Said Witness::hearsay(const Fact& fact, const Hash32& id) {
  Place* const place = make(fact);
  if (place == nullptr || id.is_zero()) return nullptr;
  if (place->said) {
    if (place->shown || place->proven || id_at(*place->said, fact.place) == id) return nullptr;
    place->shown = true;
    return place->said;
  }
  for (Hash32& other : place->others) {
    if (other == id) break;
    if (!other.is_zero()) continue;
    other = id;
    break;
  }
  return nullptr;
}

std::optional<Evidence> Witness::concealed(const ViewChange& vc) {
  const auto votes = signers_.find({Purpose::kVotes, vc.replica});
  if (votes == signers_.end()) return std::nullopt;
  for (const auto& [key, place] : votes->second) {
    const auto& [view, at] = key;
    if (view >= vc.view) break;
    if (!place.said || !conceals(vc, view, at, id_at(*place.said, at))) continue;
    Place* const change = make(place_of(statement_of(vc), 0));
    if (change == nullptr || std::exchange(change->conceals, true)) return std::nullopt;
    return evidence_of(vc, *place.said);
  }
  return std::nullopt;
}

bool Witness::known(const Statement& statement) const {
  for (std::size_t i = 0; i < statement.ids.size(); ++i)
    if (!statement.ids[i].is_zero() && !said(place_of(statement, i), statement.ids[i])) return false;
  return true;
}

bool Witness::said(const Fact& fact, const Hash32& id) const {
  const Place* const place = find(fact);
  return place != nullptr && place->said && id_at(*place->said, fact.place) == id;
}

Witness::Said Witness::at(const Fact& fact) const {
  const Place* const place = find(fact);
  return place == nullptr ? nullptr : place->said;
}

std::size_t Witness::places(Purpose purpose, Index replica) const {
  const auto signer = signers_.find({purpose, replica});
  return signer == signers_.end() ? 0 : signer->second.size();
}

}  // namespace hanse::consensus

#include "sim/check/accounts.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::sim {

using consensus::Evidence;
using consensus::Fact;
using consensus::Facts;
using consensus::Frame;
using consensus::Index;
using consensus::Purpose;
using consensus::Statement;
using consensus::Type;

namespace {

std::string name_of(const Fact& f) {
  return text("{} of replica {} at {} in view {}", consensus::purpose_name(f.purpose), f.replica, f.place, f.view);
}

Fact place_of(const Statement& s, std::size_t i) {
  return {.purpose = s.purpose, .replica = s.replica, .epoch = s.epoch, .view = s.view, .place = s.first + i};
}

}  // namespace

void Accounts::fail_rule(std::string_view rule, std::string what) {
  if (!failure_) failure_ = Failure{.rule = std::string(rule), .what = std::move(what)};
}

bool Accounts::blames_honest(const Fact& fact) const {
  const SafetyEpoch* era = era_of(fact.epoch);
  return era == nullptr || fact.replica >= era->members.size() || config_.honest[era->members[fact.replica]];
}

const SafetyEpoch* Accounts::era_of(std::uint64_t epoch) const {
  const auto at = std::ranges::find(eras_, epoch, &SafetyEpoch::epoch);
  return at == eras_.end() ? nullptr : &*at;
}

bool Accounts::signed_by(const Statement& s) const {
  const SafetyEpoch* era = era_of(s.epoch);
  return era != nullptr && era->verifier->verify(s.replica, s.purpose, statement_message(s), s.signature);
}

// Only what its receiver must be able to judge: from a member of its set, neither behind what it has settled nor beyond
// what it looks at.
void Accounts::delivered(Index self, Index from, Type type, const Frame& body, const Facts& facts) {
  const SafetyEpoch* era = era_of(facts.epoch);
  if (facts.halted || facts.ended || era == nullptr || from >= era->members.size()) return;
  const auto lies = [&](Index signer) { return signer < era->members.size() && !config_.honest[era->members[signer]]; };
  switch (type) {
    case Type::kAttest: {
      const auto attest = consensus::decode_attest(*body);
      if (attest && lies(from) && attest->seq > facts.stable) told(self, statement_of(from, *attest), facts.epoch);
      return;
    }
    case Type::kStatement: {
      const auto s = consensus::decode_statement(*body);
      if (!s || !lies(s->replica) || s->purpose == Purpose::kVertex || s->purpose == Purpose::kViewChange) return;
      const bool votes = s->purpose == Purpose::kVotes;
      const consensus::Seq first = votes ? s->first / 2 : s->first;
      const consensus::Seq end = votes ? (s->first + s->ids.size() + 1) / 2 : s->first + s->ids.size();
      const bool fits =
          votes ? s->view == facts.view : s->purpose == Purpose::kAttest || s->replica == era->power->leader(s->view);
      if (fits && first > facts.stable && end <= facts.stable + consensus::kSlotWindow && s->view <= facts.view)
        told(self, *s, facts.epoch);
      return;
    }
    case Type::kViewChange: {
      const auto vc = consensus::decode_view_change(*body);
      if (!vc || !lies(vc->replica) || vc->epoch != facts.epoch || vc->view <= facts.view) return;
      consensus::View& asked = hosts_[self].asked[vc->replica];
      // One that is refused for its claims or its checkpoint is no statement that anybody takes.
      if (vc->view < asked || vc->checkpoint.seq != 0 || !vc->prepared.empty() || !vc->prepares.empty()) return;
      asked = vc->view;
      return told(self, statement_of(*vc), facts.epoch);
    }
    default: return;
  }
}

void Accounts::told(Index self, const Statement& s, std::uint64_t epoch) {
  if (s.epoch != epoch || !signed_by(s)) return;
  Host& h = hosts_[self];
  for (std::size_t i = 0; i < s.ids.size(); ++i) {
    if (s.ids[i].is_zero()) continue;
    const Fact place = place_of(s, i);
    const auto [it, fresh] = h.told.emplace(place, s.ids[i]);
    if (fresh || it->second == s.ids[i]) continue;
    h.due.emplace(place, now_ns_);
    return;  // two statements that differ at several places are one fact
  }
}

void Accounts::accused(Index self, const Evidence& evidence) {
  const auto fact = contradiction(evidence);
  if (!fact) return fail_rule("evidence", text("replica {} accuses without a contradiction", self));
  for (const Statement* s : {&evidence.first, &evidence.second})
    if (!signed_by(*s))
      return fail_rule("evidence", text("replica {} accuses with a signature that is not of {}", self, s->replica));
  if (blames_honest(*fact)) fail_rule("slash", text("replica {} can prove two {}", self, name_of(*fact)));
  for (std::size_t i = 0; i < evidence.first.ids.size(); ++i) hosts_[self].accused.insert(place_of(evidence.first, i));
  for (std::size_t i = 0; i < evidence.second.ids.size(); ++i)
    hosts_[self].accused.insert(place_of(evidence.second, i));
}

void Accounts::restarted(Index self) { hosts_[self] = {}; }

void Accounts::proven(const Fact& fact) {
  landed_.insert(fact);
  if (blames_honest(fact)) fail_rule("slash", text("the ledger punishes for two {}", name_of(fact)));
}

void Accounts::finish() {
  for (std::size_t self = 0; self < hosts_.size(); ++self)
    for (const auto& [fact, since_ns] : hosts_[self].due)
      if (since_ns + kJudgeNs <= now_ns_ && !hosts_[self].accused.contains(fact))
        return fail_rule("complete", text("replica {} was given two {} and accuses nobody", self, name_of(fact)));
}

}  // namespace hanse::sim

// Accounts: that liars are called to account and nobody else is (consensus.md 5.9: no honest node slashed, evidence
// completeness), told from outside like Safety.
//   slash       evidence that an honest replica accepts, and every fact on the ledger, is of a Byzantine replica
//   evidence    an accusation stands on two statements that exclude each other, both signed by the accused
//   complete    an honest replica that was given both, and could judge both, accuses within kJudgeNs
//   landed      (by the world) what a replica of the core can prove when it gets calm is on the ledger at the end
// Byzantine replicas are watched by nobody. Pure; one thread at a time. Errors: none (a finding is a value).
#pragma once

#include <map>
#include <set>

#include "sim/check/safety.h"

namespace hanse::sim {

constexpr std::int64_t kJudgeNs = 20'000'000;  // verifying takes a while

struct AccountsConfig {
  std::vector<bool> honest;  // by replica
};

class Accounts {
 public:
  explicit Accounts(AccountsConfig config) : config_(std::move(config)), hosts_(config_.honest.size()) {}

  const std::optional<Failure>& failure() const { return failure_; }

  void begin_epoch(SafetyEpoch epoch) { eras_.push_back(std::move(epoch)); }  // in order
  void at(std::int64_t now_ns) { now_ns_ = now_ns; }                          // of what follows

  // Of honest replicas only; `self` is a replica, `from` a place in the set of its epoch. `facts`: of the receiver,
  // before it takes the frame.
  void delivered(consensus::Index self, consensus::Index from, consensus::Type type, const consensus::Frame& body,
                 const consensus::Facts& facts);
  void accused(consensus::Index self, const consensus::Evidence& evidence);
  void restarted(consensus::Index self);  // or in another epoch: it forgot, and owes nothing
  void proven(const consensus::Fact& fact);
  void finish();

  const std::set<consensus::Fact>& landed() const { return landed_; }

 private:
  struct Host {
    std::map<consensus::Fact, Hash32> told;             // by Byzantine signers
    std::map<consensus::Index, consensus::View> asked;  // the highest view that each asked for
    std::map<consensus::Fact, std::int64_t> due;        // since when
    std::set<consensus::Fact> accused;
  };
  void fail_rule(std::string_view rule, std::string what);
  void told(consensus::Index self, const consensus::Statement& statement, std::uint64_t epoch);
  const SafetyEpoch* era_of(std::uint64_t epoch) const;
  bool signed_by(const consensus::Statement& statement) const;
  bool blames_honest(const consensus::Fact& fact) const;

  AccountsConfig config_;
  std::vector<SafetyEpoch> eras_;
  std::int64_t now_ns_ = 0;
  std::vector<Host> hosts_;
  std::set<consensus::Fact> landed_;
  std::optional<Failure> failure_;
};

}  // namespace hanse::sim

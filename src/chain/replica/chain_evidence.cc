// What this validator can prove of another goes to the ledger as a transaction of its own lane.
#include "chain/replica/detail/rep.h"
#include "chain/reputation/reputation.h"

namespace hanse::replica {
namespace {

constexpr std::size_t kAccusationsMax = 256;  // that no ledger took yet; beyond it the newest is left to the others

}  // namespace

// On the signer's thread, as the check before the pool verifies signatures.
void Chain::Rep::accuse(const consensus::Evidence& evidence) {
  if (ledger->app(reputation::kReputationApp) == nullptr) return;  // this network punishes nobody
  if (accusations.size() < kAccusationsMax) accusations.push_back(reputation::evidence_tx(evidence));
  bring_accusations();
}

// What is refused for good (others brought it before) is done; what only does not fit now is brought again.
void Chain::Rep::bring_accusations() {
  std::erase_if(accusations, [this](const ledger::Tx& tx) {
    const Status taken = submit_async(tx, [](const Result<ledger::Applied>&) {});
    return taken || (taken.error().kind() != Kind::kExhausted && taken.error().kind() != Kind::kUnavailable);
  });
}

}  // namespace hanse::replica

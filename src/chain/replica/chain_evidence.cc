// What this validator can prove of another, and shows of itself, goes to the ledger as transactions of its own lane.
// All of it on the signer's thread, as the check before the pool verifies signatures.
#include "chain/replica/detail/rep.h"
#include "chain/reputation/reputation.h"

namespace hanse::replica {
namespace {

constexpr std::size_t kOwnTxsMax = 256;  // that no pool took yet; beyond it the newest is left to the others

}  // namespace

void Chain::Rep::bring(ledger::Tx tx) {
  if (ledger->app(tx.app) == nullptr) return;  // this network calls nobody to account
  if (own_txs.size() < kOwnTxsMax) own_txs.push_back(std::move(tx));
  bring_again();
}

// What is refused for good (others brought it before) is done; what only does not fit now is brought again.
void Chain::Rep::bring_again() {
  std::erase_if(own_txs, [this](const ledger::Tx& tx) {
    const Status taken = submit_async(tx, [](const Result<ledger::Applied>&) {});
    return taken || (taken.error().kind() != Kind::kExhausted && taken.error().kind() != Kind::kUnavailable);
  });
}

// The signature of an attest that leaves anyway, once in so many slots.
void Chain::Rep::show_presence(const consensus::SignAttest& asked, const Bytes& signature) {
  if (alone() || asked.seq < presence_shown_to) return;
  presence_shown_to = (asked.seq / reputation::kPresenceSlots + 1) * reputation::kPresenceSlots;
  const auto seats = this->seats();
  if (seats->epoch != asked.epoch) return;
  bring(reputation::testimony_tx(consensus::statement_of(
      seats->self, {.epoch = asked.epoch, .seq = asked.seq, .block = asked.block, .signature = signature})));
}

}  // namespace hanse::replica

// From one validator set to the next.
#include <algorithm>

#include "base/core/text.h"
#include "chain/replica/dag.h"
#include "chain/replica/detail/rep.h"
#include "chain/stake/stake.h"

namespace hanse::replica {
namespace {

// What is counted goes on through epochs. Every field is a count.
void add(consensus::Counters& all, const consensus::Counters& more) {
  static_assert(sizeof(consensus::Counters) % sizeof(std::uint64_t) == 0);
  std::uint64_t sum[sizeof(consensus::Counters) / sizeof(std::uint64_t)], one[std::size(sum)];
  std::memcpy(sum, &all, sizeof sum);
  std::memcpy(one, &more, sizeof one);
  for (std::size_t i = 0; i < std::size(sum); ++i) sum[i] += one[i];
  std::memcpy(&all, sum, sizeof sum);
}

}  // namespace

consensus::Counters Chain::Rep::all_counters() const {
  consensus::Counters all = counted;
  add(all, replica->counters());
  return all;
}

std::shared_ptr<const Seats> Chain::Rep::seats() const {
  const std::lock_guard lock(mutex);
  return at;
}

void Chain::Rep::seat(std::shared_ptr<const Seats> seats) {
  places.emplace(seats);
  const std::lock_guard lock(mutex);
  at = std::move(seats);
}

// Who has a stake may follow, and be a validator in the next epoch: it is known to the network from its join on.
Status Chain::Rep::meet_members() {
  if (!net || !ledger->genesis().apps.contains(stake::kStakeApp)) return {};
  TRY(const ledger::View view, ledger->view());
  TRY(const auto members, stake::members(view));
  TRY(const Numbers numbers, read_numbers(ledger->genesis(), view));
  for (const stake::Member& m : members) {
    const PeerNumber number = numbers.at(m.validator());
    // An address that cannot be used harms only who gave it.
    if (number != own_number) (void)net->meet(number, m.key, m.address);
  }
  return {};
}

// In a turn; the epoch's last block and its certificate are durable.
void Chain::Rep::next_epoch(NextEpoch next) {
  const auto made = [&]() -> Status {
    TRY(const ledger::View view, ledger->view());
    TRY(const Numbers numbers, read_numbers(ledger->genesis(), view));
    TRY(auto seats, make_seats({.network = ledger->network(),
                                .epoch = next.epoch,
                                .base = next.base,
                                .base_block = next.base_block,
                                .set = std::move(next.set)},
                               key, numbers));
    TRY(consensus::Config config, this->config(*seats));
    for (consensus::VertexFrame& v : replica->unordered()) again.push_back(std::move(v));
    counted = all_counters();
    consensus::Start from;
    from.executed = next.base;
    from.executed_block = next.base_block;
    from.wants_block = next.wants_block;
    from.token = next.end.token;
    from.abstain = next.end.abstaining;
    from.abstain_bound = next.end.abstain_bound;
    TRY(replica, consensus::Replica::create(std::move(config), std::move(from), *seats->oracle, now()));
    seat(std::move(seats));
    return {};
  }();
  if (!made) return halt(made.error());
  if (at->follows()) {
    again.clear();
    {
      const std::lock_guard lock(mutex);
      pool->clear();
      waiting_txs = 0;
    }
    answer_all(Error(Kind::kUnavailable, "replica.follower",
                     text("this node is in no validator set from epoch {} on; the transaction may be in none of its "
                          "batches",
                          at->epoch)));
  }
  consensus::Effects all;
  for (const PeerNumber peer : ups)
    if (const auto place = places->of(peer))
      for (auto& send : replica->peer_up(now(), *place).sends) all.sends.push_back(std::move(send));
  carry_out(std::move(all));
}

}  // namespace hanse::replica

// Many transactions in one call: the same steps as one, with the locks and the view taken once.
#include "chain/replica/detail/rep.h"

namespace hanse::replica {
namespace {

using ledger::Applied;

struct Candidate {
  std::size_t place = 0;
  Hash32 id;
  Bytes bytes;
  std::optional<AccountId> payer;
};

}  // namespace

void Chain::submit_each(std::vector<ledger::Tx> txs, EachAnswer each) {
  Rep& r = *rep_;
  const auto shared = std::make_shared<const EachAnswer>(std::move(each));  // of the answers that come later
  const auto refuse_all = [&](const Error& why) {
    for (std::size_t i = 0; i < txs.size(); ++i) (*shared)(i, std::unexpected(why.clone()));
  };
  const auto open = [&r] {
    const std::lock_guard lock(r.mutex);
    return r.refuse_locked();
  };
  if (const Status good = open(); !good) return refuse_all(good.error());
  const auto now = r.ledger->view();
  if (!now) return refuse_all(now.error());
  const std::int64_t wall_ms = r.clock->wall_ms();
  std::vector<Candidate> candidates;
  candidates.reserve(txs.size());
  for (std::size_t i = 0; i < txs.size(); ++i) {
    Candidate c{.place = i, .id = {}, .bytes = ledger::encode_tx(txs[i]), .payer = {}};
    c.id = ledger::tx_id(c.bytes);
    auto before = now->tx_result(c.id);
    if (!before) {
      (*shared)(i, std::unexpected(std::move(before).error()));
    } else if (*before) {
      (*shared)(i, **std::move(before));
    } else if (Status good = now->check(txs[i], wall_ms); !good) {
      (*shared)(i, std::unexpected(std::move(good).error()));
    } else {
      c.payer = r.ledger->app(txs[i].app)->payer(txs[i]);
      candidates.push_back(std::move(c));
    }
  }
  const std::int64_t since_ns = r.clock->mono_ns();
  std::vector<std::pair<std::size_t, Error>> refused;
  bool due = false;
  {
    const std::lock_guard lock(r.mutex);
    const bool empty_before = r.pool->count() == 0, short_before = r.pool->bytes() < kBatchBytesGoal;
    for (Candidate& c : candidates) {
      Status taken = r.refuse_locked();
      if (taken && !r.pool->pending(c.id)) taken = r.pool->add(c.id, std::move(c.bytes), c.payer, since_ns);
      if (!taken) {
        refused.emplace_back(c.place, std::move(taken).error());
        continue;
      }
      const auto [it, fresh] = r.waiting.try_emplace(c.id, Rep::Waiting{.first = {}, .more = {}, .since_ns = since_ns});
      (fresh ? it->second.first : it->second.more.emplace_back()) = [shared, place = c.place](Result<Applied> answer) {
        (*shared)(place, std::move(answer));
      };
    }
    r.waiting_txs = r.pool->count();
    due = (empty_before && r.pool->count() > 0) || (short_before && r.pool->bytes() >= kBatchBytesGoal);
  }
  if (due) r.inbox->kick();
  for (auto& [place, error] : refused) (*shared)(place, std::unexpected(std::move(error)));
}

}  // namespace hanse::replica

#include "sim/world/detail/world.h"

// Clients: one operation at a time each, sent to some replica, and to another one until it is answered. An operation is
// answered by the first honest replica that executed it.

namespace hanse::sim::detail {

void World::start_operation(std::uint32_t client) {
  Client& c = clients_[client];
  if (c.waiting || (calm_ && c.probed)) return;
  if (calm_) c.probed = true;
  c.waiting = true;
  c.tx = {.client = static_cast<std::uint16_t>(client),
          .number = ++c.number,
          .key = static_cast<std::uint8_t>(client_dice_.below(plan_.tuning.keys)),
          .kind = static_cast<OpKind>(client_dice_.below(3)),
          .arg = client_dice_.next(),
          .expected = 0};
  if (c.tx.kind == OpKind::kCas) c.tx.expected = c.known[c.tx.key];
  c.op = history_.size();
  history_.push_back(
      {.key = c.tx.key, .kind = c.tx.kind, .arg = c.tx.arg, .expected = c.tx.expected, .answer = 0, .call_ns = now_});
  submit(client);
}

void World::submit(std::uint32_t client) {
  auto to = static_cast<HostId>(client_dice_.below(calm_ ? core_.size() : plan_.n));
  if (calm_) {
    to = core_[to];
    for (const HostId id : core_)  // who only follows takes no transactions
      if (host(to).facts.follower && !host(id).facts.follower) to = id;
  }
  push(EventKind::kSubmit, now_ + client_dice_.log_normal(plan_.tuning.delay_us * kUs), to, client,
       clients_[client].number);
  push(EventKind::kRetry, now_ + 3 * plan_.tuning.timeout_ms * kMs, 0, client, clients_[client].number);
}

void World::arrive(Host& h, std::uint32_t client) { put(h, clients_[client].tx); }

void World::put(Host& h, const Tx& tx) {
  if (!h.up) return;
  encode_tx(h.pool, tx);
  ++h.pool_count;
  flush_soon(h);
}

void World::flush_soon(Host& h) {
  if (h.flushing) return;
  h.flushing = true;
  push(EventKind::kFlush, now_ + 200 * kUs, h.id, 0, h.gen);
}

void World::flush(Host& h) {
  h.flushing = false;
  if (h.pool_count == 0) return;
  if (!h.replica->lane_open()) {
    h.pool.clear();  // clients try elsewhere
    h.pool_count = 0;
    return;
  }
  step(h, Step::kOther, [&](Replica& r, consensus::Now now) {
    auto effects = r.submit(now, h.pool, h.pool_count);
    if (effects) return *std::move(effects);
    safety_.fail_rule("lane", effects.error().str());
    return Effects{};
  });
  h.pool.clear();
  h.pool_count = 0;
}

void World::answered(const Block& block) {
  for (const Block::Done& d : block.done) {
    Client& c = clients_[d.client];
    if (!c.waiting || c.number != d.number) continue;
    c.waiting = false;
    history_[c.op].answer = d.answer;
    history_[c.op].answer_ns = now_;
    if (c.tx.kind != OpKind::kCas) c.known[c.tx.key] = d.answer;
    if (c.tx.kind == OpKind::kCas && d.answer == 1) c.known[c.tx.key] = c.tx.arg;
    ++outcome_.operations;
    push(EventKind::kClient, now_ + (calm_ ? kMs : client_dice_.log_normal(plan_.tuning.think_us * kUs)), 0, d.client);
  }
}

bool World::all_answered() const {
  return std::ranges::all_of(clients_, [](const Client& c) { return !c.waiting && c.probed; });
}

}  // namespace hanse::sim::detail

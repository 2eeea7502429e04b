// A handful of replicas in one process for the tests of this room: frames arrive at once and in order, records are
// durable when the test says so, execution chains digests. The simulator (sim/world) is the real test bed.
#pragma once

#include <algorithm>
#include <deque>
#include <iterator>

#include "base/core/check.h"
#include "base/crypto/hash.h"
#include "chain/consensus/replica.h"

namespace hanse::consensus {

// Signatures that only the oracle can make: a keyed hash of signer, purpose and message.
class TestOracle final : public Oracle {
 public:
  // `members`: who sits in which place of the set; nothing: everybody in its own.
  explicit TestOracle(Index self, std::vector<Index> members = {}) : self_(self), members_(std::move(members)) {}
  Bytes sign(Purpose purpose, ByteView message) override { return token(self_, purpose, message); }
  bool verify(Index signer, Purpose purpose, ByteView message, ByteView signature) override {
    if (!members_.empty() && signer >= members_.size()) return false;
    return equal(token(members_.empty() ? signer : members_[signer], purpose, message), signature);
  }
  static Bytes token(Index signer, Purpose purpose, ByteView message) {
    const Bytes head = {static_cast<std::uint8_t>(signer), static_cast<std::uint8_t>(purpose)};
    return to_bytes(crypto::blake3("hanse/test-oracle/1", {head, message}).view());
  }

 private:
  Index self_;
  std::vector<Index> members_;
};

class TestCluster {
 public:
  struct Node {
    std::unique_ptr<TestOracle> oracle;
    std::unique_ptr<Replica> replica;
    std::vector<Record> records;  // durable
    std::vector<Record> volatile_records;
    std::vector<Execute> executed;
    std::deque<Execute> not_executed;
    std::vector<Certificate> certificates;
    std::vector<Notice> notices;
    std::map<Seq, Execute> store;
    Hash32 root;
    std::map<Seq, Hash32> roots;
    bool up = true;
    bool sync = true;     // records become durable at once
    bool sign = true;     // attests are signed at once
    bool execute = true;  // slots are executed at once
    bool states = true;   // proposals, vertices and votes are signed at once; otherwise never
    std::map<Purpose, std::size_t> said;
    std::vector<Evidence> evidence;
    std::vector<SignAttest> unsigned_attests;
    std::uint64_t token = 0;
    std::uint64_t epoch = 0;
    Seq base = 0;
    std::vector<EpochEnd> ends;
  };

  explicit TestCluster(std::vector<std::uint16_t> bp, std::uint32_t quorum = 6'700)
      : power_(make(std::move(bp), quorum)) {
    nodes.resize(power_.count());
    for (Index i = 0; i < power_.count(); ++i) boot(i, {});
  }
  static TestCluster equal_powers(std::size_t n) {
    std::vector<std::uint16_t> bp(n, static_cast<std::uint16_t>(kPowerTotal / n));
    for (std::size_t i = 0; i < kPowerTotal % n; ++i) ++bp[i];
    return TestCluster(std::move(bp));
  }

  std::size_t execution_bytes_max = Config().execution_bytes_max;  // from the next boot on

  // Epochs: who sits in the set of each; those after the last listed keep it. Powers are equal from the second on.
  std::vector<std::vector<Index>> members;
  std::function<bool(std::uint64_t epoch, Seq seq)> due = [](std::uint64_t, Seq) { return false; };
  std::vector<Index> members_of(std::uint64_t epoch) const {
    std::vector<Index> all;
    for (Index i = 0; i < nodes.size(); ++i) all.push_back(i);
    return epoch == 0 || members.empty() ? all : members[std::min<std::size_t>(epoch - 1, members.size() - 1)];
  }
  Index place(std::uint64_t epoch, Index node) const {  // in the set, or behind it
    const auto all = members_of(epoch);
    const auto at = std::find(all.begin(), all.end(), node);
    return static_cast<Index>(at == all.end() ? all.size() + node : static_cast<std::size_t>(at - all.begin()));
  }

  Config config(Index i) const {
    const Node& node = nodes[i];
    const auto all = members_of(node.epoch);
    Config c;
    c.epoch = node.epoch;
    c.self = place(node.epoch, i);
    if (c.self >= all.size()) c.self = kFollower;
    c.power = power_;
    if (node.epoch > 0) {
      std::vector<std::uint16_t> bp(all.size(), static_cast<std::uint16_t>(kPowerTotal / all.size()));
      for (std::size_t k = 0; k < kPowerTotal % all.size(); ++k) ++bp[k];
      c.power = make(std::move(bp), power_.quorum());
    }
    c.base = node.base;
    c.execution_bytes_max = execution_bytes_max;
    if (node.base > 0) c.base_block = node.roots.at(node.base);
    return c;
  }

  void boot(Index i, Start start) {
    Node& node = nodes[i];
    node.oracle = std::make_unique<TestOracle>(i, members_of(node.epoch));
    auto made = Replica::create(config(i), std::move(start), *node.oracle, now());
    check(made.has_value(), "a replica starts");
    node.replica = std::move(*made);
    node.up = true;
  }

  // Power cut: what was not durable is gone, and so is what the ledger did not keep.
  void crash(Index i) {
    nodes[i].up = false;
    nodes[i].volatile_records.clear();
  }
  void restart(Index i) {
    Node& node = nodes[i];
    Start start;
    if (!node.executed.empty()) {
      start.executed = node.executed.back().seq;
      start.executed_block = node.root;
      start.cut = node.executed.back().seq == node.base ? std::vector<Tip>() : node.executed.back().cut;
    }
    for (const Certificate& c : node.certificates)
      if (c.seq % 32 == 0 && c.seq > start.stable.seq && c.seq <= start.executed) start.stable = c;
    start.epoch_due = due(node.epoch, start.executed);
    for (Seq m = node.base; m <= start.executed && start.epoch_end == 0; m += 32)
      if (due(node.epoch, m) && m > 0) start.epoch_end = m + 32;
    start.records = node.records;
    node.token = 0;
    boot(i, std::move(start));
    meet(i);
  }
  void meet(Index i) {
    for (Index peer = 0; peer < nodes.size(); ++peer) {
      if (peer == i || !nodes[peer].up) continue;
      take(i, nodes[i].replica->peer_up(now(), place(nodes[i].epoch, peer)));
      take(peer, nodes[peer].replica->peer_up(now(), place(nodes[peer].epoch, i)));
    }
  }

  // What the driver does when an epoch ended.
  void next_epoch(Index i, const EpochEnd& ended) {
    Node& node = nodes[i];
    node.ends.push_back(ended);
    node.certificates.push_back(ended.certificate);
    const auto rest = node.replica->unordered();
    node.base = node.executed.back().seq;
    ++node.epoch;
    Start start;
    start.executed = node.base;
    start.executed_block = node.root;
    start.token = node.token + node.volatile_records.size();
    start.epoch_due = due(node.epoch, node.base);
    if (start.epoch_due) start.epoch_end = node.base + 32;
    start.abstain = ended.abstaining;
    start.abstain_bound = ended.abstain_bound;
    boot(i, std::move(start));
    // The channels stay: only this side hears of them anew.
    for (Index peer = 0; peer < nodes.size(); ++peer)
      if (peer != i && nodes[peer].up) take(i, node.replica->peer_up(now(), place(node.epoch, peer)));
    if (config(i).self == kFollower) return;
    for (const VertexFrame& v : rest) check(submit(i, as_text(v.batch())).has_value(), "an open lane");
  }

  Now now() const { return {.mono_ns = now_ns_, .wall_ms = 1'000'000 + now_ns_ / 1'000'000}; }

  Status submit(Index i, std::string_view batch) {
    auto effects = nodes[i].replica->submit(now(), as_bytes(batch), 1);
    if (!effects) return std::unexpected(std::move(effects).error());
    take(i, std::move(*effects));
    return {};
  }

  // Delivers until nothing is under way. `drop` says which frames are lost.
  using Drop = std::function<bool(Index from, Index to, Type type)>;
  void run(const Drop& drop = nullptr) {
    while (!wire_.empty() || !slow_.empty()) {
      if (wire_.empty()) wire_.swap(slow_);
      const Flight f = std::move(wire_.front());
      wire_.pop_front();
      if (!nodes[f.to].up || !nodes[f.from].up || (drop && drop(f.from, f.to, f.type))) continue;
      if (f.type == overtaken && !wire_.empty()) {
        slow_.push_back(f);
        continue;
      }
      ++delivered[static_cast<std::size_t>(f.type)];
      take(f.to, nodes[f.to].replica->receive(now(), place(nodes[f.to].epoch, f.from),
                                              static_cast<std::uint8_t>(f.type), f.body));
    }
  }
  // Lets time pass, waking replicas when they ask for it.
  void advance_ms(std::int64_t ms, const Drop& drop = nullptr) {
    const std::int64_t end = now_ns_ + ms * 1'000'000;
    while (true) {
      run(drop);
      std::int64_t next = end;
      for (const Node& node : nodes)
        if (node.up) next = std::min(next, node.replica->wake_ns());
      now_ns_ = std::max(now_ns_, next);
      if (next >= end) break;
      for (Index i = 0; i < nodes.size(); ++i)
        if (nodes[i].up && nodes[i].replica->wake_ns() <= now_ns_) take(i, nodes[i].replica->tick(now()));
      ++now_ns_;
    }
    now_ns_ = end;
    run(drop);
  }

  // Makes what waits durable, for nodes with sync off.
  void make_durable(Index i) {
    Node& node = nodes[i];
    node.token += node.volatile_records.size();
    for (Record& r : node.volatile_records) node.records.push_back(std::move(r));
    node.volatile_records.clear();
    take(i, node.replica->durable(now(), node.token));
  }

  void sign_now(Index i) {
    for (const SignAttest& s : std::exchange(nodes[i].unsigned_attests, {}))
      take(i, nodes[i].replica->attested(now(), s.seq, nodes[i].oracle->sign(Oracle::Purpose::kAttest, s.message())));
  }

  void execute_now(Index i) {
    nodes[i].execute = true;
    take(i, {});
  }

  void inject(Index from, Index to, Type type, const Bytes& body) {
    take(to,
         nodes[to].replica->receive(now(), from, static_cast<std::uint8_t>(type), std::make_shared<const Bytes>(body)));
  }

  void take(Index i, Effects e) {
    Node& node = nodes[i];
    const std::uint64_t epoch = node.epoch;
    const auto node_at = [&](Index to) {
      const auto all = members_of(epoch);
      return to < all.size() ? all[to] : static_cast<Index>(to - all.size());
    };
    for (Record& r : e.records) node.volatile_records.push_back(std::move(r));
    for (Send& s : e.sends)
      for (Index to = 0; to < nodes.size(); ++to)
        if (to != i && (s.to == kEveryone || s.to == place(epoch, to))) wire_.push_back({i, to, s.type, s.body});
    for (Certificate& c : e.certificates) node.certificates.push_back(std::move(c));
    for (Notice& n : e.notices) node.notices.push_back(std::move(n));
    for (const ServeSlots& s : e.serve_slots)
      for (Seq seq = s.first; seq <= s.last; ++seq) {
        const Execute& x = node.store.at(seq);
        if (s.vertices)
          for (const VertexFrame& v : x.vertices) wire_.push_back({i, node_at(s.to), Type::kVertex, v.frame});
        wire_.push_back({i, node_at(s.to), Type::kSlot, slot_frame(seq, x.proposal)});
      }
    for (const ServeVertex& s : e.serve_vertices) {
      Hash32 id = s.id;
      std::size_t left = s.vertices_max;
      for (auto x = node.store.rbegin(); x != node.store.rend(); ++x)
        for (auto v = x->second.vertices.rbegin(); v != x->second.vertices.rend(); ++v) {
          if (v->id != id || left == 0 || v->vertex.height <= s.above) continue;
          wire_.push_back({i, node_at(s.to), Type::kVertex, v->frame});
          id = v->vertex.parents[0];
          --left;
        }
    }
    for (const ServeHandover& s : e.serve_handovers)
      if (s.epoch < node.ends.size())
        wire_.push_back({i, node_at(s.to), Type::kHandover,
                         std::make_shared<const Bytes>(
                             encode(Handover{.epoch = s.epoch, .certificate = node.ends[s.epoch].certificate}))});
    for (const SignAttest& s : e.signs)
      if (!node.sign) {
        node.unsigned_attests.push_back(s);
      } else
        take(i, node.replica->attested(now(), s.seq, node.oracle->sign(Oracle::Purpose::kAttest, s.message())));
    for (Evidence& found : e.evidence) node.evidence.push_back(std::move(found));
    for (Statement& s : e.states) {
      if (!node.states) continue;
      ++node.said[s.purpose];
      s.signature = node.oracle->sign(s.purpose, statement_message(s));
      take(i, node.replica->stated(now(), std::move(s)));
    }
    for (const CheckStatement& c : e.checks) {
      const Statement& s = c.statement;
      const bool good = node.oracle->verify(s.replica, s.purpose, statement_message(s), s.signature);
      take(i, node.replica->checked(now(), c, good ? Signature::kGood : Signature::kBad));
    }
    std::ranges::move(e.executes, std::back_inserter(node.not_executed));
    while (node.execute && !node.not_executed.empty()) {
      Execute x = std::move(node.not_executed.front());
      node.not_executed.pop_front();
      Bytes all;
      for (const VertexFrame& v : x.vertices) append(all, v.batch());
      node.root = crypto::blake3("hanse/test-block/1", {node.root.view(), x.digest.view(), all});
      const Seq seq = x.seq;
      node.roots[seq] = node.root;
      node.store[seq] = x;
      node.executed.push_back(std::move(x));
      take(i, node.replica->executed(now(), {.seq = seq, .block = node.root, .epoch_due = due(node.epoch, seq)}));
    }
    if (node.sync && !node.volatile_records.empty()) make_durable(i);
    if (e.epoch_ended) next_epoch(i, *e.epoch_ended);
  }

  std::string order(Index i) const {  // the batches in order of execution
    std::string out;
    for (const Execute& x : nodes[i].executed)
      for (const VertexFrame& v : x.vertices) out += std::string(as_text(v.batch())) + " ";
    return out;
  }

  std::vector<Node> nodes;
  std::optional<Type> overtaken;  // frames of this type arrive when nothing else is under way
  std::array<std::uint64_t, kTypeCount> delivered{};

 private:
  struct Flight {
    Index from, to;
    Type type;
    Frame body;
  };
  static Power make(std::vector<std::uint16_t> bp, std::uint32_t quorum) {
    auto power = Power::create(std::move(bp), quorum, 8'000);
    check(power.has_value(), "powers are valid");
    return *power;
  }
  Power power_;
  std::deque<Flight> wire_, slow_;
  std::int64_t now_ns_ = 1'000'000'000;
};

}  // namespace hanse::consensus

// Hosts made of real ledgers, a lagging ledger and what it fetches with, in virtual time: for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include "chain/sync/sync.h"

#include "base/core/random.h"
#include "chain/consensus/cut.h"
#include "chain/ledger/install.h"
#include "chain/ledger/test_net.h"

namespace hanse::sync {

using consensus::Index;
using ledger::Ledger;
using ledger::TempDir;
using ledger::TestNet;
using ledger::Tx;

constexpr std::size_t kHosts = 4;
constexpr std::uint8_t kFillApp = 9;

// A transaction of u32 n, u32 size: puts `size` bytes under a key of n.
class FillApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kFillApp; }
  std::string_view name() const override { return "fill"; }
  Status genesis(ByteView, const NetworkId&, ledger::State&) override { return {}; }
  Status check(const Tx&, const ledger::BlockContext&, const ledger::StateReader&) const override { return {}; }
  Status begin(const ledger::BlockContext&, ledger::State&) override { return {}; }
  ledger::TxResult apply(const Tx& tx, const ledger::BlockContext&, ledger::State& state) override {
    const auto n = load_le<std::uint32_t>(tx.body.data()), size = load_le<std::uint32_t>(tx.body.data() + 4);
    state.put(as_bytes(text("fill/{}", n)), Bytes(size, static_cast<std::uint8_t>(n)));
    return {};
  }
  Result<ledger::EndResult> end(const ledger::BlockContext&, ledger::State&) override { return ledger::EndResult{}; }
  Result<Bytes> query(std::string_view, ByteView, const ledger::StateReader&) const override { return Bytes{}; }
};

inline Tx fill(std::uint32_t n, std::uint32_t size) {
  Bytes body(8);
  store_le(body.data(), n);
  store_le(body.data() + 4, size);
  return {.app = kFillApp, .body = body};
}

// What a host may do instead of answering.
enum class Fault : std::uint8_t { kNone, kSilent, kLies, kForgets };

struct World {
  TempDir dir{testing::TempDir()};
  std::string folder;
  SeededRandom random;
  light::Genesis genesis;
  FillApp app;
  std::unique_ptr<Ledger> source, target;
  std::map<Height, ledger::View> snapshots;
  std::array<Fault, kHosts> faults{};
  std::int64_t now_ns = 1'000'000'000;
  struct Flight {
    std::int64_t at_ns;
    Index from;
    consensus::Frame body;
  };
  std::vector<Flight> wire;
  std::unique_ptr<Sync> sync;
  std::optional<Head> complete;
  bool gave_up = false;
  std::string contradiction;
  std::size_t steps = 0, stores = 0, begins = 0;
  std::size_t die_after = 0;  // stores; 0 = never

  // In a folder of its own, or in one that the caller keeps.
  explicit World(std::uint64_t seed, std::string in = {})
      : folder(in.empty() ? dir.path() : std::move(in)), random(seed, "sync") {
    genesis.name = "sync";
    genesis.time_ms = 1'000;
    genesis.validators = TestNet::validator_set(kHosts);
    genesis.apps[kFillApp] = {};
    source = open("source");
    target = open("target");
  }
  ~World() { snapshots.clear(); }

  std::unique_ptr<Ledger> open(std::string_view name) {
    auto opened = Ledger::open(text("{}/{}", folder, name), genesis, {&app},
                               {.cache_bytes = 4u << 20, .write_buffer_bytes = 4u << 20});
    check(opened.has_value(), opened ? "" : "a ledger opens");
    return std::move(*opened);
  }
  static ledger::Cut cut_of(const Ledger& ledger, std::vector<Tx> txs) {
    return {.height = ledger.tip().header.height.plus(1),
            .time_ms = ledger.tip().header.time_ms + 5,
            .leader = ledger.genesis().validators.validators[0].id(),
            .txs = std::move(txs),
            .id = consensus::cut_id({}, {})};
  }
  static void apply(Ledger& ledger, std::vector<Tx> txs) {
    const auto made = ledger.execute(cut_of(ledger, std::move(txs)));
    check(made.has_value() && ledger.commit(*made, ledger::Keep::kNo), "a block is made");
  }
  // Blocks with some random writes, then a certified snapshot.
  void grow(std::size_t blocks, std::size_t txs, std::uint32_t size_max) {
    for (std::size_t b = 0; b < blocks; ++b) {
      std::vector<Tx> all;
      for (std::size_t n = 0; n < txs; ++n)
        all.push_back(fill(static_cast<std::uint32_t>(random.below(4'000)),
                           static_cast<std::uint32_t>(random.below(size_max + 1))));
      apply(*source, std::move(all));
    }
    const light::BlockHeader tip = source->tip().header;
    light::Certificate certificate;
    for (std::uint16_t n = 0; n < 3; ++n)
      certificate.attests.push_back(
          {.validator = n, .signature = light::sign_header(tip, TestNet::validator_key(n, kHosts))});
    check(source->certify(tip.height, certificate).has_value(), "a certificate holds");
    snapshots.emplace(tip.height, *source->view());
  }

  // ---- hosts

  Reply answer(const Request& request) const {
    Reply reply{.id = request.id, .what = Refused{}};
    const auto find = [&](Height height) {
      const auto it = snapshots.find(height);
      return it == snapshots.end() ? nullptr : &it->second;
    };
    if (std::holds_alternative<Ask>(request.what)) {
      auto& offers = reply.what.emplace<Offers>();
      for (const auto& [height, view] : snapshots) offers.heights.push_back(height);
    } else if (const auto* head = std::get_if<WantHead>(&request.what)) {
      if (const auto* view = find(head->height)) {
        auto shown = *view->believable(ledger::ProofWanted{});
        reply.what =
            Head{.header = shown.header, .certificate = shown.certificate, .handovers = {}, .decided = {}, .cut = {}};
      }
    } else if (const auto* past = std::get_if<WantPast>(&request.what)) {
      if (const auto* view = find(past->height)) {
        const auto found = *view->past({.first = past->first, .last = past->last}, 20'000);
        Past out{.blocks = {}, .path = found.path};
        for (const ledger::Block& b : found.blocks) out.blocks.push_back({b.header, b.tx_ids, b.result_hashes});
        reply.what = std::move(out);
      }
    }
    return reply;
  }
  Bytes answer_bytes(const Request& request) const {
    if (const auto* want = std::get_if<WantRange>(&request.what))
      if (const auto it = snapshots.find(want->height); it != snapshots.end()) {
        const auto range = *it->second.prove_range(want->range, 20'000);
        return encode(Reply{.id = request.id, .what = Range{.last = range.last, .proof = range.proof}});
      }
    return encode(answer(request));
  }
  // A host that lies answers most questions in some false way.
  Bytes lie(const Request& request) {
    Bytes bytes = answer_bytes(request);
    switch (random.below(4)) {
      case 0: bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << random.below(8)); break;
      case 1: bytes.resize(random.below(bytes.size())); break;
      case 2: {  // a good answer to another question
        Request other = request;
        if (auto* want = std::get_if<WantRange>(&other.what)) want->range.first.data[0] ^= 1;
        if (const auto* want = std::get_if<WantRange>(&other.what);
            want != nullptr && want->range.last < want->range.first)
          return {};
        if (auto* want = std::get_if<WantPast>(&other.what)) want->first = Height{want->first.value - 1};
        return answer_bytes(other);
      }
      default: break;
    }
    return bytes;
  }
  void host(Index index, const Bytes& body) {
    const auto request = decode_request(body);
    check(request.has_value() && encode(*request) == body, "a request decodes");
    const Fault fault = faults[index];
    if (fault == Fault::kSilent && !std::holds_alternative<Ask>(request->what)) return;
    Bytes bytes;
    if (fault == Fault::kForgets && !std::holds_alternative<Ask>(request->what)) {
      bytes = encode(Reply{.id = request->id, .what = Refused{}});
    } else {
      bytes = fault == Fault::kLies ? lie(*request) : answer_bytes(*request);
    }
    wire.push_back({now_ns + 1'000'000 + static_cast<std::int64_t>(random.below(20'000'000)), index,
                    std::make_shared<const Bytes>(std::move(bytes))});
  }

  // ---- the one that fetches

  void boot(std::uint64_t lag_min = 0) {
    Config config;
    config.self = 3;
    config.power_bp = {2'500, 2'500, 2'500, 2'500};
    config.trusted = light::trust(genesis);
    config.lag_min = lag_min;
    config.first_id = 1 + random.below(1u << 30);
    sync = std::make_unique<Sync>(std::move(config));
    Start start{.height = target->tip().header.height, .block = light::header_hash(target->tip().header)};
    ledger::Installer installer(*target);
    if (auto name = *installer.begun()) start.resume = Start::Resume{.name = *name, .marks = *installer.marks()};
    carry_out(sync->step(now_ns, std::move(start)));
  }
  void crash() {  // between any two stores: each is one batch
    sync.reset();
    wire.clear();
    target.reset();
    target = open("target");
    boot();
  }
  void carry_out(Effects effects) {
    ledger::Installer installer(*target);
    for (Effect& effect : effects) {
      if (auto* send = std::get_if<Send>(&effect)) host(send->to, send->body);
      if (auto* begin = std::get_if<Begin>(&effect)) {
        ++begins;
        check(installer.begin(begin->name).has_value(), "begins");
      }
      if (auto* range = std::get_if<StoreRange>(&effect)) {
        check(installer.put(range->proof.pairs, range->nodes, {range->mark.key, range->mark.value}).has_value(), "put");
        ++stores;
      }
      if (auto* past = std::get_if<StorePast>(&effect)) {
        std::vector<ledger::Block> blocks;
        for (PastBlock& b : past->blocks)
          blocks.push_back({.header = b.header, .tx_ids = b.tx_ids, .result_hashes = b.result_hashes});
        check(installer.put(blocks, {past->mark.key, past->mark.value}).has_value(), "put");
        ++stores;
      }
      if (auto* done = std::get_if<Complete>(&effect)) complete = std::move(done->head);
      if (std::holds_alternative<GaveUp>(effect)) gave_up = true;
      if (auto* why = std::get_if<Contradiction>(&effect)) contradiction = why->why;
      if (die_after != 0 && stores >= die_after) return;  // what follows was never carried out
    }
  }
  bool over() const { return complete || gave_up || !contradiction.empty() || (die_after != 0 && stores >= die_after); }
  // One message or one tick.
  void advance() {
    ++steps;
    const auto next = std::ranges::min_element(wire, {}, &Flight::at_ns);
    if (next != wire.end() && next->at_ns <= sync->wake_ns()) {
      const Flight flight = std::move(*next);
      wire.erase(next);
      now_ns = std::max(now_ns, flight.at_ns);
      return carry_out(sync->step(now_ns, Received{.from = flight.from, .body = flight.body}));
    }
    now_ns = std::max(now_ns, sync->wake_ns());
    carry_out(sync->step(now_ns, Tick{}));
  }
  void run(std::size_t steps_max = 200'000) {
    for (std::size_t n = 0; n < steps_max && !over(); ++n) advance();
  }
  void expect_installed() {
    ASSERT_TRUE(complete);
    ledger::Installer installer(*target);
    const Status done = installer.finish(
        {.header = complete->header, .certificate = complete->certificate, .handovers = complete->handovers}, {});
    ASSERT_TRUE(done) << done.error().str();
    EXPECT_EQ(target->tip().header, complete->header);
    const Status audited = target->audit();
    EXPECT_TRUE(audited) << audited.error().str();
    // It goes on as the others do.
    const auto at = snapshots.find(complete->header.height);
    ASSERT_NE(at, snapshots.end());
    for (std::uint64_t height = 1; height <= complete->header.height.value; height += 7)
      EXPECT_EQ(target->view()->block(Height{height})->header, at->second.block(Height{height})->header);
  }
};

}  // namespace hanse::sync

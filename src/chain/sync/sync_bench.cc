// State sync between two ledgers in one process: a host's thread proves ranges, the other thread checks and stores
// them, as chain/replica does with a network between. The floor of the same run is a plain copy: the pairs read from
// one store in order and written to another of the same settings, with nothing proved, hashed or kept beside them.
// HANSE_BENCH_DIR chooses the folder (default: the current one), HANSE_BENCH_MB the size of each state (default 128).
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "base/core/clock.h"
#include "chain/consensus/cut.h"
#include "chain/ledger/install.h"
#include "chain/ledger/test_net.h"
#include "chain/sync/sync.h"

namespace hanse::sync {
namespace {

using consensus::Index;
using ledger::Ledger;
using ledger::TempDir;
using ledger::TestNet;

constexpr std::uint8_t kBulkApp = 11;

// A transaction of u32 first, u32 count, u32 size: puts `count` values of `size` bytes.
class BulkApp final : public ledger::App {
 public:
  std::uint8_t number() const override { return kBulkApp; }
  std::string_view name() const override { return "bulk"; }
  Status genesis(ByteView, const NetworkId&, ledger::State&) override { return {}; }
  Status check(const ledger::Tx&, const ledger::BlockContext&, const ledger::StateReader&) const override { return {}; }
  Status begin(const ledger::BlockContext&, ledger::State&) override { return {}; }
  ledger::TxResult apply(const ledger::Tx& tx, const ledger::BlockContext&, ledger::State& state) override {
    const auto at = [&](std::size_t n) { return load_le<std::uint32_t>(tx.body.data() + 4 * n); };
    SeededRandom random(at(0), "bulk");
    Bytes value(at(2));
    for (std::uint32_t n = 0; n < at(1); ++n) {
      random.fill(value);
      state.put(as_bytes(text("bulk/account/{:016}", at(0) + n)), value);
    }
    return {};
  }
  Result<ledger::EndResult> end(const ledger::BlockContext&, ledger::State&) override { return ledger::EndResult{}; }
  Result<Bytes> query(std::string_view, ByteView, const ledger::StateReader&) const override { return Bytes{}; }
};

double seconds_since(std::int64_t before_ns) { return static_cast<double>(system_clock().mono_ns() - before_ns) / 1e9; }

struct Bench {
  TempDir dir;
  BulkApp app;
  light::Genesis genesis;
  std::unique_ptr<Ledger> source, target;
  std::size_t value_size;
  double megabytes = 0;

  Bench(const std::string& base, std::size_t value, std::size_t megabytes_wanted) : dir(base), value_size(value) {
    genesis.name = "sync bench";
    genesis.time_ms = 1'000;
    genesis.validators = TestNet::validator_set(1);
    genesis.apps[kBulkApp] = {};
    source = open("source");
    target = open("target");
    const std::size_t per_block = std::max<std::size_t>(1, (4u << 20) / (value + 32));
    for (std::size_t n = 0; megabytes < static_cast<double>(megabytes_wanted); n += per_block) {
      grow(n, per_block);
      megabytes += static_cast<double>(per_block * (value + 29)) / 1e6;
    }
    const light::BlockHeader tip = source->tip().header;
    check(source
              ->certify(tip.height,
                        {.attests = {{.validator = 0, .signature = light::sign_header(tip, TestNet::validator_key())}}})
              .has_value(),
          "certified");
  }
  std::unique_ptr<Ledger> open(std::string_view name) {
    auto opened = Ledger::open(text("{}/{}", dir.path(), name), genesis, {&app}, {});
    check(opened.has_value(), "opens");
    return std::move(*opened);
  }
  void grow(std::size_t first, std::size_t count) {
    ledger::Tx tx{.app = kBulkApp, .body = Bytes(12)};
    store_le(tx.body.data(), static_cast<std::uint32_t>(first));
    store_le(tx.body.data() + 4, static_cast<std::uint32_t>(count));
    store_le(tx.body.data() + 8, static_cast<std::uint32_t>(value_size));
    const auto made = source->execute({.height = source->tip().header.height.plus(1),
                                       .time_ms = source->tip().header.time_ms + 5,
                                       .leader = genesis.validators.validators[0].id(),
                                       .txs = {tx},
                                       .id = consensus::cut_id({}, {})});
    check(made && source->commit(*made), "a block is made");
  }

  void print(const char* what, double value, double floor) {
    std::printf(
        "{\"room\":\"sync\",\"name\":\"%zu_byte_values_%s\",\"value\":%.1f,\"unit\":\"MB/s\",\"floor\":%.1f,"
        "\"floor_what\":\"plain copy of the pairs\",\"ratio\":%.2f}\n",
        value_size, what, value, floor, floor > 0 ? value / floor : 0);
    std::fflush(stdout);
  }

  double copy() {
    auto store = kv::Store::open(dir.path() + "/copy", {.families = {"state"}, .create = kv::Create::kIfMissing});
    check(store.has_value(), "opens");
    const ledger::View view = *source->view();
    const std::int64_t before_ns = system_clock().mono_ns();
    kv::Batch batch;
    const auto flush = [&] {
      check((*store)->write(std::exchange(batch, kv::Batch()), kv::Sync::kNo).has_value(), "w");
    };
    check(view.scan({}, {},
                    [&](ByteView key, ByteView value) {
                      batch.put(kv::Family{0}, key, value);
                      if (batch.size_bytes() >= kAnswerBytesGoal) flush();
                      return true;
                    })
              .has_value(),
          "reads");
    flush();
    check((*store)->sync().has_value(), "syncs");
    return megabytes / seconds_since(before_ns);
  }

  // Only the host's side: every range proved and encoded.
  double prove() {
    const ledger::View view = *source->view();
    const std::int64_t before_ns = system_clock().mono_ns();
    for (std::optional<Hash32> first = Hash32{}; first;) {
      const auto range = view.prove_range({*first, light::kKeyHashMax}, kAnswerBytesGoal);
      check(range.has_value(), "proves");
      first = light::next_key_hash(range->last);
    }
    return megabytes / seconds_since(before_ns);
  }

  // Questions to the host's thread, answers back.
  struct Wire {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Bytes> questions;
    std::deque<consensus::Frame> answers;
    bool over = false;
  };
  void host(Wire& wire) {
    const ledger::View view = *source->view();
    std::unique_lock lock(wire.mutex);
    for (;;) {
      wire.wake.wait(lock, [&] { return wire.over || !wire.questions.empty(); });
      if (wire.over) return;
      const Bytes body = std::move(wire.questions.front());
      wire.questions.pop_front();
      lock.unlock();
      auto answer = std::make_shared<const Bytes>(answer_to(view, *decode_request(body)));
      lock.lock();
      wire.answers.push_back(std::move(answer));
      wire.wake.notify_all();
    }
  }
  static Bytes answer_to(const ledger::View& view, const Request& request) {
    if (const auto* want = std::get_if<WantRange>(&request.what)) {
      const auto range = view.prove_range(want->range, kAnswerBytesGoal);
      return encode(Reply{.id = request.id, .what = Range{.last = range->last, .proof = range->proof}});
    }
    Reply reply{.id = request.id, .what = Offers{.heights = {view.height()}}};
    if (const auto* want = std::get_if<WantPast>(&request.what)) {
      const auto found = view.past({.first = want->first, .last = want->last}, kAnswerBytesGoal);
      auto& past = reply.what.emplace<Past>();
      past.path = found->path;
      for (const ledger::Block& b : found->blocks) past.blocks.push_back({b.header, b.tx_ids, b.result_hashes});
    } else if (std::holds_alternative<WantHead>(request.what)) {
      auto shown = *view.believable(ledger::ProofWanted{});
      reply.what =
          Head{.header = shown.header, .certificate = shown.certificate, .handovers = {}, .decided = {}, .cut = {}};
    }
    return encode(reply);
  }

  double sync() {
    Wire wire;
    std::jthread hosting([&] { host(wire); });
    Config config;
    config.self = 1;
    config.power_bp = {10'000, 0};
    config.trusted = light::trust(genesis);
    config.bytes_per_s = 4ull << 30;
    Sync core(std::move(config));
    ledger::Installer installer(*target);
    std::optional<Head> complete;
    const auto carry_out = [&](Effects effects) {
      for (Effect& effect : effects) {
        if (auto* send = std::get_if<Send>(&effect)) {
          const std::lock_guard lock(wire.mutex);
          wire.questions.push_back(std::move(send->body));
          wire.wake.notify_all();
        }
        if (auto* begin = std::get_if<Begin>(&effect)) check(installer.begin(begin->name).has_value(), "begins");
        if (auto* range = std::get_if<StoreRange>(&effect))
          check(installer.put(range->proof.pairs, range->nodes, {range->mark.key, range->mark.value}).has_value(), "w");
        if (auto* past = std::get_if<StorePast>(&effect)) {
          std::vector<ledger::Block> blocks;
          for (PastBlock& b : past->blocks) blocks.push_back({b.header, b.tx_ids, b.result_hashes});
          check(installer.put(blocks, {past->mark.key, past->mark.value}).has_value(), "w");
        }
        if (auto* done = std::get_if<Complete>(&effect)) complete = std::move(done->head);
        check(!std::holds_alternative<Refuse>(effect) && !std::holds_alternative<GaveUp>(effect), "an honest host");
      }
    };
    const std::int64_t before_ns = system_clock().mono_ns();
    carry_out(core.step(before_ns, Start{.height = {}, .block = light::header_hash(target->tip().header)}));
    while (!complete) {
      consensus::Frame answer;
      {
        std::unique_lock lock(wire.mutex);
        wire.wake.wait(lock, [&] { return !wire.answers.empty(); });
        answer = std::move(wire.answers.front());
        wire.answers.pop_front();
      }
      carry_out(core.step(system_clock().mono_ns(), Received{.from = 0, .body = answer}));
    }
    const Status done =
        installer.finish({.header = complete->header, .certificate = complete->certificate, .handovers = {}}, {});
    check(done.has_value(), "installs");
    const double rate = megabytes / seconds_since(before_ns);
    {
      const std::lock_guard lock(wire.mutex);
      wire.over = true;
    }
    wire.wake.notify_all();
    check(target->tip().header == source->tip().header, "one state");
    return rate;
  }
};

int run() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const char* size = std::getenv("HANSE_BENCH_MB");
  for (const std::size_t value : {100u, 1'000u, 16'000u}) {
    Bench bench(base != nullptr ? base : ".", value, size != nullptr ? std::strtoull(size, nullptr, 10) : 128);
    const double floor = bench.copy();
    bench.print("copied", floor, floor);
    bench.print("proved", bench.prove(), floor);
    bench.print("synced", bench.sync(), floor);
  }
  return 0;
}

}  // namespace
}  // namespace hanse::sync

int main() { return hanse::sync::run(); }

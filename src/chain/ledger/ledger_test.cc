#include "chain/ledger/ledger.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "chain/ledger/test_net.h"

namespace hanse::ledger {
namespace {

constexpr std::uint8_t kProbeApp = 9;

// Does what its one-byte body says; remembers nothing outside the state.
class ProbeApp final : public App {
 public:
  bool flaky = false;  // writes something else each time it is executed
  bool fail_end = false;
  std::uint8_t number() const override { return kProbeApp; }
  std::string_view name() const override { return "probe"; }
  Status genesis(ByteView section, const NetworkId&, State& state) override {
    state.put(as_bytes("probe/genesis"), section);
    return {};
  }
  Status check(const Tx&, const BlockContext&, const StateReader&) const override { return {}; }
  Status begin(const BlockContext& context, State& state) override {
    state.put(as_bytes("probe/beacon"), context.beacon.view());
    return {};
  }
  TxResult apply(const Tx& tx, const BlockContext&, State& state) override {
    const char what = tx.body.empty() ? 'n' : static_cast<char>(tx.body[0]);
    if (what == 'n') return {};
    state.put(as_bytes("probe/v"), tx.body);
    TxResult result;
    result.data = to_bytes("data");
    result.events = {{.topic = "probe.a", .data = tx.body}, {.topic = "probe.ab", .data = {}}};
    if (what == 'f')
      return [&] {
        auto r = failed(Error(Kind::kInvalid, "probe.no", "no"));
        r.events = result.events;
        return r;
      }();
    if (flaky) state.put(as_bytes("probe/flaky"), Bytes{static_cast<std::uint8_t>(++runs_)});
    return result;
  }
  Result<EndResult> end(const BlockContext&, State&) override {
    if (fail_end) return fail(Kind::kInternal, "probe.end", "end fails");
    return EndResult{.events = {{.topic = "other.end", .data = {}}}, .wants_block = true};
  }
  Result<Bytes> query(std::string_view path, ByteView argument, const StateReader& state) const override {
    TRY(const auto value, state.get(as_bytes("probe/v")));
    return to_bytes(text("{} {} {}", path, as_text(argument), value ? as_text(*value) : "none"));
  }

 private:
  int runs_ = 0;
};

struct LedgerTest : testing::Test {
  TempDir dir{testing::TempDir()};
  TestNet net{3};
  std::unique_ptr<App> accounts = make_accounts_app();
  ProbeApp probe;
  std::unique_ptr<Ledger> ledger;

  void SetUp() override {
    net.genesis.apps[kProbeApp] = to_bytes("section");
    reopen();
  }
  void reopen() {
    ledger.reset();
    auto opened = Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), &probe}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
  }
  Cut cut_of(std::vector<Tx> txs) {
    const light::BlockHeader& tip = ledger->tip().header;
    return {.height = tip.height.plus(1),
            .time_ms = tip.time_ms + 5,
            .leader = net.genesis.validators.validators[0].id(),
            .txs = std::move(txs),
            .epoch = ledger->epoch()};
  }
  light::Certificate certify(const light::BlockHeader& header) {
    return {.attests = {{.validator = 0, .signature = light::sign_header(header, TestNet::validator_key())}}};
  }
  Executed run(std::vector<Tx> txs) {
    auto block = ledger->execute(cut_of(std::move(txs)));
    EXPECT_TRUE(block) << block.error().str();
    EXPECT_TRUE(ledger->commit(*block, Keep::kForProof));
    EXPECT_TRUE(ledger->certify(block->header.height, certify(block->header)));
    return std::move(*block);
  }
  std::uint64_t balance(std::size_t user) {
    const auto view = ledger->view();
    return read_account(*view, net.user(user))->balance.value;
  }
  static Tx probe_tx(std::string_view body) { return {.app = kProbeApp, .body = to_bytes(body)}; }
};

TEST_F(LedgerTest, starts_at_block_0_with_the_genesis_state) {
  const auto view = ledger->view();
  ASSERT_TRUE(view);
  EXPECT_EQ(view->height().value, 0u);
  EXPECT_EQ(**view->get(as_bytes("probe/genesis")), to_bytes("section"));
  EXPECT_EQ(supply(*view)->value, 3'000'000u);
  EXPECT_EQ(view->prove(as_bytes("x")).error().id(), "ledger.uncertified");
  EXPECT_TRUE(ledger->audit());
}

// Transactions whose bytes lie in two vertices, with a few bytes before and after each; the last one is there twice.
struct Placed {
  Cut cut;
  kv::Batch vertices;
};
Placed place(Cut cut) {
  Placed out{.cut = std::move(cut), .vertices = {}};
  Cut& c = out.cut;
  c.sources = {Hash32{{1}}, Hash32{{2}}};
  Bytes values[2];
  c.txs.push_back(c.txs.back());
  for (std::size_t i = 0; i < c.txs.size(); ++i) {
    Bytes& value = values[i % 2];
    const Bytes bytes = encode_tx(c.txs[i]);
    append(value, as_bytes("gap"));
    c.tx_ids.push_back(tx_id(bytes));
    c.places.push_back({.source = static_cast<std::uint32_t>(i % 2),
                        .offset = static_cast<std::uint32_t>(value.size()),
                        .size = static_cast<std::uint32_t>(bytes.size())});
    append(value, bytes);
  }
  for (std::size_t i = 0; i < 2; ++i) out.vertices.put(kVertices, c.sources[i].view(), values[i]);
  return out;
}

TEST_F(LedgerTest, finds_transactions_whose_bytes_lie_in_vertices) {
  const std::vector<Tx> txs = {probe_tx("one"), probe_tx("two"), probe_tx("three")};
  const Hash32 root = ledger->execute(cut_of(txs))->header.tx_root;
  Placed placed = place(cut_of(txs));
  const auto block = ledger->execute(placed.cut);
  ASSERT_TRUE(block) << block.error().str();
  EXPECT_EQ(block->header.tx_root, root);
  EXPECT_EQ(block->skipped.size(), 1u);
  ASSERT_TRUE(ledger->commit(*block, Keep::kForProof, std::move(placed.vertices)));
  ASSERT_TRUE(ledger->certify(Height{1}, certify(block->header)));
  run({probe_tx("with its bytes")});
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) reopen();
    const auto view = ledger->view();
    const auto all = view->encoded_txs(*view->block(Height{1}));
    ASSERT_TRUE(all) << all.error().str();
    ASSERT_EQ(all->size(), txs.size());
    for (std::size_t i = 0; i < txs.size(); ++i) {
      EXPECT_EQ((*all)[i], encode_tx(txs[i]));
      EXPECT_EQ(view->tx(tx_id(txs[i]))->body, txs[i].body);
      EXPECT_EQ((*view->tx_result(tx_id(txs[i])))->index, i);
      EXPECT_TRUE(view->prove_tx(tx_id(txs[i])));
    }
    EXPECT_EQ(view->encoded_txs(*view->block(Height{2}))->at(0), encode_tx(probe_tx("with its bytes")));
    EXPECT_EQ(view->encoded_txs({.header = {}, .tx_ids = {Hash32{}}, .result_hashes = {}}).error().id(),
              "ledger.not_found");
  }
  EXPECT_EQ(run({txs[1]}).skipped.size(), 1u);
}

TEST_F(LedgerTest, names_a_block_whose_vertices_do_not_hold_its_transactions) {
  for (const std::size_t wrong : {0u, 1u}) {
    Placed placed = place(cut_of({probe_tx(text("tx {}", wrong))}));
    if (wrong == 0) placed.vertices = {};
    if (wrong == 1) placed.cut.places[0].size += 1;
    const auto block = ledger->execute(placed.cut);
    ASSERT_TRUE(ledger->commit(*block, Keep::kNo, std::move(placed.vertices)));
    EXPECT_EQ(ledger->view()->tx(block->tx_ids[0]).error().id(), "ledger.record");
  }
}

TEST_F(LedgerTest, applies_a_block_and_finds_it_again_after_reopening) {
  const Executed block = run({net.transfer(0, net.user(1), 100, 1), probe_tx("hello")});
  EXPECT_EQ(block.results[0].code, 0u);
  EXPECT_TRUE(block.wants_block);
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) reopen();
    EXPECT_EQ(balance(0), 999'900u);
    EXPECT_EQ(balance(1), 1'000'100u);
    const auto view = ledger->view();
    EXPECT_EQ(view->header(), block.header);
    EXPECT_EQ(view->block(Height{1})->tx_ids, block.tx_ids);
    EXPECT_EQ(view->block(Height{2}).error().id(), "ledger.not_found");
    const auto applied = view->tx_result(block.tx_ids[1]);
    ASSERT_TRUE(applied && *applied);
    EXPECT_EQ((*applied)->index, 1u);
    EXPECT_EQ((*applied)->result.data, to_bytes("data"));
    EXPECT_EQ(tx_id(*view->tx(block.tx_ids[0])), block.tx_ids[0]);
    EXPECT_EQ(view->tx(Hash32{}).error().id(), "ledger.not_found");
    EXPECT_EQ(as_text(*view->query(kProbeApp, "path", as_bytes("arg"))), "path arg hello");
    EXPECT_EQ(view->query(77, "", {}).error().id(), "ledger.no_app");
    EXPECT_TRUE(ledger->audit());
    EXPECT_TRUE(ledger->wants_block());
  }
}

TEST_F(LedgerTest, a_failed_transaction_leaves_the_state_untouched) {
  run({probe_tx("before")});
  const Executed block = run({probe_tx("fail"), net.transfer(0, net.user(1), 9'999'999, 1), {.app = 50, .body = {}}});
  EXPECT_EQ(block.results[0].error_id, "probe.no");
  EXPECT_EQ(block.results[1].error_id, "ledger.insufficient");
  EXPECT_EQ(block.results[2].error_id, "ledger.no_app");
  EXPECT_EQ(as_text(**ledger->view()->get(as_bytes("probe/v"))), "before");
  EXPECT_EQ(read_account(*ledger->view(), net.user(0))->nonce, 0u);
  ASSERT_EQ(block.events.size(), 1u);  // only the end of the block
}

TEST_F(LedgerTest, applies_the_same_transaction_once) {
  const Tx tx = net.transfer(0, net.user(1), 100, 1);
  const Executed first = run({tx, tx});
  EXPECT_EQ(first.tx_ids.size(), 1u);
  EXPECT_EQ(first.skipped, first.tx_ids);
  const Executed second = run({tx, probe_tx("x")});
  EXPECT_EQ(second.skipped, first.tx_ids);
  EXPECT_EQ(second.tx_ids.size(), 1u);
  EXPECT_EQ(balance(1), 1'000'100u);
}

TEST_F(LedgerTest, sees_earlier_transactions_of_the_same_block) {
  const Executed block = run({net.transfer(0, net.user(1), 1'000'000, 1), net.transfer(1, net.user(2), 2'000'000, 1),
                              net.transfer(0, net.user(1), 1, 2)});
  EXPECT_EQ(block.results[1].code, 0u);
  EXPECT_EQ(block.results[2].error_id, "ledger.insufficient");
  EXPECT_EQ(balance(2), 3'000'000u);
}

TEST_F(LedgerTest, proves_presence_absence_and_transactions_to_whoever_has_the_genesis) {
  const Executed block = run({probe_tx("hello"), net.transfer(0, net.user(1), 1, 1), probe_tx("again")});
  const auto view = ledger->view();
  const auto present = view->prove(as_bytes("probe/v"));
  ASSERT_TRUE(present);
  const auto decoded = light::decode_light_proof(light::encode(*present));
  ASSERT_TRUE(decoded) << decoded.error().str();
  const auto shown = light::verify(*decoded, light::trust(net.genesis), {});
  ASSERT_TRUE(shown) << shown.error().str();
  EXPECT_EQ(as_text(*decoded->value), "again");
  EXPECT_EQ(shown->grade, light::Grade::kEconomic);
  EXPECT_EQ(shown->height.value, 1u);
  const auto absent = light::verify(*view->prove(as_bytes("probe/nothing")), light::trust(net.genesis), {});
  ASSERT_TRUE(absent) << absent.error().str();
  for (const Hash32& id : block.tx_ids) {
    const auto proof = light::decode_tx_proof(light::encode(*view->prove_tx(id)));
    ASSERT_TRUE(proof);
    EXPECT_TRUE(light::verify(*proof, light::trust(net.genesis), {}));
  }
  EXPECT_EQ(view->prove_tx(Hash32{}).error().id(), "ledger.not_found");
}

TEST_F(LedgerTest, a_view_keeps_its_moment) {
  run({probe_tx("one")});
  const auto old = ledger->view();
  run({probe_tx("two")});
  EXPECT_EQ(as_text(**old->get(as_bytes("probe/v"))), "one");
  EXPECT_EQ(old->height().value, 1u);
  EXPECT_TRUE(light::verify(*old->prove(as_bytes("probe/v")), light::trust(net.genesis), {}));
  EXPECT_EQ(as_text(**ledger->view()->get(as_bytes("probe/v"))), "two");
}

std::string listed(const std::vector<LedgerEvent>& events) {
  std::string out;
  for (const LedgerEvent& e : events) out += text("{}.{}:{} ", e.height.value, e.index, e.event.topic);
  return out;
}

TEST_F(LedgerTest, lists_events_by_height_and_topic) {
  run({probe_tx("1"), net.transfer(0, net.user(1), 1, 1)});
  run({probe_tx("2")});
  const auto view = ledger->view();
  const auto list = [&](std::uint64_t height, std::uint32_t skip, std::string_view topic, std::size_t limit) {
    return listed(*view->events({Height{height}, skip}, topic, limit));
  };
  EXPECT_EQ(list(0, 0, "", 100),
            "1.0:probe.a 1.1:probe.ab 1.2:accounts.transfer 1.3:other.end 2.0:probe.a 2.1:probe.ab 2.2:other.end ");
  EXPECT_EQ(list(1, 2, "", 2), "1.2:accounts.transfer 1.3:other.end ");
  EXPECT_EQ(list(0, 0, "probe", 100), "1.0:probe.a 1.1:probe.ab 2.0:probe.a 2.1:probe.ab ");
  EXPECT_EQ(list(0, 0, "probe.ab", 100), "1.1:probe.ab 2.1:probe.ab ");
  EXPECT_EQ(list(0, 0, "probe.a", 3), "1.0:probe.a 1.1:probe.ab 2.0:probe.a ");
  EXPECT_EQ(list(1, 1, "probe", 100), "1.1:probe.ab 2.0:probe.a 2.1:probe.ab ");
  EXPECT_EQ(list(2, 0, "o", 100), "2.2:other.end ");
  EXPECT_EQ(list(0, 0, "zzz", 100), "");
  EXPECT_EQ(list(3, 0, "", 100), "");
}

TEST_F(LedgerTest, refuses_a_folder_of_another_network) {
  ledger.reset();
  light::Genesis other = net.genesis;
  other.name = "other";
  const auto opened = Ledger::open(dir.path() + "/store", other, {accounts.get(), &probe}, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().id(), "ledger.other_network");
  EXPECT_NE(opened.error().message().find(text("{}", net.network())), std::string::npos);
  EXPECT_NE(opened.error().message().find(text("{}", light::network_id(other))), std::string::npos);
  EXPECT_EQ(Ledger::open(dir.path() + "/store", net.genesis, {accounts.get()}, {}).error().id(), "ledger.app_missing");
}

TEST_F(LedgerTest, refuses_cuts_of_the_wrong_height_or_time_and_none_for_its_size) {
  Cut cut = cut_of({});
  EXPECT_TRUE(ledger->execute(cut));
  cut.height = Height{2};
  EXPECT_EQ(ledger->execute(cut).error().id(), "ledger.cut");
  cut = cut_of({});
  cut.time_ms = ledger->tip().header.time_ms;
  EXPECT_EQ(ledger->execute(cut).error().id(), "ledger.cut");
  EXPECT_TRUE(ledger->execute(cut_of(std::vector<Tx>(net.genesis.params.block_txs_max + 1))));
}

TEST_F(LedgerTest, notices_execution_that_does_not_repeat) {
  EXPECT_TRUE(ledger->check_determinism(cut_of({probe_tx("x"), net.transfer(0, net.user(1), 1, 1)})));
  probe.flaky = true;
  EXPECT_EQ(ledger->check_determinism(cut_of({probe_tx("x")})).error().id(), "ledger.nondeterministic");
  probe.fail_end = true;
  EXPECT_EQ(ledger->execute(cut_of({})).error().id(), "probe.end");
}

TEST_F(LedgerTest, gives_the_same_block_on_two_machines) {
  const Cut cut = cut_of({probe_tx("x"), net.transfer(0, net.user(1), 1, 1), probe_tx("fail")});
  TempDir other_dir(testing::TempDir());
  auto other_accounts = make_accounts_app();
  ProbeApp other_probe;
  auto other = Ledger::open(other_dir.path() + "/store", net.genesis, {&other_probe, other_accounts.get()}, {});
  ASSERT_TRUE(other);
  EXPECT_EQ(light::header_hash(ledger->execute(cut)->header), light::header_hash((*other)->execute(cut)->header));
  const auto back = decode_cut(encode_cut(cut));
  ASSERT_TRUE(back);
  EXPECT_EQ(ledger->execute(*back)->header, ledger->execute(cut)->header);
  EXPECT_EQ(decode_cut(as_bytes("?")).error().id(), "ledger.record");
}

}  // namespace
}  // namespace hanse::ledger

#include "chain/ledger/install.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "chain/ledger/test_net.h"

namespace hanse::ledger {
namespace {

constexpr std::uint8_t kPutApp = 9;

// "key=value" puts, "key=" erases.
class PutApp final : public App {
 public:
  std::uint8_t number() const override { return kPutApp; }
  std::string_view name() const override { return "put"; }
  Status genesis(ByteView, const NetworkId&, State& state) override {
    state.put(as_bytes("put/genesis"), as_bytes("0"));
    return {};
  }
  Status check(const Tx&, const BlockContext&, const StateReader&) const override { return {}; }
  Status begin(const BlockContext&, State&) override { return {}; }
  TxResult apply(const Tx& tx, const BlockContext&, State& state) override {
    const std::string body(as_text(tx.body));
    const std::size_t at = body.find('=');
    const Bytes key = to_bytes("put/" + body.substr(0, at));
    if (at + 1 == body.size()) {
      state.erase(key);
    } else {
      state.put(key, as_bytes(body.substr(at + 1)));
    }
    return {};
  }
  Result<EndResult> end(const BlockContext&, State&) override { return EndResult{}; }
  Result<Bytes> query(std::string_view, ByteView, const StateReader&) const override { return Bytes{}; }
};

Tx put_tx(std::string_view body) { return {.app = kPutApp, .body = to_bytes(body)}; }

struct InstallTest : testing::Test {
  TempDir dir{testing::TempDir()};
  light::Genesis genesis;
  PutApp app;
  std::unique_ptr<Ledger> a, b;  // a made the blocks, b fetches
  SeededRandom random{11, "install"};

  void SetUp() override {
    genesis.name = "install";
    genesis.time_ms = 1'000;
    genesis.validators = TestNet::validator_set(1);
    genesis.apps[kPutApp] = {};
    open(a, "a");
    open(b, "b");
  }
  void open(std::unique_ptr<Ledger>& ledger, std::string_view name) {
    ledger.reset();
    auto opened = Ledger::open(text("{}/{}", dir.path(), name), genesis, {&app}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
  }
  static light::BlockHeader block(Ledger& ledger, std::vector<Tx> txs) {
    const auto made = ledger.execute({.height = ledger.tip().header.height.plus(1),
                                      .time_ms = ledger.tip().header.time_ms + 5,
                                      .leader = ledger.genesis().validators.validators[0].id(),
                                      .txs = std::move(txs)});
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger.commit(*made, Keep::kForProof));
    EXPECT_TRUE(ledger.certify(
        made->header.height,
        {.attests = {{.validator = 0, .signature = light::sign_header(made->header, TestNet::validator_key())}}}));
    return made->header;
  }
  void grow(std::size_t blocks) {
    for (std::size_t n = 0; n < blocks; ++n) {
      std::vector<Tx> txs;
      for (int i = 0; i < 20; ++i)
        txs.push_back(put_tx(text("{}={}", random.below(300), random.below(4) == 0 ? "" : text("{}", n))));
      block(*a, std::move(txs));
    }
  }
  Installer::Target target(const View& view) {
    const auto shown = view.believable(ProofWanted{});
    EXPECT_TRUE(shown) << shown.error().str();
    return {.header = shown->header, .certificate = shown->certificate, .handovers = shown->handovers};
  }
  // Ranges from `first` on, as a host gives them, until `stop` says so.
  std::optional<Hash32> fetch_ranges(Installer& to, const View& from, Hash32 first, std::size_t count) {
    for (; count > 0; --count) {
      const auto answer = from.prove_range({first, light::kKeyHashMax}, 500);
      EXPECT_TRUE(answer) << answer.error().str();
      const auto proof = light::decode_range_proof(answer->proof);
      std::vector<light::RangeNode> nodes;
      const Status good = light::verify_range(*proof, {first, answer->last}, from.header().state_root,
                                              [&](const light::RangeNode& node) { nodes.push_back(node); });
      EXPECT_TRUE(good) << good.error().str();
      const auto next = light::next_key_hash(answer->last);
      EXPECT_TRUE(to.put(proof->pairs, nodes, {as_bytes("ranges"), next ? next->view() : ByteView{}}));
      if (!next) return std::nullopt;
      first = *next;
    }
    return first;
  }
  void fetch_past(Installer& to, const View& from, Height first) {
    while (first <= from.height()) {
      const auto past = from.past({.first = first, .last = from.height()}, 5'000);
      ASSERT_TRUE(past) << past.error().str();
      ASSERT_FALSE(past->blocks.empty());
      const light::BlockHeader& last = past->blocks.back().header;
      EXPECT_TRUE(last == from.header() ||
                  light::verify_list(light::header_hash(last), {last.height.value, from.height().value}, past->path,
                                     from.header().history_root));
      EXPECT_TRUE(to.put(past->blocks, {as_bytes("past"), {}}));
      first = last.height.plus(1);
    }
  }
  void expect_alike() {
    EXPECT_EQ(a->tip().header, b->tip().header);
    EXPECT_TRUE(b->audit());
    std::map<Bytes, Bytes> states[2];
    for (int n = 0; n < 2; ++n)
      EXPECT_TRUE((n == 0 ? a : b)->view()->scan({}, {}, [&](ByteView key, ByteView value) {
        states[n].emplace(to_bytes(key), to_bytes(value));
        return true;
      }));
    EXPECT_EQ(states[0], states[1]);
  }
};

TEST_F(InstallTest, a_fetched_state_goes_on_as_the_one_that_executed_all) {
  grow(30);
  const Tx old = put_tx("old=1");
  block(*a, {old});
  const View from = *a->view();
  Installer to(*b);
  ASSERT_TRUE(to.begin(as_bytes("31")));
  EXPECT_EQ(fetch_ranges(to, from, {}, 1'000), std::nullopt);
  fetch_past(to, from, Height{1});
  // Nothing of it shows yet.
  EXPECT_EQ(b->tip().header.height.value, 0u);
  EXPECT_EQ(*b->view()->tx_result(tx_id(old)), std::nullopt);
  EXPECT_EQ(b->view()->block(Height{1}).error().id(), "ledger.not_found");
  EXPECT_TRUE(b->audit());
  std::optional<View> before = *b->view();
  kv::Batch extra;
  extra.put(kMetadata, as_bytes("extra"), as_bytes("x"));
  const Status done = to.finish(target(from), std::move(extra));
  ASSERT_TRUE(done) << done.error().str();
  expect_alike();
  EXPECT_TRUE(*b->store().get(kMetadata, as_bytes("extra")));
  EXPECT_FALSE(*to.begun());
  EXPECT_EQ(before->height().value, 0u);  // a view of before shows what was
  EXPECT_EQ(as_text(**before->get(as_bytes("put/genesis"))), "0");
  before.reset();
  // The same bytes are applied by nobody again, in the same block as others that are.
  EXPECT_EQ(b->view()->tx_result(tx_id(old)).error().id(), "ledger.before_sync");
  const Tx fresh = put_tx("fresh=1");
  EXPECT_EQ(block(*a, {old, fresh}), block(*b, {old, fresh}));
  open(b, "b");
  expect_alike();
  const auto proof = b->view()->prove_tx(tx_id(fresh));
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_TRUE(light::verify(*proof, light::trust(genesis), {}));
  EXPECT_TRUE(light::verify(*b->view()->prove(as_bytes("put/fresh")), light::trust(genesis), {}));
  EXPECT_EQ(b->view()->block(Height{7})->header, a->view()->block(Height{7})->header);
}

TEST_F(InstallTest, one_that_fetched_its_state_serves_others_and_fetches_again) {
  grow(10);
  Installer to(*b);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    const View from = *a->view();
    const Height mine = b->tip().header.height;
    ASSERT_TRUE(to.begin(as_bytes("x")));
    fetch_ranges(to, from, {}, 1'000);
    fetch_past(to, from, mine.plus(1));
    const Status done = to.finish(target(from), {});
    ASSERT_TRUE(done) << done.error().str();
    expect_alike();
    std::vector<Tx> txs = {put_tx(text("between={}", round))};
    EXPECT_EQ(block(*a, txs), block(*b, txs));
    grow(5);
  }
  std::unique_ptr<Ledger> c;
  open(c, "c");
  const View from = *b->view();
  Installer third(*c);
  ASSERT_TRUE(third.begin(as_bytes("c")));
  fetch_ranges(third, from, {}, 1'000);
  fetch_past(third, from, Height{1});
  ASSERT_TRUE(third.finish(target(from), {}));
  EXPECT_EQ(c->tip().header, b->tip().header);
  EXPECT_TRUE(c->audit());
}

TEST_F(InstallTest, a_crash_before_the_change_leaves_the_old_ledger_and_what_came) {
  grow(20);
  const View from = *a->view();
  std::optional<Hash32> next;
  {
    Installer to(*b);
    ASSERT_TRUE(to.begin(as_bytes("20")));
    next = fetch_ranges(to, from, {}, 3);
    fetch_past(to, from, Height{1});
  }
  ASSERT_TRUE(next);
  open(b, "b");
  EXPECT_EQ(b->tip().header.height.value, 0u);
  EXPECT_TRUE(b->audit());
  Installer to(*b);
  EXPECT_EQ(as_text(**to.begun()), "20");
  const auto marks = to.marks();
  ASSERT_TRUE(marks);
  ASSERT_EQ(marks->size(), 2u);
  EXPECT_EQ((*marks)[1].second, to_bytes(next->view()));
  EXPECT_EQ(fetch_ranges(to, from, *next, 1'000), std::nullopt);
  ASSERT_TRUE(to.finish(target(from), {}));
  expect_alike();
}

TEST_F(InstallTest, refuses_what_does_not_make_the_header) {
  grow(12);
  const View from = *a->view();
  Installer to(*b);
  EXPECT_EQ(to.finish(target(from), {}).error().id(), "ledger.install");  // nothing was begun
  ASSERT_TRUE(to.begin(as_bytes("12")));
  fetch_past(to, from, Height{1});
  EXPECT_EQ(to.finish(target(from), {}).error().id(), "ledger.install");  // no tree
  fetch_ranges(to, from, {}, 1'000);
  Installer::Target other = target(from);
  other.header.time_ms += 1;
  EXPECT_EQ(to.finish(other, {}).error().id(), "ledger.install");
  Block wrong = *from.block(Height{5});
  wrong.header.time_ms += 1;
  ASSERT_TRUE(to.put(std::span(&wrong, 1), {as_bytes("past"), {}}));
  EXPECT_EQ(to.finish(target(from), {}).error().id(), "ledger.install");
  EXPECT_EQ(b->tip().header.height.value, 0u);
  EXPECT_TRUE(b->audit());
  // Begun anew it works, and the ledger that never began goes on by itself.
  ASSERT_TRUE(to.begin(as_bytes("again")));
  fetch_past(to, from, Height{1});
  fetch_ranges(to, from, {}, 1'000);
  ASSERT_TRUE(to.finish(target(from), {}));
  EXPECT_EQ(to.finish(target(from), {}).error().id(), "ledger.install");  // not above the tip
  expect_alike();
}

TEST_F(InstallTest, an_install_that_is_given_up_changes_nothing_of_what_is_executed) {
  const Tx tx = put_tx("k=v");
  block(*a, {tx});
  grow(8);
  const View from = *a->view();
  Installer to(*b);
  ASSERT_TRUE(to.begin(as_bytes("9")));
  fetch_past(to, from, Height{1});
  fetch_ranges(to, from, {}, 2);
  ASSERT_TRUE(to.abandon());
  EXPECT_FALSE(*to.begun());
  // Blocks 1 to 9 lie there, and their transactions count as applied only from their own heights on.
  const auto mine = block(*b, {tx});
  EXPECT_EQ(mine, from.block(Height{1})->header);
  EXPECT_EQ((*b->view()->tx_result(tx_id(tx)))->height.value, 1u);
  EXPECT_TRUE(b->audit());
}

}  // namespace
}  // namespace hanse::ledger

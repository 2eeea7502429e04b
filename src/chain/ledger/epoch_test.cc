// Certificates that come later than their blocks, the state kept for them, and validator sets that follow each other.
#include <gtest/gtest.h>

#include "chain/ledger/ledger.h"
#include "chain/ledger/test_net.h"

namespace hanse::ledger {
namespace {

constexpr std::uint8_t kSetApp = 8;

// Hands the validators over to whom the test says.
class SetApp final : public App {
 public:
  std::optional<light::ValidatorSet> next;
  std::uint64_t epoch_seen = 0;
  explicit SetApp(std::uint8_t number) : number_(number), name_(text("set{}", number)) {}
  std::uint8_t number() const override { return number_; }
  std::string_view name() const override { return name_; }
  Status genesis(ByteView, const NetworkId&, State&) override { return {}; }
  Status check(const Tx&, const BlockContext&, const StateReader&) const override { return {}; }
  Status begin(const BlockContext& context, State& state) override {
    epoch_seen = context.epoch;
    Bytes height;
    append_be(height, context.height.value);
    state.put(as_bytes(name_ + "/h"), height);
    return {};
  }
  TxResult apply(const Tx& tx, const BlockContext&, State& state) override {
    state.put(as_bytes(name_ + "/v"), tx.body);
    return {};
  }
  Result<EndResult> end(const BlockContext&, State&) override {
    return EndResult{.events = {}, .wants_block = false, .next_set = next};
  }
  Result<Bytes> query(std::string_view, ByteView, const StateReader&) const override { return Bytes{}; }

 private:
  std::uint8_t number_;
  std::string name_;
};

struct EpochTest : testing::Test {
  TempDir dir{testing::TempDir()};
  light::Genesis genesis;
  SetApp app{kSetApp}, second{kSetApp + 1};
  std::unique_ptr<Ledger> ledger;
  static constexpr light::Grade kFast = light::Grade::kFast, kEconomic = light::Grade::kEconomic;

  // Keys first … first + 3, in any order of ids, with 2500 bp each.
  static light::ValidatorSet set_of(std::uint8_t first) {
    std::vector<light::Validator> out;
    for (std::uint8_t n = 0; n < 4; ++n)
      out.push_back({.key = TestNet::key(static_cast<std::uint8_t>(first + n)).public_key(), .power_bp = 2'500});
    return light::sorted_set(std::move(out));
  }
  static light::Certificate sign(const light::BlockHeader& header, const light::ValidatorSet& set, std::size_t count) {
    light::Certificate out;
    for (std::uint16_t place = 0; place < count; ++place)
      for (std::uint8_t n = 1; n < 40; ++n)
        if (TestNet::key(n).public_key() == set.validators[place].key)
          out.attests.push_back({.validator = place, .signature = light::sign_header(header, TestNet::key(n))});
    return out;
  }
  void SetUp() override {
    genesis.name = "epochs";
    genesis.time_ms = 1'000;
    genesis.validators = set_of(1);
    genesis.apps[kSetApp] = {};
    genesis.apps[kSetApp + 1] = {};
    reopen();
  }
  void reopen() {
    ledger.reset();
    auto opened = Ledger::open(dir.path() + "/store", genesis, {&app, &second}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
  }
  Cut cut_of(std::string_view body, bool epoch_end = false) const {
    Cut cut{.height = ledger->tip().header.height.plus(1),
            .time_ms = ledger->tip().header.time_ms + 5,
            .leader = genesis.validators.validators[0].id(),
            .txs = {},
            .epoch = ledger->epoch(),
            .id = tx_id({.app = kSetApp, .body = to_bytes(body)}),
            .epoch_end = epoch_end};
    if (!body.empty()) cut.txs.push_back({.app = kSetApp, .body = to_bytes(body)});
    return cut;
  }
  light::BlockHeader block(std::string_view body, bool epoch_end = false, Keep keep = Keep::kForProof) {
    auto made = ledger->execute(cut_of(body, epoch_end));
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger->commit(*made, keep));
    return made->header;
  }
  Status certify(const light::BlockHeader& header, const light::ValidatorSet& set, std::size_t count) {
    return ledger->certify(header.height, sign(header, set, count));
  }
  Hash32 id_of(std::string_view body) const { return tx_id({.app = kSetApp, .body = to_bytes(body)}); }
};

TEST_F(EpochTest, a_header_names_the_cut_the_history_and_both_sets) {
  std::vector<Hash32> hashes{light::header_hash(ledger->tip().header)};
  EXPECT_EQ(ledger->tip().header.history_root, light::list_root({}));
  for (int n = 0; n < 20; ++n) {
    if (n == 11) reopen();
    const light::BlockHeader header = block(text("{}", n));
    EXPECT_EQ(header.cut, id_of(text("{}", n)));
    EXPECT_EQ(header.history_root, light::list_root(hashes)) << n;
    EXPECT_EQ(header.valset_hash, light::set_hash(genesis.validators));
    EXPECT_EQ(header.next_valset_hash, header.valset_hash);
    hashes.push_back(light::header_hash(header));
  }
}

TEST_F(EpochTest, a_certificate_below_the_quorum_or_of_others_is_refused) {
  const light::BlockHeader header = block("a");
  EXPECT_EQ(certify(header, genesis.validators, 2).error().id(), "light.cert_weight");
  EXPECT_EQ(certify(header, set_of(5), 3).error().id(), "light.cert_signature");
  EXPECT_EQ(ledger->certify(Height{2}, {}).error().id(), "ledger.not_found");
  EXPECT_FALSE(ledger->certified(kFast));
  EXPECT_TRUE(certify(header, genesis.validators, 3));
  EXPECT_EQ(ledger->certified(kFast)->header, header);
  EXPECT_FALSE(ledger->certified(kEconomic));
}

TEST_F(EpochTest, only_a_heavier_certificate_replaces_one) {
  const light::BlockHeader first = block("a"), last = block("b");
  ASSERT_TRUE(certify(last, genesis.validators, 3));
  const light::Certificate other = sign(last, genesis.validators, 4);
  ASSERT_TRUE(ledger->certify(last.height, {.attests = {other.attests[1], other.attests[2], other.attests[3]}}));
  EXPECT_EQ((*ledger->view()->certificate(last.height))->attests[0].validator, 0);
  ASSERT_TRUE(certify(last, genesis.validators, 4));
  ASSERT_TRUE(certify(last, genesis.validators, 3));
  ASSERT_TRUE(certify(first, genesis.validators, 4));  // late, and no longer the newest
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) reopen();
    EXPECT_EQ(ledger->certified(kFast)->header, last);
    EXPECT_EQ(ledger->certified(kEconomic)->header, last);
    EXPECT_EQ(ledger->certified(kEconomic)->certificate.attests.size(), 4u);
    EXPECT_EQ(ledger->proof_view(kEconomic)->height(), last.height);
  }
}

TEST_F(EpochTest, state_is_proved_at_the_newest_certified_block_whose_moment_was_kept) {
  EXPECT_EQ(ledger->proof_view().error().id(), "ledger.uncertified");
  const light::BlockHeader one = block("one");
  const light::BlockHeader two = block("two", false, Keep::kNo);
  block("three");
  ASSERT_TRUE(certify(two, genesis.validators, 4));
  EXPECT_EQ(ledger->proof_view().error().id(), "ledger.uncertified");
  EXPECT_EQ(ledger->view()->prove(as_bytes("set8/v")).error().id(), "ledger.uncertified");
  ASSERT_TRUE(certify(one, genesis.validators, 3));
  const auto view = ledger->proof_view();
  ASSERT_TRUE(view);
  EXPECT_EQ(view->height(), one.height);
  const auto proof = view->prove(as_bytes("set8/v"));
  ASSERT_TRUE(proof) << proof.error().str();
  EXPECT_EQ(as_text(*proof->value), "one");
  EXPECT_TRUE(light::verify(*proof, light::trust(genesis), {}));
  EXPECT_EQ(view->prove(as_bytes("set8/v"), {.grade = kEconomic, .from_epoch = 0}).error().id(), "ledger.uncertified");
  EXPECT_EQ(ledger->proof_view(kEconomic).error().id(), "ledger.uncertified");
  ASSERT_TRUE(certify(one, genesis.validators, 4));  // the same block, heavier: its moment was still kept
  const auto heavy = ledger->proof_view(kEconomic)->prove(as_bytes("set8/v"), {.grade = kEconomic, .from_epoch = 0});
  ASSERT_TRUE(heavy);
  EXPECT_EQ(light::verify(*heavy, light::trust(genesis), {.grade = kEconomic})->grade, kEconomic);
  EXPECT_EQ(view->prove(as_bytes("set8/v"))->block.certificate.attests.size(), 3u);  // no more than asked for
}

TEST_F(EpochTest, the_oldest_moment_is_dropped_when_too_many_wait_for_a_certificate) {
  std::vector<light::BlockHeader> headers;
  for (std::size_t n = 0; n <= kProvableMax; ++n) headers.push_back(block(text("{}", n)));
  ASSERT_TRUE(certify(headers[0], genesis.validators, 3));
  EXPECT_FALSE(ledger->proof_view());
  ASSERT_TRUE(certify(headers[1], genesis.validators, 3));
  EXPECT_EQ(ledger->proof_view()->height(), headers[1].height);
  // What is provable stays so while others wait.
  for (std::size_t n = 0; n <= kProvableMax; ++n) block(text("x{}", n));
  EXPECT_EQ(ledger->proof_view()->height(), headers[1].height);
}

TEST_F(EpochTest, a_transaction_of_any_block_is_proved_by_a_later_certificate) {
  std::vector<light::BlockHeader> headers;
  for (int n = 0; n < 13; ++n) headers.push_back(block(text("{}", n), false, Keep::kNo));
  EXPECT_EQ(ledger->view()->prove_tx(id_of("3")).error().id(), "ledger.uncertified");
  ASSERT_TRUE(certify(headers[10], genesis.validators, 4));
  for (int n = 0; n <= 10; ++n) {
    const auto proof = ledger->view()->prove_tx(id_of(text("{}", n)));
    ASSERT_TRUE(proof) << proof.error().str();
    EXPECT_EQ(proof->block.link.has_value(), n != 10);
    const auto shown = light::verify(*light::decode_tx_proof(light::encode(*proof)), light::trust(genesis), {});
    ASSERT_TRUE(shown) << shown.error().str();
    EXPECT_EQ(shown->height, headers[static_cast<std::size_t>(n)].height);
  }
  EXPECT_EQ(ledger->view()->prove_tx(id_of("11")).error().id(), "ledger.uncertified");
}

TEST_F(EpochTest, the_set_changes_where_an_epoch_ends_and_proofs_lead_to_it) {
  app.next = set_of(5);
  const light::BlockHeader middle = block("a");  // not the end: nothing changes
  EXPECT_EQ(middle.next_valset_hash, middle.valset_hash);
  const light::BlockHeader end = block("b", true);
  EXPECT_EQ(end.epoch, 0u);
  EXPECT_EQ(end.next_valset_hash, light::set_hash(set_of(5)));
  app.next.reset();
  reopen();
  EXPECT_EQ(ledger->epoch(), 1u);
  const light::BlockHeader first = block("c");
  EXPECT_EQ(app.epoch_seen, 1u);
  EXPECT_EQ(first.epoch, 1u);
  EXPECT_EQ(first.valset_hash, end.next_valset_hash);
  const light::BlockHeader same = block("d", true);  // a new epoch of the same set
  EXPECT_EQ(same.next_valset_hash, same.valset_hash);
  app.next = set_of(9);
  const light::BlockHeader last = block("e", true);
  EXPECT_EQ(last.epoch, 2u);
  const light::BlockHeader newest = block("f");
  EXPECT_EQ(newest.epoch, 3u);
  EXPECT_EQ(certify(newest, set_of(5), 4).error().id(), "light.cert_signature");
  ASSERT_TRUE(certify(newest, set_of(9), 4));
  EXPECT_EQ(ledger->view()->prove_tx(id_of("a")).error().id(), "ledger.uncertified");  // the handovers' certificates
  ASSERT_TRUE(certify(end, genesis.validators, 4));
  ASSERT_TRUE(certify(last, set_of(5), 3));
  const auto proof = ledger->view()->prove_tx(id_of("a"));
  ASSERT_TRUE(proof) << proof.error().str();
  ASSERT_EQ(proof->block.handovers.size(), 2u);
  const auto shown = light::verify(*light::decode_tx_proof(light::encode(*proof)), light::trust(genesis), {});
  ASSERT_TRUE(shown) << shown.error().str();
  EXPECT_EQ(shown->trusted.epoch, 3u);
  EXPECT_EQ(light::verify(*proof, light::trust(genesis), {.grade = kEconomic}).error().id(), "light.cert_weight");
  // Who trusts a later set starts there.
  const auto shorter = ledger->view()->prove_tx(id_of("f"), {.grade = kFast, .from_epoch = 1});
  EXPECT_EQ(shorter->block.handovers.size(), 1u);
  light::Trusted later = light::trust(genesis);
  later.epoch = 1;
  later.set = set_of(5);
  EXPECT_TRUE(light::verify(*shorter, later, {}));
  EXPECT_EQ(light::set_hash(*ledger->valset(0)), light::set_hash(set_of(1)));
  EXPECT_EQ(light::set_hash(*ledger->valset(1)), light::set_hash(set_of(5)));
  EXPECT_EQ(light::set_hash(*ledger->valset(2)), light::set_hash(set_of(5)));
  EXPECT_EQ(light::set_hash(*ledger->valset(3)), light::set_hash(set_of(9)));
}

TEST_F(EpochTest, two_applications_cannot_name_the_set_and_it_must_be_one) {
  app.next = second.next = set_of(5);
  EXPECT_TRUE(ledger->execute(cut_of("a")));  // nobody asks
  EXPECT_EQ(ledger->execute(cut_of("a", true)).error().id(), "ledger.next_set");
  second.next.reset();
  app.next->validators[0].power_bp = 2'501;
  EXPECT_EQ(ledger->execute(cut_of("a", true)).error().id(), "ledger.next_set");
}

TEST_F(EpochTest, refuses_a_cut_of_another_epoch_and_transactions_nobody_proposed) {
  Cut cut = cut_of("a");
  cut.epoch = 1;
  EXPECT_EQ(ledger->execute(cut).error().id(), "ledger.cut");
  cut = cut_of("a");
  cut.leader = {};
  EXPECT_EQ(ledger->execute(cut).error().id(), "ledger.cut");
  cut.txs.clear();
  const auto null_slot = ledger->execute(cut);
  ASSERT_TRUE(null_slot);
  EXPECT_TRUE(null_slot->header.leader.is_zero());
  cut = cut_of("a", true);
  EXPECT_EQ(decode_cut(encode_cut(cut))->epoch_end, true);
  EXPECT_EQ(encode_cut(*decode_cut(encode_cut(cut))), encode_cut(cut));
}

TEST_F(EpochTest, what_else_belongs_to_a_block_is_in_its_batch) {
  const auto made = ledger->execute(cut_of("a"));
  kv::Batch extra;
  extra.put(kFinalized, as_bytes("key"), as_bytes("value"));
  extra.put(kReceipts, as_bytes("key"), as_bytes("other"));
  ASSERT_TRUE(ledger->commit(*made, Keep::kNo, std::move(extra)));
  EXPECT_EQ(as_text(**ledger->store().get(kFinalized, as_bytes("key"))), "value");
  EXPECT_EQ(as_text(**ledger->store().get(kReceipts, as_bytes("key"))), "other");
}

}  // namespace
}  // namespace hanse::ledger

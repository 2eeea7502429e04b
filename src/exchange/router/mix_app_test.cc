// Relays publish on a real ledger, and a cell travels by the directory that comes out.
#include "exchange/router/mix_app.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"
#include "chain/beacon/beacon.h"
#include "chain/ledger/accounts.h"
#include "chain/ledger/test_net.h"
#include "exchange/router/onion_world_test.h"

namespace hanse::router {
namespace {

using ledger::TestNet;

struct MixAppTest : testing::Test {
  static constexpr std::int64_t kEpochMs = 10'000;
  static constexpr std::uint32_t kFirst = 100;
  ledger::TempDir dir{testing::TempDir()};
  TestNet net{8};
  MixParams params{.epoch_ms = kEpochMs, .nodes = {}};
  std::unique_ptr<ledger::App> accounts = ledger::make_accounts_app();
  std::unique_ptr<ledger::App> app = make_mix_app(), beacon = beacon::make_beacon_app();
  std::unique_ptr<ledger::Ledger> ledger;
  std::map<std::size_t, std::uint64_t> nonces;
  std::map<std::size_t, crypto::KemSecretKey> secrets;
  SeededRandom random{1, "mix app"};

  void open() {
    net.genesis.apps[kMixApp] = encode_mix_genesis(params);
    auto opened =
        ledger::Ledger::open(dir.path() + "/store", net.genesis, {accounts.get(), app.get(), beacon.get()}, {});
    ASSERT_TRUE(opened) << opened.error().str();
    ledger = std::move(*opened);
    block(kFirst, {});
  }
  void block(std::uint32_t epoch, std::vector<ledger::Tx> txs) { results = run(epoch, std::move(txs)); }
  std::vector<ledger::TxResult> run(std::uint32_t epoch, std::vector<ledger::Tx> txs) {
    return run_at(epoch * kEpochMs, std::move(txs));
  }
  std::vector<ledger::TxResult> run_at(std::int64_t time_ms, std::vector<ledger::Tx> txs) {
    const std::int64_t at = std::max<std::int64_t>(ledger->tip().header.time_ms + 1, time_ms);
    auto made = ledger->execute({.height = ledger->tip().header.height.plus(1),
                                 .time_ms = at,
                                 .leader = net.user(0),
                                 .txs = std::move(txs),
                                 .epoch = ledger->epoch(),
                                 .id = {},
                                 .epoch_end = false});
    EXPECT_TRUE(made) << made.error().str();
    EXPECT_TRUE(ledger->commit(*made));
    return made->results;
  }
  ledger::Tx publish(std::size_t user, Publish p, std::uint16_t method = kMethodPublish) {
    if (p.key.empty()) {
      secrets.insert_or_assign(user, crypto::KemSecretKey::generate(crypto::KemAlg::kXWing, random));
      p.key = secrets.at(user).public_key().bytes;
    }
    ledger::SignedCall call{.network = net.network(),
                            .app = kMixApp,
                            .sender = {},
                            .nonce = ++nonces[user],
                            .expires = Height{1u << 30},
                            .method = method,
                            .args = encode_publish(p),
                            .key = {},
                            .signature = {}};
    ledger::sign_call(call, net.users[user]);
    return ledger::call_tx(call);
  }
  std::string outcome(std::uint32_t epoch, ledger::Tx tx) { return run(epoch, {std::move(tx)}).at(0).error_id; }
  Result<Directory> directory(std::uint32_t epoch) {
    Bytes argument;
    append_be(argument, epoch);
    TRY(const Bytes bytes, app->query("directory", argument, *ledger->view()));
    return decode_directory(bytes);
  }
  std::vector<ledger::TxResult> results;
};

TEST_F(MixAppTest, cells_travel_by_the_directory_that_the_ledger_gives) {
  open();
  const std::uint32_t epoch = kFirst + 2;
  std::vector<ledger::Tx> txs;
  for (std::size_t user = 0; user < 8; ++user)
    txs.push_back(publish(
        user, {.epoch = epoch, .mixes = user < 7, .exit = user % 2 == 1, .deep_per_1000s = 500'000, .key = {}}));
  for (const auto& result : run(kFirst, std::move(txs))) EXPECT_EQ(result.error_id, "");
  EXPECT_EQ(directory(epoch).error().id(), "router.no_directory");  // keys may still come
  run(kFirst + 1, {});
  const auto got = directory(epoch);
  ASSERT_TRUE(got) << got.error().str();
  ASSERT_EQ(got->nodes.size(), 8U);
  EXPECT_EQ(got->find(net.user(7))->stratum, std::nullopt);
  for (std::size_t user = 0; user < 8; ++user) EXPECT_EQ(got->find(net.user(user))->exit, user % 2 == 1);
  EXPECT_DOUBLE_EQ(got->find(net.user(0))->deep_per_s, 500);
  const auto path = deep_path(*got, {.receiver = net.user(7), .command = Command::kDeliver, .target = {}}, {},
                              Hides::kMessage, random);
  ASSERT_TRUE(path) << path.error().str();
  Bytes cell = *seal_cell(kXWingGeometry, *path, *encode_message(kXWingGeometry, {}, random), random);
  for (const Hop& hop : path->hops) {
    std::size_t user = 0;
    while (net.user(user) != hop.node) ++user;
    const auto opened = open_layer(kXWingGeometry, cell, {hop.node, secrets.at(user)});
    ASSERT_TRUE(opened);
    peel(kXWingGeometry, *opened, cell);
  }
  EXPECT_TRUE(decode_message(kXWingGeometry, payload_of(kXWingGeometry, cell)));
}

TEST_F(MixAppTest, keys_are_taken_from_two_epochs_ahead_to_eight_and_once) {
  open();
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 1, .key = {}})), "router.publish");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}})), "");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}})), "router.published");
  EXPECT_EQ(outcome(kFirst, publish(1, {.epoch = kFirst + 2, .key = {}})), "");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 8, .key = {}})), "");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 9, .key = {}})), "router.publish");
  EXPECT_EQ(outcome(kFirst + 1, publish(2, {.epoch = kFirst + 2, .key = {}})), "router.publish");  // drawn
}

TEST_F(MixAppTest, bytes_that_are_no_key_and_other_methods_are_refused) {
  open();
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = Bytes(1'215, 1)})), "router.publish");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = Bytes(1'216, 0xff)})), "router.publish");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}}, 2)), "ledger.method");
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}})), "");
}

TEST_F(MixAppTest, one_node_past_the_limit_is_refused) {
  params.nodes_max = 2;
  open();
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}})), "");
  EXPECT_EQ(outcome(kFirst, publish(1, {.epoch = kFirst + 2, .key = {}})), "");
  EXPECT_EQ(outcome(kFirst, publish(2, {.epoch = kFirst + 2, .key = {}})), "router.nodes_full");
  EXPECT_EQ(outcome(kFirst, publish(2, {.epoch = kFirst + 3, .key = {}})), "");
}

TEST_F(MixAppTest, a_list_in_the_genesis_keeps_others_out) {
  params.nodes = {net.user(1)};
  open();
  EXPECT_EQ(outcome(kFirst, publish(0, {.epoch = kFirst + 2, .key = {}})), "router.not_listed");
  EXPECT_EQ(outcome(kFirst, publish(1, {.epoch = kFirst + 2, .key = {}})), "");
}

TEST_F(MixAppTest, past_epochs_are_erased_and_each_has_one_beacon) {
  open();
  run(kFirst, {publish(0, {.epoch = kFirst + 2, .key = {}})});
  run(kFirst + 1, {});
  const auto before = directory(kFirst + 2);
  run(kFirst + 1, {});
  const auto after = directory(kFirst + 2);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->nodes.at(0).stratum, after->nodes.at(0).stratum);
  run(kFirst + 3, {});
  ASSERT_TRUE(directory(kFirst + 2));  // its grace
  run(kFirst + 4, {});
  EXPECT_EQ(directory(kFirst + 2).error().id(), "router.no_directory");
  EXPECT_TRUE(directory(kFirst + 5));
}

// Rounds of the beacon as long as epochs, and one validator that contributes.
TEST_F(MixAppTest, strata_are_drawn_of_the_beacon_where_the_network_has_one) {
  const beacon::BeaconParams rounds{.round_ms = kEpochMs, .steps = 100};
  net.genesis.apps[beacon::kBeaconApp] = beacon::encode_beacon_genesis(rounds);
  open();
  const std::uint64_t round = kFirst + 2;
  const std::uint32_t epoch = kFirst + 3;
  const crypto::SecretKey validator = TestNet::validator_key();
  std::uint64_t nonce = 0;
  const auto call = [&](std::uint16_t method, Bytes args) {
    ledger::SignedCall out{.network = net.network(),
                           .app = beacon::kBeaconApp,
                           .sender = {},
                           .nonce = ++nonce,
                           .expires = Height{1u << 30},
                           .method = method,
                           .args = std::move(args),
                           .key = {},
                           .signature = {}};
    ledger::sign_call(out, validator);
    return ledger::call_tx(out);
  };
  const Hash32 hash =
      beacon::commit_hash(net.network(), round, crypto::account_id(validator.public_key()), beacon::Secret{});
  EXPECT_EQ(outcome(kFirst, call(beacon::kMethodCommit, beacon::encode_commit(round, hash))), "");
  std::vector<ledger::Tx> keys;
  for (std::size_t user = 0; user < 6; ++user) keys.push_back(publish(user, {.epoch = epoch, .key = {}}));
  for (const auto& result : run(kFirst, std::move(keys))) EXPECT_EQ(result.error_id, "");
  EXPECT_EQ(outcome(kFirst + 1, call(beacon::kMethodReveal, beacon::encode_reveal(round, {}))), "");
  run(kFirst + 2, {});
  EXPECT_EQ(directory(epoch).error().id(), "router.no_directory") << "the delay is not over";
  const auto argument = [&] {
    Bytes out;
    append_be(out, round);
    return out;
  };
  const auto closed = beacon::decode_round(*beacon->query("round", argument(), *ledger->view()));
  const auto proof = *crypto::vdf_eval(closed->seed, rounds.steps);
  EXPECT_EQ(outcome(kFirst + 2, call(beacon::kMethodProve, beacon::encode_prove(round, proof))), "");
  run(kFirst + 2, {});
  const auto drawn = directory(epoch);
  ASSERT_TRUE(drawn) << drawn.error().str();
  const Hash32 expected =
      crypto::blake3("hanse/beacon-draw/1", {as_bytes("hanse/mix-strata/1"), beacon::value_of(*closed, proof).view()});
  std::vector<MixNode> again = drawn->nodes;
  draw_strata(expected, again);
  ASSERT_EQ(again.size(), 6U);
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(drawn->nodes[i].stratum, again[i].stratum) << i;
  // No value comes for the next: a quarter of an epoch before it begins it is drawn of the block.
  run_at(epoch * kEpochMs + kEpochMs * 3 / 4 - 1, {});
  EXPECT_EQ(directory(epoch + 1).error().id(), "router.no_directory");
  run_at(epoch * kEpochMs + kEpochMs * 3 / 4, {});
  EXPECT_TRUE(directory(epoch + 1));
}

TEST_F(MixAppTest, a_genesis_out_of_range_is_refused) {
  const auto refused = [&](MixParams p) {
    ledger::MemState state;
    const Status status = app->genesis(encode_mix_genesis(p), net.network(), state);
    return status ? "" : std::string(status.error().id());
  };
  EXPECT_EQ(refused({.nodes = {}}), "");
  EXPECT_EQ(refused({.epoch_ms = 999, .nodes = {}}), "ledger.genesis");
  EXPECT_EQ(refused({.epoch_ms = 86'400'001, .nodes = {}}), "codec.type");
  EXPECT_EQ(refused({.nodes_max = 0, .nodes = {}}), "ledger.genesis");
  EXPECT_EQ(refused({.anonymity_bits = 32, .nodes = {}}), "");
  EXPECT_EQ(refused({.anonymity_bits = 33, .nodes = {}}), "codec.type");
  EXPECT_EQ(refused({.delay_min_ms = 0, .nodes = {}}), "ledger.genesis");
  EXPECT_EQ(refused({.delay_min_ms = 30'001, .nodes = {}}), "ledger.genesis");
  EXPECT_EQ(refused({.delay_max_ms = 65'535, .nodes = {}}), "");
  EXPECT_EQ(refused({.delay_max_ms = 65'536, .nodes = {}}), "codec.type");
  EXPECT_EQ(refused({.nodes = {net.user(0), net.user(0)}}), "ledger.genesis");
  const auto back = decode_mix_genesis(
      encode_mix_genesis({.anonymity_bits = 3, .delay_min_ms = 40, .delay_max_ms = 900, .nodes = {net.user(0)}}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->wanted().bits, 3);
  EXPECT_EQ(back->wanted().mean_ms_min, 40);
  EXPECT_EQ(back->wanted().mean_ms_max, 900);
  EXPECT_EQ(back->nodes, std::vector{net.user(0)});
  ledger::MemState empty;
  EXPECT_EQ(app->query("directory", Bytes(4), empty).error().id(), "router.record");
}

}  // namespace
}  // namespace hanse::router

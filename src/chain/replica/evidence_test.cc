// From two signatures of a liar to its standing on the ledger, through replicas that run.
#include <gtest/gtest.h>

#include "base/crypto/hash.h"
#include "chain/ledger/test_net.h"
#include "chain/replica/chain.h"
#include "chain/replica/mem_net.h"
#include "chain/reputation/reputation.h"

namespace hanse::replica {
namespace {

using consensus::Purpose;
using consensus::Statement;
using ledger::TestNet;

constexpr std::int64_t kDeadlineMs = 60'000;
constexpr std::size_t kReplicas = 4, kLiar = 3;

struct EvidenceTest : testing::Test {
  ledger::TempDir dir{testing::TempDir()};
  TestNet net{2, 1'000'000, kReplicas};
  std::shared_ptr<MemHub> hub = std::make_shared<MemHub>(kReplicas);
  std::vector<std::unique_ptr<Chain>> chains{kReplicas};

  void start(bool punishes) {
    if (punishes) net.genesis.apps[reputation::kReputationApp] = reputation::encode_reputation_genesis();
    for (std::size_t n = 0; n < kReplicas; ++n) {
      Chain::Options o;
      o.journal_segment_bytes = 64u << 10;
      o.ledger = {.cache_bytes = 8u << 20, .write_buffer_bytes = 8u << 20};
      o.make_net = [this](consensus::Index self) { return hub->end(self); };
      auto apps = TestNet::accounts_only();
      apps.push_back(reputation::make_reputation_app());
      auto opened = Chain::open(text("{}/{}", dir.path(), n), net.genesis, std::move(apps),
                                TestNet::validator_key(n, kReplicas), std::move(o));
      ASSERT_TRUE(opened) << opened.error().str();
      chains[n] = std::move(*opened);
    }
  }
  Bytes vertex_said(std::uint8_t what) const {
    Statement s{.purpose = Purpose::kVertex,
                .replica = kLiar,
                .epoch = 0,
                .view = 0,
                .first = 8,
                .ids = {crypto::blake3("test", {ByteView(&what, 1)})},
                .signature = {}};
    Bytes message = to_bytes(net.network().view());
    append(message, statement_message(s));
    s.signature = TestNet::validator_key(kLiar, kReplicas).sign(consensus::purpose_context(s.purpose), message);
    return encode(s);
  }
  reputation::Standing standing_at(std::size_t n) const {
    return *reputation::standing(*chains[n]->view(), net.genesis.validators.validators[kLiar].id());
  }
};

TEST_F(EvidenceTest, a_liar_is_out_on_every_ledger) {
  start(true);
  for (const std::size_t to : {0, 1, 2}) {
    hub->forge(kLiar, static_cast<consensus::Index>(to), consensus::Type::kStatement, vertex_said(1));
    hub->forge(kLiar, static_cast<consensus::Index>(to), consensus::Type::kStatement, vertex_said(2));
  }
  // Before the first block no ledger can judge: it is brought again.
  ASSERT_TRUE(chains[0]->submit(net.transfer(1, net.user(0), 1, 1), kDeadlineMs));
  for (std::size_t n = 0; n < kReplicas; ++n) {
    Height height{0};
    while (!standing_at(n).out) {
      const Height next = chains[n]->wait_above(height, kDeadlineMs);
      ASSERT_GT(next, height) << "replica " << n << ": no block came";
      height = next;
    }
  }
  // One fact, however many brought it; and nobody else is accused.
  ASSERT_TRUE(chains[0]->submit(net.transfer(0, net.user(1), 1, 1), kDeadlineMs));
  EXPECT_EQ(standing_at(0).faults, 1u);
  EXPECT_EQ(standing_at(0).score, 5'000u);
  EXPECT_EQ(
      reputation::decode_standings(*chains[0]->view()->query(reputation::kReputationApp, "standings", {}))->size(), 1u);
}

// Keys of chain/reputation's testimony: a letter and the place in the set.
bool counted(const Chain& chain, std::string_view prefix, std::uint64_t place) {
  Bytes key = to_bytes(prefix);
  append_be(key, place);
  return chain.view()->get(key)->has_value();
}

TEST_F(EvidenceTest, presence_is_shown_by_all_and_a_lost_view_by_those_who_gave_it_up) {
  start(true);
  std::uint64_t nonce = 0;
  const auto order_until = [&](std::size_t at, const std::function<bool()>& done) {
    while (!done()) ASSERT_TRUE(chains[at]->submit(net.transfer(0, net.user(1), 1, ++nonce), kDeadlineMs));
  };
  order_until(1, [&] {
    for (std::uint64_t n = 0; n < kReplicas; ++n)
      if (!counted(*chains[1], "reputation/p", n)) return false;
    return true;
  });
  const consensus::Index leader = chains[1]->facts().leader;
  hub->cut(leader);
  const std::size_t at = leader == 1 ? 2 : 1;
  order_until(at, [&] { return counted(*chains[at], "reputation/l", leader); });
  EXPECT_GE(chains[at]->facts().view, 1u);
}

TEST_F(EvidenceTest, a_network_without_the_application_punishes_nobody_and_goes_on) {
  start(false);
  hub->forge(kLiar, 0, consensus::Type::kStatement, vertex_said(1));
  hub->forge(kLiar, 0, consensus::Type::kStatement, vertex_said(2));
  while (chains[0]->stats().consensus.evidence == 0)
    ASSERT_TRUE(chains[0]->submit(net.transfer(0, net.user(1), 1, chains[0]->height().value + 1), kDeadlineMs));
  EXPECT_TRUE(chains[0]->submit(net.transfer(1, net.user(0), 1, 1), kDeadlineMs));
}

}  // namespace
}  // namespace hanse::replica

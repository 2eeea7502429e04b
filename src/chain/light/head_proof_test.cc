#include "chain/light/head_proof.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::light {
namespace {

struct Net {
  std::vector<crypto::SecretKey> keys;
  Genesis genesis;

  explicit Net(const std::vector<std::uint16_t>& powers) {
    for (std::size_t i = 0; i < powers.size(); ++i)
      keys.push_back(std::move(
          *crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, static_cast<std::uint8_t>(i + 1)))));
    std::ranges::sort(keys, {}, [](const crypto::SecretKey& k) { return crypto::account_id(k.public_key()); });
    for (std::size_t i = 0; i < powers.size(); ++i)
      genesis.validators.validators.push_back({.key = keys[i].public_key(), .power_bp = powers[i]});
    genesis.name = "net";
    genesis.apps[1] = Bytes(3, 1);
  }
  HeadProof::Block block(std::uint64_t height, const Hash32& parent, const std::vector<std::uint16_t>& signers) const {
    HeadProof::Block out;
    out.header.network = network_id(genesis);
    out.header.height = Height{height};
    out.header.parent = parent;
    out.header.state_root.data.fill(static_cast<std::uint8_t>(height));
    out.header.valset_hash = out.header.next_valset_hash = set_hash(genesis.validators);
    for (const std::uint16_t s : signers)
      out.votes.attests.push_back({.validator = s, .signature = sign_header(out.header, keys[s])});
    return out;
  }
  // Blocks 8, 9 and 10; 9 is the head and 10 lacks a quorum.
  HeadProof proof() const {
    HeadProof out;
    out.blocks.push_back(block(8, {}, {0, 1, 2}));
    out.blocks.push_back(block(9, header_hash(out.blocks[0].header), {0, 1, 2, 3}));
    out.blocks.push_back(block(10, header_hash(out.blocks[1].header), {1, 3}));
    for (std::uint16_t v = 0; v < 4; ++v)
      out.heads.push_back({.validator = v, .block = header_hash(out.blocks[1].header), .signers = {0, 1, 2}});
    out.seed = 7;
    return out;
  }
};

const Net& net() {
  static const Net made({2'500, 2'500, 2'500, 2'500});
  return made;
}

void refused(const HeadProof& proof, std::string_view id) {
  const auto report = verify(proof, net().genesis);
  ASSERT_FALSE(report) << id;
  EXPECT_EQ(report.error().id(), id) << report.error().str();
}

TEST(HeadOf, is_the_highest_block_with_a_quorum_of_distinct_validators) {
  const Genesis& g = net().genesis;
  const auto head = [&](const std::vector<Vote>& votes) { return head_of(votes, g); };
  EXPECT_EQ(head({}), std::nullopt);
  EXPECT_EQ(head({{0, 0}, {0, 1}}), std::nullopt);
  EXPECT_EQ(head({{0, 0}, {0, 1}, {0, 1}, {0, 1}}), std::nullopt) << "a repeated vote weighs nothing";
  EXPECT_EQ(head({{0, 0}, {0, 1}, {0, 2}}), 0u);
  EXPECT_EQ(head({{1, 0}, {0, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}}), 1u);
  EXPECT_EQ(head({{1, 0}, {1, 1}, {1, 2}, {0, 0}, {0, 1}, {0, 2}}), 1u) << "a lower block that is late changes nothing";
  EXPECT_EQ(head({{0, 0}, {0, 1}, {0, 9}}), std::nullopt) << "nobody has place 9";
}

TEST(HeadOf, weighs_at_least_the_quorum) {
  const Net uneven({6'699, 1, 3'300});
  const std::vector<Vote> below = {{0, 0}}, at = {{0, 0}, {0, 1}};
  std::uint32_t first = uneven.genesis.validators.validators[0].power_bp;
  EXPECT_EQ(first, 6'699u);
  EXPECT_EQ(head_of(below, uneven.genesis), std::nullopt);
  EXPECT_EQ(head_of(at, uneven.genesis), 0u);
}

TEST(HeadPermutations, name_an_order_that_leads_elsewhere) {
  const std::vector<Vote> votes = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}};
  EXPECT_TRUE(check_permutations(votes, {.seed = 1, .count = 1'000},
                                 [](std::span<const Vote> order) { return head_of(order, net().genesis); }));
  const Status first_wins = check_permutations(
      votes, {.seed = 1, .count = 1'000}, [](std::span<const Vote> order) { return std::optional(order[0].block); });
  ASSERT_FALSE(first_wins);
  EXPECT_EQ(first_wins.error().id(), "light.head");
}

TEST(HeadProofTest, holds_and_reads_back) {
  const HeadProof proof = net().proof();
  const auto report = verify(proof, net().genesis);
  ASSERT_TRUE(report) << report.error().str();
  EXPECT_EQ(report->head.height.value, 9u);
  EXPECT_EQ(report->power_bp, 10'000u);
  EXPECT_EQ(report->grade, Grade::kEconomic);
  EXPECT_EQ(report->votes, 9u);
  const auto written = encode_head_proof(proof, net().genesis);
  ASSERT_TRUE(written) << written.error().str();
  const auto read = decode_head_proof(*written, net().genesis);
  ASSERT_TRUE(read) << read.error().str();
  EXPECT_EQ(*encode_head_proof(*read, net().genesis), *written);
}

TEST(HeadProofTest, refuses_heads_that_differ_or_lack_votes) {
  HeadProof p = net().proof();
  p.heads[2].block = header_hash(p.blocks[0].header);
  refused(p, "light.head");
  p = net().proof();
  p.heads[1].signers = {0, 1};
  refused(p, "light.head");
  p.heads[1].signers = {0, 1, 1};
  refused(p, "light.head");
  p = net().proof();
  p.heads.pop_back();
  refused(p, "light.head");
  std::swap(p.heads[0], p.heads[1]);
  p = net().proof();
  std::swap(p.heads[0], p.heads[1]);
  refused(p, "light.head");
  p = net().proof();
  p.blocks[1].votes.attests.pop_back();
  p.heads[0].signers = {0, 1, 3};  // its vote is not there any more
  refused(p, "light.head");
}

TEST(HeadProofTest, refuses_blocks_that_are_no_chain_of_this_network) {
  HeadProof p = net().proof();
  p.blocks.clear();
  refused(p, "light.head");
  p = net().proof();
  while (p.blocks.size() <= kHeadBlocksMax) p.blocks.push_back(p.blocks.back());
  refused(p, "light.head");
  p = net().proof();
  std::swap(p.blocks[0], p.blocks[1]);
  refused(p, "light.head");
  p = net().proof();
  p.blocks[1] = net().block(9, {}, {0, 1, 2, 3});
  refused(p, "light.head");
  p = net().proof();
  p.blocks[0].header.network.data[0] ^= 1;
  refused(p, "light.network");
  p = net().proof();
  p.blocks.erase(p.blocks.begin(), p.blocks.begin() + 2);
  refused(p, "light.head");
}

TEST(HeadProofTest, refuses_votes_that_are_not_signed_and_another_set) {
  HeadProof p = net().proof();
  p.blocks[2].votes.attests[0].signature[100] ^= 1;
  refused(p, "light.cert_signature");
  p = net().proof();
  p.blocks[0].votes.attests.push_back(p.blocks[0].votes.attests[2]);
  refused(p, "light.cert_signer");
  p = net().proof();
  p.blocks[0].header.valset_hash.data[0] ^= 1;
  refused(p, "light.valset");
}

TEST(HeadProofTest, wants_at_least_a_thousand_permutations) {
  HeadProof p = net().proof();
  p.permutations = kPermutationsMin - 1;
  refused(p, "light.head");
  p.permutations = kPermutationsMax + 1;
  refused(p, "light.head");
}

TEST(HeadProofTest, refuses_a_flipped_byte_anywhere) {
  const std::string good = *encode_head_proof(net().proof(), net().genesis);
  const std::uint64_t seed = system_random().next_u64();
  SCOPED_TRACE(text("seed {}", seed));
  SeededRandom random(seed);
  std::size_t tried = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    const std::size_t from = good.rfind('"', at), to = good.find('"', at);
    const bool signature = from != good.npos && to != good.npos && to - from > 5'000;
    if (signature && random.below(500) != 0) continue;  // all of them take minutes
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.below(7)));
    ++tried;
    ASSERT_FALSE(decode_head_proof(bad, net().genesis)) << "byte " << at << " " << good.substr(at, 20);
  }
  EXPECT_GT(tried, 1'000u);
  EXPECT_TRUE(decode_head_proof(good, net().genesis));
}

TEST(HeadProofTest, refuses_a_file_that_is_cut_grown_or_of_another_shape) {
  const std::string good = *encode_head_proof(net().proof(), net().genesis);
  const auto id_of = [](std::string_view bad) {
    const auto read = decode_head_proof(bad, net().genesis);
    return read ? std::string("read") : std::string(read.error().id());
  };
  EXPECT_EQ(id_of(good + "\n"), "light.head_file");
  EXPECT_EQ(id_of(good.substr(0, good.size() - 1)), "light.head_file");
  EXPECT_EQ(id_of(good.substr(0, good.size() / 2)), "codec.json");
  EXPECT_EQ(id_of(""), "codec.json");
  EXPECT_EQ(id_of("{}"), "light.head_file");
  EXPECT_EQ(id_of("{\"blocks\":[],\"seal\":\"\"}"), "light.head_file");
  Net other({5'000, 5'000});
  EXPECT_EQ(decode_head_proof(good, other.genesis).error().id(), "light.network");
}

}  // namespace
}  // namespace hanse::light

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/light/light_net_test.h"

namespace hanse::light {
namespace {

TEST(Certificate, grades_by_power_at_both_sides_of_each_threshold) {
  const Net net({6'699, 1, 1'299, 1, 2'000});
  const BlockHeader header = header_of(net);
  EXPECT_EQ(net.grade(header, {0}).error().id(), "light.cert_weight");
  EXPECT_EQ(*net.grade(header, {0, 1}), Grade::kFast);            // 6700
  EXPECT_EQ(*net.grade(header, {0, 1, 2}), Grade::kFast);         // 7999
  EXPECT_EQ(*net.grade(header, {0, 1, 2, 3}), Grade::kEconomic);  // 8000
  EXPECT_EQ(*net.grade(header, {0, 1, 2, 3, 4}), Grade::kEconomic);
  EXPECT_EQ(net.grade(header, {}).error().id(), "light.cert_weight");
  for (const Grade grade : {Grade::kFast, Grade::kEconomic}) EXPECT_EQ(parse_grade(grade_name(grade)), grade);
  EXPECT_FALSE(parse_grade("slow"));
  EXPECT_EQ(grade_name(Grade::kFast), "fast");
  EXPECT_EQ(grade_name(Grade::kEconomic), "economic");
}

TEST(Certificate, equal_weights_need_the_counts_of_the_design) {
  const Net four({2'500, 2'500, 2'500, 2'500});
  const BlockHeader header = header_of(four);
  EXPECT_FALSE(four.grade(header, {0, 1}));
  EXPECT_EQ(*four.grade(header, {0, 1, 3}), Grade::kFast);
  EXPECT_EQ(*four.grade(header, {0, 1, 2, 3}), Grade::kEconomic);
}

TEST(Certificate, refuses_repeated_unordered_unknown_and_false_signers) {
  const Net net({5'000, 5'000});
  const BlockHeader header = header_of(net);
  EXPECT_EQ(net.grade(header, {0, 0}).error().id(), "light.cert_signer");
  EXPECT_EQ(net.grade(header, {1, 0}).error().id(), "light.cert_signer");
  Certificate certificate = net.certify(header, {0, 1});
  const auto verdict = [&] { return verify_certificate(header, certificate, net.genesis.validators, 6'700); };
  ASSERT_TRUE(verdict());
  certificate.attests[1].signature[5] ^= 1;
  EXPECT_EQ(verdict().error().id(), "light.cert_signature");
  certificate = net.certify(header, {0, 1});
  std::swap(certificate.attests[0].signature, certificate.attests[1].signature);
  EXPECT_EQ(verdict().error().id(), "light.cert_signature");
  certificate = net.certify(header, {0, 1});
  certificate.attests[1].validator = 2;
  EXPECT_EQ(verdict().error().id(), "light.cert_signer");
  BlockHeader other = header;
  other.time_ms += 1;
  EXPECT_EQ(verify_certificate(other, net.certify(header, {0, 1}), net.genesis.validators, 6'700).error().id(),
            "light.cert_signature");
  other.valset_hash.data[0] ^= 1;
  EXPECT_EQ(verify_certificate(other, net.certify(other, {0, 1}), net.genesis.validators, 6'700).error().id(),
            "light.valset");
}

TEST(BlockHeader, every_field_changes_the_hash_and_survives_encoding) {
  const Net net({10'000});
  const BlockHeader header = header_of(net);
  EXPECT_EQ(*decode_header(encode(header)), header);
  std::set<Hash32> hashes{header_hash(header)};
  for (int field = 0; field < 13; ++field) {
    BlockHeader h = header;
    Hash32* const roots[] = {&h.parent, &h.tx_root,      &h.receipt_root, &h.state_root,
                             &h.cut,    &h.history_root, &h.valset_hash,  &h.next_valset_hash};
    if (field < 8) roots[field]->data[0] ^= 1;
    if (field == 8) h.network.data[0] ^= 1;
    if (field == 9) h.epoch = 1;
    if (field == 10) h.height = Height{10};
    if (field == 11) h.time_ms = -1;
    if (field == 12) h.leader.data[0] ^= 1;
    EXPECT_TRUE(hashes.insert(header_hash(h)).second) << field;
    EXPECT_EQ(*decode_header(encode(h)), h);
  }
  EXPECT_EQ(decode_certificate(encode(net.certify(header, {0})))->attests.size(), 1u);
}

std::string genesis_path(const Genesis& genesis) {
  const Status status = validate(genesis);
  return status ? "" : text("{} {}", status.error().id(), status.error().path());
}

TEST(Genesis, survives_encoding_and_names_the_network) {
  const Net net({4'000, 6'000});
  const Bytes bytes = encode(net.genesis);
  const auto back = decode_genesis(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(network_id(*back), network_id(bytes));
  Genesis other = net.genesis;
  other.apps[1][0] ^= 1;
  EXPECT_NE(network_id(other), network_id(net.genesis));
}

TEST(Genesis, refuses_every_broken_rule_at_its_boundary) {
  const Net net({4'000, 6'000});
  const auto with = [&](const auto& change) {
    Genesis g = net.genesis;
    change(g);
    return genesis_path(g);
  };
  EXPECT_EQ(with([](Genesis&) {}), "");
  EXPECT_EQ(with([](Genesis& g) { g.params.quorum_bp = 6'667; }), "");
  EXPECT_EQ(with([](Genesis& g) { g.params.quorum_bp = 6'666; }), "light.genesis params.quorum_bp");
  EXPECT_EQ(with([](Genesis& g) { g.params.quorum_bp = 8'200, g.params.economic_bp = 8'200; }), "");
  EXPECT_EQ(with([](Genesis& g) { g.params.quorum_bp = g.params.economic_bp = 8'201; }),
            "light.genesis params.quorum_bp");
  EXPECT_EQ(with([](Genesis& g) { g.params.economic_bp = 6'699; }), "light.genesis params.economic_bp");
  EXPECT_EQ(with([](Genesis& g) { g.params.economic_bp = 10'000; }), "");
  EXPECT_EQ(with([](Genesis& g) { g.params.economic_bp = 10'001; }), "light.genesis params.economic_bp");
  EXPECT_EQ(with([](Genesis& g) { g.params.interval_ms = 9; }), "light.genesis params.interval_ms");
  EXPECT_EQ(with([](Genesis& g) { g.params.block_txs_max = 0; }), "light.genesis params.block_txs_max");
  EXPECT_EQ(with([](Genesis& g) { g.params.block_bytes_max = 65'535; }), "light.genesis params.block_bytes_max");
  EXPECT_EQ(with([](Genesis& g) { g.name = ""; }), "light.genesis name");
  EXPECT_EQ(with([](Genesis& g) { g.name = std::string(65, 'x'); }), "light.genesis name");
  EXPECT_EQ(with([](Genesis& g) { g.time_ms = -1; }), "light.genesis time_ms");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators[0].power_bp = 3'999; }), "light.genesis validators");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators[0].power_bp = 4'001; }), "light.genesis validators");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators[0].power_bp = 0; }), "light.genesis validators[0]");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators.clear(); }), "light.genesis validators");
  EXPECT_EQ(with([](Genesis& g) { std::swap(g.validators.validators[0], g.validators.validators[1]); }),
            "light.genesis validators[1]");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators[1].key = g.validators.validators[0].key; }),
            "light.genesis validators[1]");
  EXPECT_EQ(with([](Genesis& g) { g.validators.validators[0].key = key_of(9, crypto::SigAlg::kEd25519).public_key(); }),
            "light.genesis validators[0]");
  Genesis unsorted = net.genesis;
  std::swap(unsorted.validators.validators[0], unsorted.validators.validators[1]);
  EXPECT_TRUE(validate(sorted_set(unsorted.validators.validators)));
  EXPECT_EQ(decode_genesis(encode(unsorted)).error().id(), "light.genesis");
}

TEST(ListTree, proves_every_place_of_every_size_and_no_other) {
  std::set<Hash32> roots;
  for (std::size_t count = 0; count <= 33; ++count) {
    const auto items = items_of(count);
    const Hash32 root = list_root(items);
    EXPECT_TRUE(roots.insert(root).second);
    EXPECT_EQ(list_path(items, count).error().id(), "light.list_index");
    for (std::size_t i = 0; i < count; ++i) {
      const auto path = list_path(items, i);
      ASSERT_TRUE(path);
      EXPECT_TRUE(verify_list(items[i], {i, count}, *path, root));
      EXPECT_EQ(verify_list(hash_of(200), {i, count}, *path, root).error().id(), "light.list");
      EXPECT_FALSE(verify_list(items[i], {i, count + 1}, *path, root));
      EXPECT_FALSE(verify_list(items[i], {count, count}, *path, root));
      EXPECT_FALSE(verify_list(items[i], {(i + 1) % count, count + 1}, *path, root));
      EXPECT_EQ(verify_list(items[i], {(i + 1) % count, count}, *path, root).has_value(), count == 1);
      auto longer = *path;
      longer.push_back(hash_of(1));
      EXPECT_FALSE(verify_list(items[i], {i, count}, longer, root));
    }
  }
}

TEST(Sparse, shows_presence_and_refuses_lies) {
  const TwoKeys t;
  for (int i = 0; i < 2; ++i) {
    const SparseProof proof{.other = {}, .siblings = t.siblings[i]};
    EXPECT_TRUE(verify_sparse(proof, t.keys[i], t.values[i], t.root));
    EXPECT_EQ(verify_sparse(proof, t.keys[i], t.values[1 - i], t.root).error().id(), "light.sparse");
    EXPECT_FALSE(verify_sparse(proof, t.keys[1 - i], t.values[i], t.root));
    EXPECT_FALSE(verify_sparse(proof, t.keys[i], std::nullopt, t.root));
    EXPECT_FALSE(verify_sparse(proof, t.keys[i], t.values[i], hash_of(1)));
  }
  EXPECT_TRUE(verify_sparse({}, t.keys[0], std::nullopt, Hash32{}));  // the empty tree
  EXPECT_FALSE(verify_sparse({.other = {}, .siblings = std::vector<Hash32>(257)}, t.keys[0], std::nullopt, Hash32{}));
}

TEST(Sparse, absence_cannot_be_shown_with_the_own_leaf_or_one_off_the_path) {
  const TwoKeys t;
  const Hash32 own = state_key_hash(t.keys[0]), other = state_key_hash(t.keys[1]);
  const SparseProof with_own{.other = SparseProof::Leaf{own, state_value_hash(t.values[0])}, .siblings = t.siblings[0]};
  EXPECT_EQ(verify_sparse(with_own, t.keys[0], std::nullopt, t.root).error().id(), "light.sparse");
  EXPECT_FALSE(verify_sparse(with_own, t.keys[0], t.values[0], t.root));  // presence with a stray leaf
  // The other key's leaf at its own place: beside the path of the first key, which it must not prove absent.
  const SparseProof beside{.other = SparseProof::Leaf{other, state_value_hash(t.values[1])}, .siblings = t.siblings[1]};
  EXPECT_FALSE(verify_sparse(beside, t.keys[0], std::nullopt, t.root));
}

}  // namespace
}  // namespace hanse::light

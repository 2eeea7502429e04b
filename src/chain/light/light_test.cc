#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/light/light_proof.h"

namespace hanse::light {
namespace {

crypto::SecretKey key_of(std::uint8_t n, crypto::SigAlg alg = crypto::SigAlg::kMlDsa65) {
  return std::move(*crypto::SecretKey::from_seed(alg, Bytes(32, n)));
}

// Validators 0..n-1 with the given powers; keys in the order of the set.
struct Net {
  std::vector<crypto::SecretKey> keys;
  Genesis genesis;

  explicit Net(const std::vector<std::uint16_t>& powers) {
    for (std::size_t i = 0; i < powers.size(); ++i) keys.push_back(key_of(static_cast<std::uint8_t>(i + 1)));
    std::ranges::sort(keys, {}, [](const crypto::SecretKey& k) { return crypto::account_id(k.public_key()); });
    for (std::size_t i = 0; i < powers.size(); ++i)
      genesis.validators.validators.push_back({.key = keys[i].public_key(), .power_bp = powers[i]});
    genesis.name = "net";
    genesis.apps[1] = Bytes(3, 1);
  }
  Certificate certify(const BlockHeader& header, const std::vector<std::uint16_t>& signers) const {
    Certificate out;
    for (const std::uint16_t s : signers)
      out.attests.push_back({.validator = s, .signature = sign_header(header, keys[s])});
    return out;
  }
  Result<Grade> grade(const BlockHeader& header, const std::vector<std::uint16_t>& signers) const {
    TRY(const auto power, verify_certificate(header, certify(header, signers), genesis.validators, 6'700));
    return *grade_of(power, genesis.params);
  }
};

Hash32 hash_of(std::uint8_t n) {
  Hash32 hash;
  hash.data.fill(n);
  return hash;
}

BlockHeader header_of(const Net& net) {
  return {.network = network_id(net.genesis),
          .epoch = 0,
          .height = Height{9},
          .parent = hash_of(1),
          .tx_root = hash_of(2),
          .receipt_root = hash_of(3),
          .state_root = hash_of(4),
          .time_ms = 77,
          .leader = {},
          .cut = hash_of(5),
          .history_root = hash_of(6),
          .valset_hash = set_hash(net.genesis.validators),
          .next_valset_hash = set_hash(net.genesis.validators)};
}

TEST(Certificate, grades_by_power_at_both_sides_of_each_threshold) {
  const Net net({6'699, 1, 1'299, 1, 2'000});
  const BlockHeader header = header_of(net);
  EXPECT_EQ(net.grade(header, {0}).error().id(), "light.cert_weight");
  EXPECT_EQ(*net.grade(header, {0, 1}), Grade::kFast);            // 6700
  EXPECT_EQ(*net.grade(header, {0, 1, 2}), Grade::kFast);         // 7999
  EXPECT_EQ(*net.grade(header, {0, 1, 2, 3}), Grade::kEconomic);  // 8000
  EXPECT_EQ(*net.grade(header, {0, 1, 2, 3, 4}), Grade::kEconomic);
  EXPECT_EQ(net.grade(header, {}).error().id(), "light.cert_weight");
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

std::vector<Hash32> items_of(std::size_t count) {
  std::vector<Hash32> items;
  for (std::size_t i = 0; i < count; ++i) items.push_back(hash_of(static_cast<std::uint8_t>(i)));
  return items;
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

// A tree of two keys, by hand.
struct TwoKeys {
  Bytes keys[2] = {to_bytes("alpha"), to_bytes("beta")};
  Bytes values[2] = {to_bytes("1"), to_bytes("2")};
  std::vector<Hash32> siblings[2];
  Hash32 root;

  TwoKeys() {
    Hash32 paths[2], leaves[2];
    for (int i = 0; i < 2; ++i) {
      paths[i] = state_key_hash(keys[i]);
      leaves[i] = state_leaf_hash(paths[i], state_value_hash(values[i]));
    }
    std::size_t depth = 0;
    while (bit_at(paths[0], depth) == bit_at(paths[1], depth)) ++depth;
    root = bit_at(paths[0], depth) ? state_node_hash(leaves[1], leaves[0]) : state_node_hash(leaves[0], leaves[1]);
    for (int i = 0; i < 2; ++i) siblings[i] = {leaves[1 - i]};
    for (std::size_t d = depth; d-- > 0;) {
      root = bit_at(paths[0], d) ? state_node_hash({}, root) : state_node_hash(root, {});
      for (auto& list : siblings) list.insert(list.begin(), Hash32{});
    }
  }
};

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

LightProof proof_of(const Net& net, const TwoKeys& t, const std::vector<std::uint16_t>& signers) {
  LightProof proof{.block = {.header = header_of(net), .link = {}, .certificate = {}, .handovers = {}},
                   .key = t.keys[0],
                   .value = t.values[0],
                   .path = {.other = {}, .siblings = t.siblings[0]}};
  proof.block.header.state_root = t.root;
  proof.block.certificate = net.certify(proof.block.header, signers);
  return proof;
}

TEST(LightProof, verifies_with_the_genesis_alone_and_says_the_grade) {
  const Net net({2'500, 2'500, 2'500, 2'500});
  const TwoKeys t;
  const auto shown = verify(proof_of(net, t, {0, 1, 2}), trust(net.genesis), {});
  ASSERT_TRUE(shown) << shown.error().str();
  EXPECT_EQ(shown->grade, Grade::kFast);
  EXPECT_EQ(shown->height.value, 9u);
  EXPECT_EQ(verify(proof_of(net, t, {0, 1, 2, 3}), trust(net.genesis), {})->grade, Grade::kEconomic);
  EXPECT_EQ(verify(proof_of(net, t, {0, 1}), trust(net.genesis), {}).error().id(), "light.cert_weight");
  const Net other({2'500, 7'500});
  EXPECT_EQ(verify(proof_of(net, t, {0, 1, 2}), trust(other.genesis), {}).error().id(), "light.network");
  LightProof later = proof_of(net, t, {0, 1, 2});
  later.block.header.epoch = 1;
  later.block.certificate = net.certify(later.block.header, {0, 1, 2});
  EXPECT_TRUE(verify(later, trust(net.genesis), {}));  // an epoch with the same set
  Trusted after = trust(net.genesis);
  after.epoch = 2;
  EXPECT_EQ(verify(later, after, {}).error().id(), "light.epoch");
  LightProof wrong = proof_of(net, t, {0, 1, 2});
  wrong.value = to_bytes("3");
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.sparse");
}

TEST(LightProof, survives_encoding_and_no_changed_byte_verifies) {
  const Net net({10'000});
  const TwoKeys t;
  const Bytes bytes = encode(proof_of(net, t, {0}));
  EXPECT_LT(bytes.size(), 5'000u);
  const auto back = decode_light_proof(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), bytes);
  ASSERT_TRUE(verify(*back, trust(net.genesis), {}));
  SeededRandom random(3);
  for (int n = 0; n < 400; ++n) {
    Bytes changed = bytes;
    changed[n < 300 ? static_cast<std::size_t>(n) : random.below(bytes.size())] ^=
        static_cast<std::uint8_t>(1u << random.below(8));
    const auto proof = decode_light_proof(changed);
    EXPECT_FALSE(proof && verify(*proof, trust(net.genesis), {})) << n;
  }
  EXPECT_FALSE(decode_light_proof(ByteView(bytes).first(bytes.size() - 1)));
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(decode_light_proof(longer).error().id(), "codec.trailing");
  EXPECT_EQ(decode_tx_proof(bytes).error().id(), "codec.type");
}

TEST(TxProof, verifies_place_result_and_certificate) {
  const Net net({10'000});
  const auto ids = items_of(5);
  std::vector<Bytes> results;
  std::vector<Hash32> result_hashes;
  for (std::uint8_t n = 0; n < 5; ++n) {
    results.push_back(Bytes(n, n));
    result_hashes.push_back(result_hash(results.back()));
  }
  TxProof proof{.block = {.header = header_of(net), .link = {}, .certificate = {}, .handovers = {}},
                .tx_id = ids[3],
                .result = results[3],
                .place = {3, 5},
                .tx_path = *list_path(ids, 3),
                .receipt_path = *list_path(result_hashes, 3)};
  proof.block.header.tx_root = list_root(ids);
  proof.block.header.receipt_root = list_root(result_hashes);
  proof.block.certificate = net.certify(proof.block.header, {0});
  const auto back = decode_tx_proof(encode(proof));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(verify(*back, trust(net.genesis), {})->grade, Grade::kEconomic);
  TxProof wrong = proof;
  wrong.result = results[2];
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.list");
  wrong = proof;
  wrong.tx_id = ids[2];
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.list");
}

}  // namespace
}  // namespace hanse::light

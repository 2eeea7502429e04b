// Validators with keys from small numbers, so that failures repeat, and what they certify. Not for programs.
#pragma once

#include <algorithm>

#include "chain/light/light_proof.h"

namespace hanse::light {

inline crypto::SecretKey key_of(std::uint8_t n, crypto::SigAlg alg = crypto::SigAlg::kMlDsa65) {
  return std::move(*crypto::SecretKey::from_seed(alg, Bytes(32, n)));
}

// Validators 0..n-1 with the given powers; keys in the order of the set.
struct Net {
  std::vector<crypto::SecretKey> keys;
  Genesis genesis;

  // Different nets of the same size when `first` differs.
  explicit Net(const std::vector<std::uint16_t>& powers, std::uint8_t first = 1) {
    for (std::size_t i = 0; i < powers.size(); ++i) keys.push_back(key_of(static_cast<std::uint8_t>(first + i)));
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

inline Hash32 hash_of(std::uint8_t n) {
  Hash32 hash;
  hash.data.fill(n);
  return hash;
}

inline BlockHeader header_of(const Net& net) {
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

inline std::vector<Hash32> items_of(std::size_t count) {
  std::vector<Hash32> items;
  for (std::size_t i = 0; i < count; ++i) items.push_back(hash_of(static_cast<std::uint8_t>(i)));
  return items;
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

inline std::vector<std::uint16_t> equal_powers(std::size_t count) {
  std::vector<std::uint16_t> out(count, static_cast<std::uint16_t>(kPowerTotalBp / count));
  for (std::size_t i = 0; i < kPowerTotalBp % count; ++i) ++out[i];
  return out;
}

// A fast proof of one key under `depth` siblings, as a tree of 2^depth keys has, with the fewest signatures.
inline LightProof deep_proof(const Net& net, std::size_t depth) {
  LightProof proof{.block = {.header = header_of(net), .link = {}, .certificate = {}, .handovers = {}},
                   .key = to_bytes("accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                   .value = Bytes(12, 3),
                   .path = {}};
  const Hash32 path = state_key_hash(proof.key);
  Hash32 root = state_leaf_hash(path, state_value_hash(*proof.value));
  for (std::size_t d = 0; d < depth; ++d) proof.path.siblings.push_back(hash_of(static_cast<std::uint8_t>(d + 1)));
  for (std::size_t d = depth; d-- > 0;)
    root =
        bit_at(path, d) ? state_node_hash(proof.path.siblings[d], root) : state_node_hash(root, proof.path.siblings[d]);
  proof.block.header.state_root = root;
  std::vector<std::uint16_t> all;
  for (std::uint16_t i = 0; i < net.keys.size(); ++i) all.push_back(i);
  proof.block.certificate =
      trim(net.certify(proof.block.header, all), net.genesis.validators, net.genesis.params.quorum_bp);
  return proof;
}

}  // namespace hanse::light

// A settled job and its receipt bundle under a genesis of a few validators, for tests of this room.
#pragma once

#include "base/crypto/hash.h"
#include "chain/light/light_proof.h"
#include "exchange/auction/market_world.h"
#include "exchange/receipt/bundle.h"
#include "exchange/receipt/receipt.h"

namespace hanse::receipt {

class ReceiptWorld {
 public:
  explicit ReceiptWorld(std::string name = "testnet", std::uint16_t validators = 4)
      : ReceiptWorld(std::move(name), std::vector<std::uint16_t>(
                                          validators, static_cast<std::uint16_t>(light::kPowerTotalBp / validators))) {}
  // Powers by place in the set.
  ReceiptWorld(std::string name, const std::vector<std::uint16_t>& powers) {
    std::vector<light::Validator> set;
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const Bytes seed(32, static_cast<std::uint8_t>(0xa0 + i));
      keys.push_back(*crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, seed));
      set.push_back({.key = keys.back().public_key(), .power_bp = 1});
    }
    genesis.name = std::move(name);
    genesis.time_ms = 1;
    genesis.validators = light::sorted_set(std::move(set));
    for (std::size_t i = 0; i < powers.size(); ++i) genesis.validators.validators[i].power_bp = powers[i];
    market.emplace(market::Params{}, 3, 100'000'000, light::network_id(genesis));
    EXPECT_EQ(market->add_provider(1).code, 0u);
    EXPECT_EQ(market->add_ask(1).code, 0u);
  }

  // Orders, runs and receipts a job; blocks pass until it is settled.
  void settle_a_job(market::RunStatus status = market::RunStatus::kOk) {
    receipt_a_job(status);
    market->skip(market::Params{}.settle_window + 1);
  }
  void receipt_a_job(market::RunStatus status = market::RunStatus::kOk) {
    order = market->plain_job(0);
    EXPECT_EQ(market->submit(0, order).code, 0u);
    gxf = gxf::encode(order);
    EXPECT_EQ(market->call(1, market::Method::kJobStart, market::JobStart{order.job_id}).code, 0u);
    receipt = receipt_for(status);
    SeededRandom random(1);
    const Stamp stamp{.network = market->network, .wall_ms = 1'700'000'000'000};
    signed_receipt = encode(sign_receipt(receipt, market->who[1], stamp, random));
    record();
  }
  Receipt receipt_for(market::RunStatus status) const {
    Receipt r;
    r.job_id = order.job_id;
    r.provider = market->who[1].id();
    r.gxf_hash = crypto::blob_id(gxf);
    r.artifacts = {order.nodes[0].artifact};
    if (status == market::RunStatus::kOk) r.outputs = {{crypto::blob_id(output), output.size()}};
    r.status = status;
    r.gas = 500'000;
    r.kernel_class = "wasm-aot/1";
    r.cpu_class = "x86-64-v3";
    r.started = r.finished = market->height;
    r.price = market->job(order.job_id).price;
    r.steps = steps;
    return r;
  }
  void record() {
    market::JobReceipt call{.id = order.job_id,
                            .receipt_hash = crypto::blob_id(signed_receipt),
                            .status = receipt.status,
                            .gas = receipt.gas,
                            .outputs = receipt.outputs,
                            .steps = recorded_steps ? recorded_steps : receipt.steps};
    EXPECT_EQ(market->call(1, market::Method::kJobReceipt, call).code, 0u);
  }

  std::vector<std::uint16_t> everyone() const {
    std::vector<std::uint16_t> out;
    for (std::uint16_t i = 0; i < keys.size(); ++i) out.push_back(i);
    return out;
  }
  // The state as it stands, certified by the validators numbered in `signers`.
  light::LightProof prove(const Bytes& key, const std::vector<std::uint16_t>& signers) const {
    light::LightProof proof;
    proof.key = key;
    proof.value = *market->state.get(key);
    light::BlockHeader& header = proof.block.header;
    header.network = market->network;
    header.height = market->height;
    header.time_ms = 5;
    header.valset_hash = header.next_valset_hash = light::set_hash(genesis.validators);
    std::vector<Leaf> leaves;
    for (const auto& [k, v] : market->state.entries())
      leaves.push_back({light::state_key_hash(k), light::state_value_hash(v)});
    std::ranges::sort(leaves, {}, &Leaf::key);
    header.state_root = subtree(leaves, 0, light::state_key_hash(key), &proof.path);
    for (const std::uint16_t i : signers) {
      for (const crypto::SecretKey& secret : keys) {
        if (secret.public_key() == genesis.validators.validators[i].key)
          proof.block.certificate.attests.push_back({.validator = i, .signature = light::sign_header(header, secret)});
      }
    }
    return proof;
  }
  ReceiptBundle bundle() const {
    return {.signed_receipt = signed_receipt,
            .gxf = gxf,
            .job_proof = light::encode(prove(market::job_key(order.job_id), everyone()))};
  }

  light::Genesis genesis;
  std::vector<crypto::SecretKey> keys;
  std::optional<auction::MarketWorld> market;
  gxf::Job order;
  Bytes gxf;
  std::optional<market::StepsRef> steps, recorded_steps;  // of the receipt; of the record, where it is to differ
  Receipt receipt;
  Bytes signed_receipt;
  Bytes output = to_bytes("the answer");

 private:
  struct Leaf {
    Hash32 key, value;
  };
  // Root of the leaves below one place of the tree; the siblings on the way to `wanted` go to path.
  static Hash32 subtree(std::span<const Leaf> leaves, std::size_t depth, const Hash32& wanted,
                        light::SparseProof* path) {
    if (leaves.empty()) return {};
    if (leaves.size() == 1) {
      if (path != nullptr && leaves[0].key != wanted) path->other = {leaves[0].key, leaves[0].value};
      return light::state_leaf_hash(leaves[0].key, leaves[0].value);
    }
    const auto middle =
        std::ranges::partition_point(leaves, [&](const Leaf& l) { return !light::bit_at(l.key, depth); });
    const auto cut = static_cast<std::size_t>(middle - leaves.begin());
    const bool right = light::bit_at(wanted, depth);
    const std::size_t at = path == nullptr ? 0 : path->siblings.size();
    if (path != nullptr) path->siblings.emplace_back();
    const Hash32 l = subtree(leaves.first(cut), depth + 1, wanted, right ? nullptr : path);
    const Hash32 r = subtree(leaves.subspan(cut), depth + 1, wanted, right ? path : nullptr);
    if (path != nullptr) path->siblings[at] = right ? l : r;
    return light::state_node_hash(l, r);
  }
};

}  // namespace hanse::receipt

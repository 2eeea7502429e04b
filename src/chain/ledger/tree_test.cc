#include "chain/ledger/tree.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::ledger {
namespace {

using Pairs = std::map<Hash32, Hash32>;

// The definition, computed from scratch.
Hash32 naive_root(const Pairs& all, std::size_t depth = 0) {
  if (all.empty()) return {};
  if (all.size() == 1) return light::state_leaf_hash(all.begin()->first, all.begin()->second);
  Pairs left, right;
  for (const auto& [key, value] : all) (light::bit_at(key, depth) ? right : left)[key] = value;
  return light::state_node_hash(naive_root(left, depth + 1), naive_root(right, depth + 1));
}

struct Stored {
  std::map<Bytes, Bytes> records;
  NodeGet get = [this](ByteView key) -> Result<std::optional<Bytes>> {
    const auto it = records.find(to_bytes(key));
    if (it == records.end()) return std::nullopt;
    return it->second;
  };
  static std::vector<TreeChange> list(const std::map<Hash32, std::optional<Hash32>>& changes) {
    std::vector<TreeChange> out;
    // Descending: any order will do.
    for (const auto& [key, value] : changes) out.insert(out.begin(), {key, value, {}});
    return out;
  }
  Hash32 update(const std::map<Hash32, std::optional<Hash32>>& changes) {
    auto out = update_tree(get, list(changes));
    EXPECT_TRUE(out) << out.error().str();
    for (auto& [key, value] : out->records) {
      if (value) {
        records[key] = *value;
      } else {
        records.erase(key);
      }
    }
    return out->root;
  }
};

// Few distinct first bytes, so that paths collide deep and shallow.
Hash32 key_of(Random& random) {
  Hash32 key;
  key.data[0] = random.below(2) == 0 ? 0x80 : 0x81;
  key.data[1] = static_cast<std::uint8_t>(random.below(4));
  key.data[31] = static_cast<std::uint8_t>(random.below(4));
  return key;
}

TEST(Tree, agrees_with_the_definition_after_every_random_batch) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed, "tree");
    Stored stored;
    Pairs expected;
    for (int batch = 0; batch < 25; ++batch) {
      std::map<Hash32, std::optional<Hash32>> changes;
      const std::uint64_t count = random.below(12);
      for (std::uint64_t i = 0; i < count; ++i) {
        const Hash32 key = key_of(random);
        if (random.below(2) == 0) {
          Hash32 value;
          random.fill(value.span());
          changes[key] = value;
        } else {
          changes[key] = std::nullopt;
        }
      }
      for (const auto& [key, value] : changes) {
        if (value) {
          expected[key] = *value;
        } else {
          expected.erase(key);
        }
      }
      const Hash32 root = stored.update(changes);
      ASSERT_EQ(root, naive_root(expected));
      ASSERT_EQ(*tree_root(stored.get), root);
      // No record is left behind: a tree built anew holds exactly the same ones.
      Stored fresh;
      std::map<Hash32, std::optional<Hash32>> all;
      for (const auto& [key, value] : expected) all[key] = value;
      ASSERT_EQ(fresh.update(all), root);
      ASSERT_EQ(fresh.records, stored.records);
    }
  }
}

TEST(Tree, proves_every_key_present_and_others_absent) {
  SeededRandom random(5, "tree proofs");
  for (const int size : {0, 1, 2, 3, 50}) {
    Stored stored;
    std::map<Hash32, std::optional<Hash32>> changes;
    std::map<Bytes, Bytes> values;
    for (int n = 0; n < size; ++n) {
      const Bytes key = to_bytes(text("key {}", n)), value = to_bytes(text("value {}", n));
      values[key] = value;
      changes[light::state_key_hash(key)] = light::state_value_hash(value);
    }
    const Hash32 root = stored.update(changes);
    for (int n = 0; n < size + 50; ++n) {
      const Bytes key = to_bytes(text("key {}", n));
      const auto proof = prove_in_tree(stored.get, light::state_key_hash(key));
      ASSERT_TRUE(proof);
      const std::optional<Bytes> value = n < size ? std::optional(values[key]) : std::nullopt;
      EXPECT_TRUE(light::verify_sparse(*proof, key, value, root)) << n;
      const std::optional<Bytes> lie = n < size ? std::nullopt : std::optional(to_bytes("value 0"));
      EXPECT_FALSE(light::verify_sparse(*proof, key, lie, root)) << n;
    }
  }
}

TEST(Tree, notices_a_record_that_does_not_fit_its_parent) {
  Stored stored;
  std::map<Hash32, std::optional<Hash32>> changes;
  SeededRandom random(1);
  for (int n = 0; n < 20; ++n) {
    Hash32 key;
    random.fill(key.span());
    changes[key] = key;
  }
  stored.update(changes);
  for (auto& [key, value] : stored.records)
    if (key.size() > 2) value[40] ^= 1;
  EXPECT_EQ(prove_in_tree(stored.get, changes.begin()->first).error().id(), "ledger.tree_corrupt");
  EXPECT_EQ(update_tree(stored.get, stored.list(changes)).error().id(), "ledger.tree_corrupt");
  stored.records.begin()->second.pop_back();
  EXPECT_EQ(tree_root(stored.get).error().id(), "ledger.tree_corrupt");
}

}  // namespace
}  // namespace hanse::ledger

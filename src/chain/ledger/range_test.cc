#include "chain/ledger/range.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/ledger/tree_node.h"

namespace hanse::ledger {
namespace {

using light::KeyRange;
using light::kKeyHashMax;
using light::RangeProof;
using light::verify_range;

constexpr KeyRange kAll{.first = {}, .last = kKeyHashMax};

// A plain map beside the tree that is kept for it.
struct World {
  std::map<Bytes, Bytes> state;                      // the truth
  std::map<Hash32, std::pair<Bytes, Bytes>> sorted;  // by key hash
  std::map<Bytes, Bytes> records;
  Hash32 root;
  TreeReader reader{
      .node = [this](ByteView key) { return find(records, key); },
      .nodes = [this](ByteView prefix, ByteView from, const TreeReader::Visit& visit) -> Status {
        for (auto it = records.lower_bound(to_bytes(from)); it != records.end(); ++it)
          if (as_text(it->first).substr(0, prefix.size()) != as_text(prefix) || !visit(it->first, it->second)) break;
        return {};
      },
      .value = [this](ByteView key) { return find(state, key); }};

  static Result<std::optional<Bytes>> find(const std::map<Bytes, Bytes>& in, ByteView key) {
    const auto it = in.find(to_bytes(key));
    return it == in.end() ? std::nullopt : std::optional(it->second);
  }
  World() = default;
  World(const World&) = delete;

  void change(const std::map<Bytes, std::optional<Bytes>>& changes) {
    std::vector<TreeChange> list;
    for (const auto& [key, value] : changes) {
      const Hash32 hash = light::state_key_hash(key);
      list.push_back({.key = hash,
                      .value = value ? std::optional(light::state_value_hash(*value)) : std::nullopt,
                      .state_key = key});
      if (value) {
        state[key] = *value;
        sorted[hash] = {key, *value};
      } else {
        state.erase(key);
        sorted.erase(hash);
      }
    }
    auto update = update_tree(reader.node, std::move(list));
    ASSERT_TRUE(update) << update.error().str();
    for (auto& [key, value] : update->records) {
      if (value) {
        records[key] = *value;
      } else {
        records.erase(key);
      }
    }
    root = update->root;
  }
  void fill(std::size_t count, Random& random, std::size_t value_max = 40) {
    std::map<Bytes, std::optional<Bytes>> changes;
    for (std::size_t n = 0; n < count; ++n) {
      Bytes value(random.below(value_max + 1));
      random.fill(value);
      changes[to_bytes(text("app/{}", random.below(4 * count)))] = std::move(value);
    }
    change(changes);
  }
  void erase_some(Random& random) {
    std::map<Bytes, std::optional<Bytes>> changes;
    for (const auto& [key, value] : state)
      if (random.below(3) == 0) changes[key] = std::nullopt;
    change(changes);
  }
  std::vector<std::pair<Bytes, Bytes>> truth(const KeyRange& range) const {
    std::vector<std::pair<Bytes, Bytes>> out;
    for (const auto& [hash, pair] : sorted)
      if (hash >= range.first && hash <= range.last) out.push_back(pair);
    return out;
  }
  Hash32 some_hash(Random& random) const {
    Hash32 out;
    random.fill(out.span());
    if (!sorted.empty() && random.below(2) == 0) {  // one that is there, or beside it
      out = std::next(sorted.begin(), static_cast<std::ptrdiff_t>(random.below(sorted.size())))->first;
      if (random.below(2) == 0) out.data[31] ^= 1;
    }
    return out;
  }
  KeyRange some_range(Random& random) const {
    const Hash32 a = some_hash(random), b = some_hash(random);
    return {.first = std::min(a, b), .last = std::max(a, b)};
  }
};

std::vector<std::pair<Bytes, Bytes>> pairs_of(const RangeProof& proof) {
  std::vector<std::pair<Bytes, Bytes>> out;
  for (const auto& [key, value] : proof.pairs) out.emplace_back(to_bytes(key), to_bytes(value));
  return out;
}

TEST(Range, proves_exactly_the_pairs_of_a_plain_map) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed, "range");
    World world;
    world.fill(random.below(3) == 0 ? random.below(4) : random.below(300), random);
    world.erase_some(random);
    for (int n = 0; n < 40; ++n) {
      const KeyRange range = n == 0 ? kAll : world.some_range(random);
      const auto answer = prove_range(world.reader, range, random.below(2) == 0 ? 1u << 20 : random.below(600));
      ASSERT_TRUE(answer) << answer.error().str();
      const KeyRange shown{.first = range.first, .last = answer->last};
      ASSERT_LE(shown.last, range.last);
      const auto proof = light::decode_range_proof(answer->proof);
      ASSERT_TRUE(proof) << proof.error().str();
      EXPECT_EQ(light::encode(*proof), answer->proof);
      const Status verified = verify_range(*proof, shown, world.root);
      ASSERT_TRUE(verified) << verified.error().str();
      EXPECT_EQ(pairs_of(*proof), world.truth(shown));
      // It is a proof of this range and this root only.
      Hash32 other = world.root;
      other.data[3] ^= 1;
      EXPECT_EQ(verify_range(*proof, shown, other).error().id(), "light.range");
      const KeyRange wider = world.some_range(random);
      EXPECT_TRUE(world.truth(wider) == world.truth(shown) || !verify_range(*proof, wider, world.root));
    }
  }
}

TEST(Range, answers_of_a_walk_are_together_the_state_and_its_tree) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed, "range walk");
    World world;
    world.fill(random.below(3000), random, 200);
    std::map<Bytes, Bytes> state, records;
    std::size_t answers = 0;
    for (std::optional<Hash32> first = Hash32{}; first; ++answers) {
      const auto answer = prove_range(world.reader, {*first, kKeyHashMax}, 2'000);
      ASSERT_TRUE(answer) << answer.error().str();
      const auto proof = light::decode_range_proof(answer->proof);
      ASSERT_TRUE(verify_range(*proof, {*first, answer->last}, world.root, [&](const light::RangeNode& node) {
        records[TreePath{node.path, node.depth}.record_key()] = encode_node(
            {node.leaf ? TreeNode::Type::kLeaf : TreeNode::Type::kInner, node.a, node.b, to_bytes(node.key)});
      }));
      for (auto& [key, value] : pairs_of(*proof)) state.emplace(key, value);
      first = light::next_key_hash(answer->last);
    }
    EXPECT_EQ(state, world.state);
    EXPECT_EQ(records, world.records);
    EXPECT_GT(answers, world.state.size() / 40);
  }
}

TEST(Range, refuses_pairs_that_are_missing_added_changed_or_moved) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    SeededRandom random(seed, "range lies");
    World world;
    world.fill(5 + random.below(60), random);
    const KeyRange range = seed % 4 == 0 ? kAll : world.some_range(random);
    const auto answer = prove_range(world.reader, range, 1u << 20);
    const RangeProof good = *light::decode_range_proof(answer->proof);
    const auto refused = [&](const RangeProof& proof) {
      const Status verified = verify_range(proof, range, world.root);
      return !verified && verified.error().id() == "light.range";
    };
    ASSERT_FALSE(refused(good));
    for (std::size_t i = 0; i < good.pairs.size(); ++i) {
      RangeProof lie = good;
      lie.pairs.erase(lie.pairs.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_TRUE(refused(lie)) << "without pair " << i;
      lie = good;
      lie.pairs.insert(lie.pairs.begin() + static_cast<std::ptrdiff_t>(i), good.pairs[i]);
      EXPECT_TRUE(refused(lie)) << "with pair " << i << " twice";
      lie = good;
      const Bytes other = to_bytes("another value");
      lie.pairs[i].value = other;
      EXPECT_TRUE(refused(lie)) << "with another value of pair " << i;
      lie = good;
      const Bytes stranger = to_bytes(text("stranger {}", i));
      lie.pairs[i].key = stranger;
      EXPECT_TRUE(refused(lie)) << "with another key of pair " << i;
      if (i == 0) continue;
      lie = good;
      std::swap(lie.pairs[i - 1], lie.pairs[i]);
      EXPECT_TRUE(refused(lie)) << "with pair " << i << " before its time";
      lie = good;
      std::swap(lie.pairs[i - 1].value, lie.pairs[i].value);
      EXPECT_TRUE(refused(lie) || equal(good.pairs[i - 1].value, good.pairs[i].value))
          << "with the value of pair " << i << " moved";
    }
    for (std::size_t i = 0; i < good.border.size(); ++i) {
      RangeProof lie = good;
      lie.border[i] ^= static_cast<std::uint8_t>(1u << random.below(8));
      EXPECT_TRUE(refused(lie)) << "with byte " << i << " of the border changed";
      lie = good;
      lie.border.resize(i);
      EXPECT_TRUE(refused(lie)) << "with the border cut at " << i;
    }
    RangeProof lie = good;
    lie.border.push_back(0);
    EXPECT_TRUE(refused(lie));
  }
}

TEST(Range, no_bit_of_an_encoded_proof_is_free) {
  SeededRandom random(7, "range bits");
  World world;
  world.fill(30, random);
  const KeyRange range = world.some_range(random);
  const auto answer = prove_range(world.reader, range, 1u << 20);
  Bytes bytes = answer->proof;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const auto proof = light::decode_range_proof(bytes);
    EXPECT_FALSE(proof && verify_range(*proof, range, world.root)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
  }
  bytes.push_back(0);
  EXPECT_EQ(light::decode_range_proof(bytes).error().id(), "codec.trailing");
}

TEST(Range, an_empty_state_has_empty_ranges) {
  SeededRandom random(1);
  World world;
  for (const KeyRange& range : {kAll, world.some_range(random)}) {
    const auto answer = prove_range(world.reader, range, 1'000);
    ASSERT_TRUE(answer) << answer.error().str();
    EXPECT_EQ(answer->last, range.last);
    EXPECT_TRUE(verify_range(*light::decode_range_proof(answer->proof), range, Hash32{}));
  }
}

TEST(Range, refuses_a_range_that_ends_before_it_begins) {
  World world;
  EXPECT_EQ(prove_range(world.reader, {.first = kKeyHashMax, .last = {}}, 1'000).error().id(), "ledger.range");
  EXPECT_EQ(verify_range({}, {.first = kKeyHashMax, .last = {}}, {}).error().id(), "light.range");
}

TEST(Range, one_value_beyond_the_limit_is_an_answer_of_its_own) {
  World world;
  world.change({{to_bytes("a"), Bytes(5'000, 1)}, {to_bytes("b"), Bytes(5'000, 2)}, {to_bytes("c"), Bytes(10, 3)}});
  const auto answer = prove_range(world.reader, kAll, 1'000);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->pairs, 1u);
  EXPECT_LT(answer->last, kKeyHashMax);
}

TEST(Range, notices_a_leaf_whose_key_or_value_is_gone) {
  SeededRandom random(3);
  World world;
  world.fill(20, random);
  const auto [key, value] = *world.state.begin();
  world.state.erase(key);
  EXPECT_EQ(prove_range(world.reader, kAll, 1u << 20).error().id(), "ledger.tree_corrupt");
  world.state[key] = value;
  EXPECT_TRUE(prove_range(world.reader, kAll, 1u << 20));
  for (auto& [record_key, record] : world.records)
    if (record[0] == 1) record.resize(65);  // as before leaves named their keys
  EXPECT_EQ(prove_range(world.reader, kAll, 1u << 20).error().id(), "ledger.tree_corrupt");
}

}  // namespace
}  // namespace hanse::ledger

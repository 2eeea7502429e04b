#include "exchange/wasm/step_state.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/crypto/hash.h"

namespace hanse::wasm {
namespace {

constexpr std::size_t kPage = 65'536;

StepState sample() {
  StepState s{.index = 7, .globals = {1, ~0ull}, .outputs = {{}, Bytes{1, 2}}, .memory = Bytes(2 * kPage)};
  s.memory[5] = 9;
  s.memory.back() = 1;
  return s;
}

// The root as the header tells it, over all leaves anew.
Hash32 plain_root(ByteView memory) {
  std::vector<Hash32> row;
  for (std::size_t at = 0; at < memory.size(); at += kStepLeafBytes)
    row.push_back(crypto::blake3("hanse/step-leaf/1", {memory.subspan(at, kStepLeafBytes)}));
  while (row.size() > 1) {
    std::vector<Hash32> above;
    for (std::size_t k = 0; k < row.size(); k += 2)
      above.push_back(k + 1 < row.size() ? crypto::blake3("hanse/step-node/1", {row[k].view(), row[k + 1].view()})
                                         : row[k]);
    row = std::move(above);
  }
  return row.empty() ? Hash32{} : row[0];
}

TEST(StepState, survives_the_round_trip_without_its_zeros) {
  const StepState s = sample();
  const Bytes bytes = encode_state(s);
  EXPECT_LT(bytes.size(), 2 * (kStepLeafBytes + 4) + 100);
  const auto back = decode_state(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->index, s.index);
  EXPECT_EQ(back->globals, s.globals);
  EXPECT_EQ(back->outputs, s.outputs);
  EXPECT_EQ(back->memory, s.memory);
  EXPECT_EQ(encode_state(*back), bytes);
}

TEST(StepState, has_one_encoding) {
  const Bytes bytes = encode_state(sample());
  for (std::size_t n = 0; n < bytes.size(); ++n) ASSERT_FALSE(decode_state(ByteView(bytes).first(n))) << n;
  int accepted = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes bent = bytes;
    bent[at] ^= 1;
    const auto back = decode_state(bent);
    if (!back) continue;
    ++accepted;
    ASSERT_EQ(encode_state(*back), bent) << at;
  }
  EXPECT_GT(accepted, 8000);  // bytes of memory, globals, outputs
}

TEST(StepState, leaves_that_are_zero_beyond_memory_or_out_of_order_are_refused) {
  StepState s = sample();
  const auto id_of = [](Bytes bytes) {
    const auto back = decode_state(bytes);
    return back ? std::string() : std::string(back.error().id());
  };
  Bytes bytes = encode_state(s);
  const std::size_t last = bytes.size() - kStepLeafBytes, first = last - 4 - kStepLeafBytes;
  Bytes zero = bytes;
  zero.back() = 0;
  EXPECT_EQ(id_of(zero), "wasm.state");
  Bytes beyond = bytes;
  beyond[last - 1] = 32;
  EXPECT_EQ(id_of(beyond), "wasm.state");
  beyond[last - 1] = 30;
  EXPECT_EQ(id_of(beyond), "");
  Bytes again = bytes;
  again[first - 1] = 31;
  EXPECT_EQ(id_of(again), "wasm.state");
  s.memory.resize(kStepPagesMax * kPage);
  EXPECT_TRUE(decode_state(encode_state(s)));
  s.memory.resize((kStepPagesMax + 1) * kPage);
  EXPECT_FALSE(decode_state(encode_state(s)));
}

TEST(MemoryTree, has_the_root_of_a_memory_hashed_anew_whatever_was_written) {
  MemoryTree tree;
  EXPECT_EQ(tree.root(), Hash32{});
  Bytes memory(kPage);
  EXPECT_EQ(tree.update(memory), 0u);
  EXPECT_EQ(tree.root(), plain_root(memory));
  std::uint32_t x = 1;
  for (int round = 0; round < 40; ++round) {
    if (round % 8 == 7) memory.resize(memory.size() + kPage);
    std::vector<std::size_t> touched;
    for (int k = 0; k < round % 5; ++k) {
      x = x * 1664525u + 1013904223u;
      const std::size_t at = x % memory.size();
      memory[at] = static_cast<std::uint8_t>(memory[at] + 1);
      touched.push_back(at / kStepLeafBytes);
    }
    std::ranges::sort(touched);
    touched.erase(std::ranges::unique(touched).begin(), touched.end());
    EXPECT_EQ(tree.update(memory), touched.size());
    EXPECT_EQ(tree.root(), plain_root(memory)) << round;
  }
}

TEST(StateRoot, depends_on_each_part) {
  const auto root = [](auto change) {
    StateHead head{.index = 1, .pages = 2, .memory = {}};
    std::vector<std::uint64_t> globals = {3};
    std::vector<OutputDigest> outputs(1);
    change(head, globals, outputs);
    return state_root(head, globals, outputs);
  };
  const Hash32 plain = root([](auto&, auto&, auto&) {});
  EXPECT_NE(plain, root([](auto& h, auto&, auto&) { ++h.index; }));
  EXPECT_NE(plain, root([](auto& h, auto&, auto&) { ++h.pages; }));
  EXPECT_NE(plain, root([](auto& h, auto&, auto&) { h.memory.data[0] = 1; }));
  EXPECT_NE(plain, root([](auto&, auto& g, auto&) { g[0] = 4; }));
  EXPECT_NE(plain, root([](auto&, auto& g, auto&) { g.push_back(0); }));
  EXPECT_NE(plain, root([](auto&, auto&, auto& o) { o[0].size_bytes = 1; }));
  EXPECT_NE(plain, root([](auto&, auto&, auto& o) { o[0].hash.data[0] = 1; }));
  EXPECT_NE(plain, root([](auto&, auto&, auto& o) { o.emplace_back(); }));
}

}  // namespace
}  // namespace hanse::wasm

#include "exchange/wasm/step_state.h"

#include <algorithm>
#include <cstring>

#include "base/codec/cbor.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/wasm/module.h"

namespace hanse::wasm {
namespace {

constexpr std::size_t kPageBytes = 65'536;
constexpr std::size_t kSparseBytes = 4 + kStepLeafBytes;  // number of a leaf and its bytes
constexpr std::size_t kStateBytesMax = 64u << 20;
constexpr std::uint8_t kZeros[kStepLeafBytes] = {};

Hash32 leaf_hash(ByteView leaf) { return crypto::blake3("hanse/step-leaf/1", {leaf}); }
Hash32 node_hash(const std::vector<Hash32>& row, std::size_t k) {
  return 2 * k + 1 < row.size() ? crypto::blake3("hanse/step-node/1", {row[2 * k].view(), row[2 * k + 1].view()})
                                : row[2 * k];
}

template <class T>
void put_le(Bytes& out, T value) {
  std::uint8_t le[sizeof(T)];
  store_le(le, value);
  append(out, le);
}

std::unexpected<Error> bad(std::string what) { return fail(Kind::kInvalid, "wasm.state", std::move(what)); }

// Ascending leaves that are not all zero.
Status read_memory(ByteView sparse, Bytes& memory) {
  if (sparse.size() % kSparseBytes != 0)
    return bad(text("found {} bytes of memory, expected leaves of {}", sparse.size(), kSparseBytes));
  std::uint64_t next = 0;
  for (; !sparse.empty(); sparse = sparse.subspan(kSparseBytes)) {
    const std::uint64_t leaf = load_be<std::uint32_t>(sparse.data());
    const std::uint64_t leaves = memory.size() / kStepLeafBytes;
    if (leaf < next || leaf >= leaves) return bad(text("found leaf {}, expected {} to {}", leaf, next, leaves));
    const ByteView bytes = sparse.subspan(4, kStepLeafBytes);
    if (std::memcmp(bytes.data(), kZeros, kStepLeafBytes) == 0) return bad(text("leaf {} is all zero", leaf));
    std::ranges::copy(bytes, memory.begin() + static_cast<std::ptrdiff_t>(leaf * kStepLeafBytes));
    next = leaf + 1;
  }
  return {};
}

Status expect_key(codec::CborReader& r, std::uint64_t want) {
  TRY(const std::uint64_t found, r.key());
  if (found != want) return r.fail_here("wasm.state", text("found key {}, expected {}", found, want));
  return {};
}

}  // namespace

void MemoryTree::resize(std::size_t leaves) {
  static const Hash32 zero = leaf_hash(kZeros);
  if (levels_.empty()) levels_.emplace_back();
  levels_[0].resize(leaves, zero);
  levels_.resize(1);
  while (levels_.back().size() > 1) {
    const std::vector<Hash32>& row = levels_.back();
    std::vector<Hash32> above((row.size() + 1) / 2);
    for (std::size_t k = 0; k < above.size(); ++k) above[k] = node_hash(row, k);
    levels_.push_back(std::move(above));
  }
}

void MemoryTree::rehash(std::vector<std::size_t> dirty) {
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) {
    for (std::size_t& k : dirty) k /= 2;
    dirty.erase(std::ranges::unique(dirty).begin(), dirty.end());
    for (const std::size_t k : dirty) levels_[level + 1][k] = node_hash(levels_[level], k);
  }
}

std::uint64_t MemoryTree::update(ByteView memory) {
  check(memory.size() >= shadow_.size() && memory.size() % kPageBytes == 0, "a memory has whole pages and only grows");
  if (memory.size() > shadow_.size()) {
    shadow_.resize(memory.size());
    resize(memory.size() / kStepLeafBytes);
  }
  std::vector<std::size_t> dirty;
  for (std::size_t at = 0; at < memory.size(); at += kStepLeafBytes) {
    if (std::memcmp(memory.data() + at, shadow_.data() + at, kStepLeafBytes) == 0) continue;
    std::memcpy(shadow_.data() + at, memory.data() + at, kStepLeafBytes);
    levels_[0][at / kStepLeafBytes] = leaf_hash({shadow_.data() + at, kStepLeafBytes});
    dirty.push_back(at / kStepLeafBytes);
  }
  const std::uint64_t count = dirty.size();
  rehash(std::move(dirty));
  return count;
}

Hash32 state_root(const StateHead& head, const std::vector<std::uint64_t>& globals,
                  const std::vector<OutputDigest>& outputs) {
  Bytes b;
  put_le(b, head.index);
  put_le(b, head.pages);
  append(b, head.memory.view());
  put_le(b, static_cast<std::uint32_t>(globals.size()));
  for (const std::uint64_t bits : globals) put_le(b, bits);
  put_le(b, static_cast<std::uint32_t>(outputs.size()));
  for (const OutputDigest& output : outputs) {
    put_le(b, output.size_bytes);
    append(b, output.hash.view());
  }
  return crypto::blake3("hanse/step-state/1", {b});
}

Bytes encode_state(const StepState& state) {
  Bytes sparse, globals;
  for (std::size_t at = 0; at < state.memory.size(); at += kStepLeafBytes) {
    if (std::memcmp(state.memory.data() + at, kZeros, kStepLeafBytes) == 0) continue;
    std::uint8_t be[4];
    store_be(be, static_cast<std::uint32_t>(at / kStepLeafBytes));
    append(sparse, be);
    append(sparse, {state.memory.data() + at, kStepLeafBytes});
  }
  for (const std::uint64_t bits : state.globals) put_le(globals, bits);
  codec::CborWriter w;
  w.map(5);
  w.key(0);
  w.u64(state.index);
  w.key(1);
  w.u64(state.memory.size() / kPageBytes);
  w.key(2);
  w.bytes(globals);
  w.key(3);
  w.array(state.outputs.size());
  for (const Bytes& output : state.outputs) w.bytes(output);
  w.key(4);
  w.bytes(sparse);
  return w.take();
}

Result<StepState> decode_state(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kStateBytesMax, .depth_max = 2});
  StepState state;
  TRY_OK(r.enter_map("state", 5));
  TRY_OK(expect_key(r, 0));
  TRY(const std::uint64_t index, r.u64("index", 0xFFFFFFFF));
  state.index = static_cast<std::uint32_t>(index);
  TRY_OK(expect_key(r, 1));
  TRY(const std::uint64_t pages, r.u64("pages", kStepPagesMax));
  TRY_OK(expect_key(r, 2));
  TRY(const ByteView globals, r.bytes("globals", std::size_t{8} * (kGlobalsMax + 8)));
  if (globals.size() % 8 != 0) return bad(text("found {} bytes of globals, expected 8 each", globals.size()));
  for (std::size_t at = 0; at < globals.size(); at += 8)
    state.globals.push_back(load_le<std::uint64_t>(globals.data() + at));
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.enter_array("outputs", kOutputsMax));
  while (r.more()) {
    TRY(const ByteView output, r.bytes("output", kStateBytesMax));
    state.outputs.push_back(to_bytes(output));
  }
  TRY_OK(r.leave());
  TRY_OK(expect_key(r, 4));
  TRY(const ByteView sparse, r.bytes("memory", kStateBytesMax));
  state.memory.resize(pages * kPageBytes);
  TRY_OK(read_memory(sparse, state.memory));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return state;
}

}  // namespace hanse::wasm

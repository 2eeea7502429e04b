// The state of work in steps between two of them, its root, and its bytes (docs/internals/bisection.md).
// A state is all that the next step can depend on beside the job itself: memory, the globals that can change with the
// hidden ones among them (gas left, stack, grow state), outputs written so far, and the number of steps done. Tables
// and segments cannot change (module.h), inputs do not.
//   leaf        BLAKE3("hanse/step-leaf/1", 4096 bytes of memory); nodes BLAKE3("hanse/step-node/1", left || right), a
//               node without a partner rises unchanged; no memory has the zero root
//   state root  BLAKE3("hanse/step-state/1", index u32le || pages u32le || memory root || globals u32le, each u64le ||
//               outputs u32le, each: size u64le || BLAKE3 of its bytes)
// Bytes of a state: proto/records/steps.md. Limits: kStepPagesMax, kOutputsMax outputs, kGlobalsMax globals.
// Threads: values. Errors: wasm.state (invalid) and the codec's.
#pragma once

#include <vector>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::wasm {

constexpr std::size_t kStepLeafBytes = 4096;
constexpr std::uint32_t kStepPagesMax = 512;  // of memory: 32 MiB, so that a state travels in one request

struct StepState {
  std::uint32_t index = 0;             // steps done
  std::vector<std::uint64_t> globals;  // bits, those of 32 bits zero-extended
  std::vector<Bytes> outputs;
  Bytes memory;  // whole pages of 64 KiB
};
Bytes encode_state(const StepState& state);
Result<StepState> decode_state(ByteView bytes);

// The Merkle tree over a memory, kept up to date by looking for leaves that differ from before. At first there is none.
class MemoryTree {
 public:
  // Takes the memory in as it is now; gives the number of leaves that were hashed anew. New memory counts as zeros that
  // were there before. A memory never shrinks.
  std::uint64_t update(ByteView memory);
  Hash32 root() const { return levels_.empty() ? Hash32{} : levels_.back()[0]; }

 private:
  void resize(std::size_t leaves);
  void rehash(std::vector<std::size_t> dirty);

  Bytes shadow_;
  std::vector<std::vector<Hash32>> levels_;  // leaves first, the root last
};

struct StateHead {
  std::uint32_t index = 0;
  std::uint32_t pages = 0;
  Hash32 memory;
};
struct OutputDigest {
  std::uint64_t size_bytes = 0;
  Hash32 hash;
};
Hash32 state_root(const StateHead& head, const std::vector<std::uint64_t>& globals,
                  const std::vector<OutputDigest>& outputs);

}  // namespace hanse::wasm

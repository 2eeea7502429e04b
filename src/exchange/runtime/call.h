// A call as it goes to a worker and through a plug-in's execute. Local to one machine and one build, never stored:
//   u8 op, u8 zero x3, u32 request size, u32 prepared size (little-endian), then request, prepared, claimed outcome.
// The answer is, by op: encoded outcome; nothing; nothing; prepared bytes. A refusal is an encoded Error.
// Errors: runtime.bad_call (Kind::kInvalid); the codec.* ids of the records inside.
#pragma once

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::runtime {

enum class CallOp : std::uint8_t { kRun = 1, kCheck = 2, kVerify = 3, kPrepare = 4 };
constexpr std::size_t kCallHeadSize = 12;
constexpr std::size_t kPreparedSizeMax = 64u << 20;
constexpr std::size_t kCallSizeMax = kCallHeadSize + (3u * 64u << 20);  // request, prepared, claimed: 64 MiB each

struct Call {
  CallOp op = CallOp::kRun;
  ByteView request, prepared, claimed;  // borrowed
};

Bytes encode_call(const Call& call);
Result<Call> decode_call(ByteView bytes);

}  // namespace hanse::runtime

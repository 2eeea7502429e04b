// Linearizability of client histories: is there one order of all operations, each between its call and its answer, that
// a register could have answered so? Wing & Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory
// of visited (set, state) pairs ("Testing for Linearizability", 2017); keys are checked one by one (P-compositionality,
// Horn & Kroening, 2015).
// The register: append folds a value in, read answers the value, cas replaces it when it is as expected.
// An operation without an answer may have happened at any time after its call, or never.
// Limits: kOpsPerKeyMax operations a key. Pure; any thread. Errors: check.history (exhausted).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/core/result.h"

namespace hanse::sim {

constexpr std::size_t kOpsPerKeyMax = 2'048;
constexpr std::int64_t kNoAnswer = INT64_MAX;

enum class OpKind : std::uint8_t { kAppend, kRead, kCas };

struct Op {
  std::uint32_t key = 0;
  OpKind kind = OpKind::kRead;
  std::uint64_t arg = 0;       // appended value; cas: the new value
  std::uint64_t expected = 0;  // cas
  std::uint64_t answer = 0;    // read: the value; cas: 1 or 0; append: the new value
  std::int64_t call_ns = 0;
  std::int64_t answer_ns = kNoAnswer;
};

std::uint64_t append_value(std::uint64_t value, std::uint64_t arg);

// What an operation makes of a value, and answers.
struct Applied {
  std::uint64_t value = 0, answer = 0;
};
Applied apply_op(std::uint64_t value, OpKind kind, std::uint64_t arg, std::uint64_t expected);

// Nothing when linearizable; else which key, and the longest prefix that could be explained.
Result<std::string> check_history(std::span<const Op> ops);

}  // namespace hanse::sim

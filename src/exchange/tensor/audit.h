// Freivalds' audit of an exact product: is C = A * B? Costs O(mk + kn + mn) instead of the product's O(mkn).
//
// Each round draws x with n entries, uniform over 2^32 values, and compares A * (B * x) with C * x. A wrong C passes
// one round with probability at most 2^-32, two rounds 2^-64, as long as C was fixed before x was known (Freivalds,
// "Probabilistic Machines Can Use Less Running Time", IFIP 1977): given all other entries, a wrong row's difference
// d . x = 0 leaves at most one value for the entry where d is not 0. Both sides are held as exact integers (below
// 2^80), so no modulus is needed; equality here implies equality modulo 2^64 - 2^32 + 1, where sumcheck works.
// x is drawn as base-256 digits, so that B * x and A * (B * x) are exact dot products of int8 with unsigned bytes; all
// rounds share one pass over A, B and C.
// For a single row or column of output (m or n near 1) the audit costs as much as the product: no gain there.
//
// The random source decides what the audit proves: an auditor alone uses system_random(); parties that must agree use
// a generator seeded by a beacon drawn after C was committed.
// Threads: pure but for `random`. Errors: tensor.audit_failed (corrupt: C is not the product), tensor.rounds (0 or more
// than kAuditRoundsMax), tensor.dims, tensor.backend.
#pragma once

#include <cstdint>
#include <span>

#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "exchange/tensor/matmul.h"

namespace hanse::tensor {

constexpr std::uint32_t kAuditRounds = 2;
constexpr std::uint32_t kAuditRoundsMax = 4;

struct AuditOptions {
  std::uint32_t rounds = kAuditRounds;
  Backend backend = Backend::kPortable;
};

Status audit(const MatmulShape& shape, std::span<const std::int8_t> a, std::span<const std::int8_t> b,
             std::span<const std::int32_t> c, Random& random, const AuditOptions& options);

}  // namespace hanse::tensor

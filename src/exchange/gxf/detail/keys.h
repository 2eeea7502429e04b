// The integer keys of proto/records/gxf.md, their names in error paths, and the hashes a job is known by.
#pragma once

#include "exchange/gxf/gxf.h"

namespace hanse::gxf::detail {

enum JobKey : std::uint64_t {
  kKeyVersion = 0,
  kKeyNetwork = 1,
  kKeyJobId = 2,
  kKeyPayer = 3,
  kKeyNonce = 4,
  kKeyPriority = 5,
  kKeyNotBefore = 6,
  kKeyExpires = 7,
  kKeyLane = 8,
  kKeyRegionMask = 9,
  kKeyResidency = 10,
  kKeyLimitTotal = 11,
  kKeyIsolation = 12,
  kKeyAudit = 13,
  kKeyNodes = 16,
  kKeyEdges = 17,
  kKeyInputs = 18,
  kKeyOutputs = 19,
  kKeySig = 64,
  kKeyExtensionFirst = 128,
  kKeyExtensionLast = 255,
};
enum NodeKey : std::uint64_t {
  kNodeId = 0,
  kNodeKind = 1,
  kNodeArtifact = 2,
  kNodePrecision = 3,
  kNodeShape = 4,
  kNodeLimits = 5,
  kNodeParams = 6,
};
enum ShapeKey : std::uint64_t { kShapeLevel = 0, kShapeSeq = 1, kShapeBatch = 2, kShapeTokens = 3, kShapeDims = 4 };
enum LimitsKey : std::uint64_t { kLimitsGas = 0, kLimitsMemPages = 1, kLimitsWallMs = 2, kLimitsOutBytes = 3 };
enum SigKey : std::uint64_t { kSigFieldAlg = 0, kSigMldsaKey = 1, kSigBytes = 2, kSigEd25519Key = 3 };

constexpr std::string_view kContext = "hanse/gxf/4";
constexpr std::string_view kJobIdContext = "hanse/job-id/4";
constexpr std::size_t kMldsaKeySize = 1952, kMldsaSigSize = 3309, kEd25519KeySize = 32, kEd25519SigSize = 64;

// `without_id` is the canonical map of every key but 2 and 64.
JobId job_id_of(ByteView without_id);
// What is signed: BLAKE3-256 of the canonical map of every key but 64, then for kHybrid the Ed25519 key, so that
// neither key nor algorithm can be exchanged under the other signature.
Bytes signed_message(ByteView unsigned_bytes, ByteView ed25519_key);
Bytes signature_over(ByteView message, const crypto::Identity& payer, JobSigAlg alg);

Bytes encode_without_id(const Job& job);

Result<Job> decode_fields(ByteView gxf);                    // decode.cc: all of decode but the comparison of the job id
Status check_fields(const Job& job, const Params& params);  // rules.cc
Status check_dag(const Job& job);                           // dag.cc

}  // namespace hanse::gxf::detail

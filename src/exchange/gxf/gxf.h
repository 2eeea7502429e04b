// GXF v4: the signed job. Byte layout: proto/records/gxf.md (exchange.md 5.3). decode -> validate -> admitted.
// Encoding is the deterministic CBOR of base/codec; the signature and the job id cover exactly those bytes.
// Pure: no clock, no I/O. Height and network parameters are arguments, so every node gives the same answer.
// Errors carry a stable code (GxfCode) in Error::code(), the id "gxf.<name in lower case>" and the path of the field.
#pragma once

#include <map>
#include <variant>
#include <vector>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "base/crypto/sign.h"

namespace hanse::gxf {

enum class GxfCode : std::uint16_t {
  kCborNoncanonical = 1, kCborTrailing = 2, kCborDupkey = 3, kCborType = 4, kTooLarge = 5, kDepth = 6,
  kVersion = 10, kNetwork = 11, kJobidMismatch = 12, kNonceReused = 13, kSigBad = 14, kSigAlg = 15,
  kPriorityRange = 20, kExpired = 21, kNotYetValid = 22, kSpan = 23,
  kPrecisionUnknown = 30, kPrecisionUnsupported = 31, kSeqZero = 32, kSeqLimit = 33, kBatchLimit = 34,
  kTokensGtSeq = 35, kLevelBoundMissing = 36, kKvOverflow = 37,
  kRegionEmpty = 40, kResidencyConflict = 41,
  kDagCycle = 50, kDagOrphan = 51, kDagDupEdge = 52, kDagBadPort = 53, kDagTooBig = 54,
  kLimitZero = 60, kPriceZero = 61, kLaneConflict = 62, kKeyUnknownCritical = 63,
};
std::string_view code_name(GxfCode code);  // "CBOR_NONCANONICAL", ...

enum class Precision : std::uint8_t { kInt8 = 1, kE5m2 = 2, kFp8 = 3, kBf16 = 4 };
enum class NodeKind : std::uint8_t { kWasm = 1, kOnnx = 2, kEngine = 3 };
enum class Lane : std::uint8_t { kAuto = 0, kFlash = 1, kDeep = 2 };
enum class Audit : std::uint8_t { kReceipts = 0, kSampled = 1, kFreivalds = 2, kSumcheck = 3 };
enum class JobSigAlg : std::uint8_t { kMlDsa65 = 1, kHybrid = 2 };  // hybrid: Ed25519 signature || ML-DSA-65 signature

struct Shape {
  std::uint8_t level = 0;  // L0 fixed .. L3 data-dependent
  std::uint32_t seq = 1;
  std::uint16_t batch = 1;
  std::uint32_t tokens = 0;
  std::vector<std::uint32_t> dims;
};

struct Limits {
  std::uint64_t gas = 0;
  std::uint32_t mem_pages = 0;  // of 64 KiB
  std::uint32_t wall_ms = 0;
  std::uint32_t out_bytes = 0;
};

// Param 0 of a kEngine node is the job kind's name, e.g. "tensor.mlp/v1".
using Param = std::variant<std::int64_t, Bytes>;
constexpr std::uint64_t kParamKindName = 0;

struct Node {
  std::uint16_t id = 0;
  NodeKind kind = NodeKind::kWasm;
  BlobId artifact;  // the module or model; zero when the kind needs none
  Precision precision = Precision::kInt8;
  Shape shape;
  Limits limits;
  std::map<std::uint64_t, Param> params;
};

struct Edge {
  std::uint16_t from = 0, to = 0;
  std::uint8_t out_ix = 0, in_ix = 0;
  friend auto operator<=>(const Edge&, const Edge&) = default;
};

// A job input: blob `id` of `size_bytes` arrives at input `in_ix` of node `node`.
struct JobInput {
  BlobId id;
  std::uint64_t size_bytes = 0;
  std::uint16_t node = 0;
  std::uint8_t in_ix = 0;
};
// A job output: output `out_ix` of node `node` is a result of the job.
struct JobOutput {
  std::uint16_t node = 0;
  std::uint8_t out_ix = 0;
};

struct JobSignature {
  JobSigAlg alg = JobSigAlg::kMlDsa65;
  crypto::PublicKey mldsa;          // must hash to payer
  Bytes ed25519;                    // 32 bytes when alg is kHybrid, else empty
  Bytes bytes;
};

struct Job {
  NetworkId network;
  JobId job_id;                     // derived; decode checks it
  AccountId payer;
  std::uint64_t nonce = 0;
  std::uint8_t priority = 128;
  Height not_before, expires;
  Lane lane = Lane::kAuto;
  std::uint64_t region_mask = 1;
  std::uint16_t residency = 0;      // region bit number + 1; 0 = none
  Amount limit_total;
  std::uint8_t isolation = 0;
  Audit audit = Audit::kReceipts;
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<JobInput> inputs;
  std::vector<JobOutput> outputs;
  std::map<std::uint64_t, Bytes> extensions;  // keys 128-255: signed, not understood, kept as encoded items
  JobSignature signature;

  Lane effective_lane() const;      // kAuto resolved: priority >= 128 is Flash
};

struct Params {
  NetworkId network;
  std::uint64_t span_max = 1'000'000;          // blocks between not_before and expires
  std::uint8_t precisions = 0b1'1110;          // bit per Precision the network supports
  std::uint64_t kv_bytes_max = 1ull << 40;
};

Result<Job> decode(ByteView gxf);              // syntax, types, ranges and job id; no signature, no height
Bytes encode(const Job& job);                  // canonical bytes including signature
Bytes encode_unsigned(const Job& job);         // keys below 64: what job id and signature cover
JobId derive_job_id(const Job& job);
void sign(Job& job, const crypto::Identity& payer, JobSigAlg alg);  // sets payer, job_id and signature

// Everything that can be said of a job without the ledger's state: decode, rules, DAG, height window, signature.
Result<Job> validate(ByteView gxf, Height height, const Params& params);

}  // namespace hanse::gxf

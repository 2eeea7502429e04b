// GXF v4: the signed job. Byte layout: proto/records/gxf.md (exchange.md 5.3). decode -> validate -> admitted.
// Encoding is the deterministic CBOR of base/codec; the signature and the job id cover exactly those bytes.
// Pure: no clock, no I/O. Height and network parameters are arguments, so every node gives the same answer.
// Threads: values, free functions any.
// Errors carry a stable code (GxfCode) in Error::code(), the id "gxf.<name in lower case>" and the path of the field,
// e.g. "nodes[2].limits.gas". Codes 1 to 6 are the codec's errors under this catalogue's numbers; which rule gives
// which code is listed in proto/records/gxf.md. Kind: denied for SIG_BAD, conflict for NONCE_REUSED, unsupported for
// PRECISION_UNSUPPORTED, invalid for the rest.
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
  kCborNoncanonical = 1,
  kCborTrailing = 2,
  kCborDupkey = 3,
  kCborType = 4,
  kTooLarge = 5,
  kDepth = 6,
  kVersion = 10,
  kNetwork = 11,
  kJobidMismatch = 12,
  kNonceReused = 13,
  kSigBad = 14,
  kSigAlg = 15,
  kPriorityRange = 20,
  kExpired = 21,
  kNotYetValid = 22,
  kSpan = 23,
  kPrecisionUnknown = 30,
  kPrecisionUnsupported = 31,
  kSeqZero = 32,
  kSeqLimit = 33,
  kBatchLimit = 34,
  kTokensGtSeq = 35,
  kLevelBoundMissing = 36,
  kKvOverflow = 37,
  kRegionEmpty = 40,
  kResidencyConflict = 41,
  kDagCycle = 50,
  kDagOrphan = 51,
  kDagDupEdge = 52,
  kDagBadPort = 53,
  kDagTooBig = 54,
  kLimitZero = 60,
  kPriceZero = 61,
  kLaneConflict = 62,
  kKeyUnknownCritical = 63,
};
std::string_view code_name(GxfCode code);  // "CBOR_NONCANONICAL", ...
// An error of the catalogue; rooms that check a job against their state (nonce, market) make theirs with it too.
[[nodiscard]] std::unexpected<Error> fail_gxf(GxfCode code, std::string_view path, std::string_view message);

constexpr std::uint64_t kVersion = 4;
constexpr std::size_t kGxfSizeMax = 64 * 1024;
constexpr std::size_t kNodesMax = 256, kEdgesMax = 4096, kInputsMax = 1024, kOutputsMax = 64;
constexpr std::size_t kDimsMax = 8, kParamsMax = 64, kParamBytesMax = 32 * 1024, kKindNameMax = 64;
constexpr std::uint32_t kSeqMax = 131'072, kBatchMax = 1024, kMemPagesMax = 65'536;
constexpr std::uint64_t kFlashWallMsMax = 600'000;  // of all nodes together; longer jobs belong into the Deep lane

// An extension with a meaning: the provider's latency at most, in ms, as an integer of 32 bits (read by the market).
constexpr std::uint64_t kExtensionLatency = 128;
// Another: 1, the job is private (exchange/payload); left out where it is not.
constexpr std::uint64_t kExtensionPrivate = 129;

enum class Precision : std::uint8_t { kInt8 = 1, kE5m2 = 2, kFp8 = 3, kBf16 = 4 };
enum class NodeKind : std::uint8_t { kWasm = 1, kOnnx = 2, kEngine = 3 };
enum class Lane : std::uint8_t { kAuto = 0, kFlash = 1, kDeep = 2 };
enum class Audit : std::uint8_t { kReceipts = 0, kSampled = 1, kFreivalds = 2, kSumcheck = 3 };
enum class JobSigAlg : std::uint8_t { kMlDsa65 = 1, kHybrid = 2 };  // hybrid: Ed25519 signature || ML-DSA-65 signature

// Level 0: everything fixed. 1: batch is free up to `batch`. 2: seq too, up to `seq`. 3: data-dependent, e.g.
// autoregressive: `tokens` bounds what is generated and dims starts with layers, kv heads, head dimension.
// Levels 1 to 3 need dims; no dim is zero.
struct Shape {
  std::uint8_t level = 0;
  std::uint32_t seq = 1;
  std::uint16_t batch = 1;
  std::uint32_t tokens = 0;
  std::vector<std::uint32_t> dims;
  friend bool operator==(const Shape&, const Shape&) = default;
};

struct Limits {
  std::uint64_t gas = 0;
  std::uint32_t mem_pages = 0;  // of 64 KiB
  std::uint32_t wall_ms = 0;
  std::uint32_t out_bytes = 0;
  friend bool operator==(const Limits&, const Limits&) = default;
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
  friend bool operator==(const Node&, const Node&) = default;
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
  friend bool operator==(const JobInput&, const JobInput&) = default;
};
// A job output: output `out_ix` of node `node` is a result of the job.
struct JobOutput {
  std::uint16_t node = 0;
  std::uint8_t out_ix = 0;
  friend bool operator==(const JobOutput&, const JobOutput&) = default;
};

struct JobSignature {
  JobSigAlg alg = JobSigAlg::kMlDsa65;
  crypto::PublicKey mldsa;  // must hash to payer
  Bytes ed25519;            // 32 bytes when alg is kHybrid, else empty
  Bytes bytes;
  friend bool operator==(const JobSignature&, const JobSignature&) = default;
};

struct Job {
  NetworkId network;
  JobId job_id;  // derived; decode checks it
  AccountId payer;
  std::uint64_t nonce = 0;
  std::uint8_t priority = 128;
  Height not_before, expires;
  Lane lane = Lane::kAuto;
  std::uint64_t region_mask = 1;
  std::uint16_t residency = 0;  // region bit number + 1; 0 = none
  Amount limit_total;
  std::uint8_t isolation = 0;
  Audit audit = Audit::kReceipts;
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::vector<JobInput> inputs;
  std::vector<JobOutput> outputs;
  std::map<std::uint64_t, Bytes> extensions;  // keys 128-255: signed, not understood, kept as encoded items
  JobSignature signature;

  bool is_private() const { return extensions.contains(kExtensionPrivate); }
  Lane effective_lane() const;  // kAuto resolved: priority >= 128 is Flash
  friend bool operator==(const Job&, const Job&) = default;
};

struct Params {
  NetworkId network;
  std::uint64_t span_max = 1'000'000;  // blocks between not_before and expires
  std::uint8_t precisions = 0b1'1110;  // bit per Precision the network supports
  std::uint64_t kv_bytes_max = 1ull << 40;
};

Result<Job> decode(ByteView gxf);           // syntax, types, ranges and job id; no signature, no height
Result<Job> decode_unsigned(ByteView gxf);  // of encode_unsigned: nobody's order yet
// Canonical bytes including signature. Nodes, edges and inputs are written in their order (by id, by value, by node and
// port) whatever their order in the struct, so one job has one encoding.
Bytes encode(const Job& job);
Bytes encode_unsigned(const Job& job);  // every key but the signature: what the signature covers
JobId derive_job_id(const Job& job);
// Sets payer, job_id and signature. SIG_ALG when the identity's key is not ML-DSA-65.
Status sign(Job& job, const crypto::Identity& payer, JobSigAlg alg);
Status verify_signature(const Job& job);  // SIG_BAD

// 2 * layers * kv_heads * head_dim * seq * batch * bytes(precision) of a level-3 node in 128 bits, else 0.
__extension__ using Uint128 = unsigned __int128;
Uint128 kv_bytes(const Node& node);

// Everything that can be said of a job without the ledger's state, cheapest first: decode, fields and shapes, DAG,
// network and height window, signature. The job is admitted at heights not_before <= height < expires.
Result<Job> validate(ByteView gxf, Height height, const Params& params);

}  // namespace hanse::gxf

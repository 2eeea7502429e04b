#include "exchange/gxf/gxf.h"

#include "exchange/gxf/detail/keys.h"

#include "base/core/text.h"

namespace hanse::gxf {

namespace {

Kind kind_of(GxfCode code) {
  switch (code) {
    case GxfCode::kSigBad: return Kind::kDenied;
    case GxfCode::kNonceReused: return Kind::kConflict;
    case GxfCode::kPrecisionUnsupported: return Kind::kUnsupported;
    default: return Kind::kInvalid;
  }
}

}  // namespace

std::string_view code_name(GxfCode code) {
  switch (code) {
    case GxfCode::kCborNoncanonical: return "CBOR_NONCANONICAL";
    case GxfCode::kCborTrailing: return "CBOR_TRAILING";
    case GxfCode::kCborDupkey: return "CBOR_DUPKEY";
    case GxfCode::kCborType: return "CBOR_TYPE";
    case GxfCode::kTooLarge: return "TOO_LARGE";
    case GxfCode::kDepth: return "DEPTH";
    case GxfCode::kVersion: return "VERSION";
    case GxfCode::kNetwork: return "NETWORK";
    case GxfCode::kJobidMismatch: return "JOBID_MISMATCH";
    case GxfCode::kNonceReused: return "NONCE_REUSED";
    case GxfCode::kSigBad: return "SIG_BAD";
    case GxfCode::kSigAlg: return "SIG_ALG";
    case GxfCode::kPriorityRange: return "PRIORITY_RANGE";
    case GxfCode::kExpired: return "EXPIRED";
    case GxfCode::kNotYetValid: return "NOT_YET_VALID";
    case GxfCode::kSpan: return "SPAN";
    case GxfCode::kPrecisionUnknown: return "PRECISION_UNKNOWN";
    case GxfCode::kPrecisionUnsupported: return "PRECISION_UNSUPPORTED";
    case GxfCode::kSeqZero: return "SEQ_ZERO";
    case GxfCode::kSeqLimit: return "SEQ_LIMIT";
    case GxfCode::kBatchLimit: return "BATCH_LIMIT";
    case GxfCode::kTokensGtSeq: return "TOKENS_GT_SEQ";
    case GxfCode::kLevelBoundMissing: return "LEVEL_BOUND_MISSING";
    case GxfCode::kKvOverflow: return "KV_OVERFLOW";
    case GxfCode::kRegionEmpty: return "REGION_EMPTY";
    case GxfCode::kResidencyConflict: return "RESIDENCY_CONFLICT";
    case GxfCode::kDagCycle: return "DAG_CYCLE";
    case GxfCode::kDagOrphan: return "DAG_ORPHAN";
    case GxfCode::kDagDupEdge: return "DAG_DUP_EDGE";
    case GxfCode::kDagBadPort: return "DAG_BAD_PORT";
    case GxfCode::kDagTooBig: return "DAG_TOO_BIG";
    case GxfCode::kLimitZero: return "LIMIT_ZERO";
    case GxfCode::kPriceZero: return "PRICE_ZERO";
    case GxfCode::kLaneConflict: return "LANE_CONFLICT";
    case GxfCode::kKeyUnknownCritical: return "KEY_UNKNOWN_CRITICAL";
  }
  return "UNKNOWN";
}

std::unexpected<Error> fail_gxf(GxfCode code, std::string_view path, std::string_view message) {
  std::string id = "gxf.";
  for (const char c : code_name(code)) id += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::unexpected(Error(kind_of(code), id, message).coded(static_cast<std::uint32_t>(code)).at(path));
}

Lane Job::effective_lane() const {
  if (lane != Lane::kAuto) return lane;
  return priority >= 128 ? Lane::kFlash : Lane::kDeep;
}

Result<Job> validate(ByteView gxf, Height height, const Params& params) {
  TRY(Job job, decode(gxf));
  TRY_OK(detail::check_fields(job, params));
  TRY_OK(detail::check_dag(job));
  if (job.network != params.network)
    return fail_gxf(GxfCode::kNetwork, "network", text("found {}, expected {}", job.network, params.network));
  if (height >= job.expires)
    return fail_gxf(GxfCode::kExpired, "expires",
                    text("found {}, the ledger is at height {}", job.expires.value, height.value));
  if (height < job.not_before)
    return fail_gxf(GxfCode::kNotYetValid, "not_before",
                    text("found {}, the ledger is at height {}", job.not_before.value, height.value));
  TRY_OK(verify_signature(job));
  return job;
}

}  // namespace hanse::gxf

#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

#include <array>
#include <limits>

namespace hanse::gxf {

namespace {

using codec::CborReader;

constexpr std::size_t kAnyCount = std::numeric_limits<std::size_t>::max();

std::unexpected<Error> unknown_key(const CborReader& r, std::string_view map, std::uint64_t key) {
  const std::string path = map.empty() ? std::to_string(key) : text("{}.{}", map, key);
  return fail_gxf(GxfCode::kKeyUnknownCritical, path,
                  text("found key {} at byte {}, which version {} does not know", key, r.offset(), kVersion));
}

// Which of a map's mandatory keys were seen; their names are the order of the keys.
template <std::size_t N>
Status require(const CborReader& r, std::uint64_t seen, const std::array<std::string_view, N>& names) {
  for (std::size_t i = 0; i < N; ++i)
    if (!names[i].empty() && (seen >> i & 1) == 0) return r.fail_missing(names[i]);
  return {};
}

Status count_within(const CborReader& r, std::size_t least, std::size_t most) {
  if (r.left() >= least && r.left() <= most) return {};
  return fail_gxf(GxfCode::kDagTooBig, r.path(), text("found {} items, expected {} to {}", r.left(), least, most));
}

template <class T>
Status number(CborReader& r, std::string_view what, T& out, std::uint64_t most = std::numeric_limits<T>::max()) {
  TRY(const std::uint64_t v, r.u64(what, most));
  out = static_cast<T>(v);
  return {};
}

// For numbers whose range has a code of its own: any u64 is read, the rule answers.
Status ranged(CborReader& r, std::string_view what, std::uint64_t& out, std::uint64_t least, std::uint64_t most,
              GxfCode below, GxfCode above) {
  TRY(out, r.u64(what));
  if (out >= least && out <= most) return {};
  return fail_gxf(out < least ? below : above, r.path(), text("found {}, expected {} to {}", out, least, most));
}

Status read_shape(CborReader& r, Shape& shape) {
  constexpr std::array<std::string_view, 5> kNames = {"level", "seq", "batch", "tokens", "dims"};
  std::uint64_t seen = 0, v = 0;
  TRY_OK(r.enter_map("shape", kAnyCount));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    switch (key) {
      case detail::kShapeLevel: TRY_OK(number(r, "level", shape.level, 3)); break;
      case detail::kShapeSeq:
        TRY_OK(ranged(r, "seq", v, 1, kSeqMax, GxfCode::kSeqZero, GxfCode::kSeqLimit));
        shape.seq = static_cast<std::uint32_t>(v);
        break;
      case detail::kShapeBatch:
        TRY_OK(ranged(r, "batch", v, 1, kBatchMax, GxfCode::kBatchLimit, GxfCode::kBatchLimit));
        shape.batch = static_cast<std::uint16_t>(v);
        break;
      case detail::kShapeTokens: TRY_OK(number(r, "tokens", shape.tokens)); break;
      case detail::kShapeDims:
        TRY_OK(r.enter_array("dims", kDimsMax));
        while (r.more()) TRY_OK(number(r, "dim", shape.dims.emplace_back()));
        TRY_OK(r.leave());
        break;
      default: return unknown_key(r, r.path(), key);
    }
    seen |= 1u << key;
  }
  TRY_OK(require(r, seen, kNames));
  return r.leave();
}

Status read_limits(CborReader& r, Limits& limits) {
  constexpr std::array<std::string_view, 4> kNames = {"gas", "mem_pages", "wall_ms", "out_bytes"};
  std::uint64_t seen = 0;
  TRY_OK(r.enter_map("limits", kAnyCount));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    switch (key) {
      case detail::kLimitsGas: TRY_OK(number(r, "gas", limits.gas)); break;
      case detail::kLimitsMemPages: TRY_OK(number(r, "mem_pages", limits.mem_pages, kMemPagesMax)); break;
      case detail::kLimitsWallMs: TRY_OK(number(r, "wall_ms", limits.wall_ms)); break;
      case detail::kLimitsOutBytes: TRY_OK(number(r, "out_bytes", limits.out_bytes)); break;
      default: return unknown_key(r, r.path(), key);
    }
    seen |= 1u << key;
  }
  TRY_OK(require(r, seen, kNames));
  return r.leave();
}

Status read_params(CborReader& r, std::map<std::uint64_t, Param>& params) {
  TRY_OK(r.enter_map("params", kParamsMax));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (r.next_is_bytes()) {
      TRY(const ByteView v, r.bytes("param", kParamBytesMax));
      params.emplace(key, to_bytes(v));
    } else {
      TRY(const std::int64_t v, r.i64("param"));
      params.emplace(key, v);
    }
  }
  return r.leave();
}

Status read_node(CborReader& r, Node& node) {
  constexpr std::array<std::string_view, 7> kNames = {"id",    "kind",   "artifact", "precision",
                                                      "shape", "limits", "params"};
  std::uint64_t seen = 0, v = 0;
  TRY_OK(r.enter_map("node", kAnyCount));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    switch (key) {
      case detail::kNodeId: TRY_OK(number(r, "id", node.id)); break;
      case detail::kNodeKind:
        TRY_OK(number(r, "kind", v, 3));
        if (v == 0) return r.fail_here("codec.type", "found kind 0, expected 1 to 3");
        node.kind = static_cast<NodeKind>(v);
        break;
      case detail::kNodeArtifact: TRY_OK(r.fixed("artifact", node.artifact)); break;
      case detail::kNodePrecision:
        TRY_OK(ranged(r, "precision", v, 1, 4, GxfCode::kPrecisionUnknown, GxfCode::kPrecisionUnknown));
        node.precision = static_cast<Precision>(v);
        break;
      case detail::kNodeShape: TRY_OK(read_shape(r, node.shape)); break;
      case detail::kNodeLimits: TRY_OK(read_limits(r, node.limits)); break;
      case detail::kNodeParams: TRY_OK(read_params(r, node.params)); break;
      default: return unknown_key(r, r.path(), key);
    }
    seen |= 1u << key;
  }
  TRY_OK(require(r, seen, kNames));
  return r.leave();
}

std::unexpected<Error> out_of_order(const CborReader& r, std::string_view order) {
  return r.fail_here("codec.noncanonical", text("found an item out of order, expected them by {}", order));
}

Status read_nodes(CborReader& r, Job& job) {
  TRY_OK(r.enter_array("nodes", kAnyCount));
  TRY_OK(count_within(r, 1, kNodesMax));
  while (r.more()) {
    TRY_OK(read_node(r, job.nodes.emplace_back()));
    const std::size_t n = job.nodes.size();
    if (n > 1 && job.nodes[n - 2].id >= job.nodes[n - 1].id) return out_of_order(r, "id, each once");
  }
  return r.leave();
}

Status read_edges(CborReader& r, Job& job) {
  TRY_OK(r.enter_array("edges", kAnyCount));
  TRY_OK(count_within(r, 0, kEdgesMax));
  while (r.more()) {
    Edge& e = job.edges.emplace_back();
    TRY_OK(r.enter_array("edge", 4));
    TRY_OK(number(r, "from", e.from));
    TRY_OK(number(r, "to", e.to));
    TRY_OK(number(r, "out_ix", e.out_ix));
    TRY_OK(number(r, "in_ix", e.in_ix));
    TRY_OK(r.leave());
    if (job.edges.size() < 2) continue;
    const Edge& before = job.edges[job.edges.size() - 2];
    if (before == e)
      return fail_gxf(GxfCode::kDagDupEdge, r.path(),
                      text("found the edge {}:{} to {}:{} twice", e.from, e.out_ix, e.to, e.in_ix));
    if (before > e) return out_of_order(r, "from, to, out_ix, in_ix");
  }
  return r.leave();
}

Status read_inputs(CborReader& r, Job& job) {
  TRY_OK(r.enter_array("inputs", kAnyCount));
  TRY_OK(count_within(r, 0, kInputsMax));
  while (r.more()) {
    JobInput& in = job.inputs.emplace_back();
    TRY_OK(r.enter_array("input", 4));
    TRY_OK(number(r, "node", in.node));
    TRY_OK(number(r, "in_ix", in.in_ix));
    TRY_OK(r.fixed("id", in.id));
    TRY_OK(number(r, "size", in.size_bytes));
    TRY_OK(r.leave());
    if (job.inputs.size() < 2) continue;
    const JobInput& before = job.inputs[job.inputs.size() - 2];
    const auto at = [](const JobInput& i) { return i.node << 8 | i.in_ix; };
    if (at(before) == at(in))
      return fail_gxf(GxfCode::kDagBadPort, r.path(),
                      text("found two inputs for port {} of node {}", in.in_ix, in.node));
    if (at(before) > at(in)) return out_of_order(r, "node, in_ix");
  }
  return r.leave();
}

Status read_outputs(CborReader& r, Job& job) {
  TRY_OK(r.enter_array("outputs", kAnyCount));
  TRY_OK(count_within(r, 1, kOutputsMax));
  while (r.more()) {
    JobOutput& out = job.outputs.emplace_back();
    TRY_OK(r.enter_array("output", 2));
    TRY_OK(number(r, "node", out.node));
    TRY_OK(number(r, "out_ix", out.out_ix));
    TRY_OK(r.leave());
  }
  return r.leave();
}

Status read_signature(CborReader& r, JobSignature& sig) {
  constexpr std::array<std::string_view, 3> kNames = {"alg", "mldsa_key", "bytes"};
  std::uint64_t seen = 0, v = 0;
  TRY_OK(r.enter_map("sig", kAnyCount));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    switch (key) {
      case detail::kSigFieldAlg:
        TRY_OK(ranged(r, "alg", v, 1, 2, GxfCode::kSigAlg, GxfCode::kSigAlg));
        sig.alg = static_cast<JobSigAlg>(v);
        break;
      case detail::kSigMldsaKey: {
        FixedBytes<detail::kMldsaKeySize> pk;
        TRY_OK(r.fixed("mldsa_key", pk));
        sig.mldsa = {.alg = crypto::SigAlg::kMlDsa65, .bytes = to_bytes(pk.view())};
        break;
      }
      case detail::kSigBytes: {
        TRY(const ByteView bytes, r.bytes("bytes", detail::kMldsaSigSize + detail::kEd25519SigSize));
        sig.bytes = to_bytes(bytes);
        break;
      }
      case detail::kSigEd25519Key: {
        FixedBytes<detail::kEd25519KeySize> pk;
        TRY_OK(r.fixed("ed25519_key", pk));
        sig.ed25519 = to_bytes(pk.view());
        break;
      }
      default: return unknown_key(r, r.path(), key);
    }
    seen |= 1u << key;
  }
  TRY_OK(require(r, seen, kNames));
  TRY_OK(r.leave());
  const bool hybrid = sig.alg == JobSigAlg::kHybrid;
  if (hybrid == sig.ed25519.empty())
    return fail_gxf(
        GxfCode::kSigAlg, "sig.ed25519_key",
        hybrid ? "found no Ed25519 key, algorithm 2 needs one" : "found an Ed25519 key, algorithm 1 has none");
  return {};
}

Status read_field(CborReader& r, std::uint64_t key, Job& job) {
  std::uint64_t v = 0;
  switch (key) {
    case detail::kKeyVersion:
      TRY_OK(ranged(r, "version", v, kVersion, kVersion, GxfCode::kVersion, GxfCode::kVersion));
      return {};
    case detail::kKeyNetwork: return r.fixed("network", job.network);
    case detail::kKeyJobId: return r.fixed("job_id", job.job_id);
    case detail::kKeyPayer: return r.fixed("payer", job.payer);
    case detail::kKeyNonce: return number(r, "nonce", job.nonce);
    case detail::kKeyPriority:
      TRY_OK(ranged(r, "priority", v, 0, 255, GxfCode::kPriorityRange, GxfCode::kPriorityRange));
      job.priority = static_cast<std::uint8_t>(v);
      return {};
    case detail::kKeyNotBefore: return number(r, "not_before", job.not_before.value);
    case detail::kKeyExpires: return number(r, "expires", job.expires.value);
    case detail::kKeyLane:
      TRY_OK(number(r, "lane", v, 2));
      job.lane = static_cast<Lane>(v);
      return {};
    case detail::kKeyRegionMask: return number(r, "region_mask", job.region_mask);
    case detail::kKeyResidency:
      TRY_OK(number(r, "residency", job.residency));
      if (job.residency == 0) return r.fail_here("codec.noncanonical", "found 0, expected no field when there is none");
      return {};
    case detail::kKeyLimitTotal: return number(r, "limit_total", job.limit_total.value);
    case detail::kKeyIsolation: return number(r, "isolation", job.isolation, 3);
    case detail::kKeyAudit:
      TRY_OK(number(r, "audit", v, 3));
      job.audit = static_cast<Audit>(v);
      return {};
    case detail::kKeyNodes: return read_nodes(r, job);
    case detail::kKeyEdges: return read_edges(r, job);
    case detail::kKeyInputs: return read_inputs(r, job);
    case detail::kKeyOutputs: return read_outputs(r, job);
    case detail::kKeySig: return read_signature(r, job.signature);
    default: break;
  }
  if (key < detail::kKeyExtensionFirst || key > detail::kKeyExtensionLast) return unknown_key(r, "", key);
  TRY(const ByteView item, r.raw("extension"));
  job.extensions.emplace(key, to_bytes(item));
  return {};
}

enum class Signed : std::uint8_t { kYes, kNo };

Result<Job> read_job(ByteView gxf, Signed wanted) {
  constexpr std::array<std::string_view, 20> kNames = {"version",  "network",     "job_id",    "payer",  "nonce",
                                                       "priority", "not_before",  "expires",   "lane",   "region_mask",
                                                       "",         "limit_total", "isolation", "audit",  "",
                                                       "",         "nodes",       "edges",     "inputs", "outputs"};
  Job job;
  bool has_signature = false;
  std::uint64_t seen = 0;
  CborReader r(gxf, {.size_max = kGxfSizeMax, .depth_max = 8});
  TRY_OK(r.enter_map("job", kAnyCount));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (seen == 0 && key != detail::kKeyVersion)
      return fail_gxf(GxfCode::kVersion, "version", text("found no version, expected {}", kVersion));
    TRY_OK(read_field(r, key, job));
    if (key < kNames.size()) seen |= 1ull << key;
    has_signature = has_signature || key == detail::kKeySig;
  }
  if (seen == 0) return fail_gxf(GxfCode::kVersion, "version", text("found no version, expected {}", kVersion));
  TRY_OK(require(r, seen, kNames));
  if (!has_signature && wanted == Signed::kYes) return fail_gxf(GxfCode::kSigBad, "sig", "found no signature");
  if (has_signature && wanted == Signed::kNo)
    return fail_gxf(GxfCode::kSigBad, "sig", "found a signature, expected a job without one");
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return job;
}

// The codec's errors under the catalogue's numbers, path and words kept.
std::unexpected<Error> catalogued(const Error& e) {
  const auto is = [&](std::string_view id) { return e.id() == id; };
  GxfCode code = GxfCode::kCborType;  // codec.type, codec.utf8, codec.missing
  if (is("codec.noncanonical") || is("codec.truncated")) code = GxfCode::kCborNoncanonical;
  if (is("codec.trailing")) code = GxfCode::kCborTrailing;
  if (is("codec.dupkey")) code = GxfCode::kCborDupkey;
  if (is("codec.too_large")) code = GxfCode::kTooLarge;
  if (is("codec.depth")) code = GxfCode::kDepth;
  return fail_gxf(code, e.path(), e.message());
}

Status check_id(const Job& job) {
  const JobId derived = derive_job_id(job);
  if (job.job_id == derived) return {};
  return fail_gxf(GxfCode::kJobidMismatch, "job_id", text("found {}, the job hashes to {}", job.job_id, derived));
}

}  // namespace

Result<Job> detail::decode_fields(ByteView gxf) {
  auto job = read_job(gxf, Signed::kYes);
  if (job || job.error().code() != 0) return job;
  return catalogued(job.error());
}

Result<Job> decode(ByteView gxf) {
  TRY(Job job, detail::decode_fields(gxf));
  TRY_OK(check_id(job));
  return job;
}

Result<Job> decode_unsigned(ByteView gxf) {
  auto job = read_job(gxf, Signed::kNo);
  if (!job && job.error().code() == 0) return catalogued(job.error());
  if (job) TRY_OK(check_id(*job));
  return job;
}

}  // namespace hanse::gxf

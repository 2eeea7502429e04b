#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/codec/cbor.h"

#include <algorithm>

namespace hanse::gxf {

namespace {

using codec::CborWriter;

template <class T, class Key>
std::vector<T> in_order(const std::vector<T>& items, Key key) {
  std::vector<T> out = items;
  std::stable_sort(out.begin(), out.end(), [&](const T& a, const T& b) { return key(a) < key(b); });
  return out;
}

void put(CborWriter& w, std::uint64_t key, std::uint64_t v) {
  w.key(key);
  w.u64(v);
}

void put(CborWriter& w, std::uint64_t key, ByteView v) {
  w.key(key);
  w.bytes(v);
}

void write_shape(CborWriter& w, const Shape& shape) {
  w.map(5);
  put(w, detail::kShapeLevel, shape.level);
  put(w, detail::kShapeSeq, shape.seq);
  put(w, detail::kShapeBatch, shape.batch);
  put(w, detail::kShapeTokens, shape.tokens);
  w.key(detail::kShapeDims);
  w.array(shape.dims.size());
  for (const std::uint32_t d : shape.dims) w.u64(d);
}

void write_limits(CborWriter& w, const Limits& limits) {
  w.map(4);
  put(w, detail::kLimitsGas, limits.gas);
  put(w, detail::kLimitsMemPages, limits.mem_pages);
  put(w, detail::kLimitsWallMs, limits.wall_ms);
  put(w, detail::kLimitsOutBytes, limits.out_bytes);
}

void write_node(CborWriter& w, const Node& node) {
  w.map(7);
  put(w, detail::kNodeId, node.id);
  put(w, detail::kNodeKind, static_cast<std::uint64_t>(node.kind));
  put(w, detail::kNodeArtifact, node.artifact.view());
  put(w, detail::kNodePrecision, static_cast<std::uint64_t>(node.precision));
  w.key(detail::kNodeShape);
  write_shape(w, node.shape);
  w.key(detail::kNodeLimits);
  write_limits(w, node.limits);
  w.key(detail::kNodeParams);
  w.map(node.params.size());
  for (const auto& [key, param] : node.params) {
    w.key(key);
    if (const auto* number = std::get_if<std::int64_t>(&param))
      w.i64(*number);
    else
      w.bytes(std::get<Bytes>(param));
  }
}

void write_graph(CborWriter& w, const Job& job) {
  w.key(detail::kKeyNodes);
  w.array(job.nodes.size());
  for (const Node& node : in_order(job.nodes, [](const Node& n) { return n.id; })) write_node(w, node);
  w.key(detail::kKeyEdges);
  w.array(job.edges.size());
  for (const Edge& e : in_order(job.edges, [](const Edge& each) { return each; })) {
    w.array(4);
    for (const std::uint64_t v :
         {std::uint64_t{e.from}, std::uint64_t{e.to}, std::uint64_t{e.out_ix}, std::uint64_t{e.in_ix}})
      w.u64(v);
  }
  w.key(detail::kKeyInputs);
  w.array(job.inputs.size());
  for (const JobInput& in : in_order(job.inputs, [](const JobInput& i) { return i.node << 8 | i.in_ix; })) {
    w.array(4);
    w.u64(in.node);
    w.u64(in.in_ix);
    w.bytes(in.id.view());
    w.u64(in.size_bytes);
  }
  w.key(detail::kKeyOutputs);
  w.array(job.outputs.size());
  for (const JobOutput& out : job.outputs) {
    w.array(2);
    w.u64(out.node);
    w.u64(out.out_ix);
  }
}

void write_signature(CborWriter& w, const JobSignature& sig) {
  const bool hybrid = sig.alg == JobSigAlg::kHybrid;
  w.key(detail::kKeySig);
  w.map(hybrid ? 4 : 3);
  put(w, detail::kSigFieldAlg, static_cast<std::uint64_t>(sig.alg));
  put(w, detail::kSigMldsaKey, ByteView(sig.mldsa.bytes));
  put(w, detail::kSigBytes, ByteView(sig.bytes));
  if (hybrid) put(w, detail::kSigEd25519Key, ByteView(sig.ed25519));
}

enum class With : std::uint8_t { kNeither, kId, kIdAndSignature };

Bytes encode_with(const Job& job, With with) {
  CborWriter w;
  w.map(16 + (with == With::kNeither ? 0 : 1) + (job.residency == 0 ? 0 : 1) + (with == With::kIdAndSignature ? 1 : 0) +
        job.extensions.size());
  put(w, detail::kKeyVersion, kVersion);
  put(w, detail::kKeyNetwork, job.network.view());
  if (with != With::kNeither) put(w, detail::kKeyJobId, job.job_id.view());
  put(w, detail::kKeyPayer, job.payer.view());
  put(w, detail::kKeyNonce, job.nonce);
  put(w, detail::kKeyPriority, job.priority);
  put(w, detail::kKeyNotBefore, job.not_before.value);
  put(w, detail::kKeyExpires, job.expires.value);
  put(w, detail::kKeyLane, static_cast<std::uint64_t>(job.lane));
  put(w, detail::kKeyRegionMask, job.region_mask);
  if (job.residency != 0) put(w, detail::kKeyResidency, job.residency);
  put(w, detail::kKeyLimitTotal, job.limit_total.value);
  put(w, detail::kKeyIsolation, job.isolation);
  put(w, detail::kKeyAudit, static_cast<std::uint64_t>(job.audit));
  write_graph(w, job);
  if (with == With::kIdAndSignature) write_signature(w, job.signature);
  for (const auto& [key, item] : job.extensions) {
    w.key(key);
    w.raw(item);
  }
  return w.take();
}

}  // namespace

Bytes encode(const Job& job) { return encode_with(job, With::kIdAndSignature); }
Bytes encode_unsigned(const Job& job) { return encode_with(job, With::kId); }
Bytes detail::encode_without_id(const Job& job) { return encode_with(job, With::kNeither); }

}  // namespace hanse::gxf

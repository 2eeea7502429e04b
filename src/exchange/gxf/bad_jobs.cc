#include "exchange/gxf/bad_jobs.h"

#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/detail/tree.h"

#include "base/codec/hex.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

#include <functional>

namespace hanse::gxf {

namespace {

using detail::Item;
using enum detail::JobKey;
using enum detail::NodeKey;
using enum detail::ShapeKey;
using enum detail::LimitsKey;
using enum detail::SigKey;
using Bend = std::function<void(Item& job)>;

constexpr std::uint64_t kWindowBlocks = 100'000;

Item raw(std::string_view hex) { return Item::raw(codec::from_hex(hex).value()); }
Item& node(Item& job, std::size_t i) { return job.entries[kKeyNodes].items.at(i); }
Item& shape(Item& job) { return node(job, 0).entries[kNodeShape]; }
Item& limits(Item& job) { return node(job, 0).entries[kNodeLimits]; }
Item& edges(Item& job) { return job.entries[kKeyEdges]; }
void set(Item& map, std::uint64_t key, std::uint64_t v) { map.entries[key] = Item::of(v); }
void set_input_node(Item& job, std::uint64_t v) { job.entries[kKeyInputs].items.at(0).items.at(0) = Item::of(v); }

// Gives a bent job the id and the signature that its bytes deserve.
void seal(Item& job, const crypto::Identity& payer) {
  job.entries.erase(kKeySig);
  job.entries.erase(kKeyJobId);
  job.entries[kKeyJobId] = Item::of(to_bytes(detail::job_id_of(encode_tree(job)).view()));
  const Bytes message = detail::signed_message(encode_tree(job), {});
  Item sig{.type = Item::Type::kMap, .u = 0, .i = 0, .bytes = {}, .items = {}, .entries = {}};
  set(sig, kSigFieldAlg, static_cast<std::uint64_t>(JobSigAlg::kMlDsa65));
  sig.entries[kSigMldsaKey] = Item::of(payer.mldsa().public_key().bytes);
  sig.entries[kSigBytes] = Item::of(detail::signature_over(message, payer, JobSigAlg::kMlDsa65));
  job.entries[kKeySig] = std::move(sig);
}

class Maker {
 public:
  Maker(const crypto::Identity& payer, NetworkId network, Height height)
      : payer_(payer), height_(height), good_(detail::parse_tree(encode(good_job(payer, network, height)))) {}

  // Bent before sealing: id and signature fit.
  void fields(GxfCode code, std::string_view path, std::string_view what, const Bend& bend) {
    Item job = good_;
    bend(job);
    seal(job, payer_);
    add(code, path, what, encode_tree(job));
  }
  // Bent after sealing.
  void sealed(GxfCode code, std::string_view path, std::string_view what, const Bend& bend) {
    Item job = good_;
    seal(job, payer_);
    bend(job);
    add(code, path, what, encode_tree(job));
  }
  void bytes(GxfCode code, std::string_view path, std::string_view what, const std::function<void(Bytes&)>& bend) {
    Bytes job = encode_tree(good_);
    bend(job);
    add(code, path, what, std::move(job));
  }
  std::uint64_t height() const { return height_.value; }
  std::vector<BadJob> take() { return std::move(out_); }

 private:
  void add(GxfCode code, std::string_view path, std::string_view what, Bytes job) {
    out_.push_back({.code = code, .path = std::string(path), .what = std::string(what), .bytes = std::move(job)});
  }
  const crypto::Identity& payer_;
  Height height_;
  Item good_;
  std::vector<BadJob> out_;
};

void break_syntax(Maker& m) {
  using enum GxfCode;
  m.fields(kCborNoncanonical, "nonce", "a number longer than needed",
           [](Item& j) { j.entries[kKeyNonce] = raw("1805"); });
  m.fields(kCborNoncanonical, "edges", "an array of indefinite length", [](Item& j) { edges(j) = raw("9fff"); });
  m.fields(kCborNoncanonical, "nodes[0].shape", "map keys that descend",
           [](Item& j) { node(j, 0).entries[kNodeShape] = raw("a301010000"); });
  m.fields(kCborNoncanonical, "nodes[1]", "nodes out of order", [](Item& j) { std::swap(node(j, 0), node(j, 1)); });
  m.fields(kCborNoncanonical, "edges[1]", "edges out of order", [](Item& j) {
    edges(j).items.push_back(Item::array({0, 1, 0, 0}));
    edges(j).items[0] = Item::array({0, 1, 1, 1});
  });
  m.fields(kCborNoncanonical, "residency", "a residency of 0 written out", [](Item& j) { set(j, kKeyResidency, 0); });
  m.bytes(kCborNoncanonical, "sig.bytes", "the last byte is missing", [](Bytes& b) { b.pop_back(); });
  m.bytes(kCborTrailing, "", "a byte after the end", [](Bytes& b) { b.push_back(0); });
  m.fields(kCborDupkey, "nodes[0].limits", "a map key twice",
           [](Item& j) { node(j, 0).entries[kNodeLimits] = raw("a400010001"); });
  m.fields(kCborType, "nonce", "a byte string for a number",
           [](Item& j) { j.entries[kKeyNonce] = Item::of(Bytes{1}); });
  m.fields(kCborType, "priority", "a float", [](Item& j) { j.entries[kKeyPriority] = raw("f93c00"); });
  m.fields(kCborType, "payer", "a tag", [](Item& j) { j.entries[kKeyPayer] = raw("c24101"); });
  m.fields(kCborType, "network", "31 bytes for 32", [](Item& j) { j.entries[kKeyNetwork].bytes.pop_back(); });
  m.fields(kCborType, "isolation", "isolation 4", [](Item& j) { set(j, kKeyIsolation, 4); });
  m.fields(kCborType, "lane", "lane 3", [](Item& j) { set(j, kKeyLane, 3); });
  m.fields(kCborType, "audit", "audit 4", [](Item& j) { set(j, kKeyAudit, 4); });
  m.fields(kCborType, "nodes[0].kind", "node kind 0", [](Item& j) { set(node(j, 0), kNodeKind, 0); });
  m.fields(kCborType, "nodes[0].shape.level", "level 4", [](Item& j) { set(shape(j), kShapeLevel, 4); });
  m.fields(kCborType, "nodes[0].limits.mem_pages", "65537 pages",
           [](Item& j) { set(limits(j), kLimitsMemPages, 65'537); });
  m.fields(kCborType, "nonce", "no nonce", [](Item& j) { j.entries.erase(kKeyNonce); });
  m.fields(kCborType, "nodes[1].limits.gas", "no gas limit",
           [](Item& j) { node(j, 1).entries[kNodeLimits].entries.erase(kLimitsGas); });
  m.fields(kCborType, "edges[0]", "an edge of three numbers", [](Item& j) { edges(j).items[0].items.pop_back(); });
  m.fields(kCborType, "nodes[0].artifact", "a Wasm node without an artifact",
           [](Item& j) { node(j, 0).entries[kNodeArtifact] = Item::of(Bytes(32)); });
  m.fields(kCborType, "nodes[1].params", "an engine node without a kind's name",
           [](Item& j) { node(j, 1).entries[kNodeParams].entries.erase(kParamKindName); });
  m.fields(kCborType, "extension", "an extension that is not UTF-8", [](Item& j) { j.entries[200] = raw("61ff"); });
  m.fields(kTooLarge, "job", "a job of more than 64 KiB",
           [](Item& j) { j.entries[200] = Item::of(Bytes(kGxfSizeMax)); });
  m.fields(kTooLarge, "nodes[0].shape.dims", "nine dimensions",
           [](Item& j) { shape(j).entries[kShapeDims] = Item::array({1, 1, 1, 1, 1, 1, 1, 1, 1}); });
  m.fields(kTooLarge, "edges[0]", "an edge of five numbers",
           [](Item& j) { edges(j).items[0].items.push_back(Item::of(0)); });
  m.fields(kDepth, "extension", "nine levels", [](Item& j) { j.entries[200] = raw("818181818181818100"); });
}

void break_header(Maker& m) {
  using enum GxfCode;
  const std::uint64_t h = m.height();
  m.fields(kVersion, "version", "version 3", [](Item& j) { set(j, kKeyVersion, 3); });
  m.fields(kVersion, "version", "version 5", [](Item& j) { set(j, kKeyVersion, 5); });
  m.fields(kVersion, "version", "no version", [](Item& j) { j.entries.erase(kKeyVersion); });
  m.fields(kNetwork, "network", "another network", [](Item& j) { j.entries[kKeyNetwork].bytes[0] ^= 1; });
  m.sealed(kJobidMismatch, "job_id", "an id of one's own choice", [](Item& j) { j.entries[kKeyJobId].bytes[15] ^= 1; });
  m.sealed(kJobidMismatch, "job_id", "a field changed after signing", [](Item& j) { j.entries[kKeyNonce].u += 1; });
  m.fields(kPriorityRange, "priority", "priority 256", [](Item& j) { set(j, kKeyPriority, 256); });
  m.fields(kExpired, "expires", "expired at this height", [h](Item& j) { set(j, kKeyExpires, h); });
  m.fields(kNotYetValid, "not_before", "valid later",
           [h](Item& j) { set(j, kKeyNotBefore, h + kWindowBlocks / 2 + 1); });
  m.fields(kSpan, "expires", "expires where it begins",
           [](Item& j) { j.entries[kKeyExpires] = j.entries[kKeyNotBefore]; });
  m.fields(kSpan, "expires", "a window of 1,000,001 blocks",
           [](Item& j) { set(j, kKeyExpires, j.entries[kKeyNotBefore].u + 1'000'001); });
  m.fields(kRegionEmpty, "region_mask", "no region", [](Item& j) { set(j, kKeyRegionMask, 0); });
  m.fields(kResidencyConflict, "residency", "residency outside the mask", [](Item& j) { set(j, kKeyResidency, 3); });
  m.fields(kResidencyConflict, "residency", "residency beyond 64 regions", [](Item& j) { set(j, kKeyResidency, 65); });
  m.fields(kPriceZero, "limit_total", "no price cap", [](Item& j) { set(j, kKeyLimitTotal, 0); });
  m.fields(kLaneConflict, "lane", "more wall time than Flash has", [](Item& j) {
    set(j, kKeyLane, 1);
    set(limits(j), kLimitsWallMs, kFlashWallMsMax);
  });
  for (const std::uint64_t key : {14u, 20u, 63u, 65u, 127u, 256u})
    m.fields(kKeyUnknownCritical, std::to_string(key), "an unknown field of the job",
             [key](Item& j) { set(j, key, 0); });
  m.fields(kKeyUnknownCritical, "nodes[0].7", "an unknown field of a node", [](Item& j) { set(node(j, 0), 7, 0); });
  m.fields(kKeyUnknownCritical, "nodes[0].shape.5", "an unknown field of a shape",
           [](Item& j) { set(shape(j), 5, 0); });
  m.fields(kKeyUnknownCritical, "nodes[0].limits.4", "an unknown limit", [](Item& j) { set(limits(j), 4, 0); });
  m.sealed(kKeyUnknownCritical, "sig.4", "an unknown field of the signature",
           [](Item& j) { set(j.entries[kKeySig], 4, 0); });
}

void break_signature(Maker& m) {
  using enum GxfCode;
  m.sealed(kSigBad, "sig.bytes", "one bit of the signature",
           [](Item& j) { j.entries[kKeySig].entries[kSigBytes].bytes[99] ^= 1; });
  m.sealed(kSigBad, "sig.bytes", "a signature too short",
           [](Item& j) { j.entries[kKeySig].entries[kSigBytes].bytes.pop_back(); });
  m.sealed(kSigBad, "sig.mldsa_key", "one bit of the key",
           [](Item& j) { j.entries[kKeySig].entries[kSigMldsaKey].bytes[99] ^= 1; });
  m.fields(kSigBad, "sig.mldsa_key", "signed by another than the payer",
           [](Item& j) { j.entries[kKeyPayer].bytes[0] ^= 1; });
  m.sealed(kSigBad, "sig", "no signature", [](Item& j) { j.entries.erase(kKeySig); });
  m.sealed(kSigAlg, "sig.alg", "algorithm 3", [](Item& j) { set(j.entries[kKeySig], kSigFieldAlg, 3); });
  m.sealed(kSigAlg, "sig.alg", "algorithm 0", [](Item& j) { set(j.entries[kKeySig], kSigFieldAlg, 0); });
  m.sealed(kSigAlg, "sig.ed25519_key", "hybrid without an Ed25519 key",
           [](Item& j) { set(j.entries[kKeySig], kSigFieldAlg, 2); });
  m.sealed(kSigAlg, "sig.ed25519_key", "an Ed25519 key beside algorithm 1",
           [](Item& j) { j.entries[kKeySig].entries[kSigEd25519Key] = Item::of(Bytes(32, 9)); });
}

void break_nodes(Maker& m) {
  using enum GxfCode;
  m.fields(kPrecisionUnknown, "nodes[0].precision", "precision 0", [](Item& j) { set(node(j, 0), kNodePrecision, 0); });
  m.fields(kPrecisionUnknown, "nodes[1].precision", "precision 5", [](Item& j) { set(node(j, 1), kNodePrecision, 5); });
  m.fields(kSeqZero, "nodes[0].shape.seq", "a sequence of 0", [](Item& j) { set(shape(j), kShapeSeq, 0); });
  m.fields(kSeqLimit, "nodes[0].shape.seq", "a sequence of 131,073",
           [](Item& j) { set(shape(j), kShapeSeq, kSeqMax + 1); });
  m.fields(kBatchLimit, "nodes[0].shape.batch", "a batch of 1025",
           [](Item& j) { set(shape(j), kShapeBatch, kBatchMax + 1); });
  m.fields(kBatchLimit, "nodes[0].shape.batch", "a batch of 0", [](Item& j) { set(shape(j), kShapeBatch, 0); });
  m.fields(kTokensGtSeq, "nodes[0].shape.tokens", "more tokens than the sequence", [](Item& j) {
    set(shape(j), kShapeSeq, 7);
    set(shape(j), kShapeTokens, 8);
  });
  m.fields(kLevelBoundMissing, "nodes[0].shape.dims", "level 1 without dims", [](Item& j) {
    set(shape(j), kShapeLevel, 1);
    shape(j).entries[kShapeDims].items.clear();
  });
  m.fields(kLevelBoundMissing, "nodes[0].shape.dims", "level 3 with two dims", [](Item& j) {
    set(shape(j), kShapeLevel, 3);
    shape(j).entries[kShapeDims] = Item::array({2, 2});
  });
  m.fields(kLevelBoundMissing, "nodes[0].shape.dims[1]", "a dimension of 0",
           [](Item& j) { shape(j).entries[kShapeDims] = Item::array({2, 0}); });
  m.fields(kLevelBoundMissing, "nodes[0].shape.tokens", "level 3 without a bound on tokens", [](Item& j) {
    set(shape(j), kShapeLevel, 3);
    set(shape(j), kShapeTokens, 0);
    shape(j).entries[kShapeDims] = Item::array({2, 2, 2});
  });
  m.fields(kKvOverflow, "nodes[0].shape", "a key-value cache that 64 bits do not count", [](Item& j) {
    set(shape(j), kShapeLevel, 3);
    set(shape(j), kShapeSeq, kSeqMax);
    set(shape(j), kShapeBatch, kBatchMax);
    set(shape(j), kShapeTokens, 1);
    shape(j).entries[kShapeDims] = Item::array({0xffff'ffff, 0xffff'ffff, 0xffff'ffff});
  });
  const std::pair<std::uint64_t, const char*> each[] = {
      {kLimitsGas, "gas"}, {kLimitsMemPages, "mem_pages"}, {kLimitsWallMs, "wall_ms"}, {kLimitsOutBytes, "out_bytes"}};
  for (const auto& [key, name] : each)
    m.fields(kLimitZero, text("nodes[0].limits.{}", name), "a limit of 0",
             [k = key](Item& j) { set(limits(j), k, 0); });
}

void break_graph(Maker& m) {
  using enum GxfCode;
  m.fields(kDagCycle, "edges[0]", "two nodes that feed each other",
           [](Item& j) { edges(j).items.push_back(Item::array({1, 0, 0, 1})); });
  m.fields(kDagCycle, "edges[0]", "a node that feeds itself",
           [](Item& j) { edges(j).items.insert(edges(j).items.begin(), Item::array({0, 0, 0, 1})); });
  m.fields(kDagOrphan, "nodes[2]", "a node no output depends on", [](Item& j) {
    Item third = node(j, 1);
    set(third, kNodeId, 2);
    j.entries[kKeyNodes].items.push_back(std::move(third));
  });
  m.fields(kDagDupEdge, "edges[1]", "an edge twice", [](Item& j) { edges(j).items.push_back(edges(j).items[0]); });
  m.fields(kDagBadPort, "edges[0][1]", "an edge to no node",
           [](Item& j) { edges(j).items[0] = Item::array({0, 9, 0, 0}); });
  m.fields(kDagBadPort, "edges[0][0]", "an edge from no node",
           [](Item& j) { edges(j).items[0] = Item::array({9, 1, 0, 0}); });
  m.fields(kDagBadPort, "edges[1]", "two edges into one input",
           [](Item& j) { edges(j).items.push_back(Item::array({0, 1, 1, 0})); });
  m.fields(kDagBadPort, "nodes[1]", "an input port left open",
           [](Item& j) { edges(j).items[0] = Item::array({0, 1, 0, 1}); });
  m.fields(kDagBadPort, "inputs[0]", "an edge and an input into one port", [](Item& j) { set_input_node(j, 1); });
  m.fields(kDagBadPort, "inputs[0][0]", "an input of no node", [](Item& j) { set_input_node(j, 9); });
  m.fields(kDagBadPort, "inputs[1]", "two inputs into one port",
           [](Item& j) { j.entries[kKeyInputs].items.push_back(j.entries[kKeyInputs].items[0]); });
  m.fields(kDagBadPort, "outputs[0][0]", "an output of no node",
           [](Item& j) { j.entries[kKeyOutputs].items[0] = Item::array({9, 0}); });
  m.fields(kDagBadPort, "outputs[1]", "an output twice",
           [](Item& j) { j.entries[kKeyOutputs].items.push_back(j.entries[kKeyOutputs].items[0]); });
  m.fields(kDagTooBig, "nodes", "257 nodes", [](Item& j) {
    for (std::uint64_t id = 2; id < 257; ++id) {
      Item more = node(j, 1);
      set(more, kNodeId, id);
      j.entries[kKeyNodes].items.push_back(std::move(more));
    }
  });
  m.fields(kDagTooBig, "nodes", "no node", [](Item& j) { j.entries[kKeyNodes].items.clear(); });
  m.fields(kDagTooBig, "edges", "4097 edges",
           [](Item& j) { edges(j).items.assign(kEdgesMax + 1, Item::array({0, 1, 0, 0})); });
  m.fields(kDagTooBig, "outputs", "65 outputs", [](Item& j) {
    j.entries[kKeyOutputs].items.clear();
    for (std::uint64_t i = 0; i < 65; ++i) j.entries[kKeyOutputs].items.push_back(Item::array({1, i}));
  });
  m.fields(kDagTooBig, "outputs", "no output", [](Item& j) { j.entries[kKeyOutputs].items.clear(); });
}

}  // namespace

Job good_job(const crypto::Identity& payer, NetworkId network, Height height) {
  Job job;
  job.network = network;
  job.nonce = 1;
  job.priority = 192;
  job.not_before = Height{height.value == 0 ? 0 : height.value - 1};
  job.expires = Height{job.not_before.value + kWindowBlocks};
  job.region_mask = 0b11;
  job.residency = 1;
  job.limit_total = Amount{1'000'000};
  const Limits few{.gas = 1'000'000, .mem_pages = 16, .wall_ms = 1000, .out_bytes = 4096};
  Node wasm{.id = 0,
            .kind = NodeKind::kWasm,
            .artifact = crypto::blob_id(as_bytes("module")),
            .precision = Precision::kInt8,
            .shape = {.level = 0, .seq = 8, .batch = 1, .tokens = 4, .dims = {4, 4}},
            .limits = few,
            .params = {{1, std::int64_t{-5}}}};
  Node engine{.id = 1,
              .kind = NodeKind::kEngine,
              .artifact = {},
              .precision = Precision::kBf16,
              .shape = {},
              .limits = few,
              .params = {{kParamKindName, to_bytes("tensor.mlp/v1")}}};
  job.nodes = {std::move(wasm), std::move(engine)};
  job.edges = {{.from = 0, .to = 1, .out_ix = 0, .in_ix = 0}};
  job.inputs = {{.id = crypto::blob_id(as_bytes("input")), .size_bytes = 5, .node = 0, .in_ix = 0}};
  job.outputs = {{.node = 1, .out_ix = 0}};
  check(sign(job, payer, JobSigAlg::kMlDsa65).has_value(), "the good job's payer has an ML-DSA-65 key");
  return job;
}

std::vector<BadJob> bad_jobs(const crypto::Identity& payer, NetworkId network, Height height) {
  check(height.value > 0, "bad_jobs needs a height above genesis");
  Maker m(payer, network, height);
  break_syntax(m);
  break_header(m);
  break_signature(m);
  break_nodes(m);
  break_graph(m);
  return m.take();
}

}  // namespace hanse::gxf

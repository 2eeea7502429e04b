#include "exchange/gxf/audit.h"

#include "exchange/gxf/detail/fields.h"
#include "exchange/gxf/job_file.h"

#include "base/core/fs.h"
#include "base/core/text.h"

#include <algorithm>

namespace hanse::gxf {

namespace {

constexpr std::string_view kMatmul = "tensor.matmul/v1", kMlp = "tensor.mlp/v1", kProof = "proof.mlp/v1";
constexpr std::uint64_t kParamTrace = 1;
constexpr std::size_t kModelSizeMax = 64u << 20, kCommitmentSizeMax = kParamBytesMax;

std::string_view kind_of(const Node& node) {
  const auto it = node.params.find(kParamKindName);
  const Bytes* name = it == node.params.end() ? nullptr : std::get_if<Bytes>(&it->second);
  return node.kind != NodeKind::kEngine || name == nullptr ? std::string_view() : as_text(*name);
}

// The head of a model (proto/records/tensor.md): HML1, then the number of layers.
Result<std::size_t> layers_in(Fs& fs, const std::string& path) {
  TRY(const Bytes model, read_file(fs, path, kModelSizeMax));
  if (model.size() < 6 || as_text(ByteView(model).first(4)) != "HML1")
    return detail::fail_file("artifact", 0, text("found no model (HML1) in {}", path));
  return load_le<std::uint16_t>(model.data() + 4);
}

Status name_products(Fs& fs, JobDraft& draft) {
  const auto artifact = std::ranges::find(draft.uploads, UploadUse::kArtifact, &Upload::use);
  if (artifact == draft.uploads.end()) return {};
  TRY(const std::size_t layers, layers_in(fs, artifact->path));
  if (layers + 1 > kOutputsMax)
    return detail::fail_file(
        "audit", 0, text("found {} layers, which are {} outputs, at most {}", layers, layers + 1, kOutputsMax));
  for (std::size_t i = 0; i < layers; ++i) {
    std::string name = text("product_{}", i);
    if (name == draft.output_names[0])
      return detail::fail_file("outputs", 0, text("found the name '{}', which is that of a layer's product", name));
    draft.output_names.push_back(std::move(name));
    draft.job.outputs.push_back({.node = 0, .out_ix = static_cast<std::uint8_t>(i + 1)});
  }
  return {};
}

}  // namespace

std::string audit_gap(const Job& job) {
  if (!reads_outputs(job.audit)) return {};
  if (job.nodes.size() != 1) return text("it has {} nodes, expected one", job.nodes.size());
  const Node& node = job.nodes[0];
  const std::string_view kind = kind_of(node);
  const bool sumcheck = job.audit == Audit::kSumcheck;
  if (sumcheck ? kind != kProof : kind != kMatmul && kind != kMlp)
    return sumcheck ? text("it is of another kind than {}", kProof)
                    : text("it is of another kind than {} and {}", kMatmul, kMlp);
  if (kind == kMlp) {
    const auto trace = node.params.find(kParamTrace);
    if (trace == node.params.end() || trace->second != Param(std::int64_t{1}))
      return text("param {} (trace) is not 1", kParamTrace);
  }
  for (std::size_t i = 0; i < job.outputs.size(); ++i)
    if (job.outputs[i].out_ix != i)
      return text("output {} is port {}, expected each port in its order", i, job.outputs[i].out_ix);
  const std::size_t declared = job.outputs.size();
  if (kind == kMlp ? declared < 2 : declared != (sumcheck ? 2u : 1u))
    return text("it declares {} outputs, expected {}", declared,
                kind == kMlp ? "the result and the product of each layer"
                : sumcheck   ? "the result and the proof"
                             : "the product");
  return {};
}

Status complete_audit(Fs& fs, JobDraft& draft) {
  Job& job = draft.job;
  for (const JobDraft::Commitment& each : draft.commitments)
    for (Node& node : job.nodes)
      if (node.id == each.node) {
        TRY(node.params[kParamCommitment], read_file(fs, each.path, kCommitmentSizeMax));
      }
  if (job.nodes.size() != 1) return {};
  Node& node = job.nodes[0];
  if (job.audit == Audit::kFreivalds && kind_of(node) == kMlp && job.outputs.size() == 1) {
    node.params.emplace(kParamTrace, std::int64_t{1});
    return name_products(fs, draft);
  }
  if (job.audit == Audit::kSumcheck && kind_of(node) == kProof && job.outputs.size() == 1) {
    draft.output_names.push_back(draft.output_names[0] == "proof" ? "proof_1" : "proof");
    job.outputs.push_back({.node = 0, .out_ix = 1});
  }
  return {};
}

}  // namespace hanse::gxf

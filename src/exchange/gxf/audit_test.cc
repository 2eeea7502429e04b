#include "exchange/gxf/audit.h"

#include "base/core/mem_fs.h"
#include "base/core/text.h"
#include "exchange/gxf/job_file.h"

#include <gtest/gtest.h>

namespace hanse::gxf {
namespace {

Job job_of(Audit audit, std::string_view kind, std::uint8_t outputs) {
  Job job;
  job.audit = audit;
  Node node;
  node.kind = NodeKind::kEngine;
  node.params[kParamKindName] = to_bytes(kind);
  if (kind == "tensor.mlp/v1") node.params[1] = std::int64_t{1};
  job.nodes.push_back(node);
  for (std::uint8_t i = 0; i < outputs; ++i) job.outputs.push_back({.node = 0, .out_ix = i});
  return job;
}

TEST(AuditGap, is_none_in_a_job_whose_results_prove_themselves) {
  EXPECT_EQ(audit_gap(job_of(Audit::kFreivalds, "tensor.matmul/v1", 1)), "");
  EXPECT_EQ(audit_gap(job_of(Audit::kFreivalds, "tensor.mlp/v1", 2)), "");
  EXPECT_EQ(audit_gap(job_of(Audit::kFreivalds, "tensor.mlp/v1", kOutputsMax)), "");
  EXPECT_EQ(audit_gap(job_of(Audit::kSumcheck, "proof.mlp/v1", 2)), "");
  EXPECT_EQ(audit_gap(job_of(Audit::kReceipts, "a/v1", 9)), "");
  EXPECT_EQ(audit_gap(job_of(Audit::kSampled, "a/v1", 9)), "");
}

TEST(AuditGap, says_what_is_missing) {
  const auto gap = [](Audit audit, std::string_view kind, std::uint8_t outputs, auto change) {
    Job job = job_of(audit, kind, outputs);
    change(job);
    return audit_gap(job);
  };
  const auto same = [](Job&) {};
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.matmul/v1", 2, same), "it declares 2 outputs, expected the product");
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.mlp/v1", 1, same),
            "it declares 1 outputs, expected the result and the product of each layer");
  EXPECT_EQ(gap(Audit::kSumcheck, "proof.mlp/v1", 1, same), "it declares 1 outputs, expected the result and the proof");
  EXPECT_EQ(gap(Audit::kSumcheck, "proof.mlp/v1", 3, same), "it declares 3 outputs, expected the result and the proof");
  EXPECT_EQ(gap(Audit::kSumcheck, "tensor.mlp/v1", 2, same), "it is of another kind than proof.mlp/v1");
  EXPECT_EQ(gap(Audit::kFreivalds, "proof.mlp/v1", 2, same),
            "it is of another kind than tensor.matmul/v1 and tensor.mlp/v1");
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.mlp/v1", 2, [](Job& j) { j.nodes[0].params[1] = std::int64_t{0}; }),
            "param 1 (trace) is not 1");
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.mlp/v1", 2, [](Job& j) { j.nodes[0].params.erase(1); }),
            "param 1 (trace) is not 1");
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.matmul/v1", 1, [](Job& j) { j.nodes.push_back(j.nodes[0]); }),
            "it has 2 nodes, expected one");
  EXPECT_EQ(gap(Audit::kFreivalds, "tensor.matmul/v1", 1, [](Job& j) { j.nodes[0].kind = NodeKind::kWasm; }),
            "it is of another kind than tensor.matmul/v1 and tensor.mlp/v1");
  EXPECT_EQ(gap(Audit::kSumcheck, "proof.mlp/v1", 2, [](Job& j) { std::swap(j.outputs[0], j.outputs[1]); }),
            "output 0 is port 1, expected each port in its order");
  EXPECT_EQ(gap(Audit::kSumcheck, "proof.mlp/v1", 2, [](Job& j) { j.outputs[1].out_ix = 0; }),
            "output 1 is port 0, expected each port in its order");
}

struct Files {
  MemFs fs;
  void put(const std::string& path, ByteView bytes) { EXPECT_TRUE(replace_file(fs, path, bytes)); }
  Result<JobDraft> read(std::string_view job) {
    put("job.yaml", as_bytes(job));
    return read_job_file(fs, "job.yaml");
  }
  void model(std::uint8_t layers) { put("m.hml", Bytes{'H', 'M', 'L', '1', layers, 0, 0, 0}); }
};

TEST(AuditDefaults, add_the_trace_of_a_traced_model) {
  Files files;
  files.model(3);
  const auto draft =
      files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\noutputs: [scores]\n");
  ASSERT_TRUE(draft) << draft.error().str();
  EXPECT_EQ(draft->output_names, (std::vector<std::string>{"scores", "product_0", "product_1", "product_2"}));
  EXPECT_EQ(audit_gap(draft->job), "");
  const auto own =
      files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\noutputs: [a, b]\nparams: {1: 1}\n");
  EXPECT_EQ(own->output_names, (std::vector<std::string>{"a", "b"}));
  const auto product = files.read("kind: tensor.matmul/v1\ninputs: [m.hml, m.hml]\nlimit: 1\naudit: freivalds\n");
  EXPECT_EQ(product->output_names, (std::vector<std::string>{"output"}));
  EXPECT_EQ(audit_gap(product->job), "");

  files.model(63);
  EXPECT_EQ(files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\n")->job.outputs.size(),
            kOutputsMax);
  files.model(64);
  EXPECT_EQ(files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\n").error().path(), "audit");
  files.put("m.hml", as_bytes("none"));
  EXPECT_EQ(files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\n").error().path(),
            "artifact");
  files.model(1);
  EXPECT_EQ(files.read("kind: tensor.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: freivalds\noutputs: [product_0]\n")
                .error()
                .path(),
            "outputs");
}

TEST(AuditDefaults, add_the_commitment_and_the_proof) {
  Files files;
  files.put("m.hmc", as_bytes("commitment"));
  const std::string job = "kind: proof.mlp/v1\nartifact: m.hml\nlimit: 1\naudit: sumcheck\ncommitment: m.hmc\n";
  const auto draft = files.read(job);
  ASSERT_TRUE(draft) << draft.error().str();
  EXPECT_EQ(draft->output_names, (std::vector<std::string>{"output", "proof"}));
  EXPECT_EQ(draft->job.nodes[0].params.at(kParamCommitment), Param(to_bytes("commitment")));
  EXPECT_EQ(audit_gap(draft->job), "");
  EXPECT_EQ(files.read(job + "outputs: [y, z]\n")->output_names, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(files.read(job + "outputs: [proof]\n")->output_names, (std::vector<std::string>{"proof", "proof_1"}));
  EXPECT_EQ(files.read("kind: tensor.mlp/v1\nlimit: 1\ncommitment: m.hmc\n").error().path(), "commitment");
  files.put("m.hmc", Bytes(kParamBytesMax + 1));
  EXPECT_EQ(files.read(job).error().id(), "core.fs_full");
  const auto graph =
      files.read("limit: 1\nnodes: [{name: a, kind: proof.mlp/v1, artifact: m.hml, commitment: job.yaml}]\n");
  ASSERT_TRUE(graph) << graph.error().str();
  EXPECT_TRUE(graph->job.nodes[0].params.contains(kParamCommitment));
}

}  // namespace
}  // namespace hanse::gxf

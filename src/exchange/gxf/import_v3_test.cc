#include "exchange/gxf/job_file.h"

#include "base/core/text.h"

#include <gtest/gtest.h>

namespace hanse::gxf {
namespace {

const ImportOptions kEngine{.model_file = {}, .engine_kind = "llm.generate/v1", .limit_total = Amount{9}, .limits = {}};

std::string why(const Result<JobDraft>& r) { return r ? "ok" : r.error().str(); }

std::string numbers(std::string_view s) {
  std::string out;
  for (const char c : s) out += (out.empty() ? "" : ",") + std::to_string(static_cast<unsigned char>(c));
  return "[" + out + "]";
}

TEST(ImportV3, reads_the_command_line_yaml) {
  auto draft =
      import_v3("model: llama-7b\nprecision: BF16\nkv_cache_seq_len: 2048\ntoken_count: 256\nbatch_size: 4\n", kEngine);
  ASSERT_TRUE(draft) << why(draft);
  const Node& node = draft->job.nodes.at(0);
  EXPECT_EQ(node.kind, NodeKind::kEngine);
  EXPECT_EQ(node.params.at(0), Param(to_bytes("llm.generate/v1")));
  EXPECT_EQ(node.params.at(1), Param(to_bytes("llama-7b")));
  EXPECT_EQ(node.precision, Precision::kBf16);
  EXPECT_EQ(node.shape, (Shape{.level = 0, .seq = 2048, .batch = 4, .tokens = 256, .dims = {}}));
  EXPECT_EQ(draft->job.limit_total.value, 9u);
  EXPECT_EQ(draft->job.priority, 128);
  EXPECT_TRUE(draft->uploads.empty());
}

TEST(ImportV3, defaults_are_those_of_version_3_within_the_sequence) {
  auto draft = import_v3("model: m\nprecision: INT8\nkv_cache_seq_len: 1024\n", kEngine);
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->job.nodes[0].shape, (Shape{.level = 0, .seq = 1024, .batch = 1, .tokens = 128, .dims = {}}));
  draft = import_v3("model: m\nprecision: INT8\nkv_cache_seq_len: 100\n", kEngine);
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->job.nodes[0].shape.tokens, 100u);
}

TEST(ImportV3, a_model_file_makes_an_onnx_node) {
  auto draft = import_v3("model: m\nprecision: FP8\nkv_cache_seq_len: 8\n",
                         {.model_file = "m.onnx", .engine_kind = {}, .limit_total = Amount{9}, .limits = {.gas = 5}});
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->job.nodes[0].kind, NodeKind::kOnnx);
  EXPECT_EQ(draft->job.nodes[0].limits.gas, 5u);
  EXPECT_EQ(draft->job.nodes[0].limits.wall_ms, 10'000u);
  ASSERT_EQ(draft->uploads.size(), 1u);
  EXPECT_EQ(draft->uploads[0].use, UploadUse::kArtifact);
  EXPECT_EQ(draft->uploads[0].path, "m.onnx");
}

TEST(ImportV3, reads_an_envelope) {
  const std::string job =
      R"({"job_id":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"precision":"E5M2","kv_cache_seq_len":768,)"
      R"("parameters":{"region":"EU","residency":"EU","batch_size":"2","model":"m","color":"red"}})";
  const std::string envelope =
      R"({"meta":{"schema_version":3,"priority":200,"created_at":1700000000,"expires_at":null,)"
      R"("source_slp":"slp-us-east-1","target_lane":"Deep","additional_fields":{}},"payload":)" +
      numbers(job) + "}";
  auto draft = import_v3(envelope, kEngine);
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->job.priority, 200);
  EXPECT_EQ(draft->job.lane, Lane::kDeep);
  EXPECT_EQ(draft->job.region_mask, 0b10u);
  EXPECT_EQ(draft->job.residency, 2);
  EXPECT_EQ(draft->job.nodes[0].precision, Precision::kE5m2);
  EXPECT_EQ(draft->job.nodes[0].shape.batch, 2);
  EXPECT_EQ(draft->job.nodes[0].params.at(1), Param(to_bytes("m")));
  EXPECT_EQ(draft->notes, (std::vector<std::string>{"meta.created_at: version 4 counts blocks, not seconds",
                                                    "meta.source_slp: the market chooses the provider",
                                                    "job_id: a version 4 id is the hash of the job",
                                                    "payload.parameters.color: version 3 gave it no meaning"}));
  EXPECT_TRUE(import_v3(job, kEngine));
}

TEST(ImportV3, names_its_mistakes) {
  const std::string job = "model: m\nprecision: INT8\nkv_cache_seq_len: 8\n";
  const auto said = [](std::string_view file) { return why(import_v3(file, kEngine)); };
  EXPECT_EQ(said("model: m\nprecision: INT8\nkv_cache_seq_len: 0\n"),
            "gxf.job_file: found 0, expected a sequence length from 1 in line 3 at kv_cache_seq_len");
  EXPECT_EQ(said("model: m\nprecision: INT4\nkv_cache_seq_len: 8\n"),
            "gxf.job_file: found 'INT4', expected one of int8, e5m2, fp8, bf16 in line 2 at precision");
  EXPECT_EQ(said(job + "token_count: 9\n"), "gxf.job_file: found 9, expected at most 8 in line 4 at token_count");
  EXPECT_EQ(said(job + "batch_size: 0\n"), "gxf.job_file: found 0, expected a batch from 1 in line 4 at batch_size");
  EXPECT_EQ(said(job + "batchsize: 1\n"),
            "gxf.job_file: found the unknown key 'batchsize', did you mean 'batch_size'? in line 4 at batchsize");
  EXPECT_EQ(said("precision: INT8\nkv_cache_seq_len: 8\n"), "gxf.job_file: found no model in line 1 at model");
  EXPECT_EQ(said(R"({"precision":"INT8","kv_cache_seq_len":8,"parameters":{"batch_size":"abc"}})"),
            "gxf.job_file: found 'abc', expected a number up to 1024 at parameters.batch_size");
  EXPECT_EQ(said(R"({"precision":"INT8","kv_cache_seq_len":8,"parameters":{"region":"MOON"}})"),
            "gxf.job_file: found the region 'MOON', which has no number at parameters.region");
  EXPECT_EQ(said(R"({"precision":"INT8","kv_cache_seq_len":8,"parameters":{"region":"US","residency":"EU"}})"),
            "gxf.job_file: found a residency outside the region at parameters.residency");
  EXPECT_EQ(said(R"({"precision":"INT8","kv_cache_seq_len":8,"parameters":{"residency":"EU","region":"US"}})"),
            "gxf.job_file: found a residency outside the region at parameters.region");
  EXPECT_EQ(said(R"({"meta":{"schema_version":4,"priority":1},"payload":[]})"),
            "gxf.job_file: found version 4, expected 3 at meta.schema_version");
  EXPECT_EQ(said(R"({"meta":{"schema_version":3,"priority":256},"payload":[]})"),
            "gxf.job_file: found 256, expected at most 255 at meta.priority");
  EXPECT_EQ(said(R"({"meta":{"schema_version":3,"priority":1},"payload":[256]})"),
            "gxf.job_file: found 256, expected at most 255 at payload[0]");
  EXPECT_EQ(said(R"({"meta":{"schema_version":3,"priority":1},"payload":[1]})").substr(0, 44),
            "gxf.job_file: the payload is not JSON: unexp");
  EXPECT_EQ(said("- 1\n"), "gxf.job_file: found an array, expected a version 3 job in line 1");
}

TEST(ImportV3, needs_what_version_3_did_not_have) {
  const std::string job = "model: m\nprecision: INT8\nkv_cache_seq_len: 8\n";
  EXPECT_EQ(why(import_v3(job, {.model_file = {}, .engine_kind = {}, .limit_total = Amount{1}, .limits = {}})),
            "gxf.job_file: a version 3 job names no model bytes: name either the model's file or the engine's kind");
  EXPECT_EQ(
      import_v3(job, {.model_file = "a", .engine_kind = "b", .limit_total = Amount{1}, .limits = {}}).error().id(),
      "gxf.job_file");
  EXPECT_EQ(why(import_v3(job, {.model_file = "a", .engine_kind = {}, .limit_total = {}, .limits = {}})),
            "gxf.job_file: a version 3 job has no price cap: name one");
  EXPECT_EQ(why(import_v3(job, {.model_file = {}, .engine_kind = "A B", .limit_total = Amount{1}, .limits = {}})),
            "gxf.job_file: found 'A B', expected an engine's kind such as tensor.mlp/v1");
}

}  // namespace
}  // namespace hanse::gxf

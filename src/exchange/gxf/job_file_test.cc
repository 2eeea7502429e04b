#include "exchange/gxf/job_file.h"

#include "base/core/mem_fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

#include <gtest/gtest.h>

#include <limits>

namespace hanse::gxf {
namespace {

constexpr std::string_view kFull = R"(
kind: tensor.mlp/v1
artifact: model.tns
inputs: [x.tns, {text: "hello"}, {hex: 00ff}, {path: /abs/y.tns}]
params: {1: 1, 2: "abc", 3: {hex: "0102"}, 4: -7}
precision: BF16
shape: {level: 1, seq: 64, batch: 8, tokens: 32, dims: [4, 5]}
limits: {gas: 50M, memory: 65KiB, time: 2m, output: 1MB}
limit: 2k
priority: high
lane: deep
regions: [eu, US, 40]
residency: EU
audit: freivalds
isolation: none
latency: 200ms
valid: 500
outputs: [result, trace]
)";

std::string why(const Result<JobDraft>& r) { return r ? "ok" : r.error().str(); }
std::string why(std::string_view file) { return why(parse_job_file(file, "jobs")); }
std::string with(std::string_view line) { return text("kind: a/v1\nlimit: 1\n{}\n", line); }
std::string with_message(std::string_view line) {
  const std::string all = why(with(line));
  constexpr std::string_view kPrefix = "gxf.job_file: ";
  return all.starts_with(kPrefix) ? all.substr(kPrefix.size()) : all;
}

TEST(JobFile, every_field_arrives) {
  auto draft = parse_job_file(kFull, "jobs");
  ASSERT_TRUE(draft) << why(draft);
  const Job& job = draft->job;
  ASSERT_EQ(job.nodes.size(), 1u);
  const Node& node = job.nodes[0];
  EXPECT_EQ(node.kind, NodeKind::kEngine);
  EXPECT_EQ(node.precision, Precision::kBf16);
  EXPECT_EQ(node.shape, (Shape{.level = 1, .seq = 64, .batch = 8, .tokens = 32, .dims = {4, 5}}));
  EXPECT_EQ(node.limits, (Limits{.gas = 50'000'000, .mem_pages = 2, .wall_ms = 120'000, .out_bytes = 1'000'000}));
  const std::map<std::uint64_t, Param> params = {{0, to_bytes("tensor.mlp/v1")},
                                                 {1, std::int64_t{1}},
                                                 {2, to_bytes("abc")},
                                                 {3, Bytes{1, 2}},
                                                 {4, std::int64_t{-7}}};
  EXPECT_EQ(node.params, params);
  EXPECT_EQ(job.limit_total.value, 2000u);
  EXPECT_EQ(job.priority, 128);
  EXPECT_EQ(job.lane, Lane::kDeep);
  EXPECT_EQ(job.region_mask, 1ull << 40 | 0b11);
  EXPECT_EQ(job.residency, 2);
  EXPECT_EQ(job.audit, Audit::kFreivalds);
  EXPECT_EQ(job.isolation, 0);
  EXPECT_EQ(job.extensions.at(128), (Bytes{0x18, 200}));
  EXPECT_EQ(draft->valid_blocks, 500u);
  EXPECT_EQ(draft->output_names, (std::vector<std::string>{"result", "trace"}));
  EXPECT_EQ(job.outputs, (std::vector<JobOutput>{{0, 0}, {0, 1}}));
  ASSERT_EQ(draft->uploads.size(), 5u);
  EXPECT_EQ(draft->uploads[0].use, UploadUse::kArtifact);
  EXPECT_EQ(draft->uploads[0].path, "jobs/model.tns");
  EXPECT_EQ(draft->uploads[1].path, "jobs/x.tns");
  EXPECT_EQ(draft->uploads[2].bytes, to_bytes("hello"));
  EXPECT_TRUE(draft->uploads[2].path.empty());
  EXPECT_EQ(draft->uploads[3].bytes, (Bytes{0x00, 0xff}));
  EXPECT_EQ(draft->uploads[4].path, "/abs/y.tns");
  EXPECT_EQ(draft->uploads[4].in_ix, 3);
}

TEST(JobFile, a_kind_and_a_price_are_enough) {
  auto draft = parse_job_file("{\"kind\":\"a/v1\",\"limit\":5}", "");
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->job.priority, 128);
  EXPECT_EQ(draft->job.lane, Lane::kAuto);
  EXPECT_EQ(draft->job.region_mask, ~0ull);
  EXPECT_EQ(draft->job.isolation, 3);
  EXPECT_EQ(draft->job.audit, Audit::kReceipts);
  EXPECT_EQ(draft->job.nodes[0].precision, Precision::kInt8);
  EXPECT_EQ(draft->job.nodes[0].limits,
            (Limits{.gas = 1'000'000'000, .mem_pages = 4096, .wall_ms = 10'000, .out_bytes = 1 << 20}));
  EXPECT_EQ(draft->output_names, std::vector<std::string>{"output"});
  EXPECT_EQ(draft->valid_blocks, kValidBlocksDefault);
  EXPECT_TRUE(draft->uploads.empty());
}

TEST(JobFile, the_kind_follows_from_the_artifact) {
  const auto kind = [](std::string_view lines) {
    auto draft = parse_job_file(text("limit: 1\n{}\n", lines), "");
    EXPECT_TRUE(draft) << why(draft);
    return draft ? draft->job.nodes[0].kind : NodeKind::kEngine;
  };
  EXPECT_EQ(kind("artifact: a.wasm"), NodeKind::kWasm);
  EXPECT_EQ(kind("artifact: a.onnx"), NodeKind::kOnnx);
  EXPECT_EQ(kind("model: a.bin"), NodeKind::kOnnx);
  EXPECT_EQ(kind("kind: wasm/v1\nartifact: a.bin"), NodeKind::kWasm);
  EXPECT_EQ(why("limit: 1\nartifact: a.bin\n"), "gxf.job_file: found no kind in line 1 at kind");
  EXPECT_EQ(why("limit: 1\nkind: wasm/v1\n"), "gxf.job_file: found no artifact in line 1 at artifact");
  EXPECT_EQ(why("limit: 1\nmodel: a\nartifact: b\n"),
            "gxf.job_file: found both a model and an artifact, which are two names for one thing in line 2 at model");
}

TEST(JobFile, says_that_a_job_is_private) {
  const auto draft = [](std::string_view more) { return parse_job_file(text("limit: 1\nkind: a/v1\n{}\n", more), ""); };
  EXPECT_EQ(draft("private: true")->job.extensions.at(kExtensionPrivate), Bytes{1});
  EXPECT_TRUE(draft("private: true")->job.is_private());
  EXPECT_FALSE(draft("private: false")->job.is_private());
  EXPECT_FALSE(draft("")->job.is_private());
  EXPECT_FALSE(draft("private: 1"));
  EXPECT_TRUE(parse_job_file("limit: 1\nprivate: true\nnodes: [{name: a, kind: a/v1}]\n", "")->job.is_private());
}

TEST(JobFile, an_unknown_key_names_the_nearest_and_its_line) {
  EXPECT_EQ(why("kind: a/v1\nlimit: 1\nlimts: {gas: 1}\n"),
            "gxf.job_file: found the unknown key 'limts', did you mean 'limits'? in line 3 at limts");
  EXPECT_EQ(with_message("limits: {gsa: 1}"),
            "found the unknown key 'gsa', did you mean 'gas'? in line 3 at limits.gsa");
  EXPECT_EQ(with_message("shape: {sequence: 1}"),
            "found the unknown key 'sequence', did you mean 'seq'? in line 3 at shape.sequence");
  EXPECT_EQ(why("{\"kind\":\"a/v1\",\"limit\":1,\"ouputs\":[\"x\"]}"),
            "gxf.job_file: found the unknown key 'ouputs', did you mean 'outputs'? at ouputs");
  EXPECT_EQ(why("limit: 1\nnodes: []\nkind: a/v1\n"),
            "gxf.job_file: found kind beside nodes, expected it inside each node in line 3 at kind");
}

TEST(JobFile, units_are_exact_and_mandatory_where_a_number_alone_is_ambiguous) {
  const auto limits = [](std::string_view what) {
    auto draft = parse_job_file(with(text("limits: {{{}}}", what)), "");
    EXPECT_TRUE(draft) << what << " " << why(draft);
    return draft ? draft->job.nodes[0].limits : Limits{};
  };
  EXPECT_EQ(limits("gas: 7").gas, 7u);
  EXPECT_EQ(limits("gas: 7k").gas, 7'000u);
  EXPECT_EQ(limits("gas: 7M").gas, 7'000'000u);
  EXPECT_EQ(limits("gas: 7G").gas, 7'000'000'000u);
  EXPECT_EQ(limits("gas: 7T").gas, 7'000'000'000'000u);
  EXPECT_EQ(limits("gas: 18446744073709551615").gas, ~0ull);
  EXPECT_EQ(limits("memory: 64KiB").mem_pages, 1u);
  EXPECT_EQ(limits("memory: 65537B").mem_pages, 2u);
  EXPECT_EQ(limits("memory: 1GiB").mem_pages, 16'384u);
  EXPECT_EQ(limits("memory: 4GiB").mem_pages, kMemPagesMax);
  EXPECT_EQ(limits("output: 3kB").out_bytes, 3'000u);
  EXPECT_EQ(limits("output: 2MiB").out_bytes, 2u << 20);
  EXPECT_EQ(limits("output: 1GB").out_bytes, 1'000'000'000u);
  EXPECT_EQ(limits("time: 500ms").wall_ms, 500u);
  EXPECT_EQ(limits("time: 10s").wall_ms, 10'000u);
  EXPECT_EQ(limits("time: 3m").wall_ms, 180'000u);
  EXPECT_EQ(limits("time: 1h").wall_ms, 3'600'000u);
  EXPECT_EQ(with_message("limits: {time: 10}"),
            "found an unsigned integer, expected a time such as 10s (ms, s, m, h) in line 3 at limits.time");
  EXPECT_EQ(with_message("limits: {time: 10 s}"),
            "found '10 s', expected a time such as 10s (ms, s, m, h) in line 3 at limits.time");
  EXPECT_EQ(with_message("limits: {memory: 64mb}"),
            "found '64mb', expected a size such as 64MiB (B, kB, MB, GB, KiB, MiB, GiB) in line 3 at limits.memory");
  EXPECT_EQ(with_message("limits: {memory: 5GiB}"),
            "found 5368709120, expected at most 4294967296 in line 3 at limits.memory");
  EXPECT_EQ(with_message("limits: {gas: 99999999999T}"),
            "found '99999999999T', which does not fit in 64 bits in line 3 at limits.gas");
  EXPECT_EQ(with_message("limits: {gas: -1}"),
            "found a negative integer, expected a number such as 50000000 or 50M (k, M, G, T) in line 3 at limits.gas");
  EXPECT_EQ(with_message("limits: {gas: 1.5M}"),
            "found '1.5M', expected a number such as 50000000 or 50M (k, M, G, T) in line 3 at limits.gas");
}

TEST(JobFile, wrong_values_say_what_is_possible) {
  EXPECT_EQ(with_message("priority: 256"), "found 256, expected at most 255 in line 3 at priority");
  EXPECT_EQ(with_message("priority: urgent"),
            "found 'urgent', expected one of low, normal, high, critical or 0 to 255 in line 3 at priority");
  EXPECT_EQ(with_message("lane: slow"), "found 'slow', expected one of auto, flash, deep in line 3 at lane");
  EXPECT_EQ(with_message("lane: 1"), "found an unsigned integer, expected a text in line 3 at lane");
  EXPECT_EQ(with_message("audit: none"),
            "found 'none', expected one of receipts, sampled, freivalds, sumcheck in line 3 at audit");
  EXPECT_EQ(with_message("isolation: 4"), "found 4, expected at most 3 in line 3 at isolation");
  EXPECT_EQ(with_message("precision: fp32"),
            "found 'fp32', expected one of int8, e5m2, fp8, bf16 in line 3 at precision");
  EXPECT_EQ(
      with_message("regions: [MARS]"),
      "found the region 'MARS', expected one of US, EU, APAC, UK, CH, CA, LATAM, MEA, AFRICA, IN, JP, AU or a bit "
      "number 0 to 63 in line 3 at regions[0]");
  EXPECT_EQ(with_message("regions: [64]"), "found 64, expected at most 63 in line 3 at regions[0]");
  EXPECT_EQ(with_message("regions: []"), "found no region; leave the key out for any in line 3 at regions");
  EXPECT_EQ(with_message("regions: EU"), "found a text, expected a list in line 3 at regions");
  EXPECT_EQ(with_message("regions: [US]\nresidency: EU"),
            "found a region that is not among the regions in line 4 at residency");
  EXPECT_EQ(with_message("valid: 0"), "found 0, expected one block at least in line 3 at valid");
  EXPECT_EQ(with_message("valid: 1000001"), "found 1000001, expected at most 1000000 in line 3 at valid");
  EXPECT_EQ(with_message("params: {0: x}"), "found the param '0', expected a number from 1 in line 3 at params.0");
  EXPECT_EQ(with_message("params: {trace: 1}"),
            "found the param 'trace', expected a number from 1 in line 3 at params.trace");
  EXPECT_EQ(with_message("params: {01: 1}"), "found the param '01', expected a number from 1 in line 3 at params.01");
  EXPECT_EQ(with_message("params: {1: {hex: 0g}}"),
            "found 'g' at position 1, expected a hex digit in line 3 at params.1.hex");
  EXPECT_EQ(with_message("params: {1: 9223372036854775808}"),
            "found an unsigned integer, expected a 64-bit signed integer in line 3 at params.1");
  EXPECT_EQ(with_message("inputs: x"), "found a text, expected a list in line 3 at inputs");
  EXPECT_EQ(with_message("inputs: [{text: a, hex: 00}]"),
            "found 2 keys, expected one of path, text, hex, from in line 3 at inputs[0]");
  EXPECT_EQ(with_message("inputs: [{from: b}]"), "found 'b', which is no node's name in line 3 at inputs[0].from");
  EXPECT_EQ(with_message("inputs: [\"\"]"), "found an empty text in line 3 at inputs[0]");
  EXPECT_EQ(with_message("outputs: []"), "found no output, a job has one at least in line 3 at outputs");
  EXPECT_EQ(with_message("outputs: [a, a]"), "found the output 'a' twice in line 3 at outputs[1]");
  EXPECT_EQ(with_message("shape: {level: 4}"), "found 4, expected at most 3 in line 3 at shape.level");
  EXPECT_EQ(with_message("shape: {dims: [1,1,1,1,1,1,1,1,1]}"),
            "found 9 dims, expected at most 8 in line 3 at shape.dims");
  EXPECT_EQ(with_message("nodes: {}"), "found kind beside nodes, expected it inside each node in line 1 at kind");
  EXPECT_EQ(why("kind: A B\nlimit: 1\n"),
            "gxf.job_file: found 'A B', expected a kind such as wasm/v1 or tensor.mlp/v1 in line 1 at kind");
  EXPECT_EQ(why("kind: a/v1\n"), "gxf.job_file: found no limit in line 1 at limit");
}

TEST(JobFile, syntax_and_size_are_answered_with_the_same_id) {
  EXPECT_EQ(why("kind: [a\n").substr(0, 14), "gxf.job_file: ");
  EXPECT_EQ(why("{\"kind\": tru}").substr(0, 14), "gxf.job_file: ");
  EXPECT_EQ(why("kind: a/v1\nlimit: 1\nkind: b/v1\n"), "gxf.job_file: found key 'kind' twice in line 3, column 1");
  EXPECT_EQ(why(""), "gxf.job_file: found null, expected an object with a job's fields");
  EXPECT_EQ(why("- a\n"), "gxf.job_file: found an array, expected an object with a job's fields in line 1");
  std::string long_file = "kind: a/v1\nlimit: 1\n";
  long_file.resize(kJobFileMax, ' ');
  EXPECT_EQ(why(long_file), "ok");
  long_file += ' ';
  EXPECT_EQ(why(long_file), "gxf.job_file: found 1048577 bytes, a job file has at most 1048576");
}

constexpr std::string_view kGraph = R"(
limit: 1M
nodes:
  - {name: clean, artifact: clean.wasm, inputs: [raw.csv]}
  - name: left
    kind: tensor.mlp/v1
    artifact: m.tns
    inputs: [{from: clean}]
  - name: right
    kind: tensor.mlp/v1
    artifact: m.tns
    inputs: [{from: clean.1}, {text: "seed"}]
    limits: {gas: 5M}
)";

TEST(JobFile, a_graph_gets_its_edges_from_the_inputs) {
  auto draft = parse_job_file(kGraph, "");
  ASSERT_TRUE(draft) << why(draft);
  const Job& job = draft->job;
  ASSERT_EQ(job.nodes.size(), 3u);
  EXPECT_EQ(job.edges, (std::vector<Edge>{{0, 1, 0, 0}, {0, 2, 1, 0}}));
  EXPECT_EQ(draft->output_names, (std::vector<std::string>{"left", "right"}));
  EXPECT_EQ(job.outputs, (std::vector<JobOutput>{{1, 0}, {2, 0}}));
  EXPECT_EQ(job.nodes[2].limits.gas, 5'000'000u);
  ASSERT_EQ(job.inputs.size(), 2u);
  EXPECT_EQ(job.inputs[1].node, 2);
  EXPECT_EQ(job.inputs[1].in_ix, 1);

  draft = parse_job_file(std::string(kGraph) + "outputs: {answer: right, trace: left.3}\n", "");
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(draft->output_names, (std::vector<std::string>{"answer", "trace"}));
  EXPECT_EQ(draft->job.outputs, (std::vector<JobOutput>{{2, 0}, {1, 3}}));
}

TEST(JobFile, a_graph_names_its_mistakes) {
  const auto graph = [](std::string_view nodes) { return why(text("limit: 1\nnodes:\n{}", nodes)); };
  EXPECT_EQ(graph("  - {kind: a/v1}\n"), "gxf.job_file: found no name in line 3 at nodes[0].name");
  EXPECT_EQ(graph("  - {name: a, kind: a/v1}\n  - {name: a, kind: a/v1}\n"),
            "gxf.job_file: found the node 'a' twice in line 4 at nodes[1].name");
  EXPECT_EQ(graph("  - {name: a, kind: a/v1, inputs: [{from: b}]}\n"),
            "gxf.job_file: found 'b', which is no node's name in line 3 at nodes[0].inputs[0].from");
  EXPECT_EQ(graph("  - {name: a, kind: a/v1, inputs: [{from: a.256}]}\n"),
            "gxf.job_file: found 'a.256', expected a node's name, or one with a port 0 to 255: name.0 in line 3 at "
            "nodes[0].inputs[0].from");
  EXPECT_EQ(graph("  - {name: a, kind: a/v1, inputs: [{from: a}]}\n"),
            "gxf.job_file: found no node that feeds no other, so no output at outputs");
  EXPECT_EQ(graph("  []\n"), "gxf.job_file: found 0 nodes, expected 1 to 256 in line 2 at nodes");
  std::string many;
  for (int i = 0; i < 257; ++i) many += text("  - {{name: n{}, kind: a/v1}}\n", i);
  EXPECT_EQ(graph(many), "gxf.job_file: found 257 nodes, expected 1 to 256 in line 2 at nodes");
  EXPECT_EQ(graph("  - {name: a, kind: a/v1}\noutputs: [x]\n"),
            "gxf.job_file: expected an object of names, each with a node or node.port in line 4 at outputs");
}

TEST(JobFile, a_finished_draft_is_a_valid_job) {
  SeededRandom random(1, "job_file_test");
  const crypto::Identity payer = crypto::Identity::generate(random);
  const NetworkId network{.data = {9}};
  for (const std::string_view file : {kFull, kGraph}) {
    auto draft = parse_job_file(file, "");
    ASSERT_TRUE(draft) << why(draft);
    std::vector<UploadedBlob> blobs;
    for (std::size_t i = 0; i < draft->uploads.size(); ++i)
      blobs.push_back({.id = crypto::blob_id(as_bytes(text("blob {}", i))), .size_bytes = 100 + i});
    auto job = finish(*draft, blobs, {.network = network, .nonce = 7, .height = Height{50}});
    ASSERT_TRUE(job) << job.error().str();
    EXPECT_EQ(job->nonce, 7u);
    EXPECT_EQ(job->not_before, Height{50});
    EXPECT_EQ(job->expires, Height{50 + draft->valid_blocks});
    EXPECT_EQ(job->nodes[0].artifact, blobs[0].id);
    EXPECT_EQ(job->inputs[0].id, blobs[1].id);
    EXPECT_EQ(job->inputs[0].size_bytes, 101u);
    ASSERT_TRUE(sign(*job, payer, JobSigAlg::kMlDsa65));
    auto admitted = validate(encode(*job), Height{50}, {.network = network});
    EXPECT_TRUE(admitted) << admitted.error().str();
    blobs.pop_back();
    EXPECT_EQ(finish(*draft, blobs, {}).error().id(), "gxf.job_file");
  }
}

TEST(JobFile, a_height_that_no_block_has_is_refused) {
  auto draft = parse_job_file("kind: a/v1\nlimit: 1\nvalid: 2\n", "");
  ASSERT_TRUE(draft);
  const std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  EXPECT_TRUE(finish(*draft, {}, {.network = {}, .nonce = 0, .height = Height{last - 2}}));
  EXPECT_EQ(finish(*draft, {}, {.network = {}, .nonce = 0, .height = Height{last - 1}}).error().path(), "valid");
}

TEST(JobFile, files_are_read_beside_the_job_file) {
  MemFs fs;
  ASSERT_TRUE(fs.mkdir("jobs"));
  ASSERT_TRUE(replace_file(fs, "jobs/a.yaml", as_bytes("kind: a/v1\nlimit: 1\ninputs: [x.bin, {text: t}]\n")));
  ASSERT_TRUE(replace_file(fs, "jobs/x.bin", as_bytes("four")));
  auto draft = read_job_file(fs, "jobs/a.yaml");
  ASSERT_TRUE(draft) << why(draft);
  EXPECT_EQ(read_upload(fs, draft->uploads[0], 4).value(), to_bytes("four"));
  EXPECT_EQ(read_upload(fs, draft->uploads[0], 3).error().id(), "core.fs_full");
  EXPECT_EQ(read_upload(fs, draft->uploads[1], 3).value(), to_bytes("t"));
  EXPECT_EQ(read_job_file(fs, "jobs/b.yaml").error().id(), "core.fs_not_found");
  ASSERT_TRUE(replace_file(fs, "jobs/c.yaml", as_bytes("kind: a/v1\n")));
  EXPECT_EQ(read_job_file(fs, "jobs/c.yaml").error().str(),
            "gxf.job_file: found no limit in line 1 at limit (while read the job file jobs/c.yaml)");
}

TEST(JobFile, the_examples_of_its_page_are_job_files) {
  auto page = read_file(real_fs(), "docs/reference/job_file.md", 1 << 20);
  ASSERT_TRUE(page) << page.error().str();
  std::string_view rest = as_text(*page);
  int examples = 0;
  for (std::size_t at; (at = rest.find("```yaml\n")) != std::string_view::npos; ++examples) {
    rest.remove_prefix(at + 8);
    EXPECT_EQ(why(rest.substr(0, rest.find("```"))), "ok");
  }
  EXPECT_EQ(examples, 2);
  for (const Region& region : regions())
    EXPECT_NE(as_text(*page).find(text("`{}` {}", region.name, region.bit)), std::string_view::npos) << region.name;
}

TEST(Regions, bits_and_names_are_unique_and_found_in_either_case) {
  std::uint64_t mask = 0;
  for (const Region& region : regions()) {
    EXPECT_LT(region.bit, 64);
    EXPECT_EQ(mask >> region.bit & 1, 0u) << region.name;
    mask |= 1ull << region.bit;
    EXPECT_EQ(find_region(region.name), &region);
  }
  EXPECT_EQ(find_region("eu")->bit, 1);
  EXPECT_EQ(find_region("us")->bit, 0);
  EXPECT_EQ(find_region("E"), nullptr);
}

}  // namespace
}  // namespace hanse::gxf

// Job files: what people write, in YAML or JSON, and how it becomes a job. For authors: docs/reference/job_file.md.
//
//   kind: tensor.mlp/v1                  # "wasm/v1", "onnx/v1" or the name of an engine's kind
//   artifact: model.tns                  # paths are relative to the job file
//   inputs: [x.tns, {text: "hello"}, {hex: 00ff}]
//   params: {1: 1, 2: "abc"}             # by number; key 0 holds the kind's name and is not written here
//   precision: int8                      # int8 (default), e5m2, fp8, bf16
//   shape: {level: 0, seq: 1, batch: 1, tokens: 0, dims: [4, 4]}
//   limits: {gas: 50M, memory: 64MiB, time: 10s, output: 1MiB}
//   limit: 2M                            # price cap in micro-tokens; beside the kind the only mandatory field
//   priority: 128                        # 0..255 or low, normal, high, critical
//   lane: auto                           # auto, flash, deep
//   regions: [EU, US]                    # names or bit numbers 0..63; any region when left out
//   residency: EU
//   audit: receipts                      # receipts, sampled, freivalds, sumcheck (audit.h)
//   commitment: model.hmc                # to the model of a proof.mlp/v1 (hanse proof commit): its param 1
//   isolation: full                      # none, 1, 2, full (default) or 0..3
//   private: true                        # inputs for the provider alone, outputs for the payer (exchange/payload)
//   latency: 200ms                       # of the provider, at most
//   valid: 1000                          # blocks until the job expires
//   outputs: [result]                    # a name for each output port
//
// A graph has `nodes` in place of kind, artifact, inputs, params, precision, shape and limits: a list of the same
// fields with a `name` each, whose inputs may be {from: other} or {from: other.port}, and its outputs are an object:
//   outputs: {result: other.port}
//
// A draft is a job without network, nonce, heights and blob ids. The caller uploads draft.uploads, calls finish with
// their ids, signs and submits. Whether the job is a valid one is for validate to say.
// Threads: values. Errors: gxf.job_file (invalid), with the path of the field and, in YAML, the line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/gxf/gxf.h"

namespace hanse {
class Fs;
}

namespace hanse::gxf {

constexpr std::size_t kJobFileMax = 1 << 20;
constexpr std::uint64_t kValidBlocksDefault = 1000;
constexpr std::uint64_t kParamCommitment = 1;  // of proof.mlp/v1

struct Region {
  std::string_view name;
  std::uint16_t bit;
};
std::span<const Region> regions();                 // names of region bits; bits without a name are written as numbers
const Region* find_region(std::string_view name);  // either case; nullptr when there is none

enum class UploadUse : std::uint8_t { kArtifact, kInput };

// Bytes that must be in the blob store before the job is submitted, and where their id goes.
struct Upload {
  UploadUse use = UploadUse::kInput;
  std::uint16_t node = 0;
  std::uint8_t in_ix = 0;  // of an input
  std::string path;        // a file, or empty when `bytes` holds what was written in the job file
  Bytes bytes;
};

struct JobDraft {
  Job job;
  std::vector<Upload> uploads;
  std::vector<std::string> output_names;  // one for each of job.outputs
  std::uint64_t valid_blocks = kValidBlocksDefault;
  struct Commitment {
    std::uint16_t node = 0;
    std::string path;
  };
  std::vector<Commitment> commitments;  // read_job_file reads them into params
  std::vector<std::string> notes;       // what an import left out, one line each
};

// `folder` is what relative paths start from. Text that begins with '{' is JSON, other text YAML. What the audit needs
// beyond that stands in files, and only read_job_file reads them (complete_audit).
Result<JobDraft> parse_job_file(std::string_view text, std::string_view folder);
Result<JobDraft> read_job_file(Fs& fs, const std::string& path);  // and the errors of core/fs.h
// The bytes of one upload; for a file at most size_max.
Result<Bytes> read_upload(Fs& fs, const Upload& upload, std::size_t size_max);

struct UploadedBlob {
  BlobId id;
  std::uint64_t size_bytes = 0;
};
struct FinishOptions {
  NetworkId network;
  std::uint64_t nonce = 0;
  Height height;  // of the ledger; the job is valid from here
};
// blobs in the order of draft.uploads. The job comes back unsigned.
Result<Job> finish(const JobDraft& draft, std::span<const UploadedBlob> blobs, const FinishOptions& options);

// Reads a version 3 job: the YAML or JSON of its command line (model, precision, kv_cache_seq_len, token_count,
// batch_size), a GxfJob or a GxfEnvelope in JSON. Version 3 names no model bytes, so the caller names either the
// model's file (the node becomes ONNX) or the engine's kind that knows the model by name. Mapping:
// proto/records/gxf.md.
struct ImportOptions {
  std::string model_file;  // or
  std::string engine_kind;
  Amount limit_total;  // version 3 had no price cap; > 0
  Limits limits;       // nor limits; zeros mean the defaults of job files
};
Result<JobDraft> import_v3(std::string_view text, const ImportOptions& options);

}  // namespace hanse::gxf

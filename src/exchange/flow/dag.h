// Runs the nodes of a job in topological order, the lowest id first among those that are ready, and passes data by
// memory: an output lives until its last reader has run. The outcome is that of the whole job: gas is the sum, the
// outputs are the job's. The first node that does not end ok ends the job with its status; a request that the kind
// itself refuses, or a port that a node did not write, is the job's own fault (trap).
// The steps of a job are those of its node, when it has one node; of a job of more nothing is told of steps. Of a
// range of steps (runtime::StepRange, one node) that ends before the job does the outcome is that of the node.
// The outputs of a private job are sealed, so that what is kept of an outcome anywhere tells nothing; its detail, which
// may quote data, is empty, and nothing is told of steps.
// Pure but for the runner. Errors: flow.stopped (unavailable: control asked to stop), flow.no_artifact (internal), and
// flow.no_steps (invalid: a range of a job of several nodes), what the runner says when the fault is the worker's.
#pragma once

#include "exchange/payload/payload.h"
#include "exchange/runtime/runner.h"

namespace hanse::flow {

// The bytes a job needs, each checked against its hash before.
struct Materials {
  gxf::Job job;
  std::map<BlobId, Bytes> blobs;                  // of the inputs of a private job what follows their prefix
  std::optional<payload::JobSecret> secret = {};  // of a private job
};

std::string kind_of(const gxf::Node& node);  // "wasm/v1", "onnx/v1", or what an engine node names

Result<runtime::RunOutcome> run_dag(const Materials& materials, const Hash32& seed, runtime::Runner& runner,
                                    runtime::RunControl& control, std::optional<runtime::StepRange> range = {});

// Does the claimed outcome of a job of one node follow, as its kind's verify says?
Status verify_node(const Materials& materials, const Hash32& seed, const runtime::RunOutcome& claimed,
                   runtime::Runner& runner, runtime::RunControl& control);

}  // namespace hanse::flow

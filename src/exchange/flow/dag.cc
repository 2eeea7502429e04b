#include "exchange/flow/dag.h"

#include <algorithm>
#include <set>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::flow {
namespace {

using runtime::RunOutcome;
using runtime::RunStatus;

// At most `size` bytes of UTF-8, cut between characters.
std::string cut_text(std::string_view s, std::size_t size) {
  if (s.size() <= size) return std::string(s);
  while (size > 0 && (static_cast<unsigned char>(s[size]) & 0xc0) == 0x80) --size;
  return std::string(s.substr(0, size));
}

RunOutcome trap(std::string_view detail) {
  RunOutcome outcome;
  outcome.status = RunStatus::kTrap;
  outcome.detail = cut_text(detail, runtime::kDetailMax);
  return outcome;
}

// Ids of the nodes in the order they run. A decoded GXF has no cycle, so all of them come.
std::vector<const gxf::Node*> run_order(const gxf::Job& job) {
  std::map<std::uint16_t, std::size_t> waits_for;
  std::map<std::uint16_t, const gxf::Node*> nodes;
  for (const gxf::Node& node : job.nodes) {
    nodes[node.id] = &node;
    waits_for[node.id] = 0;
  }
  for (const gxf::Edge& edge : job.edges) ++waits_for[edge.to];
  std::set<std::uint16_t> ready;
  for (const auto& [id, count] : waits_for)
    if (count == 0) ready.insert(id);
  std::vector<const gxf::Node*> order;
  while (!ready.empty()) {
    const std::uint16_t id = *ready.begin();
    ready.erase(ready.begin());
    order.push_back(nodes.at(id));
    for (const gxf::Edge& edge : job.edges)
      if (edge.from == id && --waits_for[edge.to] == 0) ready.insert(edge.to);
  }
  return order;
}

class DagRun {
 public:
  DagRun(const Materials& materials, const Hash32& seed, runtime::Runner& runner, runtime::RunControl& control,
         std::optional<runtime::StepRange> range)
      : materials_(materials),
        job_(materials.job),
        seed_(seed),
        runner_(runner),
        control_(control),
        range_(std::move(range)) {
    for (const gxf::Edge& edge : job_.edges) ++readers_[{edge.from, edge.out_ix}];
    for (const gxf::JobOutput& output : job_.outputs) ++readers_[{output.node, output.out_ix}];
  }

  Result<RunOutcome> run() {
    for (const gxf::Node* node : run_order(job_)) {
      TRY(RunOutcome outcome, run_node(*node));
      if (outcome.status == RunStatus::kCancelled)
        return fail(Kind::kUnavailable, "flow.stopped", text("job {} was stopped at node {}", job_.job_id, node->id));
      if (!outcome.state.empty()) return outcome;
      count(*node, outcome);
      if (job_.nodes.size() == 1) steps_ = std::move(outcome.steps);
      if (outcome.status != RunStatus::kOk) return ended(node->id, outcome.status, outcome.detail);
      if (const auto missing = keep_outputs(*node, outcome)) return ended(node->id, RunStatus::kTrap, *missing);
    }
    RunOutcome whole = total();
    for (const gxf::JobOutput& output : job_.outputs) whole.outputs.push_back(take({output.node, output.out_ix}));
    return whole;
  }

  Status verify(const RunOutcome& claimed) {
    TRY(const runtime::RunRequest request, request_for(job_.nodes[0]));
    return runner_.verify(request, claimed, job_.isolation, control_);
  }

 private:
  using Port = std::pair<std::uint16_t, std::uint8_t>;

  Result<RunOutcome> run_node(const gxf::Node& node) {
    TRY(const runtime::RunRequest request, request_for(node));
    auto outcome = runner_.run(request, job_.isolation, control_);
    if (outcome || outcome.error().kind() != Kind::kInvalid) return outcome;
    return trap(outcome.error().str());
  }

  Result<runtime::RunRequest> request_for(const gxf::Node& node) {
    runtime::RunRequest request;
    request.job_id = job_.job_id;
    request.node = node.id;
    request.kind = kind_of(node);
    request.limits = node.limits;
    request.shape = node.shape;
    request.precision = node.precision;
    request.params = node.params;
    request.seed = seed_;
    request.steps = range_;
    if (!node.artifact.is_zero()) {
      TRY(request.artifact, blob(node.artifact));
    }
    std::map<std::uint8_t, Bytes> inputs;
    for (const gxf::JobInput& input : job_.inputs) {
      if (input.node != node.id) continue;
      TRY(inputs[input.in_ix], blob(input.id));
    }
    for (const gxf::Edge& edge : job_.edges)
      if (edge.to == node.id) inputs[edge.in_ix] = take({edge.from, edge.out_ix});
    for (auto& [ix, bytes] : inputs) request.inputs.push_back(std::move(bytes));  // ports are numbered without gaps
    return request;
  }

  Result<Bytes> blob(const BlobId& id) const {
    const auto it = materials_.blobs.find(id);
    if (it == materials_.blobs.end())
      return fail(Kind::kInternal, "flow.no_artifact", text("blob {} was not fetched", id));
    return it->second;
  }

  // The bytes of a port for one of its readers; the last one gets them without a copy.
  Bytes take(const Port& port) {
    const auto it = values_.find(port);
    if (--readers_[port] > 0) return it->second;
    Bytes bytes = std::move(it->second);
    values_.erase(it);
    return bytes;
  }

  void count(const gxf::Node& node, const RunOutcome& outcome) {
    const std::uint64_t gas = std::min(outcome.gas, node.limits.gas);
    if (__builtin_add_overflow(gas_, gas, &gas_)) gas_ = ~std::uint64_t{0};
    if (!outcome.kernel_class.empty()) kernels_.insert(outcome.kernel_class);
  }

  std::optional<std::string> keep_outputs(const gxf::Node& node, RunOutcome& outcome) {
    for (const auto& [port, count] : readers_) {
      if (port.first == node.id && port.second >= outcome.outputs.size())
        return text("wrote {} outputs, output {} is asked for", outcome.outputs.size(), port.second);
    }
    for (std::size_t ix = 0; ix < outcome.outputs.size(); ++ix) {
      const Port port{node.id, static_cast<std::uint8_t>(ix)};
      if (readers_.contains(port)) values_[port] = std::move(outcome.outputs[ix]);
    }
    return std::nullopt;
  }

  RunOutcome total() const {
    RunOutcome whole;
    whole.gas = gas_;
    whole.steps = steps_;
    for (const std::string& kernel : kernels_) whole.kernel_class += (whole.kernel_class.empty() ? "" : ",") + kernel;
    if (whole.kernel_class.size() > runtime::kKernelClassMax) whole.kernel_class = text("mixed/{}", kernels_.size());
    return whole;
  }

  RunOutcome ended(std::uint16_t node, RunStatus status, std::string_view detail) const {
    RunOutcome whole = total();
    whole.status = status;
    whole.detail = cut_text(text("node {}: {}", node, detail), runtime::kDetailMax);
    return whole;
  }

  const Materials& materials_;
  const gxf::Job& job_;
  const Hash32& seed_;
  runtime::Runner& runner_;
  runtime::RunControl& control_;
  std::optional<runtime::StepRange> range_;
  std::vector<Hash32> steps_;
  std::map<Port, std::size_t> readers_;
  std::map<Port, Bytes> values_;
  std::uint64_t gas_ = 0;
  std::set<std::string> kernels_;
};

}  // namespace

std::string kind_of(const gxf::Node& node) {
  switch (node.kind) {
    case gxf::NodeKind::kWasm: return "wasm/v1";
    case gxf::NodeKind::kOnnx: return "onnx/v1";
    case gxf::NodeKind::kEngine: break;
  }
  const auto it = node.params.find(gxf::kParamKindName);
  const Bytes* name = it == node.params.end() ? nullptr : std::get_if<Bytes>(&it->second);
  return name == nullptr ? std::string() : std::string(as_text(*name));
}

Result<RunOutcome> run_dag(const Materials& materials, const Hash32& seed, runtime::Runner& runner,
                           runtime::RunControl& control, std::optional<runtime::StepRange> range) {
  if (range && materials.job.nodes.size() != 1)
    return fail(Kind::kInvalid, "flow.no_steps",
                text("a range of steps of a job of {} nodes is asked for, expected 1", materials.job.nodes.size()));
  const bool whole = !range;
  TRY(RunOutcome outcome, DagRun(materials, seed, runner, control, std::move(range)).run());
  if (!materials.secret) return outcome;
  outcome.detail.clear();
  if (whole) outcome.steps.clear();  // the root of a state that can be guessed tells it
  for (std::uint32_t i = 0; i < outcome.outputs.size(); ++i)
    outcome.outputs[i] = payload::seal_output(*materials.secret, materials.job.job_id, i, outcome.outputs[i]);
  return outcome;
}

Status verify_node(const Materials& materials, const Hash32& seed, const RunOutcome& claimed, runtime::Runner& runner,
                   runtime::RunControl& control) {
  check(materials.job.nodes.size() == 1, "a job whose results prove themselves has one node");
  return DagRun(materials, seed, runner, control, std::nullopt).verify(claimed);
}

}  // namespace hanse::flow

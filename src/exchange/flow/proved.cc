#include "exchange/flow/proved.h"

#include "exchange/gxf/audit.h"

namespace hanse::flow {
namespace {

Result<runtime::RunOutcome> claim_of(const market::JobResult& result, BlobPort& blobs) {
  runtime::RunOutcome out;
  out.gas = result.gas;
  for (const market::OutputRef& each : result.outputs) {
    TRY(Bytes bytes, get_checked(each.id, "output", blobs));
    out.outputs.push_back(std::move(bytes));
  }
  return out;
}

bool same_sizes(const runtime::RunOutcome& claimed, const market::JobResult& result) {
  for (std::size_t i = 0; i < claimed.outputs.size(); ++i)
    if (claimed.outputs[i].size() != result.outputs[i].size_bytes) return false;
  return true;
}

}  // namespace

std::optional<bool> judge_proof(const market::Job& receipted, const JobSources& from, runtime::RunControl& control) {
  const market::JobResult& result = *receipted.result;
  if (!gxf::reads_outputs(receipted.audit) || result.status != market::RunStatus::kOk || result.steps)
    return std::nullopt;
  const bool sumcheck = receipted.audit == gxf::Audit::kSumcheck;
  const auto materials = fetch(receipted, from, sumcheck ? Fetched::kNoArtifacts : Fetched::kAll);
  const auto claimed = claim_of(result, from.blobs);
  if (!materials || !claimed) return std::nullopt;
  if (!same_sizes(*claimed, result)) return false;
  const Status held = verify_node(*materials, receipted.seed, *claimed, from.runner, control);
  if (held) return true;
  if (sumcheck && held.error().kind() == Kind::kCorrupt) return false;
  return std::nullopt;
}

}  // namespace hanse::flow

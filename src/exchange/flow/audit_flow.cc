#include "exchange/flow/audit_flow.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::flow {
namespace {

bool same_outputs(const std::vector<Bytes>& found, const std::vector<market::OutputRef>& claimed) {
  if (found.size() != claimed.size()) return false;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (claimed[i] != market::OutputRef{.id = crypto::blob_id(found[i]), .size_bytes = found[i].size()}) return false;
  return true;
}

}  // namespace

Result<std::optional<bool>> judge_receipt(const market::Job& record, const JobSources& from,
                                          runtime::RunControl& control) {
  if (!record.result)
    return fail(Kind::kConflict, "flow.no_receipt", text("job {} has no receipt to judge", record.bid.job_id));
  if (record.result->status == market::RunStatus::kTimeout) return std::nullopt;
  TRY(const Materials materials, fetch(record, from));
  TRY(const runtime::RunOutcome found, run_dag(materials, record.seed, from.runner, control));
  if (found.status == runtime::RunStatus::kTimeout) return std::nullopt;
  const bool same = static_cast<market::RunStatus>(found.status) == record.result->status &&
                    found.gas == record.result->gas && same_outputs(found.outputs, record.result->outputs);
  if (!same && !runtime::is_exact(found.kernel_class)) return std::nullopt;
  return same;
}

}  // namespace hanse::flow

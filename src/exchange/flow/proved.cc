#include "exchange/flow/proved.h"

#include <algorithm>

#include "base/core/text.h"
#include "exchange/gxf/audit.h"

namespace hanse::flow {
namespace {

// What the provider published, up to the first output that has another size than the receipt says: no more bytes are
// held than one of these and what the job allows.
Result<runtime::RunOutcome> claim_of(const market::JobResult& result, BlobPort& blobs) {
  runtime::RunOutcome out;
  out.gas = result.gas;
  std::uint64_t size = 0;
  for (const market::OutputRef& each : result.outputs) {
    if (__builtin_add_overflow(size, each.size_bytes, &size) || size > kResultBytesMax)
      return fail(Kind::kUnsupported, "flow.too_large",
                  text("the receipt names outputs of over {} bytes", kResultBytesMax));
    TRY(Bytes bytes, get_checked(each.id, "output", blobs));
    const bool same = bytes.size() == each.size_bytes;
    out.outputs.push_back(std::move(bytes));
    if (!same) break;
  }
  return out;
}

bool same_sizes(const runtime::RunOutcome& claimed, const market::JobResult& result) {
  return std::ranges::equal(claimed.outputs, result.outputs, {}, &Bytes::size, &market::OutputRef::size_bytes);
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

#include "exchange/flow/audit_flow.h"

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/flow/proved.h"

namespace hanse::flow {
namespace {

bool same_outputs(const std::vector<Bytes>& found, const std::vector<market::OutputRef>& claimed) {
  if (found.size() != claimed.size()) return false;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (claimed[i] != market::OutputRef{.id = crypto::blob_id(found[i]), .size_bytes = found[i].size()}) return false;
  return true;
}

bool same_end(const runtime::RunOutcome& found, const market::JobResult& claimed) {
  return static_cast<market::RunStatus>(found.status) == claimed.status && found.gas == claimed.gas &&
         same_outputs(found.outputs, claimed.outputs);
}

std::optional<bool> compare(const runtime::RunOutcome& found, const market::JobResult& claimed) {
  if (found.status == runtime::RunStatus::kTimeout) return std::nullopt;
  const bool same = same_end(found, claimed) && steps_of(found) == claimed.steps;
  if (!same && !runtime::is_exact(found.kernel_class)) return std::nullopt;
  return same;
}

std::unexpected<Error> bad_witness(std::string what) { return fail(Kind::kInvalid, "flow.witness", std::move(what)); }

// Does one step of the job: true when it does not lead where the receipt says.
Result<bool> refutes(const Witness& witness, const market::Job& record, const Materials& materials,
                     runtime::Runner& runner, runtime::RunControl& control) {
  const market::JobResult& claimed = *record.result;
  TRY_OK(check_witness(witness, *claimed.steps));
  const bool begins = witness.place == 0;
  TRY(const runtime::RunOutcome found, run_dag(materials, record.seed, runner, control,
                                               runtime::StepRange{.state = witness.state, .count = begins ? 0u : 1u}));
  if (found.status == runtime::RunStatus::kTimeout || !runtime::is_exact(found.kernel_class))
    return bad_witness("the step depends on the machine");
  if (!begins && (found.steps.empty() || found.steps[0] != witness.before))
    return bad_witness("the state of the witness does not have the root that the receipt lists");
  const bool goes_on = !found.state.empty();
  if (witness.place == claimed.steps->count) return goes_on || !same_end(found, claimed);
  return !goes_on || found.steps.back() != witness.after;
}

Result<bool> witness_refutes(const BlobId& id, const market::Job& record, const Materials& materials,
                             const JobSources& from, runtime::RunControl& control, std::uint32_t& place) {
  if (!record.result->steps) return bad_witness("the receipt has no steps");
  TRY(const Bytes bytes, get_checked(id, "witness", from.blobs));
  TRY(const Witness witness, decode_witness(bytes));
  place = witness.place;
  return refutes(witness, record, materials, from.runner, control);
}

// Materials of a job that has a receipt to be judged; none where nothing can be said of it.
Result<std::optional<Materials>> materials_of(const market::Job& record, const JobSources& from) {
  if (!record.result)
    return fail(Kind::kConflict, "flow.no_receipt", text("job {} has no receipt to judge", record.bid.job_id));
  if (record.result->status == market::RunStatus::kTimeout) return std::nullopt;
  return fetch(record, from).transform([](Materials&& m) { return std::optional(std::move(m)); });
}

}  // namespace

Result<Judgement> judge_receipt(const market::Job& record, const BlobId& witness, const JobSources& from,
                                runtime::RunControl& control) {
  if (record.result)
    if (const auto proved = judge_proof(record, from, control))
      return Judgement{.holds = proved, .place = std::nullopt};
  TRY(const std::optional<Materials> materials, materials_of(record, from));
  if (!materials) return Judgement{};
  if (!witness.is_zero()) {
    std::uint32_t place = 0;
    const auto refuted = witness_refutes(witness, record, *materials, from, control, place);
    if (refuted && *refuted) return Judgement{.holds = false, .place = place};
  }
  TRY(const runtime::RunOutcome found, run_dag(*materials, record.seed, from.runner, control));
  return Judgement{.holds = compare(found, *record.result), .place = std::nullopt};
}

Result<Finding> find_fault(const market::Job& record, const JobSources& from, runtime::RunControl& control) {
  TRY(const std::optional<Materials> materials, materials_of(record, from));
  if (!materials) return Finding{};
  TRY(const runtime::RunOutcome found, run_dag(*materials, record.seed, from.runner, control));
  Finding out{.holds = compare(found, *record.result),
              .witness = std::nullopt,
              .steps = static_cast<std::uint32_t>(found.steps.size())};
  const auto& claimed = record.result->steps;
  if (out.holds != false || !claimed || found.steps.empty()) return out;
  const auto list = get_checked(claimed->list, "list of steps", from.blobs).and_then([&](const Bytes& bytes) {
    return decode_step_list(bytes, *claimed);
  });
  if (!list) return out;  // what is not to be had cannot be pointed at
  const std::uint32_t place = first_false_place(*list, found.steps);
  Bytes state;
  if (place > 0) {
    auto before =
        run_dag(*materials, record.seed, from.runner, control, runtime::StepRange{.state = {}, .count = place - 1});
    if (!before) return out;  // larger than what a worker answers, or the machine failed: it is false all the same
    state = std::move(before->state);
  }
  TRY(Witness witness, make_witness(*list, place, std::move(state)));
  if (encode_witness(witness).size() <= kWitnessBytesMax) out.witness = std::move(witness);
  return out;
}

}  // namespace hanse::flow

#include "exchange/flow/step_journals.h"

namespace hanse::flow {
namespace {

constexpr Step kSteps[] = {Step::kRan, Step::kSigned};

Bytes step_key(const JobId& id, Step step) {
  Bytes key = to_bytes(id.view());
  key.push_back(static_cast<std::uint8_t>(step));
  return key;
}

}  // namespace

Result<std::optional<Bytes>> MemStepJournal::find(const JobId& id, Step step) {
  const auto it = kept_.find({id, step});
  return it == kept_.end() ? std::optional<Bytes>() : std::optional(it->second);
}

Status MemStepJournal::keep(const JobId& id, Step step, ByteView bytes, Keep) {
  kept_[{id, step}] = to_bytes(bytes);
  return {};
}

Status MemStepJournal::forget(const JobId& id) {
  for (const Step step : kSteps) kept_.erase({id, step});
  return {};
}

Result<std::optional<Bytes>> KvStepJournal::find(const JobId& id, Step step) {
  return store_.get(family_, step_key(id, step));
}

Status KvStepJournal::keep(const JobId& id, Step step, ByteView bytes, Keep how) {
  kv::Batch batch;
  batch.put(family_, step_key(id, step), bytes);
  return store_.write(std::move(batch), how == Keep::kSynced ? kv::Sync::kYes : kv::Sync::kNo);
}

Status KvStepJournal::forget(const JobId& id) {
  kv::Batch batch;
  for (const Step step : kSteps) batch.erase(family_, step_key(id, step));
  return store_.write(std::move(batch), kv::Sync::kNo);
}

}  // namespace hanse::flow

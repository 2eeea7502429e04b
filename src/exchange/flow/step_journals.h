// Step journals: in memory for tests and the simulator, over a kv store for the daemon (its family holds nothing else).
// Key: job id, then the step as a byte. Threads: KvStepJournal any; MemStepJournal one at a time. Errors: the store's.
#pragma once

#include <map>

#include "exchange/flow/ports.h"
#include "store/kv/kv.h"

namespace hanse::flow {

class MemStepJournal final : public StepJournal {
 public:
  Result<std::optional<Bytes>> find(const JobId& id, Step step) override;
  Status keep(const JobId& id, Step step, ByteView bytes, Keep how) override;
  Status forget(const JobId& id) override;
  std::size_t size() const { return kept_.size(); }

 private:
  std::map<std::pair<JobId, Step>, Bytes> kept_;
};

class KvStepJournal final : public StepJournal {
 public:
  KvStepJournal(kv::Store& store, kv::Family family) : store_(store), family_(family) {}
  Result<std::optional<Bytes>> find(const JobId& id, Step step) override;
  Status keep(const JobId& id, Step step, ByteView bytes, Keep how) override;
  Status forget(const JobId& id) override;

 private:
  kv::Store& store_;
  kv::Family family_;
};

}  // namespace hanse::flow

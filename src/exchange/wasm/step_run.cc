#include "exchange/wasm/step_run.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/wasm/gas_table.h"

namespace hanse::wasm {
namespace {

constexpr std::size_t kPageBytes = 65'536;

struct OutputSoFar {
  crypto::Blake3 hasher;
  std::size_t taken = 0;
};

class Loop {
 public:
  Loop(StepInstance& instance, StepRun& run) : instance_(instance), run_(run) {}
  Status run();

 private:
  Status begin();
  void commit(const GasTable* table);
  std::vector<OutputDigest> digests();
  Bytes capture();

  StepInstance& instance_;
  StepRun& run_;
  std::uint32_t index_ = 0;
  MemoryTree tree_;
  std::vector<OutputSoFar> outputs_;
  Hash32 root_;
};

std::unexpected<Error> bad(std::string what) { return fail(Kind::kInvalid, "wasm.state", std::move(what)); }

// The beginning is committed and paid for like any state; one that was given was paid for by who came there.
Status Loop::begin() {
  if (run_.range == nullptr || run_.range->state.empty()) {
    commit(&kGasTable1);
    return {};
  }
  TRY(StepState state, decode_state(run_.range->state));
  const std::size_t globals = instance_.globals().size();
  if (state.globals.size() != globals)
    return bad(text("found {} globals, the module has {}", state.globals.size(), globals));
  std::uint64_t out_bytes = 0;
  for (const Bytes& output : state.outputs) out_bytes += output.size();
  if (out_bytes > run_.out_bytes_max)
    return bad(text("found outputs of {} bytes, at most {} allowed", out_bytes, run_.out_bytes_max));
  if (state.index >= runtime::kStepsMax)
    return bad(text("found {} steps done, expected fewer than {}", state.index, runtime::kStepsMax));
  TRY_OK(instance_.grow(static_cast<std::uint32_t>(state.memory.size() / kPageBytes)));
  if (!state.memory.empty()) std::ranges::copy(state.memory, instance_.memory_bytes());
  instance_.set_globals(state.globals);
  if (instance_.gas() < 0 || static_cast<std::uint64_t>(instance_.gas()) > run_.gas_max)
    return bad(text("found {} gas left, expected 0 to {}", instance_.gas(), run_.gas_max));
  *run_.outputs = std::move(state.outputs);
  index_ = state.index;
  commit(nullptr);
  return {};
}

std::vector<OutputDigest> Loop::digests() {
  std::vector<OutputDigest> out;
  outputs_.resize(run_.outputs->size());
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const ByteView bytes = (*run_.outputs)[i];
    outputs_[i].hasher.update(bytes.subspan(outputs_[i].taken));
    outputs_[i].taken = bytes.size();
    out.push_back({.size_bytes = bytes.size(), .hash = outputs_[i].hasher.finish()});
  }
  return out;
}

void Loop::commit(const GasTable* table) {
  const ByteView memory = instance_.memory();
  const std::uint64_t dirty = tree_.update(memory);
  const auto pages = static_cast<std::uint32_t>(memory.size() / kPageBytes);
  if (table != nullptr) {
    const std::uint64_t price = std::uint64_t{pages} * table->step_page_gas + dirty * table->step_leaf_gas;
    instance_.set_gas(instance_.gas() - static_cast<std::int64_t>(price));
  }
  root_ = state_root({.index = index_, .pages = pages, .memory = tree_.root()}, instance_.globals(), digests());
}

Bytes Loop::capture() {
  return encode_state({.index = index_,
                       .globals = instance_.globals(),
                       .outputs = std::move(*run_.outputs),
                       .memory = to_bytes(instance_.memory())});
}

Status Loop::run() {
  TRY_OK(begin());
  for (std::uint32_t done = 0;; ++done) {
    if (instance_.stopped() || instance_.gas() < 0) return {};
    if (index_ == runtime::kStepsMax) {
      run_.trapped = run_.too_many = true;
      return {};
    }
    run_.roots.push_back(root_);
    if (run_.range != nullptr && done == run_.range->count) {
      run_.state = capture();
      return {};
    }
    const StepInstance::Took took = instance_.step();
    run_.trapped = took == StepInstance::Took::kTrapped;
    if (took != StepInstance::Took::kMore || instance_.stopped() || instance_.gas() < 0) return {};
    ++index_;
    commit(&kGasTable1);
  }
}

}  // namespace

Status run_steps(StepInstance& instance, StepRun& run) { return Loop(instance, run).run(); }

}  // namespace hanse::wasm

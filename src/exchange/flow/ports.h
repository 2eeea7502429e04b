// What the story of a job needs from the world, as small doors: the daemon binds them to a node's client, the simulator
// and tests to objects in memory. All calls may be repeated: each names what it wants to be true, not what to add.
// Threads: one job at a time per object, unless the implementation allows more.
#pragma once

#include <optional>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/core/units.h"
#include "exchange/market/calls.h"
#include "exchange/market/view.h"

namespace hanse::flow {

// The market's records as of now.
class MarketView {
 public:
  virtual ~MarketView() = default;
  virtual Result<std::optional<market::Job>> job(const JobId& id) = 0;
  virtual Result<Height> height() = 0;
};

class JobMarket : public MarketView {
 public:
  virtual Result<Bytes> gxf(const JobId& id) = 0;  // of a job that has not ended
};

class ProviderMarket : public JobMarket {
 public:
  virtual Result<Height> start(const JobId& id) = 0;  // the height it started at: the record's
  virtual Status record(const market::JobReceipt& receipt) = 0;
};

class PayerMarket : public MarketView {
 public:
  virtual Result<market::Quote> order(ByteView gxf) = 0;  // market.unmatched when no ask fits
  virtual Result<Bytes> prove_job(const JobId& id) = 0;   // an encoded light::LightProof of the job's record
};

// Bytes by their hash. What get returns is checked by the caller, so any source will do.
class BlobPort {
 public:
  virtual ~BlobPort() = default;
  virtual Result<Bytes> get(const BlobId& id) = 0;
  virtual Result<bool> has(const BlobId& id) = 0;
  virtual Result<BlobId> put(ByteView bytes) = 0;  // durable when it returns
};

// What was done for a job, so that it is not done again.
enum class Step : std::uint8_t {
  kRan = 1,     // runtime::encode_outcome of the whole job
  kSigned = 2,  // an encoded receipt::SignedReceipt
};
enum class Keep : std::uint8_t {
  kWritten,  // outlives the process; may be gone when the machine loses its power
  kSynced,   // outlives the machine's power as well
};
class StepJournal {
 public:
  virtual ~StepJournal() = default;
  virtual Result<std::optional<Bytes>> find(const JobId& id, Step step) = 0;
  virtual Status keep(const JobId& id, Step step, ByteView bytes, Keep how) = 0;
  virtual Status forget(const JobId& id) = 0;  // all steps
};

}  // namespace hanse::flow

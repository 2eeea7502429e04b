// The story of a job, told once for the provider and once for the payer over the ports of ports.h.
// Both may be called again with the same job after any crash or error: every step looks first whether it was done, in
// the market's record, in the step journal or by content hash. A run is repeated only if the process died inside it, or
// if the machine lost its power and the run was short (under kShortRunNs): that is cheaper to repeat than to sync.
// Errors of kind unavailable, timeout, exhausted and internal may pass; all others mean that this provider cannot do
// the job and should give it back (market::JobCancel).
// Threads: one call per job at a time. Errors:
//   flow.awaits_payload (unavailable): nothing is wrong, the payer of a private job comes next
//   flow.no_job (not_found), flow.not_ours (conflict: matched to another)
//   flow.hash (corrupt: bytes are not what their hash promised), flow.input_size (invalid)
//   flow.no_kind, flow.too_large (unsupported: found, at most)
//   flow.stopped (unavailable), flow.no_blob (not_found: neither given nor stored), flow.no_receipt (unavailable: not
//   yet; conflict: the job closed without one), and those of the ports, the runner, gxf and receipt.
#pragma once

#include "base/core/clock.h"
#include "base/core/random.h"
#include "exchange/flow/materials.h"
#include "exchange/flow/ports.h"
#include "exchange/receipt/bundle.h"
#include "exchange/receipt/receipt.h"

namespace hanse::flow {

constexpr std::int64_t kShortRunNs = 100'000'000;

struct ProviderPorts {
  ProviderMarket& market;
  BlobPort& blobs;
  runtime::Runner& runner;
  StepJournal& journal;
  const crypto::Identity& identity;
  Clock& clock;
  Random& random;
  NetworkId network;
  std::string cpu_class;                      // cpu_class() of cpu_class.h
  const crypto::KemSecretKey* key = nullptr;  // for payloads of private jobs
};

// matched -> fetched -> started -> run -> published -> signed -> recorded.
Status run_matched_job(const JobId& id, const ProviderPorts& ports, runtime::RunControl& control);

struct PayerPorts {
  PayerMarket& market;
  BlobPort& blobs;
  gxf::Params params;
};

// validated -> uploaded -> ordered -> matched. `blobs`: inputs and artifacts that may not be stored yet, by hash.
// A job that the market knows already is not ordered again.
Result<market::Quote> submit_job(ByteView gxf, const std::map<BlobId, ByteView>& blobs, const PayerPorts& ports);

// The bundle that proves the job's receipt to anyone: once the job is receipted, best once it is settled.
Result<receipt::ReceiptBundle> collect_receipt(const JobId& id, const PayerPorts& ports);

}  // namespace hanse::flow

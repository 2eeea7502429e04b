#include "exchange/flow/job_flow.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/flow/steps.h"

namespace hanse::flow {
namespace {

using market::JobState;

struct Ran {
  runtime::RunOutcome outcome;
  Keep keep = Keep::kSynced;  // what came of it
};
struct Signed {
  Bytes bytes;
  bool earlier = false;  // by a process before this one, which may have recorded it too
};

// The story's steps, in the order they are told below.
Result<market::Job> look_up(const JobId& id, const ProviderPorts& ports);
Result<market::Job> start(const market::Job& record, const ProviderPorts& ports);
Result<Ran> run(const market::Job& record, const Materials& materials, const ProviderPorts& ports,
                runtime::RunControl& control);
Result<std::vector<market::OutputRef>> publish(const runtime::RunOutcome& outcome, const ProviderPorts& ports);
Result<Signed> sign(const market::Job& record, const gxf::Job& job, const Ran& ran,
                    const std::vector<market::OutputRef>& outputs, const ProviderPorts& ports);
Status record_receipt(const JobId& id, const Signed& receipt, const ProviderPorts& ports);

bool is_done(const market::Job& record) { return record.ended() || record.result.has_value(); }

}  // namespace

Status run_matched_job(const JobId& id, const ProviderPorts& ports, runtime::RunControl& control) {
  TRY(const market::Job matched, look_up(id, ports));
  if (is_done(matched)) return ports.journal.forget(id);

  TRY(const Materials materials,
      fetch(matched, {.market = ports.market, .blobs = ports.blobs, .runner = ports.runner, .key = ports.key}));
  TRY(const market::Job started, start(matched, ports));
  TRY(const Ran ran, run(started, materials, ports, control));
  TRY(const std::vector<market::OutputRef> outputs, publish(ran.outcome, ports));
  TRY(const Signed receipt, sign(started, materials.job, ran, outputs, ports));
  TRY_OK(record_receipt(id, receipt, ports));
  return ports.journal.forget(id);
}

namespace {

Result<market::Job> must_find(const JobId& id, MarketView& market) {
  TRY(std::optional<market::Job> record, market.job(id));
  if (!record) return fail(Kind::kNotFound, "flow.no_job", text("the market has no job {}", id));
  return *std::move(record);
}

Result<market::Job> look_up(const JobId& id, const ProviderPorts& ports) {
  TRY(market::Job record, must_find(id, ports.market));
  if (record.provider != ports.identity.id()) {
    return fail(Kind::kConflict, "flow.not_ours",
                text("job {} is matched to {}, this is {}", id, record.provider, ports.identity.id()));
  }
  return record;
}

Result<market::Job> start(const market::Job& record, const ProviderPorts& ports) {
  if (record.state != JobState::kMatched) return record;
  market::Job started = record;
  TRY(started.started, ports.market.start(record.bid.job_id));
  // Before that deadline the market offers it to nobody again: it is the match that was looked up. Of what the steps
  // below read nothing but the height has changed.
  if (started.started >= record.deadline) return look_up(record.bid.job_id, ports);
  started.state = JobState::kStarted;
  return started;
}

Result<Ran> run(const market::Job& record, const Materials& materials, const ProviderPorts& ports,
                runtime::RunControl& control) {
  const JobId& id = record.bid.job_id;
  TRY(const std::optional<Bytes> kept, ports.journal.find(id, Step::kRan));
  Ran ran;
  if (kept) {
    TRY(ran.outcome, runtime::decode_outcome(*kept));
    return ran;
  }
  const std::int64_t began_ns = ports.clock.mono_ns();
  TRY(ran.outcome, run_dag(materials, record.seed, ports.runner, control));
  if (ports.clock.mono_ns() - began_ns < kShortRunNs) ran.keep = Keep::kWritten;
  TRY_OK(ports.journal.keep(id, Step::kRan, runtime::encode_outcome(ran.outcome), ran.keep));
  return ran;
}

// What came of the run by its hashes, stored before anybody hears of it.
Result<std::vector<market::OutputRef>> publish(const runtime::RunOutcome& outcome, const ProviderPorts& ports) {
  if (!outcome.steps.empty()) TRY_OK(ports.blobs.put(encode_step_list(outcome.steps)));
  std::vector<market::OutputRef> refs;
  for (const Bytes& output : outcome.outputs) {
    const BlobId id = crypto::blob_id(output);
    TRY(const BlobId stored, ports.blobs.put(output));
    if (stored != id)
      return fail(Kind::kCorrupt, "flow.hash", text("an output was stored as {}, expected {}", stored, id));
    refs.push_back({.id = id, .size_bytes = output.size()});
  }
  return refs;
}

// Signatures are hedged, so a second one would differ: the first is kept before anyone hears of it. After a short run
// that holds for the death of the process; when the power goes too, the ledger takes whichever receipt comes first.
Result<Signed> sign(const market::Job& record, const gxf::Job& job, const Ran& ran,
                    const std::vector<market::OutputRef>& outputs, const ProviderPorts& ports) {
  const JobId& id = record.bid.job_id;
  TRY(const std::optional<Bytes> kept, ports.journal.find(id, Step::kSigned));
  if (kept) return Signed{.bytes = *kept, .earlier = true};
  const runtime::RunOutcome& outcome = ran.outcome;
  receipt::Receipt r;
  r.job_id = id;
  r.provider = record.provider;
  r.gxf_hash = record.gxf_hash;
  for (const gxf::Node& node : job.nodes) r.artifacts.push_back(node.artifact);
  for (const gxf::JobInput& input : job.inputs) r.inputs.push_back({.id = input.id, .size_bytes = input.size_bytes});
  r.outputs = outputs;
  r.status = static_cast<market::RunStatus>(outcome.status);
  r.gas = outcome.gas;
  r.detail = outcome.detail;
  r.kernel_class = outcome.kernel_class;
  r.cpu_class = ports.cpu_class;
  r.started = record.started;
  TRY(r.finished, ports.market.height());
  r.price = record.price;
  r.steps = steps_of(outcome);
  const receipt::Stamp stamp{.network = ports.network, .wall_ms = ports.clock.wall_ms()};
  Bytes signed_receipt = receipt::encode(receipt::sign_receipt(r, ports.identity, stamp, ports.random));
  TRY_OK(ports.journal.keep(id, Step::kSigned, signed_receipt, ran.keep));
  return Signed{.bytes = std::move(signed_receipt), .earlier = false};
}

Status record_receipt(const JobId& id, const Signed& receipt, const ProviderPorts& ports) {
  if (receipt.earlier) {
    TRY(const market::Job now, look_up(id, ports));
    if (is_done(now)) return {};
  }
  TRY(const receipt::SignedReceipt opened, receipt::decode_signed_receipt(receipt.bytes));
  TRY(const receipt::Opened told, receipt::open_receipt(opened));
  TRY(const BlobId stored, ports.blobs.put(receipt.bytes));
  const market::JobReceipt call{.id = id,
                                .receipt_hash = stored,
                                .status = told.receipt.status,
                                .gas = told.receipt.gas,
                                .outputs = told.receipt.outputs,
                                .steps = told.receipt.steps};
  Status recorded = ports.market.record(call);
  if (recorded) return recorded;
  // Refused: a deadline may have closed the job or passed it on meanwhile.
  TRY(const market::Job now, look_up(id, ports));
  return is_done(now) ? Status() : std::move(recorded);
}

Status upload_one(const BlobId& id, const std::map<BlobId, ByteView>& given, BlobPort& blobs) {
  TRY(const bool stored, blobs.has(id));
  if (stored) return {};
  const auto it = given.find(id);
  if (it == given.end()) return fail(Kind::kNotFound, "flow.no_blob", text("blob {} is neither given nor stored", id));
  TRY(const BlobId found, blobs.put(it->second));
  if (found != id) return fail(Kind::kCorrupt, "flow.hash", text("a blob hashes to {}, expected {}", found, id));
  return {};
}

Status upload(ByteView gxf, const gxf::Job& job, const std::map<BlobId, ByteView>& blobs, const PayerPorts& ports) {
  for (const gxf::Node& node : job.nodes)
    if (!node.artifact.is_zero()) TRY_OK(upload_one(node.artifact, blobs, ports.blobs));
  if (!job.is_private())
    for (const gxf::JobInput& input : job.inputs) TRY_OK(upload_one(input.id, blobs, ports.blobs));
  const BlobId id = crypto::blob_id(gxf);
  return upload_one(id, {{id, gxf}}, ports.blobs);
}

}  // namespace

Result<market::Quote> submit_job(ByteView gxf, const std::map<BlobId, ByteView>& blobs, const PayerPorts& ports) {
  TRY(const gxf::Job claimed, gxf::decode(gxf));
  TRY(const std::optional<market::Job> known, ports.market.job(claimed.job_id));
  if (known) return market::Quote{.provider = known->provider, .ask_id = known->ask_id, .price = known->price};

  TRY(const Height height, ports.market.height());
  TRY(const gxf::Job job, gxf::validate(gxf, height.plus(1), ports.params));
  TRY_OK(upload(gxf, job, blobs, ports));
  return ports.market.order(gxf);
}

Result<receipt::ReceiptBundle> collect_receipt(const JobId& id, const PayerPorts& ports) {
  TRY(const market::Job record, must_find(id, ports.market));
  if (!record.result) {
    return fail(
        record.ended() ? Kind::kConflict : Kind::kUnavailable, "flow.no_receipt",
        text("job {} is {} ({})", id, market::job_state_name(record.state), market::close_reason_name(record.reason)));
  }
  receipt::ReceiptBundle bundle;
  TRY(bundle.signed_receipt, get_checked(record.result->receipt_hash, "receipt", ports.blobs));
  TRY(bundle.gxf, get_checked(record.gxf_hash, "GXF", ports.blobs));
  TRY(bundle.job_proof, ports.market.prove_job(id));
  return bundle;
}

}  // namespace hanse::flow

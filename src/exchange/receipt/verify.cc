#include "exchange/receipt/verify.h"

#include <algorithm>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/market/keys.h"

namespace hanse::receipt {
namespace {

// The evidence as it is gathered, one step after the other.
struct Evidence {
  const ReceiptBundle& bundle;
  const light::Genesis& genesis;
  const light::Demand& demand;
  Report& report;
  NetworkId network{};
  gxf::Job job{};
  FixedBytes<32> ed25519{};
};

std::unexpected<Error> differ(std::string_view field, std::string_view found, std::string_view expected) {
  return fail(Kind::kDenied, "receipt.job", text("{} is {}, expected {}", field, found, expected));
}

template <class T>
Status same(std::string_view field, const T& found, const T& expected) {
  if (found == expected) return {};
  return differ(field, text("{}", found), text("{}", expected));
}

Result<std::string> check_signatures(Evidence& e) {
  TRY(const SignedReceipt signed_receipt, decode_signed_receipt(e.bundle.signed_receipt));
  TRY(Opened opened, open_receipt(signed_receipt));
  e.report.receipt = std::move(opened.receipt);
  e.network = opened.network;
  e.ed25519 = signed_receipt.ed25519;
  return text("ed25519 and {} of provider {}", crypto::sig_alg_name(signed_receipt.mldsa.alg),
              codec::encode_id(e.report.receipt.provider.view()));
}

Result<std::string> check_job(Evidence& e) {
  const Receipt& receipt = e.report.receipt;
  TRY_OK(same("hash of the GXF", crypto::blob_id(e.bundle.gxf), receipt.gxf_hash));
  TRY(e.job, gxf::decode(e.bundle.gxf));
  TRY_OK(same("job id", e.job.job_id, receipt.job_id));
  TRY_OK(same("network of the job", e.job.network, e.network));
  TRY_OK(same("number of artifacts", receipt.artifacts.size(), e.job.nodes.size()));
  TRY_OK(same("number of inputs", receipt.inputs.size(), e.job.inputs.size()));
  for (std::size_t i = 0; i < e.job.nodes.size(); ++i)
    TRY_OK(same(text("artifact {}", i), receipt.artifacts[i], e.job.nodes[i].artifact));
  for (std::size_t i = 0; i < e.job.inputs.size(); ++i) {
    TRY_OK(same(text("input {}", i), receipt.inputs[i].id, e.job.inputs[i].id));
    TRY_OK(same(text("size of input {}", i), receipt.inputs[i].size_bytes, e.job.inputs[i].size_bytes));
  }
  const std::size_t outputs = receipt.status == market::RunStatus::kOk ? e.job.outputs.size() : 0;
  TRY_OK(same("number of outputs", receipt.outputs.size(), outputs));
  return text("job {} with {} nodes, {} inputs, {} outputs", receipt.job_id, e.job.nodes.size(), e.job.inputs.size(),
              outputs);
}

Result<std::string> check_network(Evidence& e) {
  const NetworkId network = light::network_id(e.genesis);
  if (e.network != network) {
    return fail(Kind::kDenied, "receipt.network",
                text("the receipt is of network {}, the genesis of {}", e.network, network));
  }
  return text("{} ({})", e.genesis.name, network);
}

Result<std::string> check_certificate(Evidence& e) {
  TRY(const light::LightProof proof, light::decode_light_proof(e.bundle.job_proof));
  const Bytes key = market::job_key(e.report.receipt.job_id);
  if (proof.key != key) {
    return fail(Kind::kDenied, "receipt.unrecorded",
                text("the proof is of the record {}, expected {}", ByteView(proof.key), ByteView(key)));
  }
  TRY(const light::Believed shown, light::verify(proof, light::trust(e.genesis), e.demand));
  if (!proof.value) {
    return fail(Kind::kDenied, "receipt.unrecorded",
                text("the ledger has no job {} at height {}", e.report.receipt.job_id, shown.height.value));
  }
  TRY(e.report.job, market::decode_job(*proof.value));
  e.report.proven_at = shown.height;
  return text("{} of {} validators at height {}, finality {}", shown.signers, shown.trusted.set.validators.size(),
              shown.height.value, light::grade_name(shown.grade));
}

Result<std::string> check_record(Evidence& e) {
  const Receipt& receipt = e.report.receipt;
  const market::Job& job = e.report.job;
  if (!job.result) {
    return fail(
        Kind::kDenied, "receipt.unrecorded",
        text("the ledger has no receipt for job {}, which is {}", receipt.job_id, market::job_state_name(job.state)));
  }
  if (job.reason == market::CloseReason::kFalse)
    return fail(Kind::kDenied, "receipt.refuted",
                text("auditors found the receipt for job {} false at height {}", receipt.job_id, job.closed.value));
  TRY_OK(same("hash of the receipt", crypto::blob_id(e.bundle.signed_receipt), job.result->receipt_hash));
  TRY_OK(same("provider", receipt.provider, job.provider));
  TRY_OK(same("ed25519 key", e.ed25519, job.ed25519));
  TRY_OK(same("job id", receipt.job_id, job.bid.job_id));
  TRY_OK(same("hash of the GXF", receipt.gxf_hash, job.gxf_hash));
  TRY_OK(same("payer", e.job.payer, job.bid.payer));
  TRY_OK(same("gas", receipt.gas, job.result->gas));
  TRY_OK(same("price", receipt.price.value, job.price.value));
  if (receipt.status != job.result->status) {
    return differ("status", market::run_status_name(receipt.status), market::run_status_name(job.result->status));
  }
  if (receipt.outputs != job.result->outputs) return differ("list of outputs", "another", "that of the record");
  if (receipt.steps != job.result->steps) return differ("root of the steps", "another", "that of the record");
  return text("receipt {} in state {}", job.result->receipt_hash, market::job_state_name(job.state));
}

Result<std::string> check_outcome(Evidence& e) {
  const market::Job& job = e.report.job;
  return text(
      "{}, gas {} of {}, {}", market::run_status_name(job.result->status), job.result->gas, job.gas_limit,
      job.state == market::JobState::kSettled
          ? text("paid {} and fee {} of price {}", job.result->paid.value, job.result->fee.value, job.price.value)
          : text("to be paid from escrow of {} after height {}", job.price.value, job.deadline.value));
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kNone: return "none";
    case Level::kSigned: return "signed";
    case Level::kIncluded: return "included";
    case Level::kPaid: return "paid";
  }
  return "unknown";
}

Report verify(const ReceiptBundle& bundle, const light::Genesis& genesis, const light::Demand& demand) {
  struct Step {
    std::string_view name;
    Result<std::string> (*run)(Evidence&);
    Level reached;
  };
  static constexpr Step kSteps[] = {
      {"signatures", check_signatures, Level::kNone}, {"job", check_job, Level::kSigned},
      {"network", check_network, Level::kSigned},     {"certificate", check_certificate, Level::kSigned},
      {"record", check_record, Level::kIncluded},     {"outcome", check_outcome, Level::kIncluded},
  };
  Report report;
  Evidence evidence{.bundle = bundle, .genesis = genesis, .demand = demand, .report = report};
  for (const Step& step : kSteps) {
    auto found = step.run(evidence);
    report.checks.push_back(
        {.name = std::string(step.name), .detail = found ? *found : found.error().str(), .holds = found.has_value()});
    if (!found) {
      report.status = std::unexpected(std::move(found).error());
      return report;
    }
    report.level = step.reached;
  }
  if (report.job.state == market::JobState::kSettled) report.level = Level::kPaid;
  return report;
}

Status verify_output(const Receipt& receipt, std::size_t index, ByteView bytes) {
  if (index >= receipt.outputs.size()) {
    return fail(Kind::kNotFound, "receipt.no_output",
                text("output {} asked for, the receipt has {} (status {})", index, receipt.outputs.size(),
                     market::run_status_name(receipt.status)));
  }
  const BlobId found = crypto::blob_id(bytes);
  const market::OutputRef& expected = receipt.outputs[index];
  if (found == expected.id && bytes.size() == expected.size_bytes) return {};
  return fail(Kind::kDenied, "receipt.output",
              text("the file has {} bytes and hash {}, output {} has {} and {}", bytes.size(), found, index,
                   expected.size_bytes, expected.id));
}

}  // namespace hanse::receipt

#include "exchange/market/records.h"

#include "exchange/market/detail/fields.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr std::size_t kRecordSizeMax = 16 * 1024;  // a job with 64 outputs is below 4 KiB
constexpr codec::CborLimits kLimits{.size_max = kRecordSizeMax, .depth_max = 4};

void write_bid(codec::CborWriter& w, const Bid& bid) {
  w.map(bid.is_private ? 15 : 14);
  put(w, 0, bid.job_id.view());
  put(w, 1, bid.payer.view());
  put(w, 2, bid.precisions);
  put(w, 3, bid.level);
  put(w, 4, bid.seq);
  put(w, 5, bid.batch);
  put(w, 6, bid.region_mask);
  put(w, 7, bid.residency);
  put(w, 8, bid.max_latency_ms);
  put(w, 9, bid.isolation);
  w.key(10);
  w.array(2);
  w.u64(bid.work.weight);
  w.u64(bid.work.load);
  put(w, 11, bid.cu);
  put(w, 12, bid.limit_total);
  put(w, 13, bid.expires);
  if (bid.is_private) put(w, 14, 1);
}

Status read_bid(codec::CborReader& r, Bid& bid) {
  Fields f(r, "bid");
  TRY_OK(f.enter(14, 1));
  TRY_OK(f.fixed(0, "job_id", bid.job_id));
  TRY_OK(f.fixed(1, "payer", bid.payer));
  TRY_OK(f.uint(2, "precisions", bid.precisions, kPrecisionsAll));
  TRY_OK(f.uint(3, "level", bid.level, kLevelMax));
  TRY_OK(f.uint(4, "seq", bid.seq));
  TRY_OK(f.uint(5, "batch", bid.batch));
  TRY_OK(f.uint(6, "region_mask", bid.region_mask));
  TRY_OK(f.uint(7, "residency", bid.residency, kRegionsMax));
  TRY_OK(f.uint(8, "max_latency_ms", bid.max_latency_ms));
  TRY_OK(f.uint(9, "isolation", bid.isolation, kIsolationMax));
  TRY_OK(f.key(10));
  TRY_OK(r.enter_array("work", 2));
  TRY(bid.work.weight, r.u64("weight"));
  TRY(bid.work.load, r.u64("load"));
  TRY_OK(r.leave());
  TRY_OK(f.uint(11, "cu", bid.cu));
  TRY_OK(f.amount(12, "limit_total", bid.limit_total));
  TRY_OK(f.height(13, "expires", bid.expires));
  TRY_OK(f.flag(14, "private", bid.is_private));
  return r.leave();
}

void write_result(codec::CborWriter& w, const JobResult& result) {
  w.map(result.steps ? 7 : 6);
  put(w, 0, result.receipt_hash.view());
  put(w, 1, static_cast<std::uint64_t>(result.status));
  put(w, 2, result.gas);
  w.key(3);
  detail::write_outputs(w, result.outputs);
  put(w, 4, result.paid);
  put(w, 5, result.fee);
  if (!result.steps) return;
  w.key(6);
  detail::write_steps(w, *result.steps);
}

Status read_result(codec::CborReader& r, JobResult& result) {
  Fields f(r, "result");
  TRY_OK(f.enter(6, 1));
  TRY_OK(f.fixed(0, "receipt_hash", result.receipt_hash));
  TRY_OK(f.enumerator(1, "status", result.status, kRunStatusMax));
  TRY_OK(f.uint(2, "gas", result.gas));
  TRY_OK(f.key(3));
  TRY_OK(detail::read_outputs(r, result.outputs));
  TRY_OK(f.amount(4, "paid", result.paid));
  TRY_OK(f.amount(5, "fee", result.fee));
  if (r.more()) {
    TRY_OK(f.key(6));
    TRY_OK(detail::read_steps(r, result.steps.emplace()));
  }
  return r.leave();
}

Status read_heights(codec::CborReader& r, Job& job) {
  TRY_OK(r.enter_array("heights", 5));
  TRY(job.submitted.value, r.u64("submitted"));
  TRY(job.matched.value, r.u64("matched"));
  TRY(job.started.value, r.u64("started"));
  TRY(job.receipted.value, r.u64("receipted"));
  TRY(job.closed.value, r.u64("closed"));
  return r.leave();
}

// Keys that come with the life of a job.
Status read_optional(codec::CborReader& r, Job& job) {
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    if (key == 18) {
      TRY_OK(read_result(r, job.result.emplace()));
    } else if (key == 19) {
      TRY_OK(r.fixed("payload", job.payload.emplace()));
    } else {
      return r.fail_here("market.record", text("found key {}, expected 18 or 19", key));
    }
  }
  return {};
}

Status params_fail(std::string_view field, std::uint64_t found, std::string_view expected) {
  return fail(Kind::kInvalid, "market.params", text("{} is {}, expected {}", field, found, expected));
}

}  // namespace

AskId derive_ask_id(const AccountId& provider, std::uint64_t nonce) {
  std::uint8_t be[8];
  store_be(be, nonce);
  const Hash32 hash = crypto::blake3("hanse/ask/1", {provider.view(), be});
  AskId id;
  std::copy_n(hash.data.begin(), AskId::kSize, id.data.begin());
  return id;
}

Status check_params(const Params& p) {
  for (const auto& [name, blocks] : {std::pair{"start_timeout", p.start_timeout},
                                     {"run_timeout", p.run_timeout},
                                     {"settle_window", p.settle_window},
                                     {"commit_blocks", p.commit_blocks},
                                     {"reveal_blocks", p.reveal_blocks}}) {
    if (blocks == 0 || blocks > 1'000'000) return params_fail(name, blocks, "1 to 1000000 blocks");
  }
  if (p.reveal_blocks > 8 * p.commit_blocks)
    return params_fail("reveal_blocks", p.reveal_blocks, "at most 8 times commit_blocks");
  if (p.bond.audit_ppm == 0 || p.bond.audit_ppm > kPpm)
    return params_fail("audit_ppm", p.bond.audit_ppm, "1 to 1000000");
  if (p.audit_window > 1'000'000) return params_fail("audit_window", p.audit_window, "0 to 1000000 blocks");
  if (p.bond.gain_ppm > 100 * kPpm) return params_fail("gain_ppm", p.bond.gain_ppm, "at most 100000000");
  for (const auto& [name, ppm] : {std::pair{"fee_ppm", p.fee_ppm},
                                  {"nostart_penalty_ppm", p.nostart_penalty_ppm},
                                  {"noreceipt_penalty_ppm", p.noreceipt_penalty_ppm}}) {
    if (ppm > kPpm) return params_fail(name, ppm, "at most 1000000");
  }
  if (p.ask_span_max == 0) return params_fail("ask_span_max", 0, "at least 1");
  if (p.job_span_max == 0) return params_fail("job_span_max", 0, "at least 1");
  if (p.precisions == 0 || (p.precisions & ~kPrecisionsAll) != 0)
    return params_fail("precisions", p.precisions, "a mask of bits 1 to 4");
  if (p.kv_bytes_max == 0) return params_fail("kv_bytes_max", 0, "at least 1");
  return {};
}

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::kMatched: return "matched";
    case JobState::kStarted: return "started";
    case JobState::kReceipted: return "receipted";
    case JobState::kSettled: return "settled";
    case JobState::kClosed: return "closed";
    case JobState::kAudited: return "audited";
  }
  return "unknown";
}

std::string_view close_reason_name(CloseReason reason) {
  switch (reason) {
    case CloseReason::kNone: return "none";
    case CloseReason::kSettled: return "settled";
    case CloseReason::kCancelled: return "cancelled";
    case CloseReason::kExpired: return "expired";
    case CloseReason::kNoStart: return "no_start";
    case CloseReason::kNoReceipt: return "no_receipt";
    case CloseReason::kDeclined: return "declined";
    case CloseReason::kGivenUp: return "given_up";
    case CloseReason::kFalse: return "false_receipt";
    case CloseReason::kNoPayload: return "no_payload";
  }
  return "unknown";
}

std::string_view run_status_name(RunStatus status) {
  switch (status) {
    case RunStatus::kOk: return "ok";
    case RunStatus::kGasExhausted: return "gas_exhausted";
    case RunStatus::kMemoryExceeded: return "memory_exceeded";
    case RunStatus::kTimeout: return "timeout";
    case RunStatus::kOutputTooLarge: return "output_too_large";
    case RunStatus::kTrap: return "trap";
    case RunStatus::kAborted: return "aborted";
  }
  return "unknown";
}

Bytes encode_params(const Params& p) {
  codec::CborWriter w;
  w.map(18);
  put(w, 0, p.start_timeout);
  put(w, 1, p.run_timeout);
  put(w, 2, p.settle_window);
  w.key(3);
  w.array(2);
  w.u64(p.bond.audit_ppm);
  w.u64(p.bond.gain_ppm);
  put(w, 4, p.nostart_penalty_ppm);
  put(w, 5, p.noreceipt_penalty_ppm);
  put(w, 6, p.fee_ppm);
  put(w, 7, p.bond_min);
  put(w, 8, p.ask_span_max);
  put(w, 9, p.cu_base);
  put(w, 10, p.job_span_max);
  put(w, 11, p.precisions);
  put(w, 12, p.kv_bytes_max);
  put(w, 13, p.commit_blocks);
  put(w, 14, p.reveal_blocks);
  put(w, 15, p.deposit);
  put(w, 16, p.audit_window);
  put(w, 17, p.challenge_deposit);
  return w.take();
}

Result<Params> decode_params(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "market");
  Params p;
  TRY_OK(f.enter(18));
  TRY_OK(f.uint(0, "start_timeout", p.start_timeout));
  TRY_OK(f.uint(1, "run_timeout", p.run_timeout));
  TRY_OK(f.uint(2, "settle_window", p.settle_window));
  TRY_OK(f.key(3));
  TRY_OK(r.enter_array("bond", 2));
  TRY(p.bond.audit_ppm, r.u64("audit_ppm"));
  TRY(p.bond.gain_ppm, r.u64("gain_ppm"));
  TRY_OK(r.leave());
  TRY_OK(f.uint(4, "nostart_penalty_ppm", p.nostart_penalty_ppm));
  TRY_OK(f.uint(5, "noreceipt_penalty_ppm", p.noreceipt_penalty_ppm));
  TRY_OK(f.uint(6, "fee_ppm", p.fee_ppm));
  TRY_OK(f.amount(7, "bond_min", p.bond_min));
  TRY_OK(f.uint(8, "ask_span_max", p.ask_span_max));
  TRY_OK(f.uint(9, "cu_base", p.cu_base));
  TRY_OK(f.uint(10, "job_span_max", p.job_span_max));
  TRY_OK(f.uint(11, "precisions", p.precisions));
  TRY_OK(f.uint(12, "kv_bytes_max", p.kv_bytes_max));
  TRY_OK(f.uint(13, "commit_blocks", p.commit_blocks));
  TRY_OK(f.uint(14, "reveal_blocks", p.reveal_blocks));
  TRY_OK(f.amount(15, "deposit", p.deposit));
  TRY_OK(f.uint(16, "audit_window", p.audit_window));
  TRY_OK(f.amount(17, "challenge_deposit", p.challenge_deposit));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  TRY_OK(check_params(p));
  return p;
}

Bytes encode_provider(const Provider& p) {
  codec::CborWriter w;
  w.map(14);
  put(w, 0, p.account.view());
  put(w, 1, p.mldsa_key_id.view());
  put(w, 2, p.ed25519);
  put(w, 3, p.region);
  put(w, 4, p.precisions);
  put(w, 5, p.isolation);
  put(w, 6, p.capacity);
  put(w, 7, p.used);
  put(w, 8, p.asks);
  put(w, 9, p.bond);
  put(w, 10, p.bond_locked);
  put(w, 11, p.reputation);
  put(w, 12, p.settled);
  put(w, 13, p.faults);
  return w.take();
}

Result<Provider> decode_provider(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "provider");
  Provider p;
  TRY_OK(f.enter(14));
  TRY_OK(f.fixed(0, "account", p.account));
  TRY_OK(f.fixed(1, "mldsa_key_id", p.mldsa_key_id));
  FixedBytes<32> ed25519;
  TRY_OK(f.fixed(2, "ed25519", ed25519));
  p.ed25519 = to_bytes(ed25519.view());
  TRY_OK(f.uint(3, "region", p.region, kRegionsMax - 1));
  TRY_OK(f.uint(4, "precisions", p.precisions, kPrecisionsAll));
  TRY_OK(f.uint(5, "isolation", p.isolation, kIsolationMax));
  TRY_OK(f.uint(6, "capacity", p.capacity, kCapacityMax));
  TRY_OK(f.uint(7, "used", p.used, kCapacityMax));
  TRY_OK(f.uint(8, "asks", p.asks, kAsksPerProviderMax));
  TRY_OK(f.amount(9, "bond", p.bond));
  TRY_OK(f.amount(10, "bond_locked", p.bond_locked));
  TRY_OK(f.uint(11, "reputation", p.reputation));
  TRY_OK(f.uint(12, "settled", p.settled));
  TRY_OK(f.uint(13, "faults", p.faults));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return p;
}

Bytes encode_ask(const Ask& a) {
  codec::CborWriter w;
  w.map(a.takes_private ? 15 : 14);
  put(w, 0, a.id.view());
  put(w, 1, a.provider.view());
  put(w, 2, a.region);
  put(w, 3, a.precisions);
  put(w, 4, a.level_max);
  put(w, 5, a.max_seq);
  put(w, 6, a.max_batch);
  put(w, 7, a.latency_ms);
  put(w, 8, a.isolation);
  put(w, 9, a.base_price);
  put(w, 10, a.unit_price);
  put(w, 11, a.capacity_cu);
  put(w, 12, a.used_cu);
  put(w, 13, a.valid_until);
  if (a.takes_private) put(w, 14, 1);
  return w.take();
}

Result<Ask> decode_ask(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "ask");
  Ask a;
  TRY_OK(f.enter(14, 1));
  TRY_OK(f.fixed(0, "id", a.id));
  TRY_OK(f.fixed(1, "provider", a.provider));
  TRY_OK(f.uint(2, "region", a.region, kRegionsMax - 1));
  TRY_OK(f.uint(3, "precisions", a.precisions, kPrecisionsAll));
  TRY_OK(f.uint(4, "level_max", a.level_max, kLevelMax));
  TRY_OK(f.uint(5, "max_seq", a.max_seq));
  TRY_OK(f.uint(6, "max_batch", a.max_batch));
  TRY_OK(f.uint(7, "latency_ms", a.latency_ms));
  TRY_OK(f.uint(8, "isolation", a.isolation, kIsolationMax));
  TRY_OK(f.amount(9, "base_price", a.base_price));
  TRY_OK(f.amount(10, "unit_price", a.unit_price));
  TRY_OK(f.uint(11, "capacity_cu", a.capacity_cu));
  TRY_OK(f.uint(12, "used_cu", a.used_cu));
  TRY_OK(f.height(13, "valid_until", a.valid_until));
  TRY_OK(f.flag(14, "private", a.takes_private));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return a;
}

Bytes encode_bid(const Bid& bid) {
  codec::CborWriter w;
  write_bid(w, bid);
  return w.take();
}

Result<Bid> decode_bid(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Bid bid;
  TRY_OK(read_bid(r, bid));
  TRY_OK(r.finish());
  return bid;
}

Bytes encode_job(const Job& job) {
  codec::CborWriter w;
  w.map(18u + job.result.has_value() + job.payload.has_value());
  w.key(0);
  write_bid(w, job.bid);
  put(w, 1, job.gxf_hash.view());
  put(w, 2, static_cast<std::uint64_t>(job.state));
  put(w, 3, static_cast<std::uint64_t>(job.reason));
  put(w, 4, job.attempt);
  put(w, 5, job.provider.view());
  put(w, 6, job.ask_id.view());
  put(w, 7, job.price);
  put(w, 8, job.bond);
  w.key(9);
  w.array(5);
  for (const Height h : {job.submitted, job.matched, job.started, job.receipted, job.closed}) w.u64(h.value);
  put(w, 10, job.deadline);
  put(w, 11, job.gas_limit);
  put(w, 12, job.outputs_expected);
  put(w, 13, job.ed25519.view());
  put(w, 14, job.seed.view());
  put(w, 15, job.round);
  put(w, 16, job.spread);
  put(w, 17, static_cast<std::uint64_t>(job.audit));
  if (job.result) {
    w.key(18);
    write_result(w, *job.result);
  }
  if (job.payload) put(w, 19, job.payload->view());
  return w.take();
}

Result<Job> decode_job(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "job");
  Job job;
  TRY_OK(f.enter(18, 2));
  TRY_OK(f.key(0));
  TRY_OK(read_bid(r, job.bid));
  TRY_OK(f.fixed(1, "gxf_hash", job.gxf_hash));
  TRY_OK(f.enumerator(2, "state", job.state, static_cast<std::uint64_t>(JobState::kAudited)));
  if (job.state < JobState::kMatched) return r.fail_here("market.record", "found state 0");
  TRY_OK(f.enumerator(3, "reason", job.reason, kCloseReasonMax));
  TRY_OK(f.uint(4, "attempt", job.attempt, 1));
  TRY_OK(f.fixed(5, "provider", job.provider));
  TRY_OK(f.fixed(6, "ask_id", job.ask_id));
  TRY_OK(f.amount(7, "price", job.price));
  TRY_OK(f.amount(8, "bond", job.bond));
  TRY_OK(f.key(9));
  TRY_OK(read_heights(r, job));
  TRY_OK(f.height(10, "deadline", job.deadline));
  TRY_OK(f.uint(11, "gas_limit", job.gas_limit));
  TRY_OK(f.uint(12, "outputs_expected", job.outputs_expected, kOutputsMax));
  TRY_OK(f.fixed(13, "ed25519", job.ed25519));
  TRY_OK(f.fixed(14, "seed", job.seed));
  TRY_OK(f.uint(15, "round", job.round));
  TRY_OK(f.amount(16, "spread", job.spread));
  TRY_OK(f.enumerator(17, "audit", job.audit, static_cast<std::uint64_t>(gxf::Audit::kSumcheck)));
  TRY_OK(read_optional(r, job));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return job;
}

Bytes encode_totals(const Totals& t) {
  codec::CborWriter w;
  w.map(10);
  put(w, 0, t.escrow);
  put(w, 1, t.bonds);
  put(w, 2, t.treasury);
  put(w, 3, t.burned);
  put(w, 4, t.live);
  put(w, 5, t.matched);
  put(w, 6, t.settled);
  put(w, 7, t.closed);
  put(w, 8, t.volume);
  put(w, 9, t.sealed);
  return w.take();
}

Result<Totals> decode_totals(ByteView bytes) {
  codec::CborReader r(bytes, kLimits);
  Fields f(r, "totals");
  Totals t;
  TRY_OK(f.enter(10));
  TRY_OK(f.amount(0, "escrow", t.escrow));
  TRY_OK(f.amount(1, "bonds", t.bonds));
  TRY_OK(f.amount(2, "treasury", t.treasury));
  TRY_OK(f.amount(3, "burned", t.burned));
  TRY_OK(f.uint(4, "live", t.live));
  TRY_OK(f.uint(5, "matched", t.matched));
  TRY_OK(f.uint(6, "settled", t.settled));
  TRY_OK(f.uint(7, "closed", t.closed));
  TRY_OK(f.amount(8, "volume", t.volume));
  TRY_OK(f.amount(9, "sealed", t.sealed));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return t;
}

}  // namespace hanse::market

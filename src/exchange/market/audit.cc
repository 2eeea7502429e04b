#include "exchange/market/audit.h"

#include "base/crypto/hash.h"
#include "exchange/gxf/audit.h"
#include "exchange/market/detail/fields.h"
#include "exchange/market/view.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kArgsLimits{.size_max = 128, .depth_max = 2};
constexpr codec::CborLimits kAuditLimits{.size_max = 64 * 1024, .depth_max = 4};

// The last key, which is not there when there is no witness.
Status read_witness(codec::CborReader& r, Fields& f, std::uint64_t key, BlobId& witness) {
  if (!r.more()) return {};
  TRY_OK(f.fixed(key, "witness", witness));
  if (witness.is_zero()) return r.fail_here("market.record", "found a witness of zeros, expected none at all");
  return {};
}

}  // namespace

bool is_drawn(const Hash32& beacon, const BlobId& receipt_hash, std::uint64_t audit_ppm) {
  __extension__ using UInt128 = unsigned __int128;
  const Hash32 lot = crypto::blake3("hanse/audit-lot/1", {beacon.view(), receipt_hash.view()});
  return static_cast<UInt128>(load_be<std::uint64_t>(lot.data.data())) * kPpm >> 64 < audit_ppm;
}

bool is_judged(const Job& receipted, const Hash32& beacon, const Params& params) {
  if (params.audit_window == 0 || receipted.audit == gxf::Audit::kReceipts) return false;
  return gxf::reads_outputs(receipted.audit) || is_drawn(beacon, receipted.result->receipt_hash, params.bond.audit_ppm);
}

Bytes encode(const JobChallenge& call) {
  codec::CborWriter w;
  w.map(call.witness.is_zero() ? 1 : 2);
  put(w, 1, call.id.view());
  if (!call.witness.is_zero()) put(w, 2, call.witness.view());
  return w.take();
}

Result<JobChallenge> decode_job_challenge(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "job_challenge");
  JobChallenge call;
  TRY_OK(f.enter(1, 1));
  TRY_OK(f.fixed(1, "id", call.id));
  TRY_OK(read_witness(r, f, 2, call.witness));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode(const JobVerdict& call) {
  codec::CborWriter w;
  w.map(3);
  put(w, 1, call.id.view());
  put(w, 2, call.receipt_hash.view());
  put(w, 3, std::uint64_t{call.holds});
  return w.take();
}

Result<JobVerdict> decode_job_verdict(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "job_verdict");
  JobVerdict call;
  TRY_OK(f.enter(3));
  TRY_OK(f.fixed(1, "id", call.id));
  TRY_OK(f.fixed(2, "receipt_hash", call.receipt_hash));
  TRY_OK(f.uint(3, "holds", call.holds, 1));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode_audit(const Audit& audit) {
  codec::CborWriter w;
  w.map(audit.witness.is_zero() ? 4 : 5);
  put(w, 0, audit.id.view());
  put(w, 1, audit.challenger.view());
  put(w, 2, audit.deposit);
  w.key(3);
  w.array(audit.verdicts.size());
  for (const Verdict& verdict : audit.verdicts) {
    w.array(2);
    w.bytes(verdict.validator.view());
    w.u64(verdict.holds ? 1 : 0);
  }
  if (!audit.witness.is_zero()) put(w, 4, audit.witness.view());
  return w.take();
}

Result<Audit> decode_audit(ByteView bytes) {
  codec::CborReader r(bytes, kAuditLimits);
  Fields f(r, "audit");
  Audit audit;
  TRY_OK(f.enter(4, 1));
  TRY_OK(f.fixed(0, "id", audit.id));
  TRY_OK(f.fixed(1, "challenger", audit.challenger));
  TRY_OK(f.amount(2, "deposit", audit.deposit));
  TRY_OK(f.key(3));
  TRY_OK(r.enter_array("verdicts", kVerdictsMax));
  while (r.more()) {
    Verdict& verdict = audit.verdicts.emplace_back();
    TRY_OK(r.enter_array("verdict", 2));
    TRY_OK(r.fixed("validator", verdict.validator));
    TRY(const std::uint64_t holds, r.u64("holds", 1));
    verdict.holds = holds == 1;
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  TRY_OK(read_witness(r, f, 4, audit.witness));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return audit;
}

}  // namespace hanse::market

#include "exchange/market/calls.h"

#include "exchange/market/detail/fields.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::market {
namespace {

using detail::Fields;
using detail::put;

constexpr codec::CborLimits kArgsLimits{.size_max = 16 * 1024, .depth_max = 4};

Bytes one_field(ByteView value) {
  codec::CborWriter w;
  w.map(1);
  put(w, 1, value);
  return w.take();
}

template <class Fixed>
Status read_one_field(ByteView args, std::string_view name, Fixed& out) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, name);
  TRY_OK(f.enter(1));
  TRY_OK(f.fixed(1, "id", out));
  TRY_OK(r.leave());
  return r.finish();
}

}  // namespace

Bytes encode(const ProviderRegister& call) {
  codec::CborWriter w;
  w.map(6);
  put(w, 1, call.region);
  put(w, 2, call.precisions);
  put(w, 3, call.isolation);
  put(w, 4, call.capacity);
  put(w, 5, call.bond);
  put(w, 6, call.ed25519);
  return w.take();
}

Result<ProviderRegister> decode_provider_register(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "provider_register");
  ProviderRegister call;
  FixedBytes<32> ed25519;
  TRY_OK(f.enter(6));
  TRY_OK(f.uint(1, "region", call.region, kRegionsMax - 1));
  TRY_OK(f.uint(2, "precisions", call.precisions, kPrecisionsAll));
  TRY_OK(f.uint(3, "isolation", call.isolation, kIsolationMax));
  TRY_OK(f.uint(4, "capacity", call.capacity, kCapacityMax));
  TRY_OK(f.amount(5, "bond", call.bond));
  TRY_OK(f.fixed(6, "ed25519", ed25519));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  call.ed25519 = to_bytes(ed25519.view());
  return call;
}

Bytes encode(const ProviderUnbond& call) {
  codec::CborWriter w;
  w.map(1);
  put(w, 1, call.amount);
  return w.take();
}

Result<ProviderUnbond> decode_provider_unbond(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "provider_unbond");
  ProviderUnbond call;
  TRY_OK(f.enter(1));
  TRY_OK(f.amount(1, "amount", call.amount));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode(const AskPost& call) {
  codec::CborWriter w;
  w.map(10);
  put(w, 1, call.precisions);
  put(w, 2, call.level_max);
  put(w, 3, call.max_seq);
  put(w, 4, call.max_batch);
  put(w, 5, call.latency_ms);
  put(w, 6, call.isolation);
  put(w, 7, call.base_price);
  put(w, 8, call.unit_price);
  put(w, 9, call.capacity_cu);
  put(w, 10, call.valid_until);
  return w.take();
}

Result<AskPost> decode_ask_post(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "ask_post");
  AskPost call;
  TRY_OK(f.enter(10));
  TRY_OK(f.uint(1, "precisions", call.precisions, kPrecisionsAll));
  TRY_OK(f.uint(2, "level_max", call.level_max, kLevelMax));
  TRY_OK(f.uint(3, "max_seq", call.max_seq));
  TRY_OK(f.uint(4, "max_batch", call.max_batch));
  TRY_OK(f.uint(5, "latency_ms", call.latency_ms));
  TRY_OK(f.uint(6, "isolation", call.isolation, kIsolationMax));
  TRY_OK(f.amount(7, "base_price", call.base_price));
  TRY_OK(f.amount(8, "unit_price", call.unit_price));
  TRY_OK(f.uint(9, "capacity_cu", call.capacity_cu));
  TRY_OK(f.height(10, "valid_until", call.valid_until));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode(const AskWithdraw& call) { return one_field(call.id.view()); }
Bytes encode(const JobStart& call) { return one_field(call.id.view()); }
Bytes encode(const JobCancel& call) { return one_field(call.id.view()); }

Result<AskWithdraw> decode_ask_withdraw(ByteView args) {
  AskWithdraw call;
  TRY_OK(read_one_field(args, "ask_withdraw", call.id));
  return call;
}

Result<JobStart> decode_job_start(ByteView args) {
  JobStart call;
  TRY_OK(read_one_field(args, "job_start", call.id));
  return call;
}

Result<JobCancel> decode_job_cancel(ByteView args) {
  JobCancel call;
  TRY_OK(read_one_field(args, "job_cancel", call.id));
  return call;
}

Bytes encode(const JobReceipt& call) {
  codec::CborWriter w;
  w.map(call.steps ? 6 : 5);
  put(w, 1, call.id.view());
  put(w, 2, call.receipt_hash.view());
  put(w, 3, static_cast<std::uint64_t>(call.status));
  put(w, 4, call.gas);
  w.key(5);
  detail::write_outputs(w, call.outputs);
  if (call.steps) {
    w.key(6);
    detail::write_steps(w, *call.steps);
  }
  return w.take();
}

Result<JobReceipt> decode_job_receipt(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "job_receipt");
  JobReceipt call;
  TRY_OK(f.enter(5, 1));
  TRY_OK(f.fixed(1, "id", call.id));
  TRY_OK(f.fixed(2, "receipt_hash", call.receipt_hash));
  TRY_OK(f.enumerator(3, "status", call.status, kRunStatusMax));
  TRY_OK(f.uint(4, "gas", call.gas));
  TRY_OK(f.key(5));
  TRY_OK(detail::read_outputs(r, call.outputs));
  if (r.more()) {
    TRY_OK(f.key(6));
    TRY_OK(detail::read_steps(r, call.steps.emplace()));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode(const ProviderKey& call) { return one_field(call.key); }

Result<ProviderKey> decode_provider_key(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "provider_key");
  TRY_OK(f.enter(1));
  TRY_OK(f.key(1));
  TRY(const ByteView key, r.bytes("key", kPayloadKeyBytes));
  if (!key.empty() && key.size() != kPayloadKeyBytes)
    return r.fail_here("market.record", text("found {} bytes, expected {} or none", key.size(), kPayloadKeyBytes));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return ProviderKey{.key = to_bytes(key)};
}

Bytes encode(const JobPayload& call) {
  codec::CborWriter w;
  w.map(2);
  put(w, 1, call.id.view());
  put(w, 2, call.blob.view());
  return w.take();
}

Result<JobPayload> decode_job_payload(ByteView args) {
  codec::CborReader r(args, kArgsLimits);
  Fields f(r, "job_payload");
  JobPayload call;
  TRY_OK(f.enter(2));
  TRY_OK(f.fixed(1, "id", call.id));
  TRY_OK(f.fixed(2, "blob", call.blob));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return call;
}

Bytes encode_body(BodyKind kind, ByteView bytes) {
  codec::CborWriter w;
  w.map(2);
  put(w, 0, static_cast<std::uint64_t>(kind));
  put(w, 1, bytes);
  return w.take();
}

Result<Body> decode_body(ByteView body) {
  constexpr std::size_t kBodyMax = 64 * 1024;
  codec::CborReader r(body, {.size_max = kBodyMax, .depth_max = 2});
  Fields f(r, "body");
  Body out;
  TRY_OK(f.enter(2));
  TRY_OK(f.enumerator(0, "kind", out.kind, static_cast<std::uint64_t>(BodyKind::kReveal)));
  if (out.kind < BodyKind::kCall)
    return fail(Kind::kInvalid, "market.body", "kind 0 is unknown, expected 1 (call), 2 (job) or 3 (reveal)");
  TRY_OK(f.key(1));
  TRY(out.bytes, r.bytes("bytes", kBodyMax));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

}  // namespace hanse::market

#include "chain/ledger/call.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/checked.h"
#include "base/crypto/hash.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kSignContext = "hanse/call/1";
constexpr std::size_t kFields = 9;

void write_signed_fields(codec::CborWriter& w, const SignedCall& call) {
  Bytes key{static_cast<std::uint8_t>(call.key.alg)};
  append(key, call.key.bytes);
  w.key(0);
  w.bytes(call.network.view());
  w.key(1);
  w.u64(call.app);
  w.key(2);
  w.bytes(call.sender.view());
  w.key(3);
  w.u64(call.nonce);
  w.key(4);
  w.u64(call.expires.value);
  w.key(5);
  w.u64(call.method);
  w.key(6);
  w.bytes(call.args);
  w.key(7);
  w.bytes(key);
}

Bytes signed_bytes(const SignedCall& call) {
  codec::CborWriter w;
  w.map(kFields - 1);
  write_signed_fields(w, call);
  return w.take();
}

Status read_field(codec::CborReader& r, std::uint64_t key, SignedCall& call) {
  switch (key) {
    case 0: return r.fixed("network", call.network);
    case 1: {
      TRY(const std::uint64_t app, r.u64("app", 255));
      call.app = static_cast<std::uint8_t>(app);
      return {};
    }
    case 2: return r.fixed("sender", call.sender);
    case 3: {
      TRY(call.nonce, r.u64("nonce"));
      return {};
    }
    case 4: {
      TRY(call.expires.value, r.u64("expires"));
      return {};
    }
    case 5: {
      TRY(const std::uint64_t method, r.u64("method", 0xFFFF));
      call.method = static_cast<std::uint16_t>(method);
      return {};
    }
    case 6: {
      TRY(const ByteView args, r.bytes("args", kTxBytesMax));
      call.args = to_bytes(args);
      return {};
    }
    case 7: {
      TRY(const ByteView key_bytes, r.bytes("key", 4096));
      if (key_bytes.empty()) return r.fail_here("codec.type", "found an empty key, expected algorithm and key bytes");
      TRY(const crypto::SigSizes sizes, crypto::sig_sizes(key_bytes[0]));
      if (key_bytes.size() != sizes.public_key + 1)
        return r.fail_here("codec.type",
                           text("found a key of {} bytes, expected {}", key_bytes.size() - 1, sizes.public_key));
      call.key.alg = static_cast<crypto::SigAlg>(key_bytes[0]);
      call.key.bytes = to_bytes(key_bytes.subspan(1));
      return {};
    }
    case 8: {
      TRY(const ByteView signature, r.bytes("signature", 8192));
      call.signature = to_bytes(signature);
      return {};
    }
    default: return r.fail_here("codec.type", text("found key {}, expected 0 to 8", key));
  }
}

crypto::CheckedSignatures& checked_calls() {
  static crypto::CheckedSignatures calls;
  return calls;
}

}  // namespace

Bytes encode_call(const SignedCall& call) {
  codec::CborWriter w;
  w.map(kFields);
  write_signed_fields(w, call);
  w.key(8);
  w.bytes(call.signature);
  return w.take();
}

Result<SignedCall> decode_call(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kTxBytesMax, .depth_max = 2});
  SignedCall call;
  TRY_OK(r.enter_map("call", kFields));
  std::uint64_t seen = 0;
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    TRY_OK(read_field(r, key, call));
    ++seen;
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (seen != kFields)
    return fail(Kind::kInvalid, "codec.missing", text("found {} call fields, expected {}", seen, kFields));
  return call;
}

void sign_call(SignedCall& call, const crypto::SecretKey& key) {
  call.key = key.public_key();
  call.sender = crypto::account_id(call.key);
  call.signature = key.sign(kSignContext, signed_bytes(call));
}

Status check_call(const SignedCall& call, std::uint8_t app, const BlockContext& context) {
  if (call.network != context.network)
    return fail(Kind::kInvalid, "ledger.call_network",
                text("found a call for network {}, expected {}", call.network, context.network));
  if (call.app != app)
    return fail(Kind::kInvalid, "ledger.call_app", text("found a call for application {}, expected {}", call.app, app));
  if (call.expires < context.height)
    return fail(
        Kind::kInvalid, "ledger.call_expired",
        text("found a call that expired at height {}, expected at least {}", call.expires.value, context.height.value));
  if (call.key.alg != crypto::SigAlg::kMlDsa65 && call.key.alg != crypto::SigAlg::kMlDsa87)
    return fail(Kind::kDenied, "ledger.call_key",
                text("found a key of type {}, expected mldsa65 or mldsa87", crypto::sig_alg_name(call.key.alg)));
  const AccountId id = crypto::account_id(call.key);
  if (id != call.sender)
    return fail(Kind::kDenied, "ledger.call_key", text("found the key of {}, expected that of {}", id, call.sender));
  const Bytes message = signed_bytes(call);
  const Hash32 seen = crypto::blake3("hanse/call-checked/1", {message, call.signature});
  if (checked_calls().contains(seen)) return {};
  const auto verifier = checked_calls().verifier(call.key);
  if (!verifier) return fail(Kind::kDenied, "ledger.call_key", verifier.error().message());
  if (!(*verifier)->verify(kSignContext, message, call.signature))
    return fail(Kind::kDenied, "ledger.call_signature",
                text("found a signature that does not verify under the key of {}", call.sender));
  checked_calls().add(seen);
  return {};
}

Tx call_tx(const SignedCall& call) { return Tx{.app = call.app, .body = encode_call(call)}; }

}  // namespace hanse::ledger

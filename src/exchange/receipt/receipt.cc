#include "exchange/receipt/receipt.h"

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::receipt {
namespace {

constexpr std::string_view kKind = "receipt";
constexpr std::string_view kChain = "hanse";
constexpr std::uint64_t kVersion = 1;

Status expect_key(codec::CborReader& r, std::uint64_t expected) {
  TRY(const std::uint64_t key, r.key());
  if (key != expected) return r.fail_here("receipt.claims", text("found key {}, expected {}", key, expected));
  return {};
}

void write_refs(codec::CborWriter& w, std::uint64_t key, const std::vector<market::OutputRef>& refs) {
  w.key(key);
  w.array(refs.size());
  for (const market::OutputRef& ref : refs) {
    w.array(2);
    w.bytes(ref.id.view());
    w.u64(ref.size_bytes);
  }
}

Result<std::vector<market::OutputRef>> read_refs(codec::CborReader& r, std::uint64_t key, std::string_view what,
                                                 std::size_t count_max) {
  std::vector<market::OutputRef> out;
  TRY_OK(expect_key(r, key));
  TRY_OK(r.enter_array(what, count_max));
  while (r.more()) {
    market::OutputRef& ref = out.emplace_back();
    TRY_OK(r.enter_array("blob", 2));
    TRY_OK(r.fixed("id", ref.id));
    TRY(ref.size_bytes, r.u64("size_bytes"));
    TRY_OK(r.leave());
  }
  TRY_OK(r.leave());
  return out;
}

Status read_run(codec::CborReader& r, Receipt& out) {
  TRY_OK(expect_key(r, 6));
  TRY(const std::uint64_t status, r.u64("status", market::kRunStatusMax));
  out.status = static_cast<market::RunStatus>(status);
  TRY_OK(expect_key(r, 7));
  TRY(out.gas, r.u64("gas"));
  TRY_OK(expect_key(r, 8));
  TRY(out.detail, r.text("detail", kDetailMax));
  TRY_OK(expect_key(r, 9));
  TRY(out.kernel_class, r.text("kernel_class", kKernelClassMax));
  TRY_OK(expect_key(r, 10));
  TRY(out.cpu_class, r.text("cpu_class", kCpuClassMax));
  TRY_OK(expect_key(r, 11));
  TRY(out.started.value, r.u64("started"));
  TRY_OK(expect_key(r, 12));
  TRY(out.finished.value, r.u64("finished"));
  TRY_OK(expect_key(r, 13));
  TRY(out.price.value, r.u64("price"));
  if (!r.more()) return {};
  TRY_OK(expect_key(r, 14));
  TRY_OK(r.enter_array("steps", 3));
  TRY(const std::uint64_t count, r.u64("count", market::kStepsMax));
  if (count == 0) return r.fail_here("receipt.claims", text("found 0 steps, expected 1 to {}", market::kStepsMax));
  market::StepsRef& steps = out.steps.emplace();
  steps.count = static_cast<std::uint32_t>(count);
  TRY_OK(r.fixed("root", steps.root));
  TRY_OK(r.fixed("list", steps.list));
  return r.leave();
}

std::vector<Subject> subjects_of(const Receipt& receipt) {
  std::vector<Subject> out = {{.name = "gxf", .alg = "blake3", .digest = to_bytes(receipt.gxf_hash.view())}};
  for (std::size_t i = 0; i < receipt.outputs.size(); ++i) {
    out.push_back({.name = text("output/{}", i), .alg = "blake3", .digest = to_bytes(receipt.outputs[i].id.view())});
  }
  return out;
}

}  // namespace

Bytes encode_claims(const Receipt& receipt) {
  codec::CborWriter w;
  w.map(receipt.steps ? 15 : 14);
  w.key(0);
  w.bytes(receipt.job_id.view());
  w.key(1);
  w.bytes(receipt.provider.view());
  w.key(2);
  w.bytes(receipt.gxf_hash.view());
  w.key(3);
  w.array(receipt.artifacts.size());
  for (const BlobId& artifact : receipt.artifacts) w.bytes(artifact.view());
  write_refs(w, 4, receipt.inputs);
  write_refs(w, 5, receipt.outputs);
  w.key(6);
  w.u64(static_cast<std::uint64_t>(receipt.status));
  w.key(7);
  w.u64(receipt.gas);
  w.key(8);
  w.text(receipt.detail);
  w.key(9);
  w.text(receipt.kernel_class);
  w.key(10);
  w.text(receipt.cpu_class);
  w.key(11);
  w.u64(receipt.started.value);
  w.key(12);
  w.u64(receipt.finished.value);
  w.key(13);
  w.u64(receipt.price.value);
  if (receipt.steps) {
    w.key(14);
    w.array(3);
    w.u64(receipt.steps->count);
    w.bytes(receipt.steps->root.view());
    w.bytes(receipt.steps->list.view());
  }
  return w.take();
}

Result<Receipt> decode_claims(ByteView claims) {
  codec::CborReader r(claims, {.size_max = kEnvelopeBytesMax, .depth_max = 4});
  Receipt out;
  TRY_OK(r.enter_map("claims", 15));
  TRY_OK(expect_key(r, 0));
  TRY_OK(r.fixed("job_id", out.job_id));
  TRY_OK(expect_key(r, 1));
  TRY_OK(r.fixed("provider", out.provider));
  TRY_OK(expect_key(r, 2));
  TRY_OK(r.fixed("gxf_hash", out.gxf_hash));
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.enter_array("artifacts", kNodesMax));
  while (r.more()) TRY_OK(r.fixed("artifact", out.artifacts.emplace_back()));
  TRY_OK(r.leave());
  TRY(out.inputs, read_refs(r, 4, "inputs", kNodesMax));
  TRY(out.outputs, read_refs(r, 5, "outputs", market::kOutputsMax));
  TRY_OK(read_run(r, out));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

Bytes encode(const SignedReceipt& receipt) {
  Bytes key{static_cast<std::uint8_t>(receipt.mldsa.alg)};
  append(key, receipt.mldsa.bytes);
  codec::CborWriter w;
  w.map(4);
  w.key(0);
  w.u64(kVersion);
  w.key(1);
  w.bytes(receipt.envelope);
  w.key(2);
  w.bytes(key);
  w.key(3);
  w.bytes(receipt.ed25519.view());
  return w.take();
}

Result<SignedReceipt> decode_signed_receipt(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kSignedReceiptBytesMax, .depth_max = 2});
  SignedReceipt out;
  TRY_OK(r.enter_map("signed_receipt", 4));
  TRY_OK(expect_key(r, 0));
  TRY(const std::uint64_t version, r.u64("version", 255));
  if (version != kVersion)
    return r.fail_here("receipt.claims", text("found version {}, expected {}", version, kVersion));
  TRY_OK(expect_key(r, 1));
  TRY(const ByteView envelope, r.bytes("envelope", kEnvelopeBytesMax));
  out.envelope = to_bytes(envelope);
  TRY_OK(expect_key(r, 2));
  TRY(const ByteView key, r.bytes("mldsa", 4096));
  if (key.empty()) return r.fail_here("receipt.claims", "found an empty key");
  TRY(const crypto::SigSizes sizes, crypto::sig_sizes(key[0]));
  if (key.size() != sizes.public_key + 1) {
    return r.fail_here("receipt.claims",
                       text("found a key of {} bytes, expected {}", key.size() - 1, sizes.public_key));
  }
  out.mldsa = {.alg = static_cast<crypto::SigAlg>(key[0]), .bytes = to_bytes(key.subspan(1))};
  TRY_OK(expect_key(r, 3));
  TRY_OK(r.fixed("ed25519", out.ed25519));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return out;
}

SignedReceipt sign_receipt(const Receipt& receipt, const crypto::Identity& provider, const Stamp& stamp,
                           Random& random) {
  Body body;
  body.id = uuid_v7(stamp.wall_ms, random);
  body.kind = kKind;
  body.subjects = subjects_of(receipt);
  body.issued_ms = stamp.wall_ms;
  body.nonce = to_bytes(receipt.job_id.view());
  body.chain = kChain;
  body.genesis = stamp.network;
  body.height = receipt.finished;
  body.claims = encode_claims(receipt);
  SignedReceipt out{
      .envelope = encode(seal(std::move(body), provider)), .mldsa = provider.mldsa().public_key(), .ed25519 = {}};
  std::copy_n(provider.ed25519().public_key().bytes.begin(), out.ed25519.data.size(), out.ed25519.data.begin());
  return out;
}

Result<Opened> open_receipt(const SignedReceipt& signed_receipt) {
  TRY(const Envelope envelope, decode_envelope(signed_receipt.envelope));
  const crypto::PublicKey keys[] = {
      signed_receipt.mldsa, {.alg = crypto::SigAlg::kEd25519, .bytes = to_bytes(signed_receipt.ed25519.view())}};
  const crypto::SigAlg required[] = {crypto::SigAlg::kEd25519, signed_receipt.mldsa.alg};
  if (signed_receipt.mldsa.alg != crypto::SigAlg::kMlDsa65 && signed_receipt.mldsa.alg != crypto::SigAlg::kMlDsa87) {
    return fail(Kind::kDenied, "receipt.policy",
                text("the provider's key is of type {}, expected mldsa65 or mldsa87",
                     crypto::sig_alg_name(signed_receipt.mldsa.alg)));
  }
  TRY(const Body body, open(envelope, kKind, keys, required));
  TRY(Receipt receipt, decode_claims(body.claims));
  const AccountId signer = crypto::account_id(signed_receipt.mldsa);
  if (receipt.provider != signer || body.issuer != crypto::key_id(signed_receipt.mldsa)) {
    return fail(Kind::kDenied, "receipt.provider",
                text("the receipt names provider {}, the key is of {}", receipt.provider, signer));
  }
  const bool same = body.subjects == subjects_of(receipt) && body.chain == kChain &&
                    equal(body.nonce, receipt.job_id.view()) && body.height == receipt.finished;
  if (!same) return fail(Kind::kDenied, "receipt.subject", "the subjects of the body are not those of its claims");
  return Opened{.receipt = std::move(receipt), .network = body.genesis, .issued_ms = body.issued_ms};
}

}  // namespace hanse::receipt

#include "exchange/payload/payload.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/aead.h"
#include "base/crypto/hash.h"

namespace hanse::payload {
namespace {

constexpr std::size_t kTagBytes = 16, kNonceBytes = crypto::GcmNonce::kSize;

struct Be {
  std::uint8_t bytes[8];
  explicit Be(std::uint64_t v) { store_be(bytes, v); }
  ByteView view() const { return bytes; }
};

// SHAKE256(label || parts); every part but the last has one size for its label.
void derive(std::string_view label, std::initializer_list<ByteView> parts, ByteSpan out) {
  Bytes all = to_bytes(as_bytes(label));
  for (const ByteView part : parts) append(all, part);
  crypto::shake256({all}, out);
  crypto::wipe(all);
}

// What encapsulation takes for chance: a stream that only the payer knows.
class FromSecret final : public Random {
 public:
  FromSecret(const JobSecret& secret, const JobId& job, const AccountId& provider)
      : secret_(secret), job_(job), provider_(provider) {}
  void fill(ByteSpan out) override {
    derive("hanse/payload-m/1", {secret_.view(), job_.view(), provider_.view(), Be(calls_++).view()}, out);
  }

 private:
  const JobSecret& secret_;
  const JobId& job_;
  const AccountId& provider_;
  std::uint64_t calls_ = 0;
};

crypto::Secret<32> body_key(const crypto::SharedSecret& shared, ByteView ciphertext, const gxf::Job& job,
                            const AccountId& provider) {
  crypto::Secret<32> key;
  derive("hanse/payload/1", {shared.view(), ciphertext, job.job_id.view(), provider.view()}, key.span());
  return key;
}

Bytes bound_to(const gxf::Job& job, const AccountId& provider) {
  Bytes out = to_bytes(job.network.view());
  append(out, job.job_id.view());
  append(out, provider.view());
  return out;
}

}  // namespace

Result<std::size_t> payload_size(const gxf::Job& job) {
  if (job.inputs.empty()) return fail(Kind::kInvalid, "payload.inputs", "a private job has no inputs, expected 1");
  std::size_t size = JobSecret::kSize;
  for (const gxf::JobInput& input : job.inputs) {
    if (input.size_bytes < kInputPrefixBytes)
      return fail(
          Kind::kInvalid, "payload.inputs",
          text("an input of a private job has {} bytes, expected at least {}", input.size_bytes, kInputPrefixBytes));
    if (input.size_bytes > kPayloadBytesMax || size > kPayloadBytesMax) break;
    size += input.size_bytes - kInputPrefixBytes;
  }
  const std::size_t whole = kKeyBytes + size + kTagBytes;
  for (const gxf::JobInput& input : job.inputs)
    if (input.size_bytes > kPayloadBytesMax || whole > kPayloadBytesMax)
      return fail(Kind::kExhausted, "payload.too_large",
                  text("the inputs of a private job need a payload of more than {} bytes", kPayloadBytesMax));
  return whole;
}

namespace {

Status check_blobs(const gxf::Job& job, const std::vector<Bytes>& blobs) {
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    const BlobId found = crypto::blob_id(blobs[i]);
    if (found != job.inputs[i].id)
      return fail(Kind::kCorrupt, "payload.other_input",
                  text("input {} hashes to {}, the job names {}", i, found, job.inputs[i].id));
  }
  return {};
}

Result<Opened> open_body(const gxf::Job& job, ByteView payload, const AccountId& provider,
                         const crypto::SharedSecret& shared) {
  const ByteView ciphertext = payload.first(kKeyBytes);
  const crypto::Secret<32> key = body_key(shared, ciphertext, job, provider);
  const Bytes aad = bound_to(job, provider);
  const auto body = crypto::gcm_open({.key = key, .nonce = {}, .associated = aad}, payload.subspan(kKeyBytes));
  if (!body)
    return fail(Kind::kDenied, "payload.sealed",
                text("the payload of job {} does not open with the key of provider {}", job.job_id, provider));
  Opened out;
  check(JobSecret::from(body->view().first(JobSecret::kSize), out.secret), "the size was looked at");
  std::size_t at = JobSecret::kSize;
  for (std::uint32_t i = 0; i < job.inputs.size(); ++i) {
    const std::size_t size = job.inputs[i].size_bytes - kInputPrefixBytes;
    out.blobs.push_back(input_blob(out.secret, i, body->view().subspan(at, size)));
    at += size;
  }
  TRY_OK(check_blobs(job, out.blobs));
  return out;
}

Status check_size(const gxf::Job& job, ByteView payload) {
  TRY(const std::size_t expected, payload_size(job));
  if (payload.size() == expected) return {};
  return fail(Kind::kInvalid, "payload.size",
              text("the payload has {} bytes, the job's inputs need {}", payload.size(), expected));
}

crypto::Secret<32> output_key(const JobSecret& secret, const JobId& job, std::uint32_t index) {
  crypto::Secret<32> key;
  derive("hanse/output/1", {secret.view(), job.view(), Be(index).view()}, key.span());
  return key;
}

}  // namespace

JobSecret job_secret(ByteView wallet_seed, const NetworkId& network, std::uint64_t nonce) {
  JobSecret out;
  derive("hanse/job-secret/1", {network.view(), Be(nonce).view(), wallet_seed}, out.span());
  return out;
}

crypto::KemSecretKey provider_key(ByteView kem_seed) {
  crypto::Secret<64> seed;
  derive("hanse/payload-key/1", {kem_seed}, seed.span());
  auto key = crypto::KemSecretKey::from_seed(crypto::KemAlg::kMlKem1024, seed.view());
  check(key.has_value(), "any 64 bytes are a seed");
  return *std::move(key);
}

Bytes input_blob(const JobSecret& secret, std::uint32_t index, ByteView plaintext) {
  Bytes out;
  out.reserve(kInputPrefixBytes + plaintext.size());
  append(out, secret.view());
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>(index >> shift));
  append(out, plaintext);
  return out;
}

Result<Bytes> seal(const gxf::Job& job, const JobSecret& secret, const std::vector<Bytes>& plaintexts,
                   const AccountId& provider, const crypto::KemPublicKey& key) {
  TRY(const std::size_t whole, payload_size(job));
  if (plaintexts.size() != job.inputs.size())
    return fail(Kind::kInvalid, "payload.inputs",
                text("found {} inputs, the job has {}", plaintexts.size(), job.inputs.size()));
  std::vector<Bytes> blobs;
  Bytes body = to_bytes(secret.view());
  body.reserve(whole);
  for (std::uint32_t i = 0; i < plaintexts.size(); ++i) {
    blobs.push_back(input_blob(secret, i, plaintexts[i]));
    append(body, plaintexts[i]);
  }
  TRY_OK(check_blobs(job, blobs));
  FromSecret chance(secret, job.job_id, provider);
  TRY(crypto::Encapsulation made, crypto::encapsulate(key, chance));
  const crypto::Secret<32> sealing = body_key(made.secret, made.ciphertext, job, provider);
  const Bytes aad = bound_to(job, provider);
  TRY(const Bytes sealed, crypto::gcm_seal({.key = sealing, .nonce = {}, .associated = aad}, body));
  crypto::wipe(body);
  append(made.ciphertext, sealed);
  return std::move(made.ciphertext);
}

Result<Opened> open(const gxf::Job& job, ByteView payload, const AccountId& provider, const crypto::KemSecretKey& key) {
  TRY_OK(check_size(job, payload));
  TRY(const crypto::SharedSecret shared, key.decapsulate(payload.first(kKeyBytes)));
  return open_body(job, payload, provider, shared);
}

Result<Opened> open_own(const gxf::Job& job, ByteView payload, const AccountId& provider, const JobSecret& secret,
                        const crypto::KemPublicKey& key) {
  TRY_OK(check_size(job, payload));
  FromSecret chance(secret, job.job_id, provider);
  TRY(const crypto::Encapsulation made, crypto::encapsulate(key, chance));
  return open_body(job, payload, provider, made.secret);
}

Result<Opened> open_blobs(const gxf::Job& job, std::vector<Bytes> blobs) {
  TRY_OK(payload_size(job));
  if (blobs.size() != job.inputs.size())
    return fail(Kind::kInvalid, "payload.inputs",
                text("found {} inputs, the job has {}", blobs.size(), job.inputs.size()));
  TRY_OK(check_blobs(job, blobs));
  Opened out;
  for (std::uint32_t i = 0; i < blobs.size(); ++i) {
    if (blobs[i].size() != job.inputs[i].size_bytes)
      return fail(Kind::kInvalid, "payload.size",
                  text("input {} has {} bytes, the job says {}", i, blobs[i].size(), job.inputs[i].size_bytes));
    const ByteView blob = blobs[i];
    if (i == 0) check(JobSecret::from(blob.first(JobSecret::kSize), out.secret), "the size was looked at");
    if (!equal(blob.first(kInputPrefixBytes), input_blob(out.secret, i, {})))
      return fail(Kind::kCorrupt, "payload.other_input", text("input {} has another secret or index", i));
  }
  out.blobs = std::move(blobs);
  return out;
}

Bytes seal_output(const JobSecret& secret, const JobId& job, std::uint32_t index, ByteView plaintext) {
  const crypto::Secret<32> key = output_key(secret, job, index);
  crypto::GcmNonce nonce;
  crypto::shake256({as_bytes("hanse/output-nonce/1"), key.view(), plaintext}, nonce.span());
  auto sealed = crypto::gcm_seal({.key = key, .nonce = nonce, .associated = {}}, plaintext);
  check(sealed.has_value(), "an output is within what can be sealed");
  Bytes out = to_bytes(nonce.view());
  append(out, *sealed);
  return out;
}

Result<Bytes> open_output(const JobSecret& secret, const JobId& job, std::uint32_t index, ByteView sealed) {
  const auto refused = [&] {
    return fail(Kind::kDenied, "payload.output",
                text("output {} of job {} ({} bytes) does not open with the job's secret", index, job, sealed.size()));
  };
  if (sealed.size() < kOutputOverheadBytes) return refused();
  const crypto::Secret<32> key = output_key(secret, job, index);
  crypto::GcmNonce nonce;
  check(crypto::GcmNonce::from(sealed.first(kNonceBytes), nonce), "the size was looked at");
  const auto opened = crypto::gcm_open({.key = key, .nonce = nonce, .associated = {}}, sealed.subspan(kNonceBytes));
  if (!opened) return refused();
  return to_bytes(opened->view());
}

}  // namespace hanse::payload

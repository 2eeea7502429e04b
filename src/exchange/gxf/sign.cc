#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/checked.h"
#include "base/crypto/hash.h"

namespace hanse::gxf {

namespace {

// A node checks a job when it comes and again when it applies it.
crypto::CheckedSignatures& checked_jobs() {
  static crypto::CheckedSignatures jobs;
  return jobs;
}

Status verify(const crypto::PublicKey& key, ByteView message, ByteView signature) {
  TRY(const auto verifier, checked_jobs().verifier(key));
  return verifier->verify(detail::kContext, message, signature);
}

}  // namespace

namespace detail {

JobId job_id_of(ByteView without_id) {
  const Hash32 hash = crypto::blake3(kJobIdContext, {without_id});
  JobId id;
  check(JobId::from(hash.view().first(JobId::kSize), id), "a job id is half a hash");
  return id;
}

Bytes signed_message(ByteView unsigned_bytes, ByteView ed25519_key) {
  Bytes message = to_bytes(crypto::blake3(kContext, {unsigned_bytes}).view());
  append(message, ed25519_key);
  return message;
}

Bytes signature_over(ByteView message, const crypto::Identity& payer, JobSigAlg alg) {
  Bytes out;
  if (alg == JobSigAlg::kHybrid) out = payer.ed25519().sign(kContext, message);
  append(out, payer.mldsa().sign(kContext, message));
  return out;
}

}  // namespace detail

JobId derive_job_id(const Job& job) { return detail::job_id_of(detail::encode_without_id(job)); }

Status sign(Job& job, const crypto::Identity& payer, JobSigAlg alg) {
  const crypto::PublicKey& mldsa = payer.mldsa().public_key();
  if (mldsa.alg != crypto::SigAlg::kMlDsa65)
    return fail_gxf(GxfCode::kSigAlg, "sig.alg",
                    text("found an identity with a key of {}, expected mldsa65", crypto::sig_alg_name(mldsa.alg)));
  job.payer = payer.id();
  job.job_id = derive_job_id(job);
  job.signature = {.alg = alg, .mldsa = mldsa, .ed25519 = {}, .bytes = {}};
  if (alg == JobSigAlg::kHybrid) job.signature.ed25519 = payer.ed25519().public_key().bytes;
  const Bytes message = detail::signed_message(encode_unsigned(job), job.signature.ed25519);
  job.signature.bytes = detail::signature_over(message, payer, alg);
  return {};
}

Status verify_signature(const Job& job) {
  const JobSignature& sig = job.signature;
  const bool hybrid = sig.alg == JobSigAlg::kHybrid;
  if (crypto::account_id(sig.mldsa) != job.payer)
    return fail_gxf(
        GxfCode::kSigBad, "sig.mldsa_key",
        text("found the key of {}, expected that of the payer {}", crypto::account_id(sig.mldsa), job.payer));
  const std::size_t first = hybrid ? detail::kEd25519SigSize : 0;
  if (sig.bytes.size() != first + detail::kMldsaSigSize)
    return fail_gxf(GxfCode::kSigBad, "sig.bytes",
                    text("found {} bytes, expected {}", sig.bytes.size(), first + detail::kMldsaSigSize));
  const Bytes message = detail::signed_message(encode_unsigned(job), sig.ed25519);
  const ByteView bytes = sig.bytes;
  const auto alg = static_cast<std::uint8_t>(sig.alg);
  // The payer names the ML-DSA key, and the message ends with the other one; all before it is of one size.
  const Hash32 seen = crypto::blake3("hanse/gxf-checked/1", {ByteView(&alg, 1), job.payer.view(), bytes, message});
  if (checked_jobs().contains(seen)) return {};
  if (hybrid) {
    const crypto::PublicKey ed25519{.alg = crypto::SigAlg::kEd25519, .bytes = sig.ed25519};
    if (auto ok = verify(ed25519, message, bytes.first(first)); !ok)
      return fail_gxf(GxfCode::kSigBad, "sig.bytes", text("the Ed25519 half does not hold: {}", ok.error().message()));
  }
  if (auto ok = verify(sig.mldsa, message, bytes.subspan(first)); !ok)
    return fail_gxf(GxfCode::kSigBad, "sig.bytes",
                    text("the ML-DSA-65 signature does not hold: {}", ok.error().message()));
  checked_jobs().add(seen);
  return {};
}

}  // namespace hanse::gxf

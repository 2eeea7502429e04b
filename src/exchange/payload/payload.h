// Private jobs: what only the matched provider can read, and what only the payer can (exchange.md 5.3). Bytes and
// labels: proto/records/payload.md.
//
// A private job has a secret, made from the payer's wallet, the network and the job's nonce, so that nothing is stored.
//   input      the job names the blob secret || index || plaintext: its id hides and binds; the work sees the plaintext
//   payload    all that the provider needs for these blobs, sealed to its ML-KEM-1024 key when it is known. The key is
//              encapsulated with randomness made from the secret: sealing again gives the same bytes, so that who knows
//              the secret can open the payload as well, and a lost answer costs nothing
//   output     sealed under a key of the secret, the job and the output's index, with a nonce made from the plaintext:
//              who knows the secret gets the same bytes from the same work, also one that checks a receipt
// Threads: free functions, any. Limits: kPayloadBytesMax a payload. Errors:
//   payload.inputs (invalid: none, or one that is smaller than its prefix)   payload.size (invalid: found, expected)
//   payload.too_large (exhausted)   payload.sealed (denied: another key, job, provider or network, or altered bytes)
//   payload.other_input (corrupt: a blob is not what the job names)          payload.output (denied: altered, or of
//   another secret, job or index), and those of crypto/kem.h
#pragma once

#include <vector>

#include "base/crypto/kem.h"
#include "exchange/gxf/gxf.h"

namespace hanse::payload {

using JobSecret = crypto::Secret<32>;

constexpr std::size_t kInputPrefixBytes = JobSecret::kSize + 4;
constexpr std::size_t kOutputOverheadBytes = 12 + 16;
constexpr std::size_t kPayloadBytesMax = 64u << 20;  // a blob's
constexpr std::size_t kKeyBytes = 1568;              // of ML-KEM-1024: a public key, and a ciphertext as well

JobSecret job_secret(ByteView wallet_seed, const NetworkId& network, std::uint64_t nonce);
// The key that a provider makes from the KEM seed of its key file.
crypto::KemSecretKey provider_key(ByteView kem_seed);

// The blob that input `index` of a private job names; inputs are numbered in the job's order, by node and port.
Bytes input_blob(const JobSecret& secret, std::uint32_t index, ByteView plaintext);

// What was sealed. The blobs are those that the job names, in its order.
struct Opened {
  JobSecret secret;
  std::vector<Bytes> blobs;
  ByteView plaintext(std::size_t index) const { return ByteView(blobs[index]).subspan(kInputPrefixBytes); }
};

// Bytes of the job's payload: what can be said of it before anything is sealed. payload.inputs, payload.too_large.
Result<std::size_t> payload_size(const gxf::Job& job);
Result<Bytes> seal(const gxf::Job& job, const JobSecret& secret, const std::vector<Bytes>& plaintexts,
                   const AccountId& provider, const crypto::KemPublicKey& key);
Result<Opened> open(const gxf::Job& job, ByteView payload, const AccountId& provider, const crypto::KemSecretKey& key);
// By the payer, who needs no secret key of the provider.
Result<Opened> open_own(const gxf::Job& job, ByteView payload, const AccountId& provider, const JobSecret& secret,
                        const crypto::KemPublicKey& key);
// What was revealed: the blobs themselves, checked against the job as a payload's are.
Result<Opened> open_blobs(const gxf::Job& job, std::vector<Bytes> blobs);

Bytes seal_output(const JobSecret& secret, const JobId& job, std::uint32_t index, ByteView plaintext);
Result<Bytes> open_output(const JobSecret& secret, const JobId& job, std::uint32_t index, ByteView sealed);

}  // namespace hanse::payload

// A verifiable delay function: x^(2^steps) in the group Z_N*/{1, -1}, N = the RSA-2048 challenge number, with the proof
// of Wesolowski, "Efficient Verifiable Delay Functions" (EUROCRYPT 2019), sections 3 and 4.1.
// Its place is the epoch beacon: hash vdf_output together with commit-reveal contributions, and the beacon stays
// unbiased while either holds. Trust: nobody knows the factors of N (RSA Laboratories said in 1991 that its drive was
// destroyed); who knows them skips the delay. Shor's algorithm factors N, so this is not post-quantum.
// Shapes: elements are 256 bytes big-endian in [1, (N-1)/2]: of a and N - a the smaller, so one value has one encoding.
//   N id  BLAKE3("hanse/vdf-modulus/1", N)
//   x     SHAKE256("hanse/vdf/x" || N id || seed), 2304 bits, modulo N
//   l     the first of SHAKE256("hanse/vdf/l" || N id || x || y || steps u64 || counter u32), 264 bits, top and low bit
//         set, counter = 0, 1, ... (integers little-endian), that passes the Baillie-PSW test and 40 Miller-Rabin
//         rounds with 24-bit bases from SHAKE256("hanse/vdf/base" || l) (detail/prime.h)
// Evaluating takes a fifth of a microsecond to a whole one a step on one core and cannot be shared between cores;
// verifying costs a double exponentiation and the search for l at any number of steps.
// Back ends: "portable" (OpenSSL) everywhere, "ifma" on processors with AVX-512 IFMA; HANSE_VDF_BACKEND names one, else
// the fastest is taken. All give the same bytes.
// Threads: free functions, any. vdf_eval blocks its thread; another may set *stop.
// Errors: crypto.vdf_steps (invalid), crypto.bad_vdf (denied), crypto.vdf_stopped (unavailable),
// crypto.vdf_backend (unsupported).
#pragma once

#include <atomic>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::crypto {

constexpr std::uint64_t kVdfStepsMax = std::uint64_t{1} << 30;

using VdfElement = FixedBytes<256, struct VdfElementTag>;

struct VdfProof {
  VdfElement y;   // x^(2^steps)
  VdfElement pi;  // x^floor(2^steps / l)
  friend bool operator==(const VdfProof&, const VdfProof&) = default;
};

Result<VdfProof> vdf_eval(const Hash32& seed, std::uint64_t steps, const std::atomic<bool>* stop = nullptr);
Status vdf_verify(const Hash32& seed, std::uint64_t steps, const VdfProof& proof);
Hash32 vdf_output(const VdfProof& proof);  // BLAKE3("hanse/vdf-output/1", y)

// The group element a seed hashes to.
VdfElement vdf_input(const Hash32& seed);
// N itself, big-endian.
const VdfElement& vdf_modulus();

}  // namespace hanse::crypto

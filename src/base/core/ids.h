// The identifiers that cross rooms. Each is a type of its own: a JobId never passes for a BlobId.
//   Hash32      BLAKE3-256 digest without a narrower meaning
//   AccountId   BLAKE3-256("hanse/id/1", alg || public key) of a payer, provider or validator key
//   JobId       first 16 bytes of the canonical job's hash (exchange.md 5.3 key 2)
//   BlobId      BLAKE3-256 of a blob's bytes, no context: what `b3sum` prints
//   NetworkId   hash of the genesis file
#pragma once

#include "base/core/bytes.h"

namespace hanse {

using Hash32 = FixedBytes<32>;
using AccountId = FixedBytes<32, struct AccountTag>;
using JobId = FixedBytes<16, struct JobTag>;
using BlobId = FixedBytes<32, struct BlobTag>;
using NetworkId = FixedBytes<32, struct NetworkTag>;

}  // namespace hanse

// The ledger's part of the mix: relays publish the key of an epoch ahead of it, the ledger draws the strata once no key
// can be added any more, and everybody reads one directory. Bytes: proto/records/onion.md.
//   publish    a SignedCall of the node itself, whose account is its NodeId: one key an epoch, for the epochs from
//              kPublishAhead after the current one to kPublishAheadMax. The epoch is block time / epoch_ms
//   beacon     of epoch E: drawn (chain/beacon) of what was not known before epoch E - 1, so no key of E is chosen
//              after it is known. Where the network has no beacon, or that has no value a quarter of an epoch before
//              E, it is that of the block, and a leader that withholds its block can try again: strata are drawn then,
//              not guarded
//   nodes      listed in the genesis, or, with an empty list, every account
// Limits: nodes_max keys an epoch, kPrunedPerBlock records of past epochs erased a block. Threads: ledger/app.h.
// Errors: router.publish (invalid: epoch, suite or key), router.published (conflict: this epoch has a key of the node),
// router.nodes_full (exhausted), router.not_listed (denied), router.record (corrupt: a record of the ledger), and those
// of ledger/call.h.
#pragma once

#include "chain/ledger/app.h"
#include "exchange/router/directory.h"

namespace hanse::router {

constexpr std::uint8_t kMixApp = 5;
constexpr std::uint16_t kMethodPublish = 1;
constexpr std::uint32_t kPublishAhead = 2;
constexpr std::uint32_t kPublishAheadMax = 8;
constexpr std::uint32_t kNodesMax = 256;
constexpr std::size_t kPrunedPerBlock = 512;
constexpr std::uint32_t kAnonymityBitsMax = 32;

struct MixParams {
  Suite suite = Suite::kXWing;
  std::uint64_t epoch_ms = 600'000;     // 1,000 to 86,400,000
  std::uint32_t nodes_max = kNodesMax;  // 1 to kNodesMax
  // What every sender of the network wants of the Deep lane (entropy.h): who wanted less, or other delays, would stand
  // out. bits 0 to kAnonymityBitsMax, delays in ms, 1 to kDelayMaxMs, the smaller mean first.
  std::uint32_t anonymity_bits = 12, delay_min_ms = 500, delay_max_ms = 30'000;
  std::vector<NodeId> nodes;  // ascending; empty: everybody

  AnonymityWanted wanted() const {
    return {.bits = static_cast<double>(anonymity_bits),
            .mean_ms_min = static_cast<double>(delay_min_ms),
            .mean_ms_max = static_cast<double>(delay_max_ms)};
  }
};
Bytes encode_mix_genesis(const MixParams& params);
Result<MixParams> decode_mix_genesis(ByteView section);  // ledger.genesis (invalid), those of the codec

struct Publish {
  std::uint32_t epoch = 0;
  bool mixes = true;                 // or receives only
  bool exit = false;                 // answers calls
  std::uint32_t deep_per_1000s = 0;  // cells of the Deep lane it measured lately
  Bytes key;
};
Bytes encode_publish(const Publish& publish);

std::unique_ptr<ledger::App> make_mix_app();
// Queries: "directory" (argument: u32 big-endian of the epoch) -> what decode_directory reads; "params".
// Before its beacon is drawn an epoch has no directory (not_found: router.no_directory).
Result<Directory> decode_directory(ByteView bytes);

}  // namespace hanse::router

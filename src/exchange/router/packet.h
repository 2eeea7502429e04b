// The onion packet of the mix: a cell of 16,384 bytes whose layers are opened one a hop (bytes: proto/records/onion.md;
// design: exchange.md 5.1, after Outfox, arXiv 2412.19937). Every cell has one size, whatever it carries and however
// far it still goes; only who holds the layer's key learns the next hop, and nobody both ends.
//   seal_cell    a payload for the last hop of a path, wrapped in a layer a hop
//   read_head    the checks that cost nothing: size, version, suite, layers, zeros; then the epoch chooses one key
//   open_layer   decapsulates, authenticates the header and reads the routing; the payload is untouched
//   peel         after the caller's replay, expiry and delay checks: makes the next hop's cell of this one, in place
// Each layer: X-Wing (or ML-KEM-1024: a network chooses one suite for all), SHAKE256, AES-256-GCM over the headers,
// LIONESS over the payload. A flipped header bit is refused at the hop whose layer it is in; a flipped payload bit
// makes all of the payload random, which the receiver refuses. First relay and receiver together can use that as a mark
// of one bit (arXiv 1910.13772): a known limit. Failures of open_layer do not say why, in one error for all: the peer
// must not learn it, and is never told. Secrets are wiped when their objects end. Time depends on sizes and on the
// command that was authenticated, no more. Threads: any. Errors: router.cell (invalid: a fixed field, a size or a
// padding byte), router.rejected (denied: the layer is not for this key, or was altered), router.routing (invalid:
// authenticated, but against the layout), router.path (invalid: hops or payload that do not fit the cell).
#pragma once

#include <vector>

#include "base/core/ids.h"
#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/kem.h"
#include "base/crypto/lioness.h"

namespace hanse::router {

constexpr std::size_t kCellSize = 16'384;
constexpr std::size_t kLayersMax = 4;
constexpr std::size_t kHeadSize = 16;
constexpr std::size_t kRoutingSize = 96;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kReplyKeySize = 32;

enum class Suite : std::uint8_t { kXWing = 1, kMlKem1024 = 2 };

struct Geometry {
  Suite suite;
  crypto::KemAlg kem;
  std::size_t ciphertext, payload;

  constexpr std::size_t layer() const { return ciphertext + kRoutingSize + kTagSize; }
  constexpr std::size_t header(std::size_t layers) const { return layer() * layers; }
  constexpr std::size_t surb() const { return 8 + 32 + header(kLayersMax) + kReplyKeySize; }
};
constexpr Geometry kXWingGeometry{Suite::kXWing, crypto::KemAlg::kXWing, 1120, 11'264};
constexpr Geometry kMlKemGeometry{Suite::kMlKem1024, crypto::KemAlg::kMlKem1024, 1568, 9'472};

enum class Command : std::uint8_t { kForward = 0, kDeliver = 1, kSurbReply = 2, kDrop = 3 };

using NodeId = AccountId;
using Target = FixedBytes<32, struct MixTargetTag>;  // a mailbox, or the id of a single-use reply block
using ReplayTag = FixedBytes<16, struct ReplayTagTag>;

struct Hop {
  NodeId node;
  crypto::KemPublicKey key;    // of the epoch
  std::uint16_t delay_ms = 0;  // how long this hop holds the cell; 0 for the receiver
};
struct Path {
  std::vector<Hop> hops;  // in the order of travel, the receiver last: 1 to kLayersMax
  Command last = Command::kDeliver;
  Target target;
  std::uint32_t epoch = 0;
  std::uint32_t expiry_epoch = 0;  // hops refuse the cell after it
};

// The layers of a path without a payload, and the payload key of each hop in the order of travel.
struct Onion {
  Bytes header;  // geometry.header(hops)
  std::vector<crypto::LionessKey> keys;
};
Result<Onion> make_onion(const Geometry& geometry, const Path& path, Random& random);
Result<Bytes> seal_cell(const Geometry& geometry, const Path& path, crypto::SecureBytes payload, Random& random);
// A cell of a header made before, such as a reply block's, and a payload of geometry.payload bytes as it stands.
Bytes assemble_cell(const Geometry& geometry, std::uint32_t epoch, ByteView header, ByteView payload);

struct Head {
  std::uint8_t layers = 0;  // left, the receiver's too
  std::uint32_t epoch = 0;
};
Result<Head> read_head(const Geometry& geometry, ByteView cell);

struct LayerKey {
  NodeId node;
  const crypto::KemSecretKey& secret;  // of the geometry's algorithm
};
struct Routing {
  Command command = Command::kForward;
  std::uint16_t delay_ms = 0;
  std::uint32_t expiry_epoch = 0;
  NodeId next;    // kForward
  Target target;  // all others
};
struct Opened {
  Head head;
  Routing routing;
  ReplayTag tag;
  crypto::SecureBytes inner;  // the headers of the hops after this one
  crypto::LionessKey payload_key;
};
Result<Opened> open_layer(const Geometry& geometry, ByteView cell, const LayerKey& key);
// `cell` is the one that `opened` came from. At the last hop layers are 0 then, and the payload is plain.
void peel(const Geometry& geometry, const Opened& opened, ByteSpan cell);
ByteView payload_of(const Geometry& geometry, ByteView cell);  // by the layers in its head

}  // namespace hanse::router

// SpeedTests: bytes to a peer on one stream, and what arrived. Both ends are here. Frames of protocol kSpeedProtocol:
//   1 data    u64 number, bytes         2 end   u64 bytes, BLAKE3 of all data frames
//   3 result  u64 bytes, u8 the same, u64 longest pause in us, u32 streams
//   4 refused
// Numbers are big-endian. A pure state machine beside Reach. Threads: one.
// Limits: kSpeedsMax peers that send to us at once; the next is refused. Errors: in Ended, those of mesh_node.h.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "base/crypto/hash.h"
#include "node/peering/mesh_node.h"

namespace hanse::peering {

constexpr std::uint64_t kSpeedProtocol = 0x24;
constexpr std::uint32_t kSpeedChunk = 64u << 10;

class SpeedTests {
 public:
  SpeedTests(reach::Reach& reach, bool takes) : reach_(reach), takes_(takes) {}

  Status begin(const PeerId& peer, std::uint64_t bytes, std::int64_t now_ns);
  void handle(const reach::PeerEvent& event, std::int64_t now_ns);
  void pump(std::int64_t now_ns);  // sends what there is room for
  // Nothing while it goes on.
  std::optional<Result<SpeedResult>> ended(const PeerId& peer);
  std::uint64_t handed_over(const PeerId& peer) const;
  void forget(const PeerId& peer) { sending_.erase(peer); }

 private:
  struct Sending {
    std::uint64_t total = 0, sent = 0, number = 0;
    bool full = false, said_end = false;
    crypto::Blake3 hash;
    std::int64_t begun_ns = 0;
    reach::ReachCounts before;
    std::optional<Result<SpeedResult>> ended;
  };
  struct Receiving {
    std::uint64_t bytes = 0, next = 0;
    bool broken = false;
    crypto::Blake3 hash;
    std::int64_t last_ns = 0, longest_ns = 0;
    std::set<std::pair<std::uint64_t, std::int64_t>> streams;  // connection, stream
  };
  void on_data(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_end(const reach::PeerEvent& event, std::int64_t now_ns);
  void on_result(const reach::PeerEvent& event, std::int64_t now_ns);
  void say(const PeerId& to, std::uint8_t type, Bytes body, std::int64_t now_ns);
  void fail_sending(const PeerId& peer, Error why);

  reach::Reach& reach_;
  bool takes_;
  std::map<PeerId, Sending> sending_;
  std::map<PeerId, Receiving> receiving_;
};

}  // namespace hanse::peering

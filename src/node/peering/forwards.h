// Forwards: byte streams between local sockets and those of peers, so that a client speaks with a node's API wherever
// the node is. Frames of protocol 0x31, each u8 side (0: a stream that the sender opened, 1: that the receiver did),
// u32 stream, then:
//   1 open    nothing: towards the API of the receiver       2 data    bytes, within the credit
//   3 credit  u32: so many more bytes may come               4 end     nothing: no data will follow; both ways end it
//   5 gone    nothing: refused, or broken
// Numbers are big-endian. A stream begins with kWindow bytes of credit each way, so a slow reader holds back its own
// stream alone. The API is opened to the peers that are allowed, by nobody else.
// Threads: start and stop from one; handle, down and listen from any; the sockets are served by a thread inside, and
// frames are handed to `send`, which may be called from it and must not wait.
// Limits: kStreamsMax streams of one peer, kListensMax sockets to listen on, kWindow bytes a stream and direction; one
// past is refused. Errors of calls: peering.listen (unavailable), peering.limit (exhausted), those of exec::Loop.
// Refuses to: open anything but the one API socket it was told.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::peering {

using PeerId = AccountId;

constexpr std::uint64_t kForwardProtocol = 0x31;
constexpr std::uint32_t kForwardChunk = 32u << 10;
constexpr std::uint32_t kForwardFrameMax = 1 + 4 + kForwardChunk;
constexpr std::uint32_t kWindow = 256u << 10;
constexpr std::size_t kStreamsMax = 16, kListensMax = 8;

struct ForwardFrame {
  PeerId to;
  std::uint8_t type = 0;
  Bytes body;
};

struct ForwardOptions {
  std::string api;         // path of the API's Unix socket; "" = none
  bool everybody = false;  // may open it
  std::set<PeerId> allowed;
  std::function<Status(ForwardFrame)> send;
};

class Forwards {
 public:
  static Result<std::unique_ptr<Forwards>> start(ForwardOptions options);
  virtual ~Forwards() = default;
  virtual void handle(const PeerId& from, std::uint8_t type, Bytes body) = 0;
  virtual void down(const PeerId& peer) = 0;
  // Whoever connects to this new Unix socket speaks with the peer's API.
  virtual Status listen(const PeerId& peer, const std::string& path) = 0;
  virtual void stop() = 0;
};

}  // namespace hanse::peering

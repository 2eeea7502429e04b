// The bytes inside a channel, without a socket: hello, chunks, frames. Layout: proto/records/channel.md.
//   Hello         who speaks: 61 bytes, once each way, before anything else
//   FrameReader   bytes in any cut -> whole frames; keeps at most one begun frame a priority
//   FrameWriter   queued frames -> chunks of one record at a time, highest priority first
// Limits: a body is checked against its type's limit before memory is taken for it; a chunk has 1 to kChunkMax bytes.
// Threads: plain values, one thread each. Errors: channel.bad_hello (corrupt), channel.bad_frame (corrupt),
// channel.frame_limit (exhausted); a reader that has failed stays failed.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "mesh/channel/channel.h"

namespace hanse::channel {

constexpr std::size_t kRecordMax = 16384;    // of plaintext: one TLS record
constexpr std::size_t kChunkHeaderSize = 3;  // u8 stream, u16 LE length
constexpr std::size_t kChunkMax = kRecordMax - kChunkHeaderSize;
constexpr std::size_t kFrameHeaderSize = 5;  // u32 LE length of the body, u8 type
constexpr std::uint8_t kLinkStream = 3;      // pings and pongs; 0 to 2 are the priorities
constexpr std::size_t kLinkChunkSize = 9;    // u8 kind, u64 LE token

using Nonce = FixedBytes<16, struct NonceTag>;  // one a process: tells two holders of one key apart

constexpr std::uint8_t kHelloVersion = 1;
constexpr std::size_t kHelloSize = 61;
struct Hello {
  NetworkId network;
  std::uint64_t epoch = 0;
  std::uint16_t from = 0, to = 0;
  Nonce nonce;
};
Bytes encode(const Hello& hello);
Result<Hello> decode_hello(ByteView bytes);

enum class LinkKind : std::uint8_t { kPing = 0, kPong = 1 };

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void frame(Priority priority, std::uint8_t type, Bytes body) = 0;
  virtual void link(LinkKind kind, std::uint64_t token) = 0;
};

class FrameReader {
 public:
  explicit FrameReader(const FrameLimits& limits) : limits_(limits) {}  // borrows the table

  Status feed(ByteView bytes, FrameSink& sink);
  std::size_t held_bytes() const;  // of begun frames

 private:
  struct Stream {
    std::array<std::uint8_t, kFrameHeaderSize> header{};
    std::size_t header_size = 0;
    std::uint32_t body_size = 0;
    Bytes body;
  };
  Status begin_chunk();
  Status feed_stream(std::uint8_t stream, ByteView bytes, FrameSink& sink);
  Status begin_frame(std::uint8_t stream);
  Status feed_link(ByteView bytes, FrameSink& sink);

  const FrameLimits& limits_;
  std::array<std::uint8_t, kChunkHeaderSize> header_{};
  std::size_t header_size_ = 0;
  std::size_t chunk_left_ = 0;
  std::array<Stream, kPriorities> streams_;
  std::array<std::uint8_t, kLinkChunkSize> link_{};
  std::size_t link_size_ = 0;
  bool failed_ = false;
};

struct QueuedFrame {
  std::shared_ptr<const Bytes> body;  // shared: one body waits for many peers
  std::uint8_t type = 0;
};

class FrameWriter {
 public:
  void push(Priority priority, QueuedFrame frame);
  void push_link(LinkKind kind, std::uint64_t token);
  std::size_t waiting() const;  // frames, a begun one included

  struct Filled {
    std::size_t size = 0;                             // bytes written to the record; 0 = nothing waits
    bool bulk = false;                                // some of them are bulk
    std::array<std::uint32_t, kPriorities> frames{};  // that ended in this record, and their bodies:
    std::array<std::uint64_t, kPriorities> body_bytes{};
  };
  Filled fill(ByteSpan record);  // at least kFrameHeaderSize + kLinkChunkSize + 2 chunk headers long

 private:
  struct Queue {
    std::deque<QueuedFrame> frames;
    std::size_t sent = 0;  // of the first frame, header included
  };
  std::size_t fill_chunk(std::size_t priority, ByteSpan room, Filled& filled);

  struct LinkMessage {
    LinkKind kind;
    std::uint64_t token;
  };
  std::optional<LinkMessage> ping_, pong_;  // a newer one replaces one that waits
  std::array<Queue, kPriorities> queues_;
};

}  // namespace hanse::channel

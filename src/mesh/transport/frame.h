// The bytes inside a connection, without a connection: variable-length integers, HELLO, openings of streams, frames.
// Layout: proto/records/mesh.md.
//   FrameReader   bytes of one stream in any cut -> whole frames; keeps at most one begun frame
// Limits: a body is checked against its protocol's limit before memory is taken for it.
// Threads: plain values, one thread each. Errors: transport.bad_frame (corrupt), transport.frame_limit (exhausted),
// transport.version (unsupported), transport.wrong_network (denied); a reader that has failed stays failed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/core/bytes.h"
#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::transport {

constexpr std::uint32_t kFrameBodyMax = 256u << 10;  // no protocol may have a higher limit
constexpr std::uint32_t kControlBodyMax = 4u << 10;
constexpr std::uint64_t kControlProtocol = 0;  // of stream 0, which has no opening

// RFC 9000, section 16; only the shortest form is read.
constexpr std::size_t kVarintMax = 8;
std::size_t put_varint(std::uint64_t value, std::uint8_t* out);  // value < 2^62; answers how many bytes it wrote
// Size of the integer that begins with this byte.
inline std::size_t varint_size(std::uint8_t first) { return std::size_t{1} << (first >> 6); }
std::optional<std::uint64_t> get_varint(ByteView whole);  // nothing: longer than it has to be

constexpr std::uint8_t kHelloFrame = 0x01, kGoawayFrame = 0x0a;
constexpr std::uint16_t kVersionMin = 1, kVersionMax = 1;
constexpr std::size_t kHelloSize = 60;

struct HelloFacts {  // what a node says of itself; the meaning of the bits is that of the rooms above
  std::uint64_t record_seq = 0;
  std::uint64_t caps = 0;
  std::uint32_t roles = 0;
};
struct Hello {
  std::uint16_t version_min = kVersionMin, version_max = kVersionMax;
  NetworkId network;
  HelloFacts facts;
  std::uint32_t frame_bytes_max = kFrameBodyMax;
  std::uint16_t version = 0;  // the one that is spoken; not on the wire
};
Bytes encode(const Hello& hello);
// Also chooses the version: the highest that both know.
Result<Hello> decode_hello(ByteView body, const NetworkId& network);

struct FrameHead {  // varint length of the body, u8 type
  std::array<std::uint8_t, kVarintMax + 1> bytes{};
  std::size_t size = 0;
};
FrameHead frame_head(std::uint8_t type, std::size_t body_size);
FrameHead stream_opening(std::uint64_t protocol);  // varint protocol, varint flags = 0

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // The most bytes of a body of this protocol; 0: the stream is not read any further.
  virtual std::uint32_t opened(std::uint64_t protocol) = 0;
  // Memory for a body of this size; empty, or with a capacity of its own.
  virtual Bytes body_for(std::size_t size) = 0;
  // size: of the whole frame on the stream, head and what came before it unreported included.
  virtual void frame(std::uint8_t type, Bytes body, std::uint64_t size) = 0;
};

class FrameReader {
 public:
  enum class Of : std::uint8_t { kControl, kStream };
  explicit FrameReader(Of of) : opening_(of == Of::kStream), limit_(opening_ ? 0 : kControlBodyMax) {}
  // Of a stream that we opened: the answer has no opening.
  explicit FrameReader(std::uint32_t frame_bytes_max) : opening_(false), limit_(frame_bytes_max) {}

  Status feed(ByteView bytes, FrameSink& sink);
  bool between_frames() const { return !opening_ && !in_body_ && head_size_ == 0; }
  bool refused() const { return refused_; }                 // opened() said 0
  std::uint64_t unreported() const { return unreported_; }  // bytes of what is begun

 private:
  Status open(ByteView& bytes, FrameSink& sink);
  Status begin(ByteView& bytes, FrameSink& sink);
  bool gather(ByteView& bytes, std::size_t want);  // true once so many bytes of a head are there

  std::array<std::uint8_t, 2 * kVarintMax> head_{};
  std::size_t head_size_ = 0;
  bool opening_, in_body_ = false, refused_ = false, failed_ = false;
  std::uint32_t limit_;
  std::uint8_t type_ = 0;
  std::size_t body_size_ = 0;
  std::uint64_t unreported_ = 0;
  Bytes body_;
};

}  // namespace hanse::transport

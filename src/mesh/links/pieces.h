// The bytes inside a link, without a connection: MEET, and bodies that are larger than a frame of mesh/transport.
//   Meet     what a process says of itself: 29 bytes, once each way, before anything else is taken
//   cut      a body -> what is sent for it: itself, or a begin and pieces
//   Joiner   what came on one stream -> whole bodies; keeps at most one begun body
// Layout: proto/records/links.md.
// Limits: a body is checked against its type's limit before memory is taken for it.
// Threads: plain values, one thread each. Errors: links.bad_meet (corrupt), links.bad_frame (corrupt),
// links.frame_limit (exhausted); a joiner that has failed is not fed again.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mesh/links/links.h"
#include "mesh/transport/frame.h"

namespace hanse::links {

using Nonce = FixedBytes<16, struct NonceTag>;  // one a process: tells two holders of one key apart

constexpr std::uint8_t kMeetVersion = 1;
constexpr std::size_t kMeetSize = 29;
struct Meet {
  std::uint64_t epoch = 0;
  std::uint16_t from = 0, to = 0;
  Nonce nonce;
};
Bytes encode(const Meet& meet);
Result<Meet> decode_meet(ByteView body);

constexpr std::size_t kPieceMax = transport::kFrameBodyMax;
constexpr std::uint8_t kBeginType = 0xfe, kPieceType = 0xff;
constexpr std::size_t kBeginSize = 5;

using Shared = std::shared_ptr<const Bytes>;

struct Cut {              // whole: the body's own frame, pieces empty
  std::uint8_t type = 0;  // of the body
  Shared whole;
  std::vector<Shared> pieces;  // the first is the begin
  std::size_t size = 0;        // of the body

  std::size_t count() const { return whole != nullptr ? 1 : pieces.size(); }
  const Shared& frame(std::size_t n) const { return whole != nullptr ? whole : pieces[n]; }
  std::uint8_t frame_type(std::size_t n) const { return whole != nullptr ? type : n == 0 ? kBeginType : kPieceType; }
};
std::shared_ptr<const Cut> cut(std::uint8_t type, Shared body);

class Joiner {
 public:
  struct Whole {
    std::uint8_t type = 0;
    Bytes body;
  };
  // Nothing while the body is not whole. A frame that is none of it is left in `body`, for its memory.
  Result<std::optional<Whole>> feed(std::uint8_t frame_type, Bytes& body, const FrameLimits& limits);
  std::size_t held_bytes() const { return body_.size(); }

 private:
  Result<std::optional<Whole>> begin(ByteView body, const FrameLimits& limits);

  bool begun_ = false;
  std::uint8_t type_ = 0;
  std::size_t size_ = 0;
  Bytes body_;
};

}  // namespace hanse::links

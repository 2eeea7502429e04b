#include "mesh/links/pieces.h"

#include <algorithm>
#include <utility>

#include "base/core/text.h"

namespace hanse::links {
namespace {

std::unexpected<Error> bad_frame(std::string_view what) { return fail(Kind::kCorrupt, "links.bad_frame", what); }

Status check_limit(std::uint8_t type, std::size_t size, const FrameLimits& limits) {
  if (limits[type] == 0) return bad_frame(text("found a frame of type {}, which is not known", type));
  if (size <= limits[type]) return {};
  return fail(Kind::kExhausted, "links.frame_limit",
              text("found a body of {} bytes for type {}, expected at most {}", size, type, limits[type]));
}

}  // namespace

Bytes encode(const Meet& meet) {
  Bytes out;
  out.reserve(kMeetSize);
  out.push_back(kMeetVersion);
  append_be(out, meet.epoch);
  append_be(out, meet.from);
  append_be(out, meet.to);
  append(out, meet.nonce.view());
  return out;
}

Result<Meet> decode_meet(ByteView body) {
  if (body.size() != kMeetSize || body[0] != kMeetVersion)
    return fail(Kind::kCorrupt, "links.bad_meet",
                text("found a MEET of {} bytes and version {}, expected {} and {}", body.size(),
                     body.empty() ? 0 : body[0], kMeetSize, kMeetVersion));
  Meet out;
  out.epoch = load_be<std::uint64_t>(body.data() + 1);
  out.from = load_be<std::uint16_t>(body.data() + 9);
  out.to = load_be<std::uint16_t>(body.data() + 11);
  std::ranges::copy(body.subspan(13), out.nonce.data.begin());
  return out;
}

std::shared_ptr<const Cut> cut(std::uint8_t type, Shared body) {
  Cut out{.type = type, .whole = {}, .pieces = {}, .size = body->size()};
  if (body->size() <= kPieceMax) {
    out.whole = std::move(body);
    return std::make_shared<const Cut>(std::move(out));
  }
  Bytes begin{type};
  append_be(begin, static_cast<std::uint32_t>(body->size()));
  out.pieces.push_back(std::make_shared<const Bytes>(std::move(begin)));
  for (std::size_t at = 0; at < body->size(); at += kPieceMax)
    out.pieces.push_back(
        std::make_shared<const Bytes>(to_bytes(ByteView(*body).subspan(at, std::min(kPieceMax, body->size() - at)))));
  return std::make_shared<const Cut>(std::move(out));
}

Result<std::optional<Joiner::Whole>> Joiner::feed(std::uint8_t frame_type, Bytes& body, const FrameLimits& limits) {
  if (!begun_) {
    if (frame_type == kBeginType) return begin(body, limits);
    TRY_OK(check_limit(frame_type, body.size(), limits));
    return Whole{.type = frame_type, .body = std::move(body)};
  }
  const std::size_t expected = std::min(kPieceMax, size_ - body_.size());
  if (frame_type != kPieceType || body.size() != expected)
    return bad_frame(text("found a frame of type {} and {} bytes inside a body, expected a piece of {}", frame_type,
                          body.size(), expected));
  append(body_, body);
  if (body_.size() < size_) return std::nullopt;
  begun_ = false;
  return Whole{.type = type_, .body = std::exchange(body_, {})};
}

Result<std::optional<Joiner::Whole>> Joiner::begin(ByteView body, const FrameLimits& limits) {
  if (body.size() != kBeginSize)
    return bad_frame(text("found a begin of {} bytes, expected {}", body.size(), kBeginSize));
  const std::size_t size = load_be<std::uint32_t>(body.data() + 1);
  TRY_OK(check_limit(body[0], size, limits));
  if (size <= kPieceMax) return bad_frame(text("found a body of {} bytes in pieces, expected it whole", size));
  begun_ = true;
  type_ = body[0];
  size_ = size;
  body_.reserve(size);
  return std::nullopt;
}

}  // namespace hanse::links

#include "mesh/transport/frame.h"

#include <algorithm>
#include <utility>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::transport {
namespace {

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kCorrupt, "transport.bad_frame", what); }

}  // namespace

std::size_t put_varint(std::uint64_t value, std::uint8_t* out) {
  check(value < (std::uint64_t{1} << 62), "a variable-length integer has 62 bits");
  if (value < 64) return out[0] = static_cast<std::uint8_t>(value), 1;
  if (value < 16384) return store_be(out, static_cast<std::uint16_t>(value | 0x4000)), 2;
  if (value < (1u << 30)) return store_be(out, static_cast<std::uint32_t>(value | 0x8000'0000)), 4;
  return store_be(out, value | 0xc000'0000'0000'0000), 8;
}

std::optional<std::uint64_t> get_varint(ByteView whole) {
  std::uint64_t value = whole[0] & 0x3f;
  for (std::size_t i = 1; i < whole.size(); ++i) value = value << 8 | whole[i];
  std::uint8_t again[kVarintMax];
  if (put_varint(value, again) != whole.size()) return std::nullopt;
  return value;
}

Bytes encode(const Hello& hello) {
  Bytes out;
  out.reserve(kHelloSize);
  append_be(out, hello.version_min);
  append_be(out, hello.version_max);
  append(out, hello.network.view());
  append_be(out, hello.facts.record_seq);
  append_be(out, hello.facts.caps);
  append_be(out, hello.frame_bytes_max);
  append_be(out, hello.facts.roles);
  return out;
}

Result<Hello> decode_hello(ByteView body, const NetworkId& network) {
  if (body.size() != kHelloSize) return bad(text("found a HELLO of {} bytes, expected {}", body.size(), kHelloSize));
  const std::uint8_t* at = body.data();
  Hello out;
  out.version_min = load_be<std::uint16_t>(at);
  out.version_max = load_be<std::uint16_t>(at + 2);
  std::memcpy(out.network.data.data(), at + 4, out.network.kSize);
  out.facts.record_seq = load_be<std::uint64_t>(at + 36);
  out.facts.caps = load_be<std::uint64_t>(at + 44);
  out.frame_bytes_max = load_be<std::uint32_t>(at + 52);
  out.facts.roles = load_be<std::uint32_t>(at + 56);
  if (out.version_min > out.version_max)
    return bad(text("found versions {} to {} in HELLO, expected a range", out.version_min, out.version_max));
  if (out.network != network)
    return fail(Kind::kDenied, "transport.wrong_network",
                text("found network {} in HELLO, expected {}", out.network, network));
  out.version = std::min(out.version_max, kVersionMax);
  if (out.version < std::max(out.version_min, kVersionMin))
    return fail(Kind::kUnsupported, "transport.version",
                text("found versions {} to {} in HELLO, we speak {} to {}", out.version_min, out.version_max,
                     kVersionMin, kVersionMax));
  return out;
}

FrameHead frame_head(std::uint8_t type, std::size_t body_size) {
  FrameHead out;
  out.size = put_varint(body_size, out.bytes.data());
  out.bytes[out.size++] = type;
  return out;
}

FrameHead stream_opening(std::uint64_t protocol) {
  FrameHead out;
  out.size = put_varint(protocol, out.bytes.data());
  out.bytes[out.size++] = 0;
  return out;
}

bool FrameReader::gather(ByteView& bytes, std::size_t want) {
  const std::size_t take = std::min(want - std::min(want, head_size_), bytes.size());
  std::copy_n(bytes.begin(), take, head_.begin() + static_cast<std::ptrdiff_t>(head_size_));
  head_size_ += take;
  unreported_ += take;
  bytes = bytes.subspan(take);
  return head_size_ >= want;
}

Status FrameReader::open(ByteView& bytes, FrameSink& sink) {
  if (!gather(bytes, 1)) return {};
  const std::size_t first = varint_size(head_[0]);
  if (!gather(bytes, first + 1)) return {};
  const std::size_t whole = first + varint_size(head_[first]);
  if (!gather(bytes, whole)) return {};
  const auto protocol = get_varint(ByteView(head_).first(first));
  const auto flags = get_varint(ByteView(head_).subspan(first, whole - first));
  if (!protocol || !flags) return bad("found an opening whose integers are longer than they have to be");
  if (*protocol == kControlProtocol || *flags != 0)
    return bad(text("found an opening of protocol {} with flags {}, expected another protocol than 0 and no flags",
                    *protocol, *flags));
  limit_ = sink.opened(*protocol);
  refused_ = limit_ == 0;
  opening_ = false;
  head_size_ = 0;
  return {};
}

Status FrameReader::begin(ByteView& bytes, FrameSink& sink) {
  if (!gather(bytes, 1)) return {};
  const std::size_t size = varint_size(head_[0]);
  if (!gather(bytes, size + 1)) return {};
  const auto length = get_varint(ByteView(head_).first(size));
  if (!length) return bad("found a length that is longer than it has to be");
  if (*length > limit_)
    return fail(
        Kind::kExhausted, "transport.frame_limit",
        text("found a body of {} bytes in a frame of type {}, expected at most {}", *length, head_[size], limit_));
  type_ = head_[size];
  body_size_ = *length;
  body_ = sink.body_for(body_size_);
  body_.reserve(body_size_);
  in_body_ = true;
  head_size_ = 0;
  return {};
}

Status FrameReader::feed(ByteView bytes, FrameSink& sink) {
  if (failed_) return bad("found bytes behind a broken frame");
  while (!refused_) {
    if (in_body_) {
      const std::size_t take = std::min(body_size_ - body_.size(), bytes.size());
      append(body_, bytes.first(take));
      unreported_ += take;
      bytes = bytes.subspan(take);
      if (body_.size() < body_size_) return {};
      in_body_ = false;
      sink.frame(type_, std::move(body_), std::exchange(unreported_, 0));
    }
    if (bytes.empty()) return {};
    Status status = opening_ ? open(bytes, sink) : begin(bytes, sink);
    if (!status) {
      failed_ = true;
      return status;
    }
  }
  return {};
}

}  // namespace hanse::transport

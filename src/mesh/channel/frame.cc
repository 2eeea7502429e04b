#include "mesh/channel/frame.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::channel {
namespace {

std::unexpected<Error> bad_hello(std::string_view what) { return fail(Kind::kCorrupt, "channel.bad_hello", what); }

}  // namespace

Bytes encode(const Hello& hello) {
  Bytes out(kHelloSize);
  std::uint8_t* p = out.data();
  p[0] = kHelloVersion;
  std::memcpy(p + 1, hello.network.data.data(), 32);
  store_le(p + 33, hello.epoch);
  store_le(p + 41, hello.from);
  store_le(p + 43, hello.to);
  std::memcpy(p + 45, hello.nonce.data.data(), 16);
  return out;
}

Result<Hello> decode_hello(ByteView bytes) {
  if (bytes.size() != kHelloSize)
    return bad_hello(text("found a hello of {} bytes, expected {}", bytes.size(), kHelloSize));
  if (bytes[0] != kHelloVersion)
    return bad_hello(text("found version {} of the hello, expected {}", bytes[0], kHelloVersion));
  Hello hello;
  std::memcpy(hello.network.data.data(), bytes.data() + 1, 32);
  hello.epoch = load_le<std::uint64_t>(bytes.data() + 33);
  hello.from = load_le<std::uint16_t>(bytes.data() + 41);
  hello.to = load_le<std::uint16_t>(bytes.data() + 43);
  std::memcpy(hello.nonce.data.data(), bytes.data() + 45, 16);
  return hello;
}

Status FrameReader::feed(ByteView bytes, FrameSink& sink) {
  check(!failed_, "a reader that failed is not fed again");
  failed_ = true;  // until the end is reached
  while (!bytes.empty()) {
    if (chunk_left_ == 0) {
      const std::size_t take = std::min(bytes.size(), kChunkHeaderSize - header_size_);
      std::memcpy(header_.data() + header_size_, bytes.data(), take);
      header_size_ += take;
      bytes = bytes.subspan(take);
      if (header_size_ < kChunkHeaderSize) break;
      TRY_OK(begin_chunk());
      continue;
    }
    const ByteView piece = bytes.first(std::min(bytes.size(), chunk_left_));
    bytes = bytes.subspan(piece.size());
    chunk_left_ -= piece.size();
    if (chunk_left_ == 0) header_size_ = 0;
    TRY_OK(header_[0] == kLinkStream ? feed_link(piece, sink) : feed_stream(header_[0], piece, sink));
  }
  failed_ = false;
  return {};
}

Status FrameReader::begin_chunk() {
  chunk_left_ = load_le<std::uint16_t>(header_.data() + 1);
  if (header_[0] > kLinkStream)
    return fail(Kind::kCorrupt, "channel.bad_frame",
                text("found a chunk of stream {}, expected 0 to {}", header_[0], kLinkStream));
  if (chunk_left_ == 0 || chunk_left_ > kChunkMax)
    return fail(Kind::kCorrupt, "channel.bad_frame",
                text("found a chunk of {} bytes, expected 1 to {}", chunk_left_, kChunkMax));
  if (header_[0] == kLinkStream && chunk_left_ != kLinkChunkSize)
    return fail(Kind::kCorrupt, "channel.bad_frame",
                text("found a link chunk of {} bytes, expected {}", chunk_left_, kLinkChunkSize));
  return {};
}

Status FrameReader::begin_frame(std::uint8_t stream) {
  Stream& s = streams_[stream];
  s.body_size = load_le<std::uint32_t>(s.header.data());
  const std::uint8_t type = s.header[4];
  const std::uint32_t limit = limits_[type];
  if (limit == 0)
    return fail(Kind::kCorrupt, "channel.bad_frame", text("found frame type {}, which has no limit", type));
  if (s.body_size > limit)
    return fail(Kind::kExhausted, "channel.frame_limit",
                text("found a body of {} bytes in a frame of type {}, expected at most {}", s.body_size, type, limit));
  s.body.reserve(s.body_size);  // within the limit; pages come as bytes do
  return {};
}

Status FrameReader::feed_stream(std::uint8_t stream, ByteView bytes, FrameSink& sink) {
  Stream& s = streams_[stream];
  while (true) {
    if (s.header_size < kFrameHeaderSize) {
      const std::size_t take = std::min(bytes.size(), kFrameHeaderSize - s.header_size);
      std::memcpy(s.header.data() + s.header_size, bytes.data(), take);
      s.header_size += take;
      bytes = bytes.subspan(take);
      if (s.header_size < kFrameHeaderSize) return {};
      TRY_OK(begin_frame(stream));
    }
    const std::size_t take = std::min<std::size_t>(bytes.size(), s.body_size - s.body.size());
    append(s.body, bytes.first(take));
    bytes = bytes.subspan(take);
    if (s.body.size() < s.body_size) return {};
    s.header_size = 0;
    Bytes body;
    body.swap(s.body);
    sink.frame(static_cast<Priority>(stream), s.header[4], std::move(body));
    if (bytes.empty()) return {};
  }
}

Status FrameReader::feed_link(ByteView bytes, FrameSink& sink) {
  std::memcpy(link_.data() + link_size_, bytes.data(), bytes.size());
  link_size_ += bytes.size();
  if (link_size_ < kLinkChunkSize) return {};
  link_size_ = 0;
  if (link_[0] > static_cast<std::uint8_t>(LinkKind::kPong))
    return fail(Kind::kCorrupt, "channel.bad_frame", text("found link message {}, expected 0 or 1", link_[0]));
  sink.link(static_cast<LinkKind>(link_[0]), load_le<std::uint64_t>(link_.data() + 1));
  return {};
}

std::size_t FrameReader::held_bytes() const {
  std::size_t sum = 0;
  for (const Stream& s : streams_) sum += s.body.capacity();
  return sum;
}

void FrameWriter::push(Priority priority, QueuedFrame frame) {
  queues_[static_cast<std::size_t>(priority)].frames.push_back(std::move(frame));
}

void FrameWriter::push_link(LinkKind kind, std::uint64_t token) {
  (kind == LinkKind::kPing ? ping_ : pong_) = LinkMessage{kind, token};
}

std::size_t FrameWriter::waiting() const {
  std::size_t sum = 0;
  for (const Queue& queue : queues_) sum += queue.frames.size();
  return sum;
}

FrameWriter::Filled FrameWriter::fill(ByteSpan record) {
  Filled filled;
  for (auto* message : {&pong_, &ping_}) {
    if (!*message) continue;
    std::uint8_t* p = record.data() + filled.size;
    p[0] = kLinkStream;
    store_le(p + 1, static_cast<std::uint16_t>(kLinkChunkSize));
    p[3] = static_cast<std::uint8_t>((*message)->kind);
    store_le(p + 4, (*message)->token);
    filled.size += kChunkHeaderSize + kLinkChunkSize;
    message->reset();
  }
  for (std::size_t p = 0; p < kPriorities; ++p) {
    const ByteSpan room = record.subspan(filled.size);
    if (queues_[p].frames.empty()) continue;
    if (room.size() <= kChunkHeaderSize) break;
    filled.size += fill_chunk(p, room, filled);
    filled.bulk = filled.bulk || static_cast<Priority>(p) == Priority::kBulk;
  }
  return filled;
}

// One chunk of as many frames, or as much of one, as there is room for.
std::size_t FrameWriter::fill_chunk(std::size_t priority, ByteSpan room, Filled& filled) {
  Queue& queue = queues_[priority];
  const std::size_t end = std::min(room.size(), kRecordMax);
  std::size_t at = kChunkHeaderSize;
  while (!queue.frames.empty() && at < end) {
    const QueuedFrame& frame = queue.frames.front();
    const Bytes& body = *frame.body;
    if (queue.sent < kFrameHeaderSize) {
      std::uint8_t header[kFrameHeaderSize];
      store_le(header, static_cast<std::uint32_t>(body.size()));
      header[4] = frame.type;
      const std::size_t take = std::min(end - at, kFrameHeaderSize - queue.sent);
      std::memcpy(room.data() + at, header + queue.sent, take);
      at += take;
      queue.sent += take;
      if (queue.sent < kFrameHeaderSize) break;
    }
    const std::size_t done = queue.sent - kFrameHeaderSize;
    const std::size_t take = std::min(end - at, body.size() - done);
    if (take > 0) std::memcpy(room.data() + at, body.data() + done, take);
    at += take;
    queue.sent += take;
    if (done + take < body.size()) break;
    filled.frames[priority] += 1;
    filled.body_bytes[priority] += body.size();
    queue.sent = 0;
    queue.frames.pop_front();
  }
  room[0] = static_cast<std::uint8_t>(priority);
  store_le(room.data() + 1, static_cast<std::uint16_t>(at - kChunkHeaderSize));
  return at;
}

}  // namespace hanse::channel

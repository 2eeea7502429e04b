#include "mesh/channel/frame.h"

#include <gtest/gtest.h>

#include <string>

namespace hanse::channel {
namespace {

constexpr std::uint8_t kType = 5;
constexpr std::uint32_t kTypeMax = 100'000;

FrameLimits limits() {
  FrameLimits l{};
  l[kType] = kTypeMax;
  return l;
}
const FrameLimits kLimits = limits();

struct Sink : FrameSink {
  void frame(Priority priority, std::uint8_t type, Bytes body) override {
    frames.push_back({priority, type, std::move(body)});
  }
  void link(LinkKind kind, std::uint64_t token) override { links.emplace_back(kind, token); }
  struct Got {
    Priority priority;
    std::uint8_t type;
    Bytes body;
  };
  std::vector<Got> frames;
  std::vector<std::pair<LinkKind, std::uint64_t>> links;
};

QueuedFrame queued(std::size_t size, std::uint8_t byte) {
  return {.body = std::make_shared<const Bytes>(size, byte), .type = kType};
}

Bytes all_of(FrameWriter& writer) {
  Bytes out, record(kRecordMax);
  for (FrameWriter::Filled f = writer.fill(record); f.size > 0; f = writer.fill(record))
    append(out, ByteView(record).first(f.size));
  return out;
}

Bytes chunk(std::uint8_t stream, const Bytes& bytes) {
  Bytes out(kChunkHeaderSize);
  out[0] = stream;
  store_le(out.data() + 1, static_cast<std::uint16_t>(bytes.size()));
  append(out, bytes);
  return out;
}

Bytes frame_header(std::uint32_t size, std::uint8_t type) {
  Bytes out(kFrameHeaderSize);
  store_le(out.data(), size);
  out[4] = type;
  return out;
}

std::string refused(const Bytes& bytes) {
  FrameReader reader(kLimits);
  Sink sink;
  const Status status = reader.feed(bytes, sink);
  EXPECT_TRUE(sink.frames.empty());
  return status ? "accepted" : std::string(status.error().id());
}

TEST(Hello, survives_its_encoding) {
  Hello hello;
  hello.epoch = 0x0102030405060708;
  hello.from = 3;
  hello.to = 65534;
  hello.network.data[31] = 9;
  hello.nonce.data[0] = 1;
  const Bytes bytes = encode(hello);
  ASSERT_EQ(bytes.size(), kHelloSize);
  const auto back = decode_hello(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(back->epoch, hello.epoch);
}

TEST(Hello, refuses_another_version_or_size) {
  Bytes bytes = encode(Hello{});
  bytes[0] = 2;
  EXPECT_EQ(decode_hello(bytes).error().id(), "channel.bad_hello");
  bytes[0] = 1;
  bytes.push_back(0);
  EXPECT_EQ(decode_hello(bytes).error().id(), "channel.bad_hello");
}

TEST(Frame, comes_whole_out_of_bytes_in_any_cut) {
  FrameWriter writer;
  for (std::size_t i = 0; i < 40; ++i)
    writer.push(static_cast<Priority>(i % 3), queued(i * i * 31, static_cast<std::uint8_t>(i)));
  writer.push_link(LinkKind::kPing, 77);
  const Bytes wire = all_of(writer);
  EXPECT_EQ(writer.waiting(), 0u);
  const std::size_t steps[] = {1, 2, 3, 7, 4096, wire.size()};
  for (const std::size_t step : steps) {
    FrameReader reader(kLimits);
    Sink sink;
    for (std::size_t at = 0; at < wire.size(); at += step)
      ASSERT_TRUE(reader.feed(ByteView(wire).subspan(at, std::min(step, wire.size() - at)), sink));
    ASSERT_EQ(sink.frames.size(), 40u) << step;
    for (const Sink::Got& got : sink.frames) {
      const std::size_t i = got.body.empty() ? 0 : got.body[0];
      EXPECT_EQ(got.body, Bytes(i * i * 31, static_cast<std::uint8_t>(i)));
      EXPECT_EQ(static_cast<std::size_t>(got.priority), i % 3);
    }
    ASSERT_EQ(sink.links.size(), 1u);
    EXPECT_EQ(sink.links[0].second, 77u);
    EXPECT_EQ(reader.held_bytes(), 0u);
  }
}

TEST(Frame, a_vote_is_in_the_record_after_it_was_pushed) {
  FrameWriter writer;
  writer.push(Priority::kBulk, queued(kTypeMax, 1));
  writer.push(Priority::kControl, queued(10, 2));
  Bytes record(kRecordMax);
  FrameReader reader(kLimits);
  Sink sink;
  FrameWriter::Filled filled = writer.fill(record);
  EXPECT_TRUE(filled.bulk);
  EXPECT_EQ(filled.size, kRecordMax);
  ASSERT_TRUE(reader.feed(record, sink));
  ASSERT_EQ(sink.frames.size(), 1u) << "control first, then what fits of the bulk";
  EXPECT_EQ(sink.frames[0].priority, Priority::kControl);
  writer.push(Priority::kVote, queued(10, 3));
  filled = writer.fill(record);
  EXPECT_EQ(filled.frames[0], 1u);
  ASSERT_TRUE(reader.feed(ByteView(record).first(filled.size), sink));
  ASSERT_EQ(sink.frames.size(), 2u) << "in the middle of the bulk frame";
  EXPECT_EQ(sink.frames[1].priority, Priority::kVote);
}

TEST(Frame, many_small_frames_share_a_record) {
  FrameWriter writer;
  for (int i = 0; i < 100; ++i) writer.push(Priority::kVote, queued(64, 1));
  Bytes record(kRecordMax);
  const FrameWriter::Filled filled = writer.fill(record);
  EXPECT_EQ(filled.frames[0], 100u);
  EXPECT_EQ(filled.body_bytes[0], 6400u);
  EXPECT_EQ(filled.size, kChunkHeaderSize + 100 * (kFrameHeaderSize + 64));
  EXPECT_FALSE(filled.bulk);
}

TEST(Frame, refuses_a_body_one_over_its_limit_before_it_comes) {
  EXPECT_EQ(refused(chunk(0, frame_header(kTypeMax, kType))), "accepted");
  EXPECT_EQ(refused(chunk(0, frame_header(kTypeMax + 1, kType))), "channel.frame_limit");
  EXPECT_EQ(refused(chunk(2, frame_header(0xffffffff, kType))), "channel.frame_limit");
  EXPECT_EQ(refused(chunk(0, frame_header(0, kType + 1))), "channel.bad_frame");
}

TEST(Frame, holds_no_memory_for_a_refused_body) {
  FrameReader reader(kLimits);
  Sink sink;
  ASSERT_FALSE(reader.feed(chunk(0, frame_header(0xfffffff0, kType)), sink));
  EXPECT_EQ(reader.held_bytes(), 0u);
}

TEST(Frame, refuses_chunks_out_of_range) {
  EXPECT_EQ(refused({4, 1, 0}), "channel.bad_frame");
  EXPECT_EQ(refused({0, 0, 0}), "channel.bad_frame");
  EXPECT_EQ(refused({0, kChunkMax & 0xff, kChunkMax >> 8}), "accepted");
  EXPECT_EQ(refused({0, (kChunkMax + 1) & 0xff, (kChunkMax + 1) >> 8}), "channel.bad_frame");
  EXPECT_EQ(refused(chunk(kLinkStream, Bytes(kLinkChunkSize - 1))), "channel.bad_frame");
  EXPECT_EQ(refused(chunk(kLinkStream, Bytes(kLinkChunkSize + 1))), "channel.bad_frame");
  EXPECT_EQ(refused(chunk(kLinkStream, Bytes(kLinkChunkSize, 0))), "accepted");
  EXPECT_EQ(refused(chunk(kLinkStream, Bytes(kLinkChunkSize, 2))), "channel.bad_frame");
}

TEST(Frame, part_of_a_frame_is_not_delivered) {
  FrameReader reader(kLimits);
  Sink sink;
  Bytes begun = frame_header(10, kType);
  append(begun, Bytes(9));
  ASSERT_TRUE(reader.feed(chunk(0, begun), sink));
  EXPECT_TRUE(sink.frames.empty());
  ASSERT_TRUE(reader.feed(chunk(0, Bytes(1)), sink));
  EXPECT_EQ(sink.frames.size(), 1u);
}

}  // namespace
}  // namespace hanse::channel

#include "mesh/transport/frame.h"

#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"

namespace hanse::transport {
namespace {

struct Sink final : FrameSink {
  std::uint32_t opened(std::uint64_t p) override {
    protocol = p;
    return limit;
  }
  Bytes body_for(std::size_t) override { return {}; }
  void frame(std::uint8_t type, Bytes body, std::uint64_t size) override {
    frames.emplace_back(type, std::move(body));
    reported += size;
  }
  std::uint32_t limit = 1000;
  std::uint64_t protocol = 0, reported = 0;
  std::vector<std::pair<std::uint8_t, Bytes>> frames;
};

void put(Bytes& out, const FrameHead& head, ByteView body = {}) {
  append(out, ByteView(head.bytes).first(head.size));
  append(out, body);
}

TEST(Varint, has_one_form_for_each_value) {
  for (const std::uint64_t value :
       {0ull, 63ull, 64ull, 16383ull, 16384ull, (1ull << 30) - 1, 1ull << 30, (1ull << 62) - 1}) {
    std::uint8_t bytes[kVarintMax];
    const std::size_t size = put_varint(value, bytes);
    EXPECT_EQ(varint_size(bytes[0]), size);
    EXPECT_EQ(get_varint({bytes, size}), value);
  }
  EXPECT_EQ(get_varint(Bytes{0x40, 0x3f}), std::nullopt) << "63 fits one byte";
  EXPECT_EQ(get_varint(Bytes{0x80, 0, 0x3f, 0xff}), std::nullopt);
}

TEST(FrameReader, gives_the_same_frames_in_any_cut) {
  Bytes bytes;
  put(bytes, stream_opening(0x4321));
  std::vector<Bytes> bodies;
  for (const std::size_t size : {0u, 1u, 63u, 64u, 1000u}) {
    bodies.emplace_back(size, static_cast<std::uint8_t>(size));
    put(bytes, frame_head(static_cast<std::uint8_t>(size & 0xff), size), bodies.back());
  }
  for (std::size_t step = 1; step <= bytes.size(); step = step < 40 ? step + 1 : step * 2) {
    FrameReader reader(FrameReader::Of::kStream);
    Sink sink;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      EXPECT_TRUE(reader.feed(ByteView(bytes).subspan(at, std::min(step, bytes.size() - at)), sink));
      EXPECT_EQ(sink.reported + reader.unreported(), std::min(at + step, bytes.size()));
    }
    EXPECT_EQ(sink.protocol, 0x4321u);
    EXPECT_TRUE(reader.between_frames());
    ASSERT_EQ(sink.frames.size(), bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(sink.frames[i].second, bodies[i]);
  }
}

TEST(FrameReader, takes_the_limit_and_refuses_one_byte_more) {
  for (const std::uint32_t more : {0u, 1u}) {
    Bytes bytes;
    put(bytes, stream_opening(5));
    put(bytes, frame_head(9, 1000 + more), Bytes(1000 + more));
    FrameReader reader(FrameReader::Of::kStream);
    Sink sink;
    const Status status = reader.feed(bytes, sink);
    EXPECT_EQ(status.has_value(), more == 0);
    EXPECT_EQ(sink.frames.size(), more == 0 ? 1u : 0u);
    if (more == 0) continue;
    EXPECT_EQ(status.error().id(), "transport.frame_limit");
    EXPECT_FALSE(reader.feed(Bytes{0}, sink)) << "it stays failed";
  }
}

TEST(FrameReader, refuses_other_forms_of_openings_and_lengths) {
  for (const Bytes& bytes : {Bytes{0x00, 0x00}, Bytes{0x40, 0x05, 0x00}, Bytes{0x05, 0x01}, Bytes{0x05, 0x40, 0x00},
                             Bytes{0x05, 0x00, 0x40, 0x01, 0x09}}) {
    FrameReader reader(FrameReader::Of::kStream);
    Sink sink;
    const Status status = reader.feed(bytes, sink);
    ASSERT_FALSE(status) << text("{}", ByteView(bytes));
    EXPECT_EQ(status.error().id(), "transport.bad_frame");
  }
}

TEST(FrameReader, reads_nothing_of_a_stream_that_nobody_wants) {
  FrameReader reader(FrameReader::Of::kStream);
  Sink sink;
  sink.limit = 0;
  EXPECT_TRUE(reader.feed(Bytes{0x05, 0x00, 0xff, 0xff}, sink));
  EXPECT_TRUE(reader.refused());
  EXPECT_TRUE(sink.frames.empty());
}

TEST(HelloBytes, come_back_as_they_were_and_choose_the_highest_common_version) {
  Hello hello;
  hello.facts = {.record_seq = 1ull << 40, .caps = 3, .roles = 8};
  hello.frame_bytes_max = 77;
  hello.network.data[5] = 1;
  hello.version_max = 9;
  const auto back = decode_hello(encode(hello), hello.network);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), encode(hello));
  EXPECT_EQ(back->version, kVersionMax);
  EXPECT_EQ(encode(hello).size(), kHelloSize);
}

TEST(HelloBytes, of_other_versions_networks_and_lengths_are_refused) {
  const NetworkId network{};
  const auto id_of = [&](const Bytes& bytes) -> std::string {
    const auto hello = decode_hello(bytes, network);
    return hello ? "" : std::string(hello.error().id());
  };
  Hello hello;
  EXPECT_EQ(id_of(encode(hello)), "");
  hello.version_min = hello.version_max = kVersionMax + 1;
  EXPECT_EQ(id_of(encode(hello)), "transport.version");
  hello.version_min = hello.version_max = 0;
  EXPECT_EQ(id_of(encode(hello)), "transport.version");
  hello.version_min = 2;
  hello.version_max = 1;
  EXPECT_EQ(id_of(encode(hello)), "transport.bad_frame");
  hello = {};
  hello.network.data[0] = 1;
  EXPECT_EQ(id_of(encode(hello)), "transport.wrong_network");
  Bytes bytes = encode(Hello{});
  bytes.push_back(0);
  EXPECT_EQ(id_of(bytes), "transport.bad_frame");
  bytes.resize(kHelloSize - 1);
  EXPECT_EQ(id_of(bytes), "transport.bad_frame");
}

}  // namespace
}  // namespace hanse::transport

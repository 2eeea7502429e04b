#include "exchange/runtime/detail/wire.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange/runtime/detail/landlock.h"
#include "exchange/runtime/detail/sandbox.h"
#include "exchange/runtime/detail/seccomp_filter.h"
#include "exchange/runtime/detail/worker.h"
#include "exchange/runtime/kind_plugin.h"

namespace hanse::runtime {
namespace {

struct Pair {
  explicit Pair(int type) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    a = Fd(fds[0]);
    b = Fd(fds[1]);
  }
  Fd a, b;
};

TEST(Frame, survives_the_way_and_refuses_what_is_none) {
  Pair pair(SOCK_STREAM);
  const Bytes payload{1, 2, 3};
  ASSERT_TRUE(send_frame(pair.a.get(), FrameType::kDone, payload).has_value());
  const auto frame = receive_frame(pair.b.get(), 3);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->type, FrameType::kDone);
  EXPECT_EQ(frame->payload, payload);
  ASSERT_TRUE(send_frame(pair.a.get(), FrameType::kDone, payload).has_value());
  EXPECT_EQ(receive_frame(pair.b.get(), 2).error().id(), "runtime.frame");
  std::uint8_t head[kFrameHeadSize];
  for (const int type : {0, 7}) {
    write_frame_head(head, {.type = static_cast<FrameType>(type), .size = 0});
    EXPECT_EQ(read_frame_head(head, 10).error().id(), "runtime.frame");
  }
  pair.a.reset();
  EXPECT_FALSE(receive_frame(pair.b.get(), 2).has_value());
}

TEST(Control, passes_text_and_descriptors) {
  Pair pair(SOCK_SEQPACKET);
  const Control sent{.type = ControlType::kSpawn, .number = -7, .id = ~0ull, .text = "hello", .fds = {0, 1, 2}};
  ASSERT_TRUE(send_control(pair.a.get(), sent).has_value());
  auto got = receive_control(pair.b.get());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->type, sent.type);
  EXPECT_EQ(got->number, -7);
  EXPECT_EQ(got->id, ~0ull);
  EXPECT_EQ(got->text, "hello");
  ASSERT_EQ(got->fds.size(), 3u);
  for (const int fd : got->fds) EXPECT_EQ(close(fd), 0);
}

TEST(Control, refuses_short_and_unknown_messages_and_a_closed_end) {
  Pair pair(SOCK_SEQPACKET);
  ASSERT_EQ(send(pair.a.get(), "short", 5, 0), 5);
  EXPECT_EQ(receive_control(pair.b.get()).error().id(), "runtime.control");
  ASSERT_EQ(send(pair.a.get(), "\x06\0\0\0....12345678", 16, 0), 16);
  EXPECT_EQ(receive_control(pair.b.get()).error().id(), "runtime.control");
  pair.a.reset();
  EXPECT_EQ(receive_control(pair.b.get()).error().id(), "runtime.control");
}

TEST(CallOrder, survives_the_round_trip_and_every_cut_of_its_head_is_refused) {
  auto bytes = encode_order({.data_max = 1ull << 40, .cpu_s_max = 9, .prepare = true, .kind = "echo/v1"});
  const std::size_t head = bytes.size();
  append(bytes, Bytes{1, 2});
  const auto back = decode_order(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->order.data_max, 1ull << 40);
  EXPECT_EQ(back->order.cpu_s_max, 9u);
  EXPECT_TRUE(back->order.prepare);
  EXPECT_EQ(back->order.kind, "echo/v1");
  EXPECT_EQ(back->call.size(), 2u);
  for (std::size_t n = 0; n < head; ++n)
    EXPECT_EQ(decode_order(ByteView(bytes).first(n)).error().id(), "runtime.frame") << n;
}

TEST(KindConfig, reads_its_one_key_and_no_other) {
  EXPECT_EQ(parse_kind_config("")->scratch, ".");
  EXPECT_EQ(parse_kind_config("scratch = \"/tmp\"\n")->scratch, "/tmp");
  for (const char* text : {"scratch", "scratch = /tmp", "scratch = \"\"", "other = \"x\""})
    EXPECT_EQ(parse_kind_config(text).error().id(), "runtime.bad_config") << text;
}

TEST(Walls, say_which_step_the_kernel_refused) {
  EXPECT_EQ(load_filter({}).error().id(), "runtime.seccomp");
  EXPECT_EQ(restrict_files("/tmp", "", 0).error().id(), "runtime.sandbox");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto child = fork_sandboxed({}, [] { return 0; });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().id(), "runtime.spawn");
}

}  // namespace
}  // namespace hanse::runtime

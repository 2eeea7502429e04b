#include "base/logging/log.h"

#include "base/core/text.h"
#include "base/logging/detail/record.h"
#include "base/logging/detail/ring.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

namespace hanse::logging {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class Log : public testing::Test {
 protected:
  void SetUp() override {
    const char* const name = testing::UnitTest::GetInstance()->current_test_info()->name();
    file_ = testing::TempDir() + text("hanse_log_{}_{}", getpid(), name);
    std::filesystem::remove(file_);
  }
  void TearDown() override { stop(); }
  void start_json(Level level = Level::kTrace, std::uint32_t ring_bytes = 128 * 1024) {
    const Status done =
        start({.level = level, .format = Format::kJson, .file = file_, .ring_bytes = ring_bytes, .clock = &clock_});
    ASSERT_TRUE(done) << done.error().str();
  }
  std::vector<std::string> flushed_lines() {
    EXPECT_TRUE(flush());
    return lines_of(file_);
  }
  std::string file_;
  ManualClock clock_{1'770'000'000'123};
};

TEST_F(Log, writes_an_event_with_its_room_and_typed_fields) {
  start_json();
  clock_.advance_ns(456'789);
  const FixedBytes<4> id{.data = {0xab, 0, 1, 2}};
  log_info("bid accepted", {{"job", id},
                            {"price_ut", std::uint64_t{18'446'744'073'709'551'615u}},
                            {"delta", -5},
                            {"ok", true},
                            {"share", 0.25},
                            {"who", "a \"b\"\n\\"},
                            {"letter", 'x'}});
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0],
            "{\"ts\":\"2026-02-02T02:40:00.123456Z\",\"level\":\"info\",\"room\":\"logging\","
            "\"event\":\"bid "
            "accepted\",\"job\":\"ab000102\",\"price_ut\":18446744073709551615,\"delta\":-5,\"ok\":true,\"share\":0.25,"
            "\"who\":\"a \\\"b\\\"\\u000a\\\\\",\"letter\":\"x\"}");
}

TEST_F(Log, writes_pretty_lines_for_people) {
  ASSERT_TRUE(start({.level = Level::kInfo, .format = Format::kPretty, .file = file_, .clock = &clock_}));
  log_warn("peer is slow", {{"peer", "n1"}, {"note", "two words"}, {"empty", ""}});
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], "02:40:00.123000 warn  logging: peer is slow peer=n1 note=\"two words\" empty=\"\"");
}

TEST_F(Log, never_prints_a_secret) {
  start_json();
  const std::string key = "correct horse";
  log_info("wallet opened", {{"passphrase", Secret(key)}});
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with("\"passphrase\":\"***\"}")) << lines[0];
}

TEST_F(Log, keeps_lines_valid_whatever_the_text) {
  start_json();
  log_info("odd", {{"bytes", std::string_view("\xff\xc3\xa9\xed\xa0\x80\x01", 7)},
                   {"event", "taken"},
                   {"nan", std::numeric_limits<double>::quiet_NaN()}});
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("\"bytes\":\"\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\\u0001\","
                          "\"event_\":\"taken\",\"nan\":\"nan\""),
            std::string::npos)
      << lines[0];
}

TEST_F(Log, cuts_long_texts_and_further_fields_and_says_so) {
  start_json();
  log_info("exact", {{"t", std::string(kTextMax, 'a')}});
  log_info("long", {{"t", std::string(kTextMax + 1, 'a')}});
  log_info("many", {{"0", 0},
                    {"1", 1},
                    {"2", 2},
                    {"3", 3},
                    {"4", 4},
                    {"5", 5},
                    {"6", 6},
                    {"7", 7},
                    {"8", 8},
                    {"9", 9},
                    {"10", 0},
                    {"11", 1},
                    {"12", 2},
                    {"13", 3},
                    {"14", 4},
                    {"15", 5},
                    {"16", 6}});
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].find("\"cut\""), std::string::npos);
  EXPECT_TRUE(lines[1].ends_with(std::string(kTextMax, 'a') + "\",\"cut\":true}"));
  EXPECT_TRUE(lines[2].ends_with("\"15\":5,\"cut\":true}")) << lines[2];
}

TEST_F(Log, issues_nothing_below_its_level) {
  start_json(Level::kWarn);
  const Stats before = stats();
  log_info("quiet");
  log_warn("heard");
  set_level(Level::kTrace);
  log_trace("now heard");
  EXPECT_EQ(flushed_lines().size(), 2u);
  const auto info = static_cast<std::size_t>(Level::kInfo);
  EXPECT_EQ(stats().issued[info], before.issued[info]);
}

TEST_F(Log, counts_every_event_as_written_or_lost_with_eight_threads) {
  constexpr std::size_t kThreads = 8, kEvents = 20'000;
  start_json(Level::kTrace, 16 * 1024);
  const Stats before = stats();
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([t] {
      for (std::size_t i = 0; i < kEvents; ++i) {
        const std::initializer_list<Field> fields = {{"thread", t}, {"i", i}};
        switch (i % 20) {
          case 0: log_warn("w", fields); break;
          case 1: log_error("e", fields); break;
          default: i % 3 == 0 ? log_trace("t", fields) : i % 3 == 1 ? log_debug("d", fields) : log_info("i", fields);
        }
      }
    });
  for (auto& t : threads) t.join();
  const auto lines = flushed_lines();
  const Stats after = stats();
  std::uint64_t issued = 0, written = 0, lost = 0;
  for (std::size_t l = 0; l < kLevels; ++l) {
    EXPECT_EQ(after.issued[l] - before.issued[l], after.written[l] - before.written[l] + after.lost[l] - before.lost[l])
        << l;
    issued += after.issued[l] - before.issued[l];
    written += after.written[l] - before.written[l];
    lost += after.lost[l] - before.lost[l];
  }
  EXPECT_EQ(issued, kThreads * kEvents);
  EXPECT_EQ(written, lines.size());
  EXPECT_EQ(after.lost[static_cast<std::size_t>(Level::kError)], before.lost[static_cast<std::size_t>(Level::kError)]);
  std::size_t errors = 0;
  for (const auto& line : lines) errors += line.find("\"level\":\"error\"") != std::string::npos;
  EXPECT_EQ(errors, kThreads * kEvents / 20);
  std::printf("lost %llu of %llu\n", static_cast<unsigned long long>(lost), static_cast<unsigned long long>(issued));
}

// A pipe that nobody reads holds the writer up: the ring fills, lesser events are dropped, and an error waits its 5 ms
// and is then written by its own thread as soon as the pipe takes it.
TEST_F(Log, drops_the_lesser_events_and_no_error_while_the_sink_is_stuck) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  const int reader = open(file_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  start_json(Level::kTrace, 16 * 1024);
  const Stats before = stats();
  const auto lost = [&](Level l) {
    return stats().lost[static_cast<std::size_t>(l)] - before.lost[static_cast<std::size_t>(l)];
  };
  std::atomic<bool> full{false};
  std::thread failing([&] {
    for (int i = 0; i < 1'000'000 && lost(Level::kWarn) == 0; ++i) {  // until pipe and ring are full
      log_trace("lesser");
      log_warn("lesser");
    }
    full = true;
    full.notify_one();
    log_error("the one that counts");
  });
  full.wait(false);
  EXPECT_GT(lost(Level::kTrace), lost(Level::kWarn));
  std::string got;
  for (char buf[4096]; got.find("the one that counts") == std::string::npos;) {
    pollfd p{.fd = reader, .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&p, 1, 10'000), 1) << "the error never came";
    if (const ssize_t n = read(reader, buf, sizeof buf); n > 0) got.append(buf, static_cast<std::size_t>(n));
  }
  failing.join();
  for (char buf[4096]; read(reader, buf, sizeof buf) > 0;) {
  }
  ASSERT_TRUE(flush());
  const Stats after = stats();
  for (std::size_t l = 0; l < kLevels; ++l)
    EXPECT_EQ(after.issued[l] - before.issued[l],
              after.written[l] - before.written[l] + after.lost[l] - before.lost[l]);
  EXPECT_EQ(lost(Level::kError), 0u);
  stop();
  close(reader);
}

TEST_F(Log, rotates_its_file) {
  ASSERT_TRUE(start({.level = Level::kInfo, .file = file_, .file_bytes_max = 2000, .files_max = 2}));
  for (int i = 0; i < 100; ++i) log_info("a line of some length to fill a file", {{"i", i}});
  ASSERT_TRUE(flush());
  EXPECT_LE(std::filesystem::file_size(file_), 2000u);
  std::size_t files = 0;
  for (const auto& f : std::filesystem::directory_iterator(testing::TempDir()))
    files += f.path().string().starts_with(file_);
  EXPECT_EQ(files, 3u);
}

TEST_F(Log, refuses_a_second_start_and_a_file_that_cannot_be) {
  const Status bad = start({.file = "/proc/no/such/file"});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "logging.file");
  start_json();
  EXPECT_EQ(start({}).error().id(), "logging.started");
}

TEST_F(Log, starts_again_after_stop_and_loses_nothing) {
  start_json();
  log_info("one");
  stop();
  EXPECT_EQ(lines_of(file_).size(), 1u);
  log_info("not issued");
  start_json();
  log_info("two");
  EXPECT_EQ(flushed_lines().size(), 2u);
}

TEST_F(Log, orders_records_of_different_threads_by_time) {
  start_json();
  for (int i = 0; i < 50; ++i) {
    clock_.advance_ns(1'000'000);
    std::thread([i] { log_info("step", {{"i", i}}); }).join();
  }
  const auto lines = flushed_lines();
  ASSERT_EQ(lines.size(), 50u);
  EXPECT_TRUE(std::ranges::is_sorted(lines));
}

TEST_F(Log, a_crash_writes_what_the_rings_hold) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!start({.level = Level::kInfo, .format = Format::kJson, .file = file_})) _exit(3);
    install_crash_handler();
    for (int i = 0; i < 100; ++i) log_info("before the end", {{"i", i}});
    raise(SIGSEGV);
    _exit(4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_EQ(lines_of(file_).size(), 100u);
}

TEST(Level, is_parsed_by_name_and_taken_from_the_environment) {
  for (std::size_t l = 0; l < kLevels; ++l) {
    const auto level = static_cast<Level>(l);
    EXPECT_EQ(*parse_level(level_name(level)), level);
  }
  EXPECT_EQ(parse_level("loud").error().id(), "logging.level");
  unsetenv("HANSE_LOG");
  EXPECT_EQ(*level_from_env(Level::kWarn), Level::kWarn);
  setenv("HANSE_LOG", "debug", 1);
  EXPECT_EQ(*level_from_env(Level::kWarn), Level::kDebug);
  setenv("HANSE_LOG", "all", 1);
  EXPECT_EQ(level_from_env(Level::kWarn).error().id(), "logging.level");
  unsetenv("HANSE_LOG");
}

// One thread, nobody draining: each level stops at its own mark, so the less important is dropped first.
TEST(Ring, refuses_trace_before_debug_before_info) {
  constexpr std::size_t kSize = 16 * 1024, kRecord = 64;
  detail::Ring ring(kSize);
  std::map<std::size_t, std::size_t> taken;
  for (const std::size_t mark : {kSize / 2, kSize / 4 * 3, kSize / 8 * 7, kSize}) {
    while (std::byte* to = ring.reserve(kRecord, mark)) {
      detail::write_record(to, kRecord, Level::kInfo, "e", {}, 0, "f", 1);
      ring.publish(kRecord);
      ++taken[mark];
    }
    EXPECT_EQ(ring.used(), mark);
  }
  EXPECT_EQ(ring.reserve(kRecord, kSize), nullptr);
  ring.pop(ring.front(ring.head()));
  EXPECT_NE(ring.reserve(kRecord, kSize), nullptr);
}

TEST(Ring, passes_records_of_many_sizes_across_its_end) {
  constexpr std::size_t kSize = 16 * 1024;
  detail::Ring ring(kSize);
  std::uint64_t in = 0, out = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string event(static_cast<std::size_t>(round * 7919 % 250), 'x');
    const std::size_t size = detail::record_size(event, {{"n", in}});
    if (std::byte* to = ring.reserve(size, kSize)) {
      detail::write_record(to, size, Level::kInfo, event, {{"n", in}}, static_cast<std::int64_t>(in), "f", 1);
      ring.publish(size);
      ++in;
    }
    if (round % 3 == 0 || round > 19'000)
      while (const std::byte* record = ring.front(ring.head())) {
        detail::RecordHead head;
        std::memcpy(&head, record, sizeof head);
        ASSERT_EQ(head.mono_ns, static_cast<std::int64_t>(out));
        ring.pop(record);
        ++out;
        if (round <= 19'000 && out % 5 == 0) break;
      }
  }
  EXPECT_EQ(in, out);
  EXPECT_GT(in, 1000u);
}

}  // namespace
}  // namespace hanse::logging

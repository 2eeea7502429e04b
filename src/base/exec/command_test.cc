#include "base/exec/command.h"

#include <poll.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace hanse::exec {
namespace {

TEST(Command, gives_input_and_environment_and_brings_back_both_outputs_and_the_status) {
  const auto end = run_command({.argv = {"sh", "-c", "cat; echo \"$WORD\" >&2; exit 7"},
                                .environment = {{"WORD", "a b"}},
                                .input = std::string(300'000, 'x')});
  ASSERT_TRUE(end) << end.error().str();
  EXPECT_EQ(end->status, 7);
  EXPECT_EQ(end->out, std::string(300'000, 'x'));
  EXPECT_EQ(end->err, "a b\n");
}

TEST(Command, no_shell_looks_at_its_words) {
  const auto end = run_command({.argv = {"printf", "%s", "$(id); `id`"}});
  ASSERT_TRUE(end) << end.error().str();
  EXPECT_EQ(end->out, "$(id); `id`");
}

TEST(Command, what_is_too_slow_too_talkative_or_absent_is_said) {
  EXPECT_EQ(run_command({.argv = {"sleep", "60"}, .ms_max = 20}).error().id(), "exec.timeout");
  EXPECT_EQ(run_command({.argv = {"printf", "1234"}, .output_max = 3}).error().id(), "exec.too_much");
  EXPECT_EQ(run_command({.argv = {"printf", "1234"}, .output_max = 4})->out, "1234");
  EXPECT_EQ(run_command({.argv = {"/nonexistent/program"}}).error().id(), "exec.start");
  EXPECT_EQ(run_command({.argv = {}}).error().id(), "exec.start");
}

TEST(Command, a_child_that_reads_nothing_and_one_that_a_signal_ends) {
  EXPECT_EQ(run_command({.argv = {"true"}, .input = std::string(1 << 20, 'x')})->status, 0);
  EXPECT_EQ(run_command({.argv = {"sh", "-c", "kill -9 $$"}})->status, 128 + 9);
}

TEST(Command, a_child_that_closes_its_outputs_and_goes_on_is_ended_in_time) {
  const auto end = run_command({.argv = {"sh", "-c", "exec >&- 2>&-; exec sleep 20"}, .ms_max = 200});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().id(), "exec.timeout");
}

TEST(Command, what_a_child_started_ends_with_it) {
  int ends[2];  // inherited: whoever lives holds it open
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(run_command({.argv = {"sh", "-c", "sleep 20 & wait"}, .ms_max = 200}).error().id(), "exec.timeout");
  ::close(ends[1]);
  pollfd wait{.fd = ends[0], .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, 10'000), 1);  // POLLHUP
  ::close(ends[0]);
}

}  // namespace
}  // namespace hanse::exec

#include "base/governor/cgroup.h"

#include <csignal>
#include <fstream>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/governor/detail/files.h"
#include "base/governor/governor.h"

namespace hanse::governor {
namespace {

constexpr const char* kHybrid =
    "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/my\\040memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(CgroupLayout, reads_hybrid_v1_v2_and_none) {
  auto layout = parse_layout(kHybrid, "hugetlb io\n");
  ASSERT_TRUE(layout.has_value()) << layout.error().str();
  EXPECT_EQ(layout->mode(), CgroupMode::kHybrid);
  EXPECT_EQ(layout->unified, "/sys/fs/cgroup/unified");
  EXPECT_EQ(layout->v1.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout->v1.at("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout->v1.at("memory"), "/sys/fs/cgroup/my memory");
  EXPECT_TRUE(layout->on_v2("io"));
  EXPECT_FALSE(layout->on_v2("memory"));
  EXPECT_EQ(parse_layout("1 0 0:1 / /c rw - cgroup2 none rw\n", "cpu memory pids")->mode(), CgroupMode::kV2);
  EXPECT_EQ(parse_layout("1 0 0:1 / /c rw - cgroup none rw,pids\n", "")->mode(), CgroupMode::kV1);
  EXPECT_EQ(parse_layout("1 0 0:1 / / rw - ext4 none rw\n", "")->mode(), CgroupMode::kNone);
  EXPECT_EQ(mode_name(CgroupMode::kHybrid), "hybrid");
}

TEST(CgroupLayout, refuses_what_is_no_mountinfo) {
  EXPECT_EQ(parse_layout("1 0 0:1 / /c rw cgroup2 none rw\n", "").error().id(), "governor.bad_mountinfo");
  EXPECT_EQ(parse_layout("1 0 0:1 / /c rw - cgroup2\n", "").error().id(), "governor.bad_mountinfo");
  EXPECT_EQ(parse_layout(std::string(kMountinfoSizeMax + 1, '\n'), "").error().id(), "governor.bad_mountinfo");
  EXPECT_TRUE(parse_layout(std::string(kMountinfoSizeMax, '\n'), "").has_value());
}

TEST(Cgroup, refuses_paths_that_lead_elsewhere) {
  const auto layout = *parse_layout(kHybrid, "");
  for (const char* path : {"", "/a", "a/", "a//b", "../a", "a b", "a;b"})
    EXPECT_EQ(Cgroup::create(layout, path).error().id(), "governor.bad_limit") << path;
  EXPECT_EQ(Cgroup::create(CgroupLayout{}, "a").error().id(), "governor.no_cgroup");
}

// A group in folders of our own: what is written where, without the kernel behind it.
class OnFiles : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() +
            text("cgroup-{}-{}", getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
    std::system(("rm -rf " + root_ + " && mkdir -p " + root_ + "/v2 " + root_ + "/cpu " + root_ + "/memory").c_str());
  }
  void TearDown() override { std::system(("rm -rf " + root_).c_str()); }
  void file(const std::string& path, std::string_view content) { std::ofstream(root_ + "/" + path) << content; }
  std::string content(const std::string& path) { return *read_small(root_ + "/" + path, 4096); }
  std::string root_;
};

TEST_F(OnFiles, v2_gets_its_files) {
  CgroupLayout layout{.unified = root_ + "/v2", .unified_controllers = {"cpu", "memory", "pids", "io"}, .v1 = {}};
  auto group = Cgroup::create(layout, "g");
  ASSERT_TRUE(group.has_value()) << group.error().str();
  for (const char* name : {"cpu.max", "cpu.weight", "memory.max", "memory.high", "pids.max", "io.max"})
    file(std::string("v2/g/") + name, "");
  const auto reports = group->apply({.cpu_percent = 250,
                                     .cpu_weight = 200,
                                     .memory_max = 8192,
                                     .memory_high = 4096,
                                     .pids_max = 9,
                                     .io = IoLimit{.major = 8, .minor = 1, .read_bps = 1000, .write_iops = 7}});
  ASSERT_TRUE(reports.has_value()) << reports.error().str();
  for (const auto& r : *reports) EXPECT_EQ(r.state, FieldState::kApplied) << r.field;
  EXPECT_EQ(content("v2/g/cpu.max"), "250000 100000");
  EXPECT_EQ(content("v2/g/cpu.weight"), "200");
  EXPECT_EQ(content("v2/g/memory.max"), "8192");
  EXPECT_EQ(content("v2/g/memory.high"), "4096");
  EXPECT_EQ(content("v2/g/pids.max"), "9");
  EXPECT_EQ(content("v2/g/io.max"), "8:1 rbps=1000 wiops=7");
}

TEST_F(OnFiles, v1_says_what_it_only_emulates_and_what_it_lacks) {
  CgroupLayout layout{
      .unified = {}, .unified_controllers = {}, .v1 = {{"cpu", root_ + "/cpu"}, {"memory", root_ + "/memory"}}};
  auto group = Cgroup::create(layout, "g");
  ASSERT_TRUE(group.has_value()) << group.error().str();
  for (const char* name : {"cpu/g/cpu.cfs_period_us", "cpu/g/cpu.cfs_quota_us", "cpu/g/cpu.shares"}) file(name, "");
  const auto reports = group->apply(
      {.cpu_percent = 1, .cpu_weight = 100, .memory_max = {}, .memory_high = 4096, .pids_max = 9, .io = {}});
  ASSERT_TRUE(reports.has_value()) << reports.error().str();
  EXPECT_EQ(content("cpu/g/cpu.cfs_quota_us"), "1000");
  EXPECT_EQ(content("cpu/g/cpu.shares"), "1024");
  std::map<std::string, FieldState> states;
  for (const auto& r : *reports) states[r.field] = r.state;
  EXPECT_EQ(states.at("cpu_percent"), FieldState::kApplied);
  EXPECT_EQ(states.at("memory_high"), FieldState::kEmulated);
  EXPECT_EQ(states.at("pids_max"), FieldState::kUnsupported);
  EXPECT_EQ(group->freeze().error().id(), "governor.no_cgroup");
}

TEST_F(OnFiles, a_write_that_fails_puts_the_others_back) {
  CgroupLayout layout{.unified = root_ + "/v2", .unified_controllers = {"cpu", "memory"}, .v1 = {}};
  auto group = Cgroup::create(layout, "g");
  ASSERT_TRUE(group.has_value());
  file("v2/g/cpu.max", "max 100000");  // memory.max is not there
  const auto reports = group->apply(
      {.cpu_percent = 50, .cpu_weight = {}, .memory_max = 8192, .memory_high = {}, .pids_max = {}, .io = {}});
  ASSERT_FALSE(reports.has_value());
  EXPECT_EQ(reports.error().id(), "governor.cgroup");
  EXPECT_TRUE(content("v2/g/cpu.max").starts_with("max 100000"));
}

TEST_F(OnFiles, values_out_of_range_are_refused_before_anything_is_written) {
  CgroupLayout layout{.unified = root_ + "/v2", .unified_controllers = {"cpu", "memory"}, .v1 = {}};
  auto group = Cgroup::create(layout, "g");
  ASSERT_TRUE(group.has_value());
  CgroupLimits limits;
  limits.cpu_percent = 0;
  EXPECT_EQ(group->apply(limits).error().id(), "governor.bad_limit");
  limits = {};
  limits.cpu_weight = 10'001;
  EXPECT_EQ(group->apply(limits).error().id(), "governor.bad_limit");
  limits = {};
  limits.memory_max = 4095;
  EXPECT_EQ(group->apply(limits).error().id(), "governor.bad_limit");
}

// The real thing, where this machine lets us.
std::optional<Cgroup> real_group(const char* name) {
  const auto layout = read_layout();
  if (!layout || layout->mode() == CgroupMode::kNone) {
    std::printf("skipped: no control groups are mounted here\n");
    return {};
  }
  auto group = Cgroup::create(*layout, text("hanse-test-{}/{}", getpid(), name));
  if (!group) {
    std::printf("skipped: control groups are not writable: %s\n", group.error().str().c_str());
    return {};
  }
  return std::move(*group);
}

int spinner() {
  const int pid = fork();
  if (pid == 0)
    for (volatile int i = 0;;) {
      const int next = i + 1;
      i = next;
    }
  return pid;
}

TEST(RealCgroup, limits_are_applied_read_back_and_felt) {
  auto group = real_group("limits");
  if (!group) return;
  const auto reports = group->apply({.cpu_percent = 20,
                                     .cpu_weight = 50,
                                     .memory_max = 64u << 20,
                                     .memory_high = 32u << 20,
                                     .pids_max = 5,
                                     .io = {}});
  ASSERT_TRUE(reports.has_value()) << reports.error().str();
  for (const auto& r : *reports)
    std::printf("%s: %s, reads %s %s\n", r.field.c_str(), std::string(field_state_name(r.state)).c_str(),
                r.read_back.c_str(), r.note.c_str());
  const int pid = spinner();
  ASSERT_TRUE(group->add(pid).has_value());
  const auto first = group->usage();
  const auto start_ns = system_clock().mono_ns();
  while (system_clock().mono_ns() - start_ns < 1'000'000'000) poll(nullptr, 0, 50);
  const auto second = group->usage();
  const auto elapsed_ns = static_cast<double>(system_clock().mono_ns() - start_ns);
  ASSERT_TRUE(first && second);
  const double share = static_cast<double>(second->cpu_ns - first->cpu_ns) / elapsed_ns;
  std::printf("a spinner under a cap of 20 %% used %.1f %% of a processor\n", share * 100);
  EXPECT_LT(share, 0.26);
  EXPECT_EQ(*group->processes(), std::vector<int>{pid});
  ASSERT_TRUE(group->kill().has_value());
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST(RealCgroup, a_frozen_group_uses_no_time_and_still_dies) {
  auto group = real_group("freeze");
  if (!group || group->pressure_path("cpu").empty()) return;
  const int pid = spinner();
  ASSERT_TRUE(group->add(pid).has_value());
  ASSERT_TRUE(group->freeze().has_value());
  const auto first = group->usage();
  poll(nullptr, 0, 50);
  const auto second = group->usage();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->cpu_ns, second->cpu_ns);
  ASSERT_TRUE(group->kill().has_value());
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(RealCgroup, the_testing_preset_is_enforced_by_the_kernel_or_refused) {
  auto config = Config::testing();
  config.group = text("hanse-test-{}/preset", getpid());
  const auto governor = Governor::open(config);
  if (!governor) {
    EXPECT_EQ(governor.error().id(), "governor.not_enforceable");
    std::printf("refused: %s\n", governor.error().str().c_str());
    return;
  }
  EXPECT_EQ((*governor)->enforced().size(), 2u);
  const int pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  EXPECT_TRUE((*governor)->confine(pid).has_value());
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace hanse::governor

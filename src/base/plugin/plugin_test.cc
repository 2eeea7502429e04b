#include "base/plugin/plugin.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"

namespace hanse::plugin {
namespace {

std::string library(std::string_view name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / text("../lib/hanse-test/probe_{}.so", name))
      .string();
}

std::shared_ptr<Plugin> active(PluginHost& host, std::string_view name = "1") {
  auto plugin = host.load(library(name));
  if (!plugin) {
    ADD_FAILURE() << plugin.error().str();
    return nullptr;
  }
  EXPECT_TRUE((*plugin)->init({}).has_value());
  EXPECT_TRUE((*plugin)->start().has_value());
  return *plugin;
}

std::string ask(Plugin& plugin, std::string_view word, const CallOptions& options = {}) {
  auto answer = plugin.execute(as_bytes(word), options);
  return answer ? std::string(as_text(*answer)) : std::string(answer.error().id());
}

TEST(Plugin, lives_through_every_state) {
  PluginHost host;
  auto loaded = host.load(library("1"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().str();
  auto& p = **loaded;
  EXPECT_EQ(p.state(), State::kLoaded);
  EXPECT_EQ(p.manifest().version.str(), "1.0.0");
  EXPECT_TRUE(p.init({}).has_value());
  EXPECT_EQ(p.state(), State::kReady);
  EXPECT_TRUE(p.start().has_value());
  EXPECT_EQ(ask(p, "echo"), "echo");
  EXPECT_TRUE(p.pause().has_value());
  EXPECT_EQ(p.state(), State::kPaused);
  EXPECT_TRUE(p.resume().has_value());
  EXPECT_TRUE(p.stop().has_value());
  EXPECT_EQ(p.state(), State::kReady);
  EXPECT_TRUE(host.unload("probe").has_value());
  EXPECT_EQ(p.state(), State::kUnloaded);
  EXPECT_EQ(host.find("probe").error().id(), "plugin.not_found");
}

// Every step in every state: allowed exactly where systems-engines.md 5A says so.
TEST(Plugin, refuses_every_other_step_and_names_the_states) {
  const auto bring = [](PluginHost& host, State to) {
    auto p = *host.load(library("1"));
    if (to == State::kLoaded) return p;
    EXPECT_TRUE(p->init({}).has_value());
    if (to == State::kReady) return p;
    EXPECT_TRUE(p->start().has_value());
    EXPECT_TRUE(to != State::kPaused || p->pause().has_value());
    EXPECT_TRUE(to != State::kError || ask(*p, "panic") == "plugin.panic");
    return p;
  };
  struct Step {
    const char* name;
    std::vector<State> from;
    std::function<Status(PluginHost&, Plugin&)> take;
  };
  const Step steps[] = {{"init", {State::kLoaded}, [](PluginHost&, Plugin& p) { return p.init({}); }},
                        {"start", {State::kReady}, [](PluginHost&, Plugin& p) { return p.start(); }},
                        {"pause", {State::kActive}, [](PluginHost&, Plugin& p) { return p.pause(); }},
                        {"resume", {State::kPaused}, [](PluginHost&, Plugin& p) { return p.resume(); }},
                        {"stop", {State::kActive, State::kPaused}, [](PluginHost&, Plugin& p) { return p.stop(); }},
                        {"reset", {State::kError}, [](PluginHost&, Plugin& p) { return p.reset(); }},
                        {"unload",
                         {State::kLoaded, State::kReady, State::kError},
                         [](PluginHost& h, Plugin&) { return h.unload("probe"); }},
                        {"execute", {State::kActive}, [](PluginHost&, Plugin& p) -> Status {
                           TRY_OK(p.execute(as_bytes("echo")));
                           return {};
                         }}};
  for (const State state : {State::kLoaded, State::kReady, State::kActive, State::kPaused, State::kError}) {
    for (const auto& step : steps) {
      PluginHost host;
      const auto p = bring(host, state);
      const auto status = step.take(host, *p);
      const bool allowed = std::ranges::find(step.from, state) != step.from.end();
      EXPECT_EQ(status.has_value(), allowed) << step.name << " in " << state_name(state);
      if (allowed) continue;
      EXPECT_EQ(status.error().id(), "plugin.invalid_state");
      EXPECT_TRUE(status.error().message().contains(
          text("{}: found state {}, expected {}", step.name, state_name(state), state_name(step.from[0]))))
          << status.error().message();
      EXPECT_EQ(p->state(), state);
    }
  }
}

TEST(Plugin, panics_and_broken_rules_end_in_error_and_reset_brings_it_back) {
  for (const char* word : {"throw", "panic", "odd answer"}) {
    PluginHost host;
    auto p = active(host);
    EXPECT_EQ(ask(*p, word), "plugin.panic") << word;
    EXPECT_EQ(p->state(), State::kError);
    EXPECT_FALSE(p->last_error().empty());
    EXPECT_TRUE(p->reset().has_value());
    EXPECT_TRUE(p->init({}).has_value());
    EXPECT_TRUE(p->start().has_value());
    EXPECT_EQ(ask(*p, "count"), "1");
  }
  PluginHost host;
  auto p = active(host);
  EXPECT_EQ(ask(*p, "bad error"), "plugin.bad_error");
  EXPECT_EQ(p->state(), State::kError);
}

TEST(Plugin, an_error_arrives_whole_and_changes_no_state) {
  PluginHost host;
  auto p = active(host);
  const auto answer = p->execute(as_bytes("error"));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind(), Kind::kNotFound);
  EXPECT_EQ(answer.error().str(), "probe.nothing: found nothing");
  EXPECT_EQ(p->state(), State::kActive);
  EXPECT_EQ(p->counters().failed, 1u);
}

TEST(Plugin, an_answer_one_byte_too_long_is_refused) {
  PluginHost host;
  auto p = active(host);
  EXPECT_EQ(ask(*p, "write 100", {.output_max = 100}), std::string(100, 'x'));
  EXPECT_EQ(ask(*p, "write 101", {.output_max = 100}), "plugin.output_too_large");
  EXPECT_EQ(p->state(), State::kActive);
}

TEST(Plugin, a_call_that_overruns_its_deadline_ends_in_error) {
  PluginHost host;
  auto p = active(host);
  EXPECT_EQ(ask(*p, "until stop", {.deadline_ns = system_clock().mono_ns() + 1'000'000}), "plugin.timeout");
  EXPECT_EQ(p->state(), State::kError);
  EXPECT_EQ(p->counters().timeouts, 1u);
}

TEST(Plugin, a_deadline_that_passes_in_the_queue_changes_nothing) {
  PluginHost host;
  auto p = active(host);
  EXPECT_EQ(ask(*p, "echo", {.deadline_ns = 1}), "plugin.timeout");
  EXPECT_EQ(p->state(), State::kActive);
  EXPECT_EQ(p->counters().calls, 0u);
}

TEST(Plugin, cancelled_calls_see_stop) {
  PluginHost host;
  auto p = active(host);
  std::atomic<bool> cancelled{true};
  EXPECT_EQ(ask(*p, "until stop", {.cancelled = &cancelled}), "stopped");
  EXPECT_EQ(p->state(), State::kActive);
}

// A host that notices when its plug-in has begun to wait for stop().
struct Watched {
  std::atomic<bool> waiting{false}, cancelled{false};
  PluginHost host{system_clock(), [this](std::string_view, LogLevel, std::string_view line) {
                    if (line == "waiting") waiting = true;
                  }};
  std::thread call_and_wait(Plugin& p) {
    std::thread caller([&] { EXPECT_EQ(ask(p, "until stop", {.cancelled = &cancelled}), "stopped"); });
    while (!waiting) std::this_thread::yield();
    return caller;
  }
};

TEST(Plugin, stop_drains_the_running_call_first) {
  Watched w;
  auto p = active(w.host);
  auto caller = w.call_and_wait(*p);
  EXPECT_EQ(p->stop(system_clock().mono_ns() + 1'000'000).error().id(), "plugin.timeout");
  EXPECT_EQ(p->state(), State::kActive);
  w.cancelled = true;
  EXPECT_TRUE(p->stop().has_value());
  caller.join();
  EXPECT_EQ(p->counters().calls, 1u);
  EXPECT_EQ(ask(*p, "echo"), "plugin.invalid_state");
}

TEST(Plugin, one_slow_plugin_does_not_hold_another) {
  Watched w;
  auto slow = active(w.host, "2");
  auto other = w.host.load(library("needy"));
  ASSERT_TRUE(other.has_value()) << other.error().str();
  auto caller = w.call_and_wait(*slow);
  EXPECT_TRUE((*other)->init({}).has_value());
  EXPECT_TRUE((*other)->start().has_value());
  EXPECT_EQ(ask(**other, "echo"), "echo");
  EXPECT_EQ(w.host.ids().size(), 2u);
  EXPECT_EQ(slow->counters().calls, 0u);
  w.cancelled = true;
  caller.join();
}

TEST(Plugin, calls_from_many_threads_run_one_at_a_time) {
  PluginHost host;
  auto p = active(host);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_EQ(ask(*p, "echo"), "echo");
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(ask(*p, "count"), "1601");
}

TEST(Plugin, the_call_after_a_full_queue_is_refused) {
  PluginHost host;
  auto p = active(host);
  std::atomic<bool> cancelled{false};
  std::atomic<int> busy{0}, done{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kQueueMax + 2; ++t)  // one runs, kQueueMax wait, one is refused
    threads.emplace_back([&] {
      const auto got = ask(*p, "until stop", {.cancelled = &cancelled});
      if (got == "plugin.busy") {
        ++busy;
        cancelled = true;
      } else {
        done += got == "stopped";
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(busy, 1);
  EXPECT_EQ(static_cast<std::size_t>(done), kQueueMax + 1);
}

TEST(PluginHost, refuses_what_is_no_plugin) {
  PluginHost host;
  EXPECT_EQ(host.load("/nonexistent.so").error().id(), "plugin.open");
  EXPECT_EQ(host.load("libm.so.6").error().id(), "plugin.no_entry");
  EXPECT_EQ(host.load(library("abi")).error().id(), "plugin.bad_abi");
  EXPECT_EQ(host.load(library("small")).error().id(), "plugin.bad_abi");
  EXPECT_EQ(host.load(library("hollow")).error().id(), "plugin.bad_abi");
  EXPECT_EQ(host.load(library("manifest")).error().id(), "plugin.bad_manifest");
  EXPECT_TRUE(host.ids().empty());
}

TEST(PluginHost, keeps_needs_in_order) {
  PluginHost host;
  EXPECT_EQ(host.load(library("needy")).error().id(), "plugin.missing_need");
  ASSERT_TRUE(host.load(library("1")).has_value());
  EXPECT_EQ(host.load(library("2")).error().id(), "plugin.exists");
  EXPECT_EQ(host.load(library("needy")).error().id(), "plugin.missing_need");  // 1.0.0 is too old
  ASSERT_TRUE(host.unload("probe").has_value());
  ASSERT_TRUE(host.load_all({library("needy"), library("2")}).has_value());
  EXPECT_EQ(host.unload("probe").error().id(), "plugin.needed");
  EXPECT_TRUE(host.unload("needy").has_value());
  EXPECT_TRUE(host.unload("probe").has_value());
  EXPECT_EQ(host.load_all({library("needy"), library("1")}).error().id(), "plugin.missing_need");
  EXPECT_TRUE(host.ids().empty());
}

TEST(PluginHost, a_refused_init_changes_nothing_and_a_missing_self_is_a_panic) {
  PluginHost host;
  auto p = *host.load(library("1"));
  EXPECT_EQ(p->init(as_bytes("refuse")).error().id(), "plugin.failed");
  EXPECT_EQ(p->state(), State::kLoaded);
  EXPECT_EQ(p->init(as_bytes("no self")).error().id(), "plugin.panic");
  EXPECT_EQ(p->state(), State::kError);
}

TEST(PluginHost, upgrade_hands_over_the_state_and_calls_go_on) {
  PluginHost host;
  auto p = active(host);
  for (int i = 0; i < 4; ++i) ask(*p, "echo");
  std::atomic<bool> ending{false};
  std::thread caller([&] {
    while (!ending) EXPECT_EQ(ask(*p, "echo"), "echo");
  });
  const auto upgraded = host.upgrade("probe", library("2"), {});
  ending = true;
  caller.join();
  ASSERT_TRUE(upgraded.has_value()) << upgraded.error().str();
  EXPECT_EQ(ask(*p, "version"), "1.1.0");
  EXPECT_EQ(p->manifest().version.str(), "1.1.0");
  EXPECT_GE(std::stoull(ask(*p, "count")), 5u);
}

TEST(PluginHost, an_upgrade_that_fails_keeps_the_old_one) {
  PluginHost host;
  auto p = active(host);
  ask(*p, "echo");
  EXPECT_EQ(host.upgrade("probe", library("fails"), {}).error().id(), "plugin.failed");
  EXPECT_EQ(host.upgrade("probe", library("2"), as_bytes("no start")).error().id(), "plugin.failed");
  EXPECT_EQ(host.upgrade("probe", library("2"), as_bytes("refuse")).error().id(), "plugin.failed");
  EXPECT_EQ(host.upgrade("probe", library("abi"), {}).error().id(), "plugin.bad_abi");
  EXPECT_EQ(host.upgrade("probe", library("needy"), {}).error().id(), "plugin.bad_manifest");
  EXPECT_EQ(host.upgrade("other", library("2"), {}).error().id(), "plugin.not_found");
  EXPECT_EQ(p->state(), State::kActive);
  EXPECT_EQ(ask(*p, "version"), "1.0.0");
  EXPECT_EQ(ask(*p, "count"), "3");
  PluginHost other;
  auto unsaved = active(other, "unsaved");
  EXPECT_EQ(other.upgrade("probe", library("2"), {}).error().id(), "plugin.no_upgrade");
}

TEST(PluginHost, a_paused_plugin_is_paused_after_its_upgrade) {
  PluginHost host;
  auto p = active(host);
  ASSERT_TRUE(p->pause().has_value());
  ASSERT_TRUE(host.upgrade("probe", library("2"), {}).has_value());
  EXPECT_EQ(p->state(), State::kPaused);
  EXPECT_TRUE(p->resume().has_value());
  EXPECT_EQ(ask(*p, "version"), "1.1.0");
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST(PluginHost, a_thousand_loads_and_unloads_leave_nothing_behind) {
  PluginHost host;
  const auto cycle = [&] {
    auto p = active(host);
    ASSERT_EQ(ask(*p, "echo"), "echo");
    ASSERT_TRUE(p->stop().has_value());
    ASSERT_TRUE(host.unload("probe").has_value());
  };
  for (int i = 0; i < 50; ++i) cycle();
  const auto before = resident_bytes();
  for (int i = 0; i < 1000; ++i) cycle();
  const auto after = resident_bytes();
  EXPECT_LT(after, before + (1u << 20));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    EXPECT_FALSE(line.contains("probe_1.so")) << "still mapped: " << line;
}

// Copies of one library under other names: the id in the copy's manifest is patched.
TEST(PluginHost, one_plugin_too_many_is_refused) {
  std::ifstream in(library("1"), std::ios::binary);
  const std::string image((std::istreambuf_iterator<char>(in)), {});
  const auto at = image.find("id = \"probe\"");
  ASSERT_NE(at, std::string::npos);
  const auto folder = std::filesystem::path(testing::TempDir()) / text("plugins-{}", getpid());
  std::filesystem::create_directories(folder);
  PluginHost host;
  for (std::size_t i = 0; i <= kPluginsMax; ++i) {
    auto copy = image;
    copy.replace(at, 12, text("id = \"p{:04}\"", i));
    const auto path = folder / text("{}.so", i);
    std::ofstream(path, std::ios::binary) << copy;
    const auto loaded = host.load(path.string());
    EXPECT_EQ(loaded.has_value(), i < kPluginsMax);
    EXPECT_TRUE(loaded || loaded.error().id() == "plugin.full") << loaded.error().str();
  }
  std::filesystem::remove_all(folder);
}

TEST(PluginHost, log_lines_reach_the_host) {
  std::string seen;
  PluginHost host(system_clock(),
                  [&](std::string_view id, LogLevel, std::string_view line) { seen = text("{} {}", id, line); });
  active(host);
  EXPECT_EQ(seen, "probe ready");
}

TEST(ErrorWire, survives_the_round_trip_and_cuts_what_is_too_long) {
  auto error = Error(Kind::kDenied, "room.what", "message").coded(7).at("a[1].b").with("inner").with("outer");
  const auto back = decode_error(encode_error(error));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->str(), error.str());
  EXPECT_EQ(back->kind(), Kind::kDenied);
  EXPECT_EQ(back->code(), 7u);
  Error wide(Kind::kInternal, "room.what", std::string(kErrorTextMax + 5, 'x'));
  for (int i = 0; i < 20; ++i) wide = std::move(wide).with("c");
  const auto cut = decode_error(encode_error(wide));
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(cut->message().size(), kErrorTextMax);
  EXPECT_EQ(cut->context().size(), kErrorContextMax);
  const auto dirty = decode_error(encode_error(Error(Kind::kInvalid, "room.what", "a\xFF\xC3\xA9\xED\xA0\x80z")));
  ASSERT_TRUE(dirty.has_value());
  EXPECT_EQ(dirty->message(), "a?\xC3\xA9???z");
}

TEST(ErrorWire, refuses_a_kind_that_does_not_exist) {
  auto bytes = encode_error(Error(Kind::kInternal, "a.b", "c"));
  bytes[2] = 10;  // map head, key 0, kind
  EXPECT_EQ(decode_error(bytes).error().id(), "plugin.bad_error");
}

}  // namespace
}  // namespace hanse::plugin

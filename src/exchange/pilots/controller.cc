#include "exchange/pilots/controller.h"

#include <algorithm>

#include "base/core/text.h"

namespace hanse::pilots {
namespace {

using Phase = ControllerState::Phase;

struct Step {
  ControllerState& s;
  const ControllerLimits& limits;
  std::int64_t now_ms;
  std::vector<Effect> out = {};

  std::int64_t backoff_ms(std::uint32_t failures) const {
    std::int64_t wait = limits.backoff_ms_first;
    for (std::uint32_t i = 1; i < failures && wait < limits.backoff_ms_most; ++i) wait *= 2;
    return std::min(wait, limits.backoff_ms_most);
  }

  void fail_start() {
    ++s.failed;
    s.start_not_before_ms = now_ms + backoff_ms(++s.failures);
  }

  // Whom to forget: its job is cancelled when there is one.
  void drop(std::map<std::string, ControllerState::Pilot>::iterator& at) {
    out.push_back(Cancel{at->first, at->second.id});
    at = s.pilots.erase(at);
  }

  void operator()(const Seen& seen) {
    if (s.ending) return;
    const auto& here = seen.snapshot.pilots;
    for (auto at = s.pilots.begin(); at != s.pilots.end();) {
      auto& [name, pilot] = *at;
      const bool connected = std::ranges::any_of(here, [&](const PilotSeen& one) { return one.name == name; });
      if (connected && pilot.phase <= Phase::kStarted) {
        pilot.phase = Phase::kHere;
        s.failures = 0;
        s.start_not_before_ms = 0;
      }
      const bool gone = !connected && pilot.phase >= Phase::kHere;
      const bool late = pilot.phase == Phase::kStarted && now_ms - pilot.since_ms > limits.start_ms_max;
      if (gone && pilot.phase == Phase::kHere) ++s.lost;
      if (late) fail_start();
      if (gone || late)
        drop(at);
      else
        ++at;
    }
    adjust(seen.snapshot);
    if (!s.listing && now_ms >= s.list_due_ms) {
      s.listing = true;
      out.push_back(List{});
    }
  }

  void adjust(const RunnerSnapshot& snapshot) {
    const std::uint64_t calls = snapshot.queued + snapshot.running;
    s.wanted = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>((calls + limits.slots - 1) / limits.slots, limits.min, limits.max));
    auto staying = static_cast<std::size_t>(
        std::ranges::count_if(s.pilots, [](const auto& one) { return one.second.phase != Phase::kLeaving; }));
    for (const PilotSeen& one : snapshot.pilots) {
      const auto at = s.pilots.find(one.name);
      if (staying <= s.wanted || one.idle_ms < limits.idle_ms || at == s.pilots.end() ||
          at->second.phase != Phase::kHere)
        continue;
      at->second.phase = Phase::kLeaving;
      --staying;
      out.push_back(LetGo{one.name});
    }
    if (!s.listed || now_ms < s.start_not_before_ms) return;
    for (std::size_t n = 0; n < kStartsMax && staying < s.wanted && s.pilots.size() < limits.max; ++n, ++staying) {
      const std::string name = text("{}-{}", limits.name_prefix, s.number_next++);
      s.pilots.emplace(name, ControllerState::Pilot{.phase = Phase::kStarting, .id = {}, .since_ms = now_ms});
      out.push_back(Start{name});
    }
  }

  void operator()(const Started& started) {
    ++s.started;
    const auto at = s.pilots.find(started.name);
    if (at == s.pilots.end() || s.ending) {
      out.push_back(Cancel{started.name, started.id});
      return;
    }
    at->second.id = started.id;
    at->second.since_ms = now_ms;
    if (at->second.phase == Phase::kStarting) at->second.phase = Phase::kStarted;
  }

  void operator()(const StartFailed& failed) {
    fail_start();
    if (auto at = s.pilots.find(failed.name); at != s.pilots.end()) drop(at);
  }

  void operator()(const ListedNow& now) {
    s.listing = false;
    s.listed = true;
    s.list_failures = 0;
    s.list_due_ms = now_ms + limits.list_ms;
    for (const Listed& one : now.jobs) {
      if (s.pilots.contains(one.name)) continue;
      ++s.orphans;
      out.push_back(Cancel{one.name, one.id});
    }
    for (auto at = s.pilots.begin(); at != s.pilots.end();) {
      const bool known = std::ranges::any_of(now.jobs, [&](const Listed& one) { return one.name == at->first; });
      if (known || at->second.phase != Phase::kStarted || at->second.since_ms >= now.asked_ms) {
        ++at;
        continue;
      }
      fail_start();
      drop(at);
    }
  }

  void operator()(const ListFailed&) {
    s.listing = false;
    s.list_due_ms = now_ms + backoff_ms(++s.list_failures);
  }

  void operator()(const Ending&) {
    s.ending = true;
    for (auto at = s.pilots.begin(); at != s.pilots.end();) drop(at);
  }
};

}  // namespace

std::vector<Effect> step(ControllerState& state, const ControllerLimits& limits, const Event& event,
                         std::int64_t now_ms) {
  Step one{.s = state, .limits = limits, .now_ms = now_ms};
  std::visit([&](const auto& e) { one(e); }, event);
  return std::move(one.out);
}

}  // namespace hanse::pilots

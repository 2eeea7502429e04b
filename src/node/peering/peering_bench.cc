// What the Flash lane adds (target T2: one way at most 1 ms for half of the messages, 3 ms for 99 in 100): four nodes
// on loopback, one of them a mix, each with its thread and connections. By turns, a ping through the mix, which is two
// layers there and two back, and the floor: a question straight to the same receiver over the same kind of connection.
// The row is half of what a ping took longer than the question beside it. Meanwhile another node sends a fifth of the
// pings a second that the mix carried at most just before.
#include <algorithm>
#include <future>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/test_key.h"
#include "node/peering/mesh_node.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::peering;

constexpr std::int64_t kEpochMs = 600'000, kWaitMs = 10'000;
constexpr std::size_t kPings = 5'000, kFullPings = 2'000;
constexpr std::uint8_t kMix = 1, kReceiver = 2, kAsker = 3, kOther = 4, kAll = 4;

class WallClock final : public Clock {
 public:
  std::int64_t mono_ns() const override { return system_clock().mono_ns(); }
  std::int64_t wall_ms() const override { return wall_ms_; }
  void next_epoch() { wall_ms_ += kEpochMs; }

 private:
  std::atomic<std::int64_t> wall_ms_{5'000 * kEpochMs + kEpochMs / 2};
};

PeerId id_of(std::uint8_t number) { return crypto::account_id(crypto::test_key(number).public_key()); }

struct World {
  explicit World(std::string where) : folder(std::move(where)) {
    for (std::uint8_t n = 1; n <= kAll; ++n) {
      MeshSettings s{.bind = {"127.0.0.1:0"}};
      s.network.data[0] = 9;
      s.secret.data[0] = n;
      s.gossip = false;
      s.folder = text("{}/{}", folder, std::uint64_t{n});
      std::filesystem::create_directories(s.folder);
      s.mix.emplace();
      for (std::uint8_t m = 1; m <= kAll; ++m)
        s.mix->nodes.push_back({id_of(m), m == kMix ? std::optional<std::uint8_t>(0) : std::nullopt});
      s.mix->clock = &clock;
      s.mix->peer_cells_per_s = 1'000'000;
      // The asker knows the receiver alone, so that its question goes to nobody else.
      for (std::uint8_t m = 1; m < n; ++m)
        if (n != kAsker || m == kReceiver) s.known.push_back({id_of(m), nodes[m - 1u]->addresses()});
      if (n == kOther) s.known.push_back({id_of(kAsker), nodes[kAsker - 1u]->addresses()});
      auto made = MeshNode::start(std::move(s), crypto::test_key(n));
      check(made.has_value(), "a node starts");
      nodes.push_back(std::move(*made));
    }
    check(nodes[kMix - 1u]->dial({.peer = id_of(kAsker), .addresses = nodes[kAsker - 1u]->addresses()}).has_value(),
          "the mix reaches the asker");
    clock.next_epoch();
    const auto ready = [&] {
      return std::ranges::all_of(nodes, [](auto& one) { return one->mix()->takes && one->mix()->nodes == kAll; });
    };
    for (const std::int64_t end = clock.mono_ns() + 30'000'000'000; !ready();) check(clock.mono_ns() < end, "keys");
  }
  std::int64_t ping(std::uint8_t from) {
    const std::int64_t begun = clock.mono_ns();
    const auto took = nodes[from - 1u]->mix_ping(id_of(kReceiver), router::Lane::kFlash, kWaitMs);
    check(took.has_value(), "a ping comes back");
    return clock.mono_ns() - begun;
  }
  std::int64_t direct() {
    const std::int64_t begun = clock.mono_ns();
    const auto whole = nodes[kAsker - 1u]->check(kWaitMs);
    check(whole && whole->whole(), "the receiver answers");
    return clock.mono_ns() - begun;
  }
  // Pings a second with several on the way.
  double most() {
    const std::int64_t begun = clock.mono_ns();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([this] {
        for (std::size_t i = 0; i < kFullPings / 4; ++i) ping(kOther);
      });
    for (std::thread& t : threads) t.join();
    return static_cast<double>(kFullPings) * 1e9 / static_cast<double>(clock.mono_ns() - begun);
  }

  std::string folder;
  WallClock clock;
  std::vector<std::unique_ptr<MeshNode>> nodes;
};

double us_at(std::vector<std::int64_t>& sorted, double share) {
  return static_cast<double>(sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))]) / 1e3;
}

void line(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  std::printf("%s\n", text("{{\"room\":\"peering\",\"name\":\"{}\",\"value\":{:.1f},\"unit\":\"{}\",\"floor\":{:.1f},"
                           "\"floor_what\":\"{}\",\"ratio\":{:.3f}}}",
                           name, value, unit, floor, floor_what, floor > 0 ? value / floor : 0)
                          .c_str());
  std::fflush(stdout);
}

}  // namespace

int main() {
  char name[] = "/tmp/hanse-peering-bench-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  {
    World world(folder);
    const double most = world.most();
    std::promise<void> end;
    const std::shared_future<void> over = end.get_future().share();
    std::atomic<std::uint64_t> beside{0};
    std::thread other([&] {  // one after another, at the pace wanted: each waits for its time
      const auto every_ns = static_cast<std::int64_t>(5e9 / most);
      for (std::int64_t at = world.clock.mono_ns();; at += every_ns) {
        const std::int64_t left = std::max<std::int64_t>(at - world.clock.mono_ns(), 0);
        if (over.wait_for(std::chrono::nanoseconds(left)) == std::future_status::ready) return;
        (void)world.ping(kOther);
        ++beside;
      }
    });
    std::vector<std::int64_t> flash, direct, added;
    const std::int64_t begun = world.clock.mono_ns();
    for (std::size_t i = 0; i < kPings; ++i) {
      flash.push_back(world.ping(kAsker));
      direct.push_back(world.direct());
      added.push_back((flash.back() - direct.back()) / 2);
    }
    const double seconds = static_cast<double>(world.clock.mono_ns() - begun) / 1e9;
    end.set_value();
    other.join();
    for (auto* all : {&flash, &direct, &added}) std::ranges::sort(*all);
    line("pings a second at most", most, "1/s", 0, "");
    line("pings a second beside", static_cast<double>(beside.load()) / seconds, "1/s", most / 5, "wanted");
    for (const auto& [label, share] : {std::pair{"p50", 0.5}, std::pair{"p99", 0.99}}) {
      line(text("flash there and back, {}", label), us_at(flash, share), "us", us_at(direct, share),
           "a question straight to the receiver");
      line(text("flash adds one way, {}", label), us_at(added, share), "us", share < 0.9 ? 1'000 : 3'000, "target T2");
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}

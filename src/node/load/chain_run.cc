#include "node/load/chain_run.h"

#include <poll.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/core/clock.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/ledger/load_app.h"
#include "node/client/client.h"
#include "node/load/load.h"
#include "node/load/program.h"

namespace hanse::load {
namespace {

using codec::Json;

constexpr double kStepSeconds = 5;            // of each rate that is tried
constexpr double kStepFactor = 1.35;          // from one rate to the next
constexpr double kKeptUp = 0.97;              // share of a rate that must be answered in its time
constexpr double kSearchP99MsMax = 2'000;     // a queue that grows is not a rate that is held
constexpr std::int64_t kViewTimeoutMs = 500;  // hansed's default consensus.timeout_ms

class Tour {
 public:
  Tour(const ChainRunOptions& options, const std::function<void(const Figure&)>& show)
      : options_(options), show_(show) {}

  Result<bool> run() {
    TRY_OK(make_network());
    Status toured = tour();
    (void)call("hanse", {"down", "--dir", net_, "--quiet"});
    std::error_code ignored;
    if (!options_.keep) std::filesystem::remove_all(dir_, ignored);
    TRY_OK(std::move(toured));
    return good_;
  }

 private:
  Status make_network() {
    std::string pattern = std::filesystem::absolute(options_.dir).string() + "/hanse-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
      return fail(Kind::kUnavailable, "load.program", text("make {}: {}", pattern, std::strerror(errno)));
    dir_ = pattern;
    net_ = dir_ + "/net";
    return start_network();
  }

  Status start_network() {
    TRY_OK(call("hanse", {"up", "--dir", net_, "--validators", text("{}", kChainValidators), "--providers", "0",
                          "--load-app", "--detach", "--quiet"}));
    return {};
  }

  Status tour() {
    TRY_OK(floors());
    TRY_OK(latency());
    TRY_OK(highest_rate());
    TRY_OK(leader_kill());
    return restart();
  }

  Result<Json> floor(std::string_view window) {
    TRY(const std::string line,
        call("hanse-bench", {"floor", "--dir", dir_, "--seconds", "3", "--window", std::string(window), "--json"}));
    return codec::parse_json(line);
  }

  // Of this minute, for what follows.
  Status refresh_floor() {
    TRY(const Json one, floor("1"));
    TRY(floor_p50_, number(one, "p50_ms"));
    TRY(floor_p99_, number(one, "p99_ms"));
    TRY(floor_rate_, number(one, "slots_per_second"));
    TRY(raw_p50_, number(one, "raw_fdatasync_p50_ms"));
    TRY(raw_p99_, number(one, "raw_fdatasync_p99_ms"));
    return {};
  }

  Status floors() {
    TRY_OK(refresh_floor());
    show("raw fdatasync, p50", raw_p50_, "ms", raw_p50_, "itself");
    show("raw fdatasync, p99", raw_p99_, "ms", raw_p50_, "raw fdatasync p50");
    show("floor, one slot, p50", floor_p50_, "ms", raw_p50_, "raw fdatasync p50");
    show("floor, one slot, p99", floor_p99_, "ms", raw_p99_, "raw fdatasync p99");
    TRY(const Json wide, floor("32"));
    TRY(const double rate, number(wide, "slots_per_second"));
    show("floor, window 32", rate, "/s", floor_rate_, "floor, window 1");
    return {};
  }

  Result<Json> load(double rate, double seconds, std::vector<std::string> more = {}) {
    std::vector<std::string> args = {
        "load", "--dir", net_, "--rate", text("{}", rate), "--seconds", text("{}", seconds), "--json"};
    args.insert(args.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    TRY(const std::string line, call("hanse-bench", args, 1));
    TRY(Json report, codec::parse_json(line));
    TRY(const double lost, number(report, "lost"));
    TRY(const double failed, number(report, "failed"));
    if (lost > 0 || failed > 0) {
      good_ = false;
      show("transactions lost", lost, "", 0, "none may be");
      show("transactions failed", failed, "", 0, "none should");
    }
    return report;
  }

  Status latency() {
    TRY(const Json r, load(kChainRate, options_.seconds));
    TRY(const double p50, number(r, "p50_ms"));
    TRY(const double p99, number(r, "p99_ms"));
    TRY(const double p999, number(r, "p999_ms"));
    TRY(const double economic, number(r, "economic_p50_ms"));
    TRY(const double economic_p99, number(r, "economic_p99_ms"));
    TRY(const double missing, number(r, "economic_missing"));
    show("1,000 tx/s of 256 B, submit to fast final, p50", p50, "ms", floor_p50_, "floor, one slot, p50");
    show("1,000 tx/s of 256 B, submit to fast final, p99", p99, "ms", floor_p99_, "floor, one slot, p99");
    show("1,000 tx/s of 256 B, submit to fast final, p99.9", p999, "ms", floor_p99_, "floor, one slot, p99");
    show("1,000 tx/s, submit to checked economic proof, p50", economic, "ms", 300, "limit, ms");
    show("1,000 tx/s, submit to checked economic proof, p99", economic_p99, "ms", 800, "limit, ms");
    show("economic proofs later than 300 ms", missing, "", 0, "none should");
    return {};
  }

  // Upwards until one is not held, then the highest held for long, stepping down when it is too much for so long.
  Status highest_rate() {
    double held = 0;
    for (double rate = kChainRateFirst; rate <= options_.rate_max; rate *= kStepFactor) {
      TRY(const bool kept, holds(rate, kStepSeconds));
      if (!kept) break;
      held = rate;
    }
    for (; held >= kChainRateFirst / kStepFactor; held /= 1.15) {
      TRY_OK(refresh_floor());
      TRY(const bool kept, holds(held, options_.sustain_seconds));
      if (!kept) continue;
      TRY(const double p50, number(last_, "p50_ms"));
      TRY(const double p99, number(last_, "p99_ms"));
      TRY(const double rate, number(last_, "per_second"));
      show(text("sustained for {} s, 256 B", options_.sustain_seconds), rate, "tx/s", floor_rate_, "floor slots/s");
      show("latency at that rate, p50", p50, "ms", floor_p50_, "floor, one slot, p50");
      show("latency at that rate, p99", p99, "ms", floor_p99_, "floor, one slot, p99");
      return {};
    }
    show("sustained rate", 0, "tx/s", floor_rate_, "floor slots/s");
    return {};
  }

  Result<bool> holds(double rate, double seconds) {
    TRY(last_, load(rate, seconds, {"--no-economic"}));
    TRY(const double answered, number(last_, "per_second"));
    TRY(const double p99, number(last_, "p99_ms"));
    TRY(const double failed, number(last_, "failed"));
    return answered >= kKeptUp * rate && p99 <= kSearchP99MsMax && failed == 0;
  }

  Status leader_kill() {
    TRY(const Json r, load(kChainRate, options_.seconds, {"--kill-leader"}));
    const Json* killed = r.find("killed");
    TRY(const std::string_view name, killed == nullptr ? Result<std::string_view>("") : killed->as_text("killed"));
    killed_ = name;
    TRY(const double gap, number(r, "gap_after_kill_ms"));
    show("leader killed at 1,000 tx/s: longest gap between answers", gap, "ms",
         static_cast<double>(kViewTimeoutMs + 150), "view timeout + 150 ms");
    return {};
  }

  // From the start of the process to an answered transaction of its own lane.
  Status restart() {
    Clock& clock = system_clock();
    const std::int64_t began = clock.mono_ns();
    Child up;
    TRY_OK(up.start("hanse", {"up", "--dir", net_, "--detach", "--quiet"}));
    Status back = wait_for_answer(net_, killed_, began);
    const double took_ms = static_cast<double>(clock.mono_ns() - began) / 1e6;
    TRY_OK(up.wait());
    TRY_OK(std::move(back));
    show("killed validator started again: its next transaction final", took_ms, "ms", 2'000, "limit, ms");
    return {};
  }

  void show(std::string name, double value, std::string unit, double floor, std::string what) {
    show_({.name = std::move(name),
           .value = value,
           .unit = std::move(unit),
           .floor = floor,
           .floor_what = std::move(what)});
  }

  const ChainRunOptions& options_;
  const std::function<void(const Figure&)>& show_;
  std::string dir_, net_, killed_;
  bool good_ = true;
  double floor_p50_ = 0, floor_p99_ = 0, floor_rate_ = 0, raw_p50_ = 0, raw_p99_ = 0;
  Json last_;
};

}  // namespace

Json to_json(const Figure& f) {
  Json out = Json::object();
  out.set("room", "chain")
      .set("name", f.name)
      .set("value", f.value)
      .set("unit", f.unit)
      .set("floor", f.floor)
      .set("floor_what", f.floor_what)
      .set("ratio", f.ratio());
  return out;
}

Result<bool> run_chain(const ChainRunOptions& options, const std::function<void(const Figure&)>& show) {
  return Tour(options, show).run();
}

}  // namespace hanse::load

#include "sim/world/plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "base/core/text.h"
#include "sim/world/dice.h"

namespace hanse::sim {

namespace {

constexpr std::array<std::string_view, kFaultKindCount> kNames = {
    "breaks",    "reorder",   "duplicate", "corrupt",   "spikes",     "slow_net", "slow_node",
    "partition", "one_way",   "cut_pair",  "crash",     "power_loss", "damage",   "disk_full",
    "stall",     "slow_disk", "skew",      "byzantine", "twins",      "change"};

constexpr std::int64_t kChaosMs = 3'000;  // faults of a drawn plan begin before
constexpr std::int64_t kForever = kFaultMsMax;

std::vector<std::uint16_t> draw_power(std::uint16_t n, Dice& dice) {
  std::vector<std::uint16_t> out(n, static_cast<std::uint16_t>(consensus::kPowerTotal / n));
  out[0] = static_cast<std::uint16_t>(out[0] + consensus::kPowerTotal % n);
  if (n < 4 || dice.chance(4'500)) return out;
  // Unequal: move power about, nobody above a third.
  for (std::uint32_t i = 0; i < 3u * n; ++i) {
    const auto from = dice.below(n), to = dice.below(n);
    const auto amount = static_cast<std::uint16_t>(dice.below(1'500));
    if (from == to || out[from] < amount + 50 || out[to] + amount > 3'300) continue;
    out[from] = static_cast<std::uint16_t>(out[from] - amount);
    out[to] = static_cast<std::uint16_t>(out[to] + amount);
  }
  return out;
}

class Drawing {
 public:
  Drawing(Plan& plan, Dice& dice) : plan_(plan), dice_(dice), bad_(plan.n) {}

  void run() {
    byzantine();
    network();
    processes();
    changes();
    std::ranges::stable_sort(plan_.faults, {}, &Fault::from_ms);
  }

 private:
  void add(Fault fault) { plan_.faults.push_back(fault); }  // given in braces: drawn from left to right
  std::int64_t start() { return dice_.between(0, kChaosMs); }
  std::int64_t replica() { return static_cast<std::int64_t>(dice_.below(plan_.n)); }
  std::int64_t mask() {
    const std::uint64_t all = plan_.n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << plan_.n) - 1;
    return static_cast<std::int64_t>(dice_.next() & all);
  }
  // One that may be lost for good within the budget of W - Q.
  std::int64_t expendable() {
    const std::int64_t r = replica();
    if (bad_[static_cast<std::size_t>(r)] || used_ + plan_.power[static_cast<std::size_t>(r)] > 3'300) return -1;
    used_ += plan_.power[static_cast<std::size_t>(r)];
    bad_[static_cast<std::size_t>(r)] = true;
    return r;
  }

  void byzantine() {
    if (!dice_.chance(6'500)) return;
    const bool many = dice_.chance(5'000);
    for (int i = 0; i < (many ? 8 : 1); ++i) {
      const std::int64_t r = expendable();
      if (r < 0) continue;
      if (dice_.chance(2'000)) {
        add({FaultKind::kTwins, 0, kForever, r, mask()});
        for (int k = 0; k < 3; ++k) {
          const std::int64_t at = start();
          add({FaultKind::kTwins, at, at + dice_.between(100, 2'000), r, mask()});
        }
        continue;
      }
      std::int64_t lies = 0;
      const std::uint64_t wanted = 1 + dice_.below(4);
      for (std::uint64_t k = 0; k < wanted; ++k) lies |= std::int64_t{1} << dice_.below(kLieCount);
      if ((lies & static_cast<std::int64_t>(Lie::kForkLane)) != 0 && dice_.chance(5'000))
        lies |= static_cast<std::int64_t>(Lie::kEquivocate);
      add({FaultKind::kByzantine, 0, kForever, r, lies});
    }
  }

  void network() {
    if (dice_.chance(2'500)) add({FaultKind::kBreaks, 0, kForever, dice_.between(1, 20), 0});
    if (dice_.chance(1'200)) {
      const std::int64_t at = start();
      add({FaultKind::kBreaks, at, at + 500, dice_.between(500, 3'000), 0});
    }
    if (dice_.chance(2'000)) add({FaultKind::kReorder, 0, kForever, dice_.between(100, 5'000), 0});
    if (dice_.chance(2'000)) add({FaultKind::kDuplicate, 0, kForever, dice_.between(10, 1'000), 0});
    if (dice_.chance(2'000)) add({FaultKind::kCorrupt, 0, kForever, dice_.between(10, 300), 0});
    if (dice_.chance(2'500)) add({FaultKind::kSpikes, 0, kForever, dice_.between(5, 300), dice_.between(20, 1'000)});
    if (dice_.chance(1'000)) add({FaultKind::kSlowNet, start(), kForever, dice_.between(2, 20), 0});
    if (dice_.chance(2'000)) add({FaultKind::kSlowNode, start(), kForever, replica(), dice_.between(2, 12)});
    repeat(3'500, FaultKind::kPartition, 1'500, [&] { return mask(); }, [] { return std::int64_t{0}; });
    repeat(2'000, FaultKind::kOneWay, 1'000, [&] { return mask(); }, [&] { return mask(); });
    repeat(2'500, FaultKind::kCutPair, 1'500, [&] { return replica(); }, [&] { return replica(); });
  }

  void processes() {
    const auto any = [&] { return replica(); };
    const auto zero = [] { return std::int64_t{0}; };
    repeat(4'500, FaultKind::kCrash, 1'200, any, zero);
    if (dice_.chance(1'500)) {
      const std::int64_t at = start();
      add({FaultKind::kPowerLoss, at, at + dice_.between(10, 500), 0, 0});
    }
    repeat(2'000, FaultKind::kStall, 1'000, any, zero);
    if (dice_.chance(300)) {
      const std::int64_t at = start();
      add({FaultKind::kStall, at, at + 5'000, replica(), 0});
    }
    if (dice_.chance(1'500)) add({FaultKind::kSlowDisk, start(), kForever, replica(), dice_.between(2, 50)});
    if (dice_.chance(1'500)) add({FaultKind::kSkew, start(), kForever, replica(), dice_.between(-30'000, 30'000)});
    if (dice_.chance(1'200)) {
      const std::int64_t at = start();
      if (const std::int64_t r = expendable(); r >= 0) add({FaultKind::kDamage, at, at + dice_.between(10, 800), r, 0});
    }
    if (dice_.chance(500)) {
      const std::int64_t at = start();
      if (const std::int64_t r = expendable(); r >= 0) add({FaultKind::kDiskFull, at, kForever, r, 0});
    }
  }

  void changes() {
    if (!dice_.chance(3'000)) return;
    const std::uint64_t times = 1 + dice_.below(3);
    for (std::uint64_t i = 0; i < times; ++i) {
      const std::int64_t at = start();
      std::uint64_t set = static_cast<std::uint64_t>(mask());
      const std::uint64_t keys = static_cast<std::uint64_t>(mask());
      if (i % 2 == 1 || dice_.chance(3'000)) set = ~std::uint64_t{0} >> (64 - plan_.n);
      if (std::popcount(set) < 3 || bad_power(set) > 3'300) continue;
      add({FaultKind::kChange, at, at, static_cast<std::int64_t>(set), static_cast<std::int64_t>(keys & set)});
    }
  }
  std::uint32_t bad_power(std::uint64_t set) const {
    const auto power = power_of_set(plan_, set);
    std::uint32_t sum = 0;
    std::size_t place = 0;
    for (std::size_t i = 0; i < plan_.n; ++i)
      if ((set >> i & 1) != 0) sum += bad_[i] ? power[place++] : (++place, 0);
    return sum;
  }

  template <class A, class B>
  void repeat(std::uint64_t chance, FaultKind kind, std::int64_t longest_ms, A a, B b) {
    if (!dice_.chance(chance)) return;
    const std::uint64_t times = 1 + dice_.below(5);
    for (std::uint64_t i = 0; i < times; ++i) {
      const std::int64_t at = start();
      add({kind, at, at + dice_.between(5, longest_ms), a(), b()});
    }
  }

  Plan& plan_;
  Dice& dice_;
  std::vector<bool> bad_;
  std::uint32_t used_ = 0;
};

Tuning draw_tuning(Dice& dice) {
  Tuning t;
  const std::int64_t delays[] = {300, 1'000, 3'000, 8'000};
  t.delay_us = delays[dice.below(4)];
  t.sync_us = dice.chance(7'000) ? 300 : dice.between(50, 6'000);
  t.execute_us = dice.chance(7'000) ? 200 : dice.between(10, 5'000);
  t.timeout_ms = dice.between(60, 300);
  t.interval_ms = dice.between(20, 200);
  const std::uint64_t checkpoints[] = {8, 16, 32, 32};
  t.checkpoint_every = checkpoints[dice.below(4)];
  t.attest_every = t.checkpoint_every == 8 ? 4 : 8;
  t.slots_in_flight = 1 + dice.below(6);
  t.records_max = 60 + dice.below(600);
  t.clients = static_cast<std::uint32_t>(2 + dice.below(5));
  t.keys = static_cast<std::uint32_t>(1 + dice.below(4));
  t.think_us = dice.between(2'000, 40'000);
  t.wants_blocks = dice.chance(3'000);
  if (dice.chance(1'200)) t.epoch_slots = static_cast<std::uint64_t>(dice.between(1, 120));
  return t;
}

Result<std::int64_t> number(std::string_view word, std::string_view what, std::int64_t low, std::int64_t high) {
  std::int64_t v = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), v);
  if (error != std::errc() || end != word.data() + word.size() || v < low || v > high)
    return fail(Kind::kInvalid, "world.plan", text("found {} '{}', expected {} to {}", what, word, low, high));
  return v;
}

std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = text.find(mark);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

bool names_replica(FaultKind kind) {
  switch (kind) {
    case FaultKind::kSlowNode:
    case FaultKind::kCutPair:
    case FaultKind::kCrash:
    case FaultKind::kDamage:
    case FaultKind::kDiskFull:
    case FaultKind::kStall:
    case FaultKind::kSlowDisk:
    case FaultKind::kSkew:
    case FaultKind::kByzantine:
    case FaultKind::kTwins: return true;
    default: return false;
  }
}

Status check_faults(const Plan& plan) {
  std::vector<bool> bad(plan.n);
  const std::uint64_t everybody = ~std::uint64_t{0} >> (64 - plan.n);
  std::vector<std::uint64_t> sets = {everybody};
  for (const Fault& f : plan.faults) {
    if (names_replica(f.kind) &&
        (f.a < 0 || f.a >= plan.n || (f.kind == FaultKind::kCutPair && (f.b < 0 || f.b >= plan.n))))
      return fail(Kind::kInvalid, "world.plan",
                  text("found replica {} in a fault {}, expected 0 to {}", f.a, fault_name(f.kind), plan.n - 1));
    if (f.kind == FaultKind::kChange) {
      sets.push_back(static_cast<std::uint64_t>(f.a));
      if (sets.back() == 0 || (sets.back() & ~everybody) != 0 || (static_cast<std::uint64_t>(f.b) & ~sets.back()) != 0)
        return fail(Kind::kInvalid, "world.plan",
                    text("found a change to set {} with keys {}, expected some of {} replicas", f.a, f.b, plan.n));
    }
    const bool lost = f.kind == FaultKind::kByzantine || f.kind == FaultKind::kTwins || f.kind == FaultKind::kDamage ||
                      f.kind == FaultKind::kDiskFull;
    if (!lost || bad[static_cast<std::size_t>(f.a)]) continue;
    bad[static_cast<std::size_t>(f.a)] = true;
  }
  for (const std::uint64_t set : sets) {
    const auto power = power_of_set(plan, set);
    std::uint32_t used = 0;
    for (std::size_t i = 0, place = 0; i < plan.n; ++i) {
      if ((set >> i & 1) == 0) continue;
      used += bad[i] ? power[place] : 0;
      ++place;
    }
    if (used > 3'300)
      return fail(Kind::kInvalid, "world.plan", text("found power {} that may misbehave, expected at most 3300", used));
  }
  return {};
}

}  // namespace

std::string_view fault_name(FaultKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::vector<std::uint16_t> power_of_set(const Plan& plan, std::uint64_t mask) {
  std::vector<std::uint16_t> out;
  std::uint32_t sum = 0, given = 0;
  for (std::size_t i = 0; i < plan.n; ++i)
    if ((mask >> i & 1) != 0) sum += plan.power[i];
  for (std::size_t i = 0; i < plan.n; ++i) {
    if ((mask >> i & 1) == 0) continue;
    out.push_back(static_cast<std::uint16_t>(std::max(1u, plan.power[i] * consensus::kPowerTotal / sum)));
    given += out.back();
  }
  if (out.empty()) return out;
  out[0] = static_cast<std::uint16_t>(out[0] + consensus::kPowerTotal - given);
  // Nobody may decide alone, as nobody can where power has a cap.
  const auto n = static_cast<std::uint32_t>(out.size());
  const std::uint32_t share = consensus::kPowerTotal / n;
  if (std::ranges::max(out) <= std::max(3'300u, share + 1)) return out;
  std::ranges::fill(out, static_cast<std::uint16_t>(share));
  out[0] = static_cast<std::uint16_t>(out[0] + consensus::kPowerTotal % n);
  return out;
}

Result<Plan> make_plan(const PlanOptions& options) {
  Dice dice(options.seed, 1);
  Plan plan{.seed = options.seed,
            .n = options.n,
            .slots = options.slots,
            .power = {},
            .faults = {},
            .listed = false,
            .tuning = {}};
  const auto drawn = static_cast<std::uint16_t>(4 + dice.below(4));
  if (plan.n == 0) plan.n = drawn;
  if (plan.n > kReplicasSimMax || plan.slots == 0 || plan.slots > kSlotsSimMax)
    return fail(Kind::kInvalid, "world.plan",
                text("found {} replicas and {} slots, expected 1 to {} and 1 to {}", plan.n, plan.slots,
                     kReplicasSimMax, kSlotsSimMax));
  plan.power = draw_power(plan.n, dice);
  Dice tuning(options.seed, 2);
  plan.tuning = draw_tuning(tuning);
  plan.tuning.real_crypto = options.real_crypto;
  if (options.faults.empty()) {
    Dice faults(options.seed, 3);
    Drawing(plan, faults).run();
  } else {
    plan.listed = true;
    TRY(plan.faults, parse_faults(options.faults));
  }
  TRY_OK(check_faults(plan));
  return plan;
}

std::string fault_list(const std::vector<Fault>& faults) {
  std::string out;
  for (const Fault& f : faults) {
    if (!out.empty()) out += ',';
    out += text("{}:{}:{}:{}:{}", fault_name(f.kind), f.from_ms, f.to_ms, f.a, f.b);
  }
  return out.empty() ? "none" : out;
}

Result<std::vector<Fault>> parse_faults(std::string_view list) {
  std::vector<Fault> out;
  if (list == "none") return out;
  for (const std::string_view one : split(list, ',')) {
    const auto words = split(one, ':');
    const auto name = std::ranges::find(kNames, words[0]);
    if (name == kNames.end() || words.size() != 5)
      return fail(Kind::kInvalid, "world.plan", text("found fault '{}', expected KIND:FROM_MS:TO_MS:A:B", one));
    if (out.size() == kFaultsMax)
      return fail(Kind::kInvalid, "world.plan", text("found more than {} faults", kFaultsMax));
    Fault f{.kind = static_cast<FaultKind>(name - kNames.begin())};
    TRY(f.from_ms, number(words[1], "a begin", 0, kFaultMsMax));
    TRY(f.to_ms, number(words[2], "an end", f.from_ms, kFaultMsMax));
    TRY(f.a, number(words[3], "A", INT64_MIN, INT64_MAX));
    TRY(f.b, number(words[4], "B", INT64_MIN, INT64_MAX));
    out.push_back(f);
  }
  return out;
}

std::string repro(const Plan& plan) {
  std::string out = text("hanse sim run --seed {} --n {} --slots {}", plan.seed, plan.n, plan.slots);
  if (plan.tuning.real_crypto) out += " --real-crypto";
  if (plan.listed) out += " --faults " + fault_list(plan.faults);
  return out;
}

std::string write_plan(const Plan& plan) {
  return text("hanse-sim 1\nseed {}\nn {}\nslots {}\nreal_crypto {}\nfaults {}\n", plan.seed, plan.n, plan.slots,
              plan.tuning.real_crypto ? 1 : 0, fault_list(plan.faults));
}

Result<Plan> read_plan(std::string_view content) {
  PlanOptions options;
  const auto lines = split(content, '\n');
  if (lines[0] != "hanse-sim 1")
    return fail(Kind::kInvalid, "world.plan",
                text("found first line '{}', expected 'hanse-sim 1'", lines[0].substr(0, 80)));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const auto at = lines[i].find(' ');
    const std::string_view name = lines[i].substr(0, at);
    const std::string_view value = at == std::string_view::npos ? std::string_view() : lines[i].substr(at + 1);
    if (name == "seed") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.seed);
      if (error != std::errc() || end != value.data() + value.size())
        return fail(Kind::kInvalid, "world.plan", text("found seed '{}', expected a number", value));
    } else if (name == "n") {
      TRY(const std::int64_t n, number(value, "n", 1, kReplicasSimMax));
      options.n = static_cast<std::uint16_t>(n);
    } else if (name == "slots") {
      TRY(const std::int64_t slots, number(value, "slots", 1, kSlotsSimMax));
      options.slots = static_cast<std::uint32_t>(slots);
    } else if (name == "real_crypto") {
      TRY(const std::int64_t real, number(value, "real_crypto", 0, 1));
      options.real_crypto = real == 1;
    } else if (name == "faults") {
      options.faults = value.empty() ? "none" : std::string(value);
    } else {
      return fail(Kind::kInvalid, "world.plan",
                  text("found '{}' in line {}, expected seed, n, slots, real_crypto or faults", name, i + 1));
    }
  }
  return make_plan(options);
}

}  // namespace hanse::sim

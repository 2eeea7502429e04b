#include "node/load/load.h"

#include <csignal>
#include <ctime>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fs.h"
#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/ledger/load_app.h"
#include "chain/light/light_proof.h"
#include "node/client/submit_stream.h"

namespace hanse::load {
namespace {

using client::Client;
using client::SubmitStream;
using codec::Json;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kDownPauseMs = 250;    // before a validator whose stream ended is tried again
constexpr std::int64_t kRefusedPauseMs = 20;  // before one that refused for now is asked again
constexpr std::int64_t kSettleMs = 10'000;    // for all validators to have what was acknowledged
constexpr std::int64_t kBurstNs = kNsPerMs;   // what becomes due within it is sent together
constexpr std::size_t kBurstMax = 256;        // to one validator
constexpr std::size_t kStateFileMax = 1 << 20;

void sleep_until_ns(std::int64_t at_ns) {
  const timespec at{.tv_sec = at_ns / 1'000'000'000, .tv_nsec = at_ns % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

// A body that nobody sent before, from the run's own random bytes and the transaction's number.
ledger::Tx make_tx(std::uint64_t run, std::uint64_t number, std::size_t size) {
  ledger::Tx tx{.app = ledger::kLoadApp, .body = Bytes(size)};
  std::uint64_t word = run;
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    store_le(tx.body.data() + at, at == 8 ? number : word);
    word = (word + number + 1) * 0x9E37'79B9'7F4A'7C15u;
  }
  return tx;
}

Result<ledger::LoadTotals> totals_of(Client& client) {
  TRY(const Bytes answer, client.query(ledger::kLoadApp, "totals", {}));
  return ledger::decode_load_totals(answer);
}

Result<Json> read_json(const std::string& path) {
  TRY(const Bytes bytes, read_file(real_fs(), path, kStateFileMax));
  return codec::parse_json(as_text(bytes));
}

Result<std::string> text_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr) return fail(Kind::kCorrupt, "load.network", text("found no {}", key));
  TRY(const std::string_view found, value->as_text(key));
  return std::string(found);
}

class Generator {
 public:
  explicit Generator(const LoadOptions& options) : options_(options), run_(system_random().next_u64()) {}

  Result<LoadReport> run() {
    TRY_OK(connect());
    TRY(const ledger::LoadTotals before, totals_of(*targets_[0]->client));
    start_ns_ = clock_.mono_ns() + 5 * kNsPerMs;
    measure_ns_ = start_ns_ + static_cast<std::int64_t>(options_.warmup_seconds * 1e9);
    end_ns_ = measure_ns_ + static_cast<std::int64_t>(options_.seconds * 1e9);
    total_ = static_cast<std::uint64_t>((options_.warmup_seconds + options_.seconds) * options_.rate);
    last_answer_ns_ = measure_ns_;
    std::thread economic, killer;
    if (options_.economic && !options_.kill_leader) economic = std::thread([this] { sample_economic(); });
    if (options_.kill_leader) killer = std::thread([this] { kill_leader(); });
    send_all();
    wait_for_answers();
    ending_ = true;
    if (economic.joinable()) economic.join();
    if (killer.joinable()) killer.join();
    if (kill_failed_) return std::unexpected(kill_failed_->clone());
    report_.per_second = static_cast<double>(answered_in_time_) / options_.seconds;
    report_.lost = lost_since(before.count);
    return std::move(report_);
  }

 private:
  using Numbers = std::vector<std::uint64_t>;
  struct Target {
    std::string name, address;
    std::unique_ptr<Client> client;
    std::unique_ptr<SubmitStream> stream;    // the sender's
    std::unordered_set<std::uint64_t> open;  // without an outcome; under mutex_, as what follows
    bool ended = true;                       // the stream
    std::int64_t again_ns = 0;               // not tried before
  };

  std::int64_t intended_ns(std::uint64_t number) const {
    return start_ns_ + static_cast<std::int64_t>(static_cast<double>(number) * 1e9 / options_.rate);
  }
  bool measured(std::uint64_t number) const { return intended_ns(number) >= measure_ns_; }

  Status connect() {
    std::vector<std::pair<std::string, std::string>> found;
    for (const std::string& address : options_.addresses) found.emplace_back(address, address);
    if (found.empty()) {
      TRY(const auto names, validator_names(options_.dir));
      for (const std::string& name : names) found.emplace_back(name, socket_of(options_.dir, name));
    }
    for (const auto& [name, address] : found) {
      auto client = Client::connect(address, {.deadline_ms = kGiveUpMs});
      if (!client) {
        if (options_.addresses.empty()) continue;  // of a network, those that run
        return std::unexpected(std::move(client).error());
      }
      targets_.push_back(std::make_unique<Target>(
          Target{.name = name, .address = address, .client = std::move(*client), .stream = {}, .open = {}}));
    }
    if (targets_.empty())
      return fail(Kind::kNotFound, "load.network", text("found no validator that answers in {}", options_.dir));
    return {};
  }

  // ---- sending -----------------------------------------------------------------------------------------------------

  void send_all() {
    std::int64_t due = 0;
    for (std::uint64_t next = 0; next < total_;) {
      due = std::max(intended_ns(next), due + kBurstNs);  // by the plan: waking late must not shift what follows
      if (due > clock_.mono_ns()) sleep_until_ns(due);
      const std::int64_t now = clock_.mono_ns();
      resend_due();
      while (next < total_ && intended_ns(next) <= now) {
        Numbers burst;
        for (; burst.size() < kBurstMax && next < total_ && intended_ns(next) <= now; ++next) burst.push_back(next);
        send(burst);
      }
    }
  }

  void resend_due() {
    for (;;) {
      Numbers burst;
      {
        const std::lock_guard lock(mutex_);
        if (again_.empty()) return;
        const auto end = again_.begin() + static_cast<std::ptrdiff_t>(std::min(again_.size(), kBurstMax));
        burst.assign(again_.begin(), end);
        again_.erase(again_.begin(), end);
      }
      send(burst);
    }
  }

  // Waits for free places; the transactions' clocks run meanwhile. Afterwards they are open somewhere or gave up.
  void send(Numbers numbers) {
    while (!numbers.empty()) {
      Target* const target = free_target(numbers);
      if (target == nullptr) return give_up(numbers);
      std::vector<SubmitStream::Numbered> txs;
      for (const std::uint64_t number : numbers)
        txs.push_back({.number = number, .tx = make_tx(run_, number, options_.size)});
      if (target->stream && target->stream->send(txs)) return;
      const std::lock_guard lock(mutex_);
      // Those that are not open here any more ended() has.
      std::erase_if(numbers, [&](std::uint64_t number) { return target->open.erase(number) == 0; });
      target->ended = true;
      target->again_ns = clock_.mono_ns() + kDownPauseMs * kNsPerMs;
    }
  }

  // With the numbers among its open ones. Nothing: none in time.
  Target* free_target(const Numbers& numbers) {
    for (;;) {
      Target* broken = nullptr;
      {
        std::unique_lock lock(mutex_);
        const std::int64_t now = clock_.mono_ns();
        if (now - intended_ns(std::ranges::max(numbers)) > kGiveUpMs * kNsPerMs) return nullptr;
        for (std::size_t tried = 0; tried < targets_.size(); ++tried) {
          Target& each = *targets_[turn_++ % targets_.size()];
          if (each.ended && each.again_ns <= now) broken = &each;
          if (each.ended || each.again_ns > now || each.open.size() + numbers.size() > kOpenMax) continue;
          each.open.insert(numbers.begin(), numbers.end());
          return &each;
        }
        if (broken == nullptr) {
          free_.wait_for(lock, std::chrono::milliseconds(5));
          continue;
        }
        broken->again_ns = now + kDownPauseMs * kNsPerMs;
      }
      open_stream(*broken);
    }
  }

  void open_stream(Target& target) {
    target.stream.reset();
    auto stream = SubmitStream::open(
        target.address,
        {.answered = [this, &target](std::uint64_t number,
                                     Result<client::Applied> outcome) { answered(target, number, outcome); },
         .ended = [this, &target](const Error& why) { ended(target, why); }});
    if (!stream) return;
    target.stream = *std::move(stream);
    const std::lock_guard lock(mutex_);
    target.ended = false;
  }

  void give_up(const Numbers& numbers) {
    const std::lock_guard lock(mutex_);
    report_.failed += static_cast<std::uint64_t>(
        std::ranges::count_if(numbers, [this](std::uint64_t number) { return measured(number); }));
  }

  void answered(Target& target, std::uint64_t number, const Result<client::Applied>& outcome) {
    const std::int64_t now = clock_.mono_ns();
    const std::lock_guard lock(mutex_);
    if (target.open.erase(number) == 0) return;
    if (outcome && outcome->result.code == 0) {
      ++acknowledged_;
      if (now > measure_ns_ && now <= end_ns_) ++answered_in_time_;
      if (measured(number)) {
        ++report_.acknowledged;
        report_.latency.add(now - intended_ns(number));
      }
      note_answer(now);
    } else {
      ++report_.errors[std::string(outcome ? std::string_view(outcome->result.error_id) : outcome.error().id())];
      const bool may_repeat =
          !outcome && (outcome.error().kind() == Kind::kUnavailable || outcome.error().kind() == Kind::kExhausted ||
                       outcome.error().kind() == Kind::kTimeout);
      if (may_repeat) {
        again_.push_back(number);
        target.again_ns = now + kRefusedPauseMs * kNsPerMs;
        ++report_.resent;
      } else if (measured(number)) {
        ++report_.failed;
      }
    }
    free_.notify_all();
  }

  void ended(Target& target, const Error& why) {
    const std::lock_guard lock(mutex_);
    target.ended = true;
    target.again_ns = clock_.mono_ns() + kDownPauseMs * kNsPerMs;
    if (ending_) return;
    ++report_.errors[std::string(why.id())];
    report_.resent += target.open.size();
    again_.insert(again_.end(), target.open.begin(), target.open.end());
    target.open.clear();
    free_.notify_all();
  }

  // Under mutex_.
  void note_answer(std::int64_t now) {
    if (now <= measure_ns_) return;
    if (last_answer_ns_ < end_ns_) {
      const double gap = static_cast<double>(now - std::max(last_answer_ns_, measure_ns_)) / 1e6;
      report_.gap_ms = std::max(report_.gap_ms, gap);
      if (killed_ns_ != 0 && now > killed_ns_) report_.gap_after_kill_ms = std::max(report_.gap_after_kill_ms, gap);
    }
    last_answer_ns_ = std::max(last_answer_ns_, now);
  }

  void wait_for_answers() {
    const std::int64_t until = end_ns_ + kGiveUpMs * kNsPerMs;
    for (;;) {
      resend_due();
      std::unique_lock lock(mutex_);
      const bool open = std::ranges::any_of(targets_, [](const auto& t) { return !t->open.empty(); });
      if ((!open && again_.empty()) || clock_.mono_ns() > until) break;
      free_.wait_for(lock, std::chrono::milliseconds(5));
    }
    ending_ = true;
    for (const auto& target : targets_) {
      target->stream.reset();
      give_up(Numbers(target->open.begin(), target->open.end()));
    }
    for (std::uint64_t n = total_; n-- > 0 && measured(n);) ++report_.sent;
  }

  // ---- what else is asked ------------------------------------------------------------------------------------------

  Status sample_one(Client& client, const light::Trusted& trusted, std::uint64_t number) {
    const std::int64_t began = clock_.mono_ns();
    TRY(const auto applied, client.submit(make_tx(run_ + 1, number, options_.size)));
    {
      const std::lock_guard lock(mutex_);
      ++acknowledged_;
    }
    TRY(const Bytes bytes, client.prove(as_bytes(ledger::kLoadTotalsKey)));
    TRY(const auto proof, light::decode_light_proof(bytes));
    TRY(const light::Believed believed, light::verify(proof, trusted, {}));
    const std::int64_t took = clock_.mono_ns() - began;
    const std::lock_guard lock(mutex_);
    if (began < measure_ns_) return {};
    if (believed.grade == light::Grade::kEconomic && believed.height >= applied.height) {
      report_.economic.add(took);
    } else {
      ++report_.economic_missing;
    }
    return {};
  }

  void sample_economic() {
    Client& client = *targets_.back()->client;
    const auto info = client.info();
    const auto genesis = info ? light::decode_genesis(info->genesis) : std::unexpected(info.error().clone());
    if (!genesis) return;
    const light::Trusted trusted = light::trust(*genesis);
    std::uint64_t number = 0;
    for (std::int64_t at = start_ns_; at < end_ns_; at += kEconomicEveryMs * kNsPerMs) {
      if (at > clock_.mono_ns()) sleep_until_ns(at);
      if (ending_) return;
      if (const Status done = sample_one(client, trusted, number++); !done) {
        const std::lock_guard lock(mutex_);
        ++report_.errors[text("economic: {}", done.error().id())];
      }
    }
  }

  Status find_and_kill_leader() {
    TRY(const ledger::LoadTotals totals, totals_of(*targets_[0]->client));
    const std::string leader = codec::encode_id(totals.leader.view());
    TRY(const Json network, read_json(options_.dir + "/network.json"));
    const Json* nodes = network.find("nodes");
    for (const Json& node : nodes == nullptr ? std::vector<Json>() : nodes->items()) {
      TRY(const std::string id, text_of(node, "id"));
      if (id != leader) continue;
      TRY(const std::string name, text_of(node, "name"));
      TRY(const Json run, read_json(text("{}/{}/run.json", options_.dir, name)));
      const Json* pid = run.find("pid");
      if (pid == nullptr) return fail(Kind::kCorrupt, "load.network", text("found no pid of {}", name));
      TRY(const std::uint64_t number, pid->as_u64("pid"));
      const std::lock_guard lock(mutex_);
      killed_ns_ = clock_.mono_ns();
      ::kill(static_cast<pid_t>(number), SIGKILL);
      report_.killed = name;
      return {};
    }
    return fail(Kind::kNotFound, "load.leader", text("found {} leading, and no such node in {}", leader, options_.dir));
  }

  void kill_leader() {
    sleep_until_ns(measure_ns_ + (end_ns_ - measure_ns_) / 3);
    if (Status killed = find_and_kill_leader(); !killed) kill_failed_.emplace(std::move(killed).error());
  }

  std::uint64_t lost_since(std::uint64_t before) {
    const std::uint64_t wanted = before + acknowledged_;
    const std::int64_t until = clock_.mono_ns() + kSettleMs * kNsPerMs;
    std::uint64_t lost = 0;
    for (const auto& target : targets_) {
      if (target->name == report_.killed) continue;
      std::uint64_t missing = wanted - std::min(wanted, before);
      do {
        if (const auto totals = totals_of(*target->client)) missing = wanted - std::min(wanted, totals->count);
        if (missing > 0) sleep_until_ns(clock_.mono_ns() + 50 * kNsPerMs);
      } while (missing > 0 && clock_.mono_ns() < until);
      lost = std::max(lost, missing);
    }
    return lost;
  }

  const LoadOptions& options_;
  const std::uint64_t run_;
  Clock& clock_ = system_clock();
  std::vector<std::unique_ptr<Target>> targets_;
  std::int64_t start_ns_ = 0, measure_ns_ = 0, end_ns_ = 0;
  std::uint64_t total_ = 0;
  std::atomic<bool> ending_ = false;
  std::optional<Error> kill_failed_;  // read after its thread ended

  std::mutex mutex_;  // for what follows
  std::condition_variable free_;
  std::size_t turn_ = 0;
  std::uint64_t acknowledged_ = 0;      // warm-up and samples too
  std::uint64_t answered_in_time_ = 0;  // between warm-up and end, whenever they were sent
  std::deque<std::uint64_t> again_;
  std::int64_t last_answer_ns_ = 0;
  std::int64_t killed_ns_ = 0;
  LoadReport report_;
};

}  // namespace

std::string socket_of(const std::string& dir, const std::string& name) {
  return text("unix:{}/{}/api.sock", dir, name);
}

Result<std::vector<std::string>> validator_names(const std::string& dir) {
  TRY(const Json network, with_context(read_json(dir + "/network.json"), text("read the network in {}", dir)));
  const Json* nodes = network.find("nodes");
  std::vector<std::string> out;
  for (const Json& node : nodes == nullptr ? std::vector<Json>() : nodes->items()) {
    TRY(const std::string role, text_of(node, "role"));
    TRY(std::string name, text_of(node, "name"));
    if (role == "validator") out.push_back(std::move(name));
  }
  if (out.empty()) return fail(Kind::kNotFound, "load.network", text("found no validators in {}/network.json", dir));
  return out;
}

Result<LoadReport> run_load(const LoadOptions& options) {
  if (!(options.rate > 0 && options.rate <= kRateMax))
    return fail(Kind::kInvalid, "load.option", text("found a rate of {}, expected up to {}", options.rate, kRateMax));
  if (!(options.seconds > 0 && options.seconds <= kSecondsMax) || !(options.warmup_seconds >= 0) ||
      options.warmup_seconds > kSecondsMax)
    return fail(
        Kind::kInvalid, "load.option",
        text("found {} seconds after {}, expected up to {}", options.seconds, options.warmup_seconds, kSecondsMax));
  if (options.size < 16 || options.size > ledger::kLoadBodyMax)
    return fail(Kind::kInvalid, "load.option",
                text("found bodies of {} bytes, expected 16 to {}", options.size, ledger::kLoadBodyMax));
  if (options.kill_leader && options.dir.empty())
    return fail(Kind::kInvalid, "load.option", "found no folder, expected one to find the leader's process in");
  return Generator(options).run();
}

Json to_json(const LoadReport& r) {
  Json errors = Json::object();
  for (const auto& [id, count] : r.errors) errors.set(id, count);
  Json out = Json::object();
  out.set("sent", r.sent)
      .set("acknowledged", r.acknowledged)
      .set("failed", r.failed)
      .set("resent", r.resent)
      .set("lost", r.lost)
      .set("per_second", r.per_second)
      .set("p50_ms", r.latency.quantile_ms(0.5))
      .set("p90_ms", r.latency.quantile_ms(0.9))
      .set("p99_ms", r.latency.quantile_ms(0.99))
      .set("p999_ms", r.latency.quantile_ms(0.999))
      .set("max_ms", r.latency.max_ms())
      .set("gap_ms", r.gap_ms)
      .set("economic_samples", r.economic.count())
      .set("economic_p50_ms", r.economic.quantile_ms(0.5))
      .set("economic_p99_ms", r.economic.quantile_ms(0.99))
      .set("economic_missing", r.economic_missing)
      .set("killed", r.killed)
      .set("gap_after_kill_ms", r.gap_after_kill_ms)
      .set("errors", std::move(errors));
  return out;
}

std::string to_text(const LoadReport& r) {
  std::string out = text(
      "sent {}, acknowledged {} ({:.0f} a second), failed {}, sent again {}, lost {}\n"
      "fast final, ms: p50 {:.2f}  p90 {:.2f}  p99 {:.2f}  p99.9 {:.2f}  max {:.2f}; longest gap {:.1f}\n",
      r.sent, r.acknowledged, r.per_second, r.failed, r.resent, r.lost, r.latency.quantile_ms(0.5),
      r.latency.quantile_ms(0.9), r.latency.quantile_ms(0.99), r.latency.quantile_ms(0.999), r.latency.max_ms(),
      r.gap_ms);
  if (r.economic.count() > 0)
    out += text("economic, ms: p50 {:.1f}  p99 {:.1f} of {} samples, {} came late\n", r.economic.quantile_ms(0.5),
                r.economic.quantile_ms(0.99), r.economic.count(), r.economic_missing);
  if (!r.killed.empty()) out += text("killed {}; longest gap after it {:.1f} ms\n", r.killed, r.gap_after_kill_ms);
  for (const auto& [id, count] : r.errors) out += text("error {}: {}\n", id, count);
  return out;
}

}  // namespace hanse::load

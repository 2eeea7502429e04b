#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <queue>
#include <set>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/router/mix_world.h"
#include "exchange/router/sender.h"
#include "sim/mixnet/mixnet.h"

namespace hanse::sim {
namespace {

using router::Lane;
using router::Mix;
using router::Now;
using router::Sender;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kLinkNs = 2 * kMs;                          // each link takes as long
constexpr std::int64_t kLastMs = 3 * router::kDelayMaxMs + 1'000;  // after the last job: time for its delays
constexpr double kFlashPerDeep = 7;                                // about as the default plan has jobs
constexpr std::uint64_t kFlashBit = std::uint64_t{1} << 63;        // of an entry's number
constexpr std::size_t kTagsMax = 1'000'000;                        // cells of one node, and more than come

using Belief = std::vector<double>;  // over Deep entries

struct Pool {  // what the observer believes of one mix
  Belief sum;
  double held = 0;
  std::deque<std::uint64_t> order;  // as a first-in-first-out guess has it

  void add(const Belief& b, std::uint64_t guess) {
    if (sum.size() < b.size()) sum.resize(b.size());
    for (std::size_t i = 0; i < b.size(); ++i) sum[i] += b[i];
    held += 1;
    order.push_back(guess);
  }
  std::pair<Belief, std::uint64_t> leave() {
    Belief out(sum.size());
    for (std::size_t i = 0; i < sum.size(); ++i) {
      out[i] = sum[i] / held;
      sum[i] -= out[i];
    }
    held -= 1;
    const std::uint64_t guess = order.front();
    order.pop_front();
    return {std::move(out), guess};
  }
};

double entropy(const Belief& b) {
  double out = 0;
  for (const double p : b)
    if (p > 1e-12) out -= p * std::log2(p);
  return out;
}

class World {
 public:
  explicit World(const MixPlan& plan)
      : plan_(plan), world_(plan.mixes + plan.exits, kTagsMax, plan.seed, plan.exits), trace_("hanse/sim-mix/1") {
    const double per_mix = static_cast<double>(plan.payers) * router::kStrata / static_cast<double>(plan.mixes);
    const router::Directory directory = world_.directory(per_mix);
    for (std::size_t i = 0; i < world_.nodes.size(); ++i) {
      index_[world_.nodes[i]] = i;
      mixes_.push_back(std::make_unique<Mix>(router::MixConfig{.node = world_.nodes[i],
                                                               .in_flight_max = 1'000,
                                                               .loops_per_s = i < plan.mixes ? plan.mix_loops_per_s : 0,
                                                               .wanted = plan.wanted},
                                             *world_.rings[i], world_.random, now()));
      mixes_[i]->directory(directory);
    }
    pools_.resize(world_.nodes.size());
    router::AnonymityWanted wanted = plan.wanted;
    wanted.bits = plan.bits_delivered.value_or(wanted.bits);
    for (std::size_t i = 0; i < plan.payers; ++i) {
      senders_.emplace_back(router::SenderConfig{.home = world_.nodes.back(), .wanted = wanted, .loops_per_s = 0},
                            world_.random, now());
      senders_.back().directory(directory);
    }
    out_.deep.jobs = plan.deep_jobs;
    out_.flash.jobs = plan.flash_jobs;
    flash_ns_ = plan.flash_jobs == 0 ? kNever : plan.warm_up_ms * kMs;
    jobs_end_ns_ = plan.warm_up_ms * kMs;
  }

  Result<MixOutcome> run() {
    while (!done()) TRY_OK(step());
    out_.ms = now_ns_ / kMs;
    for (std::size_t i = 0; i < plan_.mixes; ++i)
      out_.mixes.push_back({.deep_per_s = mixes_[i]->deep_per_s(now()),
                            .bits = mixes_[i]->entropy_bits(),
                            .rejected = mixes_[i]->counters().rejected,
                            .loops_sent = mixes_[i]->counters().loops_sent,
                            .alarm = mixes_[i]->alarm()});
    for (LaneRow* row : {&out_.deep, &out_.flash}) {
      if (row->delivered == 0) continue;
      const auto n = static_cast<double>(row->delivered);
      for (double* sum : {&row->bits, &row->top, &row->top_right, &row->fifo_right, &row->on_truth}) *sum /= n;
      row->top_sigma = std::sqrt(row->top_sigma) / n;
    }
    out_.trace = trace_.finish();
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kOutside = ~std::size_t{0};
  static constexpr std::int64_t kNever = ~(std::int64_t{1} << 63);
  struct Travelling {
    std::int64_t at_ns;
    std::uint64_t seq;
    std::size_t from, to;
    Bytes cell;
    Belief belief;        // the observer's, of this cell; empty: it is `guess`
    std::uint64_t guess;  // first in, first out
    bool operator>(const Travelling& o) const { return std::tie(at_ns, seq) > std::tie(o.at_ns, o.seq); }
  };
  Now now() const { return {now_ns_, router::MixWorld::kStartMs + now_ns_ / kMs}; }
  bool all_sent() const { return deep_sent_ >= plan_.deep_jobs && flash_sent_ >= plan_.flash_jobs; }
  bool done() const {
    if (!all_sent()) return false;
    const bool all_here = out_.deep.delivered == plan_.deep_jobs && out_.flash.delivered == plan_.flash_jobs;
    return all_here || now_ns_ > jobs_end_ns_ + kLastMs * kMs;
  }

  // The earliest of: a Flash job, a sender's turn, a mix that wakes, a cell that arrives.
  Status step() {
    std::int64_t at = travelling_.empty() ? kNever : travelling_.top().at_ns;
    std::size_t mix = kOutside, sender = kOutside;
    for (std::size_t i = 0; i < mixes_.size(); ++i)
      if (mixes_[i]->wake_ns() < at) at = mixes_[i]->wake_ns(), mix = i;
    for (std::size_t i = 0; i < senders_.size(); ++i)
      if (senders_[i].wake_ns() < at) at = senders_[i].wake_ns(), sender = i;
    const bool flash = flash_ns_ < at;
    now_ns_ = std::max(now_ns_, flash ? flash_ns_ : at);
    if (flash) return send_flash();
    if (sender != kOutside) return send_deep(senders_[sender]);
    if (mix != kOutside) {
      carry(mix, mixes_[mix]->tick(now()));
      return {};
    }
    Travelling t = std::move(const_cast<Travelling&>(travelling_.top()));
    travelling_.pop();
    return arrive(std::move(t));
  }

  router::Destination some_exit() {
    return {world_.nodes[plan_.mixes + world_.random.below(plan_.exits)], router::Command::kDeliver, {}};
  }
  static router::Message named(std::uint64_t entry) {
    router::Message message;
    store_be(message.id.data.data(), entry);
    return message;
  }

  // Each turn says something; before the first job and after the last one it is nobody's job.
  Status send_deep(Sender& sender) {
    TRY_OK(sender.submit(now(), Lane::kDeep, some_exit(), named(entries_)));
    for (router::CellSend& s : sender.tick(now()).sends) {
      if (now_ns_ >= plan_.warm_up_ms * kMs && deep_sent_ < plan_.deep_jobs) {
        if (deep_sent_++ == 0) first_job_ = entries_;
        jobs_end_ns_ = now_ns_;
      }
      Belief certain(entries_ + 1);
      certain[entries_] = 1;
      fly(kOutside, index_.at(s.to), std::move(s.cell), std::move(certain), entries_++);
    }
    return {};
  }

  Status send_flash() {
    Sender& sender = senders_[world_.random.below(senders_.size())];
    const std::uint64_t entry = kFlashBit | flash_sent_++;
    TRY(router::SenderEffects out, sender.submit(now(), Lane::kFlash, some_exit(), named(entry)));
    for (router::CellSend& s : out.sends) fly(kOutside, index_.at(s.to), std::move(s.cell), {}, entry);
    jobs_end_ns_ = now_ns_;
    flash_ns_ = flash_sent_ == plan_.flash_jobs
                    ? kNever
                    : router::next_event_ns(now_ns_, kFlashPerDeep * static_cast<double>(plan_.payers), world_.random);
    return {};
  }

  void fly(std::size_t from, std::size_t to, Bytes cell, Belief belief, std::uint64_t guess) {
    look_at_bytes(cell);
    travelling_.push({now_ns_ + kLinkNs, seq_++, from, to, std::move(cell), std::move(belief), guess});
  }

  // Bytes of one link never come again on another: heads and padding apart, each 16 bytes are new.
  void look_at_bytes(ByteView cell) {
    ++out_.cells;
    trace_.update(cell);
    const auto& g = router::kXWingGeometry;
    const ByteView used = cell.subspan(router::kHeadSize, g.header(cell[2]) + g.payload);
    for (std::size_t at = 0; at + 16 <= used.size(); at += 16 * 37) {
      FixedBytes<16> block;
      FixedBytes<16>::from(used.subspan(at, 16), block);
      out_.repeated_blocks += !blocks_.insert(block).second;
    }
  }

  Status arrive(Travelling t) {
    const bool is_mix = t.to < plan_.mixes;
    if (is_mix && plan_.drops == t.to) return {};
    const bool ends_here = t.cell[2] == 1;  // an own loop of the mix, or an exit
    Bytes after = is_mix && owned(t.to) ? peeled(t) : Bytes();
    router::NodeId from;
    store_le(from.data.data(), t.from);
    router::MixEffects out = mixes_[t.to]->receive(now(), from, std::move(t.cell));
    for (const router::CellDelivery& d : out.deliveries) TRY_OK(judge(t, d));
    if (!out.sends.empty()) {  // at once: the observer sees that it is this one
      for (router::CellSend& s : out.sends) {
        (void)mixes_[t.to]->sent(now(), s.to);
        fly(t.to, index_.at(s.to), std::move(s.cell), std::move(t.belief), t.guess);
      }
    } else if (is_mix && owned(t.to)) {
      told_.emplace(crypto::blake3(after), std::pair(std::move(t.belief), t.guess));
    } else if (is_mix && !ends_here) {
      pools_[t.to].add(t.belief, t.guess);
    }
    return {};
  }

  bool owned(std::size_t node) const {
    return node < plan_.mixes && plan_.owned && node % router::kStrata == *plan_.owned;
  }
  Bytes peeled(const Travelling& t) {
    Bytes out = t.cell;
    const auto opened = router::open_layer(router::kXWingGeometry, out,
                                           {world_.nodes[t.to], world_.rings[t.to]->at(world_.epoch())->secret});
    if (opened) router::peel(router::kXWingGeometry, *opened, out);
    return out;
  }

  // What a mix held until now.
  void carry(std::size_t from, router::MixEffects out) {
    for (router::CellSend& s : out.sends) {
      (void)mixes_[from]->sent(now(), s.to);
      const bool own_loop = s.cell[2] == router::kLayersMax;  // it begins here: no held cell has four layers
      std::pair<Belief, std::uint64_t> known{{}, 0};
      if (!own_loop)
        known = owned(from) ? std::move(told_.extract(crypto::blake3(s.cell)).mapped()) : pools_[from].leave();
      fly(from, index_.at(s.to), std::move(s.cell), std::move(known.first), known.second);
    }
  }

  Status judge(const Travelling& t, const router::CellDelivery& delivery) {
    TRY(const router::Message message, router::decode_message(router::kXWingGeometry, delivery.payload));
    const auto truth = load_be<std::uint64_t>(message.id.data.data());
    const bool flash = (truth & kFlashBit) != 0;
    if (!flash && (truth < first_job_ || truth >= first_job_ + plan_.deep_jobs)) return {};
    LaneRow& row = flash ? out_.flash : out_.deep;
    ++row.delivered;
    row.fifo_right += t.guess == truth ? 1 : 0;
    if (flash) {
      row.top += 1;
      row.top_right += t.guess == truth ? 1 : 0;
      row.on_truth += t.guess == truth ? 1 : 0;
      return {};
    }
    const auto best = std::max_element(t.belief.begin(), t.belief.end());
    row.bits += entropy(t.belief);
    row.top += *best;
    row.top_sigma += *best * (1 - *best);
    row.top_right += static_cast<std::uint64_t>(best - t.belief.begin()) == truth ? 1 : 0;
    row.on_truth += truth < t.belief.size() ? t.belief[truth] : 0;
    return {};
  }

  const MixPlan plan_;
  router::MixWorld world_;
  std::map<router::NodeId, std::size_t> index_;
  std::vector<std::unique_ptr<Mix>> mixes_;
  std::deque<Sender> senders_;
  std::priority_queue<Travelling, std::vector<Travelling>, std::greater<>> travelling_;
  std::vector<Pool> pools_;
  std::map<Hash32, std::pair<Belief, std::uint64_t>> told_;  // by the cell that an owned mix will send
  std::set<FixedBytes<16>> blocks_;
  crypto::Blake3 trace_;
  MixOutcome out_;
  std::int64_t now_ns_ = 0, flash_ns_ = 0, jobs_end_ns_ = 0;
  std::uint64_t seq_ = 0, entries_ = 0, first_job_ = ~std::uint64_t{0} >> 1, deep_sent_ = 0, flash_sent_ = 0;
};

Status in_range(std::string_view what, double found, double low, double high) {
  if (found >= low && found <= high) return {};
  return fail(Kind::kInvalid, "mixnet.plan", text("found {} {}, expected {} to {}", found, what, low, high));
}

// The bound of mixnet.h.
std::optional<std::string> find_link(const MixPlan& plan, const MixOutcome& o) {
  const LaneRow& d = o.deep;
  if (o.repeated_blocks != 0) return text("{} blocks of bytes were seen twice", o.repeated_blocks);
  if (d.delivered == 0) return {};
  // The formula is of many cells a mix; with an owned stratum two honest hops are left, and few cells in each.
  if (const double least = plan.wanted.bits - (plan.owned ? 0.2 : 0); d.bits < least)
    return text("found {:.2f} bits, expected at least {:.2f}", d.bits, least);
  const double right_most = d.top + 4 * d.top_sigma;
  if (d.top_right > right_most || d.fifo_right > right_most)
    return text("guesses were right {:.4f} and {:.4f} of the time, expected at most {:.4f}", d.top_right, d.fifo_right,
                right_most);
  if (const double most = 2 * std::exp2(-plan.wanted.bits); d.on_truth > most)
    return text("found {:.4f} on the truth, expected at most {:.4f}", d.on_truth, most);
  return {};
}

}  // namespace

Result<MixOutcome> run_mix(const MixPlan& plan) {
  TRY_OK(in_range("jobs", static_cast<double>(plan.deep_jobs + plan.flash_jobs), 1, kMixJobsMax));
  TRY_OK(in_range("mixes", static_cast<double>(plan.mixes), kMixesMin, kMixesMax));
  TRY_OK(in_range("exits", static_cast<double>(plan.exits), 1, kMixExitsMax));
  TRY_OK(in_range("payers", static_cast<double>(plan.payers), 1, kMixPayersMax));
  TRY_OK(in_range("bits", plan.wanted.bits, 0, kMixBitsMax));
  TRY(MixOutcome out, World(plan).run());
  out.failure = find_link(plan, out);
  return out;
}

}  // namespace hanse::sim

// The mix under an observer who sees every link: the production Mix, Sender and cells, in virtual time.
//
// What the observer sees of an event: when, from whom, to whom, and the bytes. What it knows: the protocol, that delays
// are exponential, everybody's strata. Delays without memory make every cell that a mix holds as likely as any other to
// be the one that leaves, so its best belief about a departing cell is the mean of the beliefs about the cells held: it
// keeps for each mix the sum of them and their number. Beliefs start at the links from senders into the mix.
// The truth, which the observer does not see, is the message id that the receiver reads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <queue>
#include <set>

#include "base/crypto/hash.h"
#include "exchange/router/mix_world_test.h"
#include "exchange/router/sender.h"

namespace hanse::router {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kLinkNs = 2 * kMs;  // each link takes as long

using Belief = std::vector<double>;  // over entries

struct Pool {  // what the observer believes of one mix
  Belief sum;
  double held = 0;

  void add(const Belief& b) {
    if (sum.size() < b.size()) sum.resize(b.size());
    for (std::size_t i = 0; i < b.size(); ++i) sum[i] += b[i];
    held += 1;
  }
  Belief leave() {
    Belief out(sum.size());
    for (std::size_t i = 0; i < sum.size(); ++i) {
      out[i] = sum[i] / held;
      sum[i] -= out[i];
    }
    held -= 1;
    return out;
  }
};

double entropy(const Belief& b) {
  double out = 0;
  for (const double p : b)
    if (p > 1e-12) out -= p * std::log2(p);
  return out;
}

struct Linked {  // one exit, judged afterwards
  std::size_t truth = 0;
  double bits = 0, top = 0, on_truth = 0;
  bool top_is_truth = false, fifo_is_truth = false;
};

struct Totals {
  double bits = 0, top = 0, on_truth = 0, top_right = 0, fifo_right = 0, n = 0, top_variance = 0;
  explicit Totals(const std::vector<Linked>& all) : n(static_cast<double>(all.size())) {
    for (const Linked& l : all) {
      bits += l.bits / n;
      top += l.top / n;
      top_variance += l.top * (1 - l.top);
      on_truth += l.on_truth / n;
      top_right += l.top_is_truth / n;
      fifo_right += l.fifo_is_truth / n;
    }
  }
};

struct SimConfig {
  std::size_t mixes = 6, receivers = 2, senders = 40;
  Lane lane = Lane::kDeep;
  AnonymityWanted wanted{.bits = 7, .mean_ms_min = 100, .mean_ms_max = 30'000};
  double deep_per_s = 20;  // what the mixes publish
  std::int64_t until_ms = 45'000, judged_from_ms = 20'000;
  std::uint64_t seed = 1;
  std::optional<std::size_t> drops;  // a mix that drops all it should pass on
  double mix_loops_per_s = 0;
  std::optional<std::uint8_t> owned;  // a stratum whose mixes tell the observer everything
};

class Sim {
 public:
  explicit Sim(SimConfig config)
      : c_(config), world_(config.mixes + config.receivers, 100'000, config.seed, config.receivers) {
    const Directory directory = world_.directory(c_.deep_per_s);
    for (std::size_t i = 0; i < world_.nodes.size(); ++i) {
      index_[world_.nodes[i]] = i;
      mixes_.push_back(std::make_unique<Mix>(MixConfig{.node = world_.nodes[i],
                                                       .in_flight_max = 1'000,
                                                       .loops_per_s = i < c_.mixes ? c_.mix_loops_per_s : 0,
                                                       .wanted = c_.wanted},
                                             *world_.rings[i], world_.random, world_.now(0)));
      mixes_[i]->directory(directory);
    }
    pools_.resize(world_.nodes.size());
    fifo_.resize(world_.nodes.size());
    for (std::size_t i = 0; i < c_.senders; ++i) {
      senders_.emplace_back(SenderConfig{.home = world_.nodes.back(), .wanted = c_.wanted, .loops_per_s = 0},
                            world_.random, world_.now(0));
      senders_.back().directory(directory);
    }
  }

  void run() {
    while (now_ns_ < c_.until_ms * kMs) step();
  }

  const std::vector<Linked>& linked() const { return linked_; }
  Mix& mix(std::size_t i) { return *mixes_[i]; }
  std::size_t repeated_blocks() const { return repeated_blocks_; }
  std::size_t cells_seen() const { return cells_seen_; }
  Now now() const { return world_.now(now_ns_ / kMs); }

 private:
  static constexpr std::size_t kOutside = ~std::size_t{0};
  struct Travelling {
    std::int64_t at_ns;
    std::uint64_t seq;
    std::size_t from, to;
    Bytes cell;
    Belief belief;               // the observer's, of this cell
    std::size_t fifo_entry = 0;  // what a first-in-first-out guess says
    bool operator>(const Travelling& o) const { return std::tie(at_ns, seq) > std::tie(o.at_ns, o.seq); }
  };
  Now exact() const { return {now_ns_, MixWorld::kStartMs + now_ns_ / kMs}; }

  // The earliest of: a cell that arrives, a mix that wakes, a sender that wakes.
  void step() {
    std::int64_t at = travelling_.empty() ? c_.until_ms * kMs : travelling_.top().at_ns;
    std::size_t mix = kOutside, sender = kOutside;
    for (std::size_t i = 0; i < mixes_.size(); ++i)
      if (mixes_[i]->wake_ns() < at) at = mixes_[i]->wake_ns(), mix = i;
    for (std::size_t i = 0; i < senders_.size(); ++i)
      if (senders_[i].wake_ns() < at) at = senders_[i].wake_ns(), sender = i;
    now_ns_ = std::max(now_ns_, at);
    if (sender != kOutside) {
      send_from(senders_[sender]);
    } else if (mix != kOutside) {
      carry(mix, mixes_[mix]->tick(exact()));
    } else if (!travelling_.empty()) {
      Travelling t = std::move(const_cast<Travelling&>(travelling_.top()));
      travelling_.pop();
      arrive(std::move(t));
    }
  }

  // Each tick says something to a random receiver; the first eight bytes of the id number the entry.
  void send_from(Sender& sender) {
    Message message;
    store_be(message.id.data.data(), static_cast<std::uint64_t>(entries_));
    Destination to{world_.nodes[c_.mixes + world_.random.below(c_.receivers)], Command::kDeliver, {}};
    auto given = sender.submit(exact(), c_.lane, to, std::move(message));
    ASSERT_TRUE(given) << given.error().str();
    SenderEffects out = sender.tick(exact());
    if (c_.lane == Lane::kFlash) out = std::move(*given);  // its cover stays at home here
    for (CellSend& s : out.sends) {
      Belief certain(entries_ + 1);
      certain[entries_] = 1;
      entered_ns_.push_back(now_ns_);
      fly(kOutside, index_.at(s.to), std::move(s.cell), std::move(certain), entries_++);
    }
  }

  void fly(std::size_t from, std::size_t to, Bytes cell, Belief belief, std::size_t fifo_entry) {
    look_at_bytes(cell);
    travelling_.push({now_ns_ + kLinkNs, seq_++, from, to, std::move(cell), std::move(belief), fifo_entry});
  }

  // Bytes of one link never come again on another: heads and padding apart, each 16 bytes are new.
  void look_at_bytes(ByteView cell) {
    ASSERT_EQ(cell.size(), kCellSize);
    ++cells_seen_;
    const ByteView used = cell.subspan(kHeadSize, kXWingGeometry.header(cell[2]) + kXWingGeometry.payload);
    for (std::size_t at = 0; at + 16 <= used.size(); at += 16 * 37) {
      FixedBytes<16> block;
      FixedBytes<16>::from(used.subspan(at, 16), block);
      repeated_blocks_ += !blocks_.insert(block).second;
    }
  }

  void arrive(Travelling t) {
    const bool is_mix = t.to < c_.mixes;
    if (is_mix && c_.drops == t.to) return;
    const bool loop_home = is_mix && t.cell[2] == 1;
    if (is_mix && owned(t.to)) {
      told_.emplace(crypto::blake3(peeled(t)), std::pair(t.belief, t.fifo_entry));
    } else if (is_mix && !loop_home) {
      pools_[t.to].add(t.belief);
      fifo_[t.to].push_back(t.fifo_entry);
    }
    NodeId from;
    store_le(from.data.data(), t.from);
    MixEffects out = mixes_[t.to]->receive(exact(), from, std::move(t.cell));
    for (const CellDelivery& d : out.deliveries) judge(t, d);
    carry(t.to, std::move(out));
  }

  bool owned(std::size_t node) const { return node < c_.mixes && c_.owned && node % kStrata == *c_.owned; }
  Bytes peeled(const Travelling& t) {
    Bytes out = t.cell;
    const auto opened =
        open_layer(kXWingGeometry, out, {world_.nodes[t.to], world_.rings[t.to]->at(world_.epoch())->secret});
    peel(kXWingGeometry, *opened, out);
    return out;
  }

  void carry(std::size_t from, MixEffects out) {
    for (CellSend& s : out.sends) {
      (void)mixes_[from]->sent(exact(), s.to);
      const bool own_loop = s.cell[2] == kLayersMax;  // it begins here: the observer knows that no held cell has four
      Belief belief;
      std::size_t guess = 0;
      if (owned(from)) {
        std::tie(belief, guess) = std::move(told_.extract(crypto::blake3(s.cell)).mapped());
      } else if (!own_loop) {
        belief = pools_[from].leave();
        guess = fifo_[from].front();
        fifo_[from].pop_front();
      }
      fly(from, index_.at(s.to), std::move(s.cell), std::move(belief), guess);
    }
  }

  void judge(const Travelling& t, const CellDelivery& delivery) {
    const auto message = decode_message(kXWingGeometry, delivery.payload);
    ASSERT_TRUE(message);
    Linked l;
    l.truth = load_be<std::uint64_t>(message->id.data.data());
    if (entered_ns_.at(l.truth) < c_.judged_from_ms * kMs) return;
    const auto best = std::max_element(t.belief.begin(), t.belief.end());
    l.bits = entropy(t.belief);
    l.top = *best;
    l.top_is_truth = static_cast<std::size_t>(best - t.belief.begin()) == l.truth;
    l.on_truth = l.truth < t.belief.size() ? t.belief[l.truth] : 0;
    l.fifo_is_truth = t.fifo_entry == l.truth;
    linked_.push_back(l);
  }

  SimConfig c_;
  MixWorld world_;
  std::map<NodeId, std::size_t> index_;
  std::vector<std::unique_ptr<Mix>> mixes_;
  std::deque<Sender> senders_;
  std::priority_queue<Travelling, std::vector<Travelling>, std::greater<>> travelling_;
  std::vector<Pool> pools_;
  std::vector<std::deque<std::size_t>> fifo_;
  std::map<Hash32, std::pair<Belief, std::size_t>> told_;  // by the cell that an owned mix will send
  std::vector<std::int64_t> entered_ns_;
  std::set<FixedBytes<16>> blocks_;
  std::vector<Linked> linked_;
  std::int64_t now_ns_ = 0;
  std::uint64_t seq_ = 0;
  std::size_t entries_ = 0, repeated_blocks_ = 0, cells_seen_ = 0;
};

void print(const char* what, std::uint64_t seed, const Totals& t) {
  std::printf(
      "%s, seed %llu: %.0f exits, %.2f bits, on the truth %.4f, top guess right %.4f of expected %.4f, first-in "
      "%.4f\n",
      what, static_cast<unsigned long long>(seed), t.n, t.bits, t.on_truth, t.top_right, t.top, t.fifo_right);
}

TEST(MixSim, an_observer_of_all_links_knows_no_more_of_deep_cells_than_the_entropy_says) {
  SimConfig config;
  Sim sim(config);
  sim.run();
  const Totals t(sim.linked());
  print("deep", config.seed, t);
  ASSERT_GT(t.n, 500);
  EXPECT_EQ(sim.repeated_blocks(), 0U) << "of " << sim.cells_seen() << " cells";
  // Two honest hops were asked to give it, three do.
  EXPECT_GE(t.bits, config.wanted.bits);
  // The belief is the observer's best, and honest: it is right as often as it says, and no more.
  const double sigma = std::sqrt(t.top_variance) / t.n;
  EXPECT_LE(t.top_right, t.top + 4 * sigma);
  EXPECT_LE(t.fifo_right, t.top + 4 * sigma);
  // Nor does it put more than twice on the truth of what it would if all candidates were alike.
  EXPECT_LE(t.on_truth, 2 * std::exp2(-config.wanted.bits));
  // What each mix tells of itself is what the closed form says of the traffic it measured.
  for (std::size_t i = 0; i < config.mixes; ++i) {
    EXPECT_NEAR(sim.mix(i).deep_per_s(sim.now()), 20, 8) << i;
    EXPECT_GT(sim.mix(i).entropy_bits(), 2) << i;
    EXPECT_EQ(sim.mix(i).counters().rejected, 0U);
  }
}

TEST(MixSim, an_observer_who_owns_a_stratum_knows_no_more_than_the_entropy_of_the_two_others_says) {
  for (std::uint8_t stratum = 0; stratum < kStrata; ++stratum) {
    SimConfig config;
    config.seed = 10 + stratum;
    config.owned = stratum;
    Sim sim(config);
    sim.run();
    const Totals t(sim.linked());
    print("deep, one stratum owned", config.seed, t);
    ASSERT_GT(t.n, 500);
    EXPECT_GE(t.bits, config.wanted.bits - 0.2);  // the formula is of many cells a mix, these hold about 13
    EXPECT_LE(t.top_right, t.top + 4 * std::sqrt(t.top_variance) / t.n);
    EXPECT_LE(t.on_truth, 2 * std::exp2(-config.wanted.bits));
  }
}

// The same observer must find what is there to be found: cells that no mix holds.
TEST(MixSim, the_same_observer_links_flash_cells) {
  SimConfig config;
  config.lane = Lane::kFlash;
  config.judged_from_ms = 1'000;
  config.until_ms = 10'000;
  Sim sim(config);
  sim.run();
  const Totals t(sim.linked());
  print("flash", config.seed, t);
  ASSERT_GT(t.n, 100);
  EXPECT_LT(t.bits, 0.1);
  EXPECT_GT(t.top_right, 0.95);
  EXPECT_EQ(sim.repeated_blocks(), 0U);
}

TEST(MixSim, a_mix_that_drops_cells_raises_the_alarm_of_the_others) {
  SimConfig config;
  config.senders = 5;
  config.mix_loops_per_s = 4;
  config.wanted = {.bits = 1, .mean_ms_min = 100, .mean_ms_max = 30'000};
  config.until_ms = 40'000;
  for (const bool broken : {false, true}) {
    if (broken) config.drops = 1;
    Sim sim(config);
    sim.run();
    for (const std::size_t i : {0, 2, 3}) {
      EXPECT_GT(sim.mix(i).counters().loops_sent, 80U);
      EXPECT_EQ(sim.mix(i).alarm(), broken) << i;
    }
  }
}

TEST(MixSim, one_seed_gives_one_history) {
  SimConfig config;
  config.senders = 5;
  config.until_ms = 8'000;
  config.judged_from_ms = 0;
  Sim first(config), second(config);
  first.run();
  second.run();
  ASSERT_GT(first.linked().size(), 5U);
  ASSERT_EQ(first.linked().size(), second.linked().size());
  for (std::size_t i = 0; i < first.linked().size(); ++i) {
    EXPECT_EQ(first.linked()[i].truth, second.linked()[i].truth);
    EXPECT_EQ(first.linked()[i].bits, second.linked()[i].bits);
  }
  config.seed = 2;
  Sim third(config);
  third.run();
  EXPECT_NE(first.cells_seen(), third.cells_seen());
}

}  // namespace
}  // namespace hanse::router

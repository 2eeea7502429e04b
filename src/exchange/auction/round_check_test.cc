// The checker and its program against rounds that were tampered with, and the bytes of a record.
#include <cstdio>
#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

#include "base/codec/cbor.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "exchange/auction/round_world_test.h"

namespace hanse::auction {
namespace {

using market::RoundRecord;

// Three trades at 40, one bid left out by price, one ask without a bond.
RoundRecord plain_record() {
  market::Round round = empty_round();
  for (const std::uint64_t v : {20, 90, 70, 80}) add_bid(round, v);
  for (const std::uint64_t a : {60, 30, 10, 20}) add_ask(round, a);
  add_ask(round, 1).bond = Amount{0};
  auto outcome = *clear(round);
  return {std::move(round), std::move(outcome)};
}

// All asks become one provider's, who has so many slots and so much bond; each match at 40 needs a bond of 80.
void one_provider(market::Round& round, market::RoundOutcome& out, std::uint32_t slots, std::uint64_t bond) {
  const AccountId provider = round.asks[0].ask.provider;
  for (auto& a : round.asks) {
    a.ask.provider = provider;
    a.free_slots = slots;
    a.bond = Amount{bond};
  }
  for (auto& m : out.matches) m.provider = provider;
}

std::set<std::string> broken_checks(const RoundRecord& record) {
  std::set<std::string> out;
  const auto report = market::check_record(record);
  EXPECT_TRUE(report) << report.error().str();
  for (const auto& f : report->findings) {
    if (!f.holds) out.insert(std::string(f.name));
  }
  return out;
}

TEST(RoundCheck, finds_each_tampering_and_names_it) {
  const auto with = [](auto change) {
    RoundRecord record = plain_record();
    change(record.round, record.outcome);
    return broken_checks(record);
  };
  const auto says = [](const std::set<std::string>& found, const char* name) {
    return found.contains(name) && found.contains("again");
  };
  EXPECT_TRUE(with([](auto&, auto&) {}).empty());
  EXPECT_EQ(with([](auto&, auto& o) { o.matches.pop_back(); }), (std::set<std::string>{"again", "listed"}));
  EXPECT_TRUE(says(with([](auto&, auto& o) { std::swap(o.matches[0], o.matches[1]); }), "listed"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[0].ask_id.data[0] ^= 1; }), "listed"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.unmatched[0].seq = 1; }), "listed"));
  EXPECT_EQ(with([](auto&, auto& o) { o.unmatched[0].end = market::BidEnd::kExpired; }),
            (std::set<std::string>{"again"}));
  EXPECT_EQ(with([](auto&, auto& o) { o.dropped.clear(); }), (std::set<std::string>{"again"}));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.bids[1].salt.data[0] ^= 1; }), "commits"));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.bids[1].funds = Amount{1}; }), "commits"));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.bids[1].bid.limit_total = Amount{39}; }), "limits"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[0].pays = Amount{91}; }), "limits"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[0].gets = Amount{9}; }), "asks"));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.asks[2].ask.used_cu = 1; }), "capacity"));
  EXPECT_TRUE(says(with([](auto&, auto& o) {
                     for (auto& m : o.matches)
                       m = {m.job_id, o.matches[0].provider, o.matches[0].ask_id, m.cell, m.pays, m.gets};
                   }),
                   "capacity"));
  EXPECT_TRUE(says(with([](auto& r, auto& o) { one_provider(r, o, 2, 1'000'000); }), "capacity"));
  EXPECT_TRUE(says(with([](auto& r, auto& o) { one_provider(r, o, 9, 239); }), "capacity"));
  EXPECT_FALSE(says(with([](auto& r, auto& o) { one_provider(r, o, 9, 240); }), "capacity"));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.asks[2].ask.max_batch = 0; }), "constraints"));
  EXPECT_TRUE(says(with([](auto& r, auto&) { r.asks[2].bond = Amount{0}; }), "constraints"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[0].cell.level = 2; }), "constraints"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[1].pays = Amount{41}; }), "one price"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.cells[0].kept = 2; }), "one price"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.cells.clear(); }), "one price"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.treasury = Amount{1}; }), "balance"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.paid = o.received = Amount{119}; }), "balance"));
  EXPECT_TRUE(says(with([](auto&, auto& o) { o.matches[0].gets = Amount{41}; }), "balance"));
  EXPECT_TRUE(says(with([](auto& r, auto&) {
                     r.bids[0].bid.limit_total = r.bids[0].funds = Amount{75};
                     r.commits[0] = market::commit_of(r.bids[0].bid, r.bids[0].salt);
                   }),
                   "no envy"));
  EXPECT_EQ(with([](auto& r, auto& o) {  // 40 could be 45 for all anyone sees, but for the rule
              o.cells[0].buyer_price = o.cells[0].seller_price = 45;
              for (auto& m : o.matches) m.pays = m.gets = Amount{45};
              o.paid = o.received = Amount{135};
              (void)r;
            }),
            (std::set<std::string>{"again"}));
}

// A record can match what has no work and no precision: the checker says no and ends.
TEST(RoundCheck, survives_a_match_of_nothing) {
  RoundRecord record = plain_record();
  for (auto& b : record.round.bids) b.bid.precisions = 0;
  EXPECT_TRUE(broken_checks(record).contains("constraints"));
  for (auto& b : record.round.bids) b.bid.cu = 0;
  EXPECT_TRUE(broken_checks(record).contains("commits"));
  for (auto& a : record.round.asks) a.ask.region = 64;
  EXPECT_TRUE(broken_checks(record).contains("constraints"));
}

TEST(RoundCheck, refuses_a_round_that_is_none) {
  RoundRecord record = plain_record();
  record.round.bids[0].seq = 9;
  EXPECT_EQ(market::check_record(record).error().id(), "market.round");
  for (const bool bond : {true, false}) {  // one provider has one bond and one number of slots
    RoundRecord differing = plain_record();
    one_provider(differing.round, differing.outcome, 5, 500);
    EXPECT_TRUE(market::check_record(differing));
    bond ? differing.round.asks[1].bond.value += 1 : differing.round.asks[1].free_slots += 1;
    EXPECT_EQ(market::check_record(differing).error().id(), "market.round");
  }
  record = plain_record();
  record.round.bond.audit_ppm = 0;
  EXPECT_EQ(market::check_record(record).error().id(), "market.round");
}

TEST(RoundRecord, comes_back_from_its_bytes_in_one_order) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    market::Round round = random_round(seed);
    RoundRecord record{round, *clear(round)};
    const Bytes bytes = market::encode_round(record);
    const auto back = market::decode_round(bytes);
    ASSERT_TRUE(back) << "seed " << seed << " " << back.error().str();
    ASSERT_EQ(*back, record) << "seed " << seed;
    SeededRandom random(seed, "shuffle");
    shuffle(record.round.bids, random);
    shuffle(record.round.asks, random);
    ASSERT_EQ(market::encode_round(record), bytes) << "seed " << seed;
  }
}

// Every flipped bit of a record is refused, or the record that results does not pass (or is one that clears to itself:
// a bond or funds above what is needed, a seq of an ask, the round's number).
TEST(RoundRecord, bytes_with_a_flipped_bit_are_refused_or_another_round) {
  const RoundRecord record = plain_record();
  const Bytes bytes = market::encode_round(record);
  std::size_t refused = 0, failed = 0;
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    Bytes bad = bytes;
    bad[i / 8] ^= static_cast<std::uint8_t>(1u << i % 8);
    const auto decoded = market::decode_round(bad);
    if (!decoded) {
      ++refused;
      continue;
    }
    ASSERT_NE(*decoded, record) << "bit " << i;
    ASSERT_EQ(market::encode_round(*decoded), bad) << "bit " << i;
    if (decoded->outcome != record.outcome) {
      ++failed;
      ASSERT_FALSE(market::check_record(*decoded)->ok()) << "bit " << i;
    }
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(failed, 100u);
}

TEST(RoundRecord, cut_and_disordered_bytes_are_refused) {
  const Bytes bytes = market::encode_round(plain_record());
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(market::decode_round(ByteView(bytes).first(n))) << n;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(market::decode_round(longer).error().id(), "codec.trailing");
  RoundRecord twice = plain_record();
  twice.round.bids[1].seq = 0;
  EXPECT_EQ(market::decode_round(market::encode_round(twice)).error().id(), "market.record");
  twice = plain_record();
  twice.round.asks[1] = twice.round.asks[0];
  EXPECT_EQ(market::decode_round(market::encode_round(twice)).error().id(), "market.record");
  RoundRecord odd = plain_record();
  odd.outcome.unmatched[0].end = static_cast<market::BidEnd>(0);
  EXPECT_EQ(market::decode_round(market::encode_round(odd)).error().id(), "market.record");
  odd = plain_record();
  odd.outcome.dropped[0].end = static_cast<market::AskEnd>(market::kAskEndMax + 1);
  EXPECT_EQ(market::decode_round(market::encode_round(odd)).error().id(), "codec.type");
  odd = plain_record();
  odd.round.commits.resize(market::kRoundBidsMax + 1);
  EXPECT_EQ(market::decode_round(market::encode_round(odd)).error().id(), "codec.too_large");
  Bytes version = bytes;
  version[2] = 2;
  EXPECT_EQ(market::decode_round(version).error().id(), "market.record");
  EXPECT_EQ(market::decode_round(Bytes(market::kRoundBytesMax + 1)).error().id(), "codec.too_large");
}

// The largest round fits a record.
TEST(RoundRecord, the_largest_round_fits) {
  market::Round round = empty_round();
  for (std::size_t i = 0; i < market::kRoundAsksMax; ++i) add_ask(round, ~std::uint64_t{0} - i, 10'000'000'000'000);
  for (std::size_t i = 0; i < market::kRoundBidsMax; ++i) {
    auto& b = add_bid(round, (1ull << 50) + i);
    b.bid.region_mask = ~std::uint64_t{0};
    b.bid.max_latency_ms = ~std::uint32_t{0};
    b.bid.seq = ~std::uint32_t{0};
  }
  market::RoundOutcome outcome;
  for (const auto& b : round.bids) {
    outcome.matches.push_back({b.bid.job_id,
                               round.asks[0].ask.provider,
                               round.asks[0].ask.id,
                               {1, 63, 3},
                               Amount{~std::uint64_t{0}},
                               Amount{~std::uint64_t{0}}});
  }
  EXPECT_TRUE(market::decode_round(market::encode_round({round, outcome})));
}

TEST(RoundRecord, names_every_end) {
  std::set<std::string_view> names;
  for (std::uint8_t e = 1; e <= market::kBidEndMax; ++e) names.insert(market::bid_end_name(market::BidEnd{e}));
  EXPECT_EQ(names.size(), market::kBidEndMax);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(market::bid_end_name(market::BidEnd{0}), "unknown");
  EXPECT_EQ(market::bid_end_name(market::BidEnd{market::kBidEndMax + 1}), "unknown");
  EXPECT_EQ(market::ask_end_name(market::AskEnd::kExhausted), "exhausted");
  EXPECT_EQ(market::ask_end_name(market::AskEnd{market::kAskEndMax + 1}), "unknown");
}

// The program as a user runs it.
class HanseAuctionCheck : public testing::Test {
 protected:
  struct Ran {
    int exit = -1;
    std::string out;
  };
  static Ran run(const std::string& command) {
    Ran ran;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return ran;
    char buffer[4096];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) ran.out.append(buffer, n);
    const int status = pclose(pipe);
    ran.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
  }
  void SetUp() override {
    const char* bin = std::getenv("HANSE_BIN_DIR");
    program_ = text("{}/hanse-auction-check", bin != nullptr ? bin : "build/bin");
    file_ = testing::TempDir() + text("/round-{}", static_cast<std::int64_t>(getpid()));
  }
  void TearDown() override { (void)real_fs().unlink(file_); }
  Ran check(ByteView bytes, std::string_view options = "") {
    EXPECT_TRUE(replace_file(real_fs(), file_, bytes));
    return run(text("{} {} {} 2>&1", program_, file_, options));
  }
  std::string program_, file_;
};

TEST_F(HanseAuctionCheck, exits_by_the_answer) {
  RoundRecord record = plain_record();
  const Ran good = check(market::encode_round(record));
  EXPECT_EQ(good.exit, 0) << good.out;
  EXPECT_TRUE(good.out.starts_with("listed       ok   3 matches, 1 bids without\n")) << good.out;
  const auto json = codec::parse_json(check(market::encode_round(record), "--json").out);
  ASSERT_TRUE(json);
  EXPECT_TRUE(*json->find("ok")->as_bool("ok"));
  EXPECT_EQ(json->find("checks")->items().size(), 10u);
  record.outcome.treasury = Amount{1};
  const Ran bad = check(market::encode_round(record));
  EXPECT_EQ(bad.exit, 1);
  EXPECT_NE(bad.out.find("balance      FAIL"), std::string::npos) << bad.out;
  EXPECT_EQ(check(as_bytes("no round")).exit, 5);
  EXPECT_EQ(run(program_ + " 2>&1").exit, 2);
  EXPECT_EQ(run(program_ + " --unknown 2>&1").exit, 2);
  EXPECT_EQ(run(program_ + " a b 2>&1").exit, 2);
  EXPECT_EQ(run(program_ + " /nowhere/round 2>&1").exit, 2);
  EXPECT_EQ(run(program_ + " --help").exit, 0);
}

TEST_F(HanseAuctionCheck, is_linked_with_no_store_network_or_engine) {
  const Ran all = run(text("ldd {}", program_));
  ASSERT_EQ(all.exit, 0);
  for (const char* library : {"rocksdb", "grpc", "protobuf", "wasmedge", "ngtcp2"})
    EXPECT_EQ(all.out.find(library), std::string::npos) << library;
}

}  // namespace
}  // namespace hanse::auction

#include "base/telemetry/metrics.h"

#include "base/core/text.h"
#include "base/logging/log.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

namespace hanse::telemetry {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

// The value of the one line that starts with `series` and a blank; -1 when there is none.
double value_of(const std::string& text, const std::string& series) {
  const std::size_t at = ("\n" + text).find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + series.size(), nullptr);
}

TEST(Catalog, names_follow_the_rules) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kMetrics; ++i) {
    const MetricInfo& m = kCatalog[i];
    EXPECT_EQ(static_cast<std::size_t>(m.metric), i) << m.name << " is not in the order of the enum";
    EXPECT_TRUE(names.insert(m.name).second) << m.name;
    EXPECT_TRUE(m.name.starts_with("hanse_")) << m.name;
    EXPECT_EQ(m.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << m.name;
    std::string_view stem = m.name;
    EXPECT_EQ(stem.ends_with("_total"), m.type == MetricType::kCounter) << m.name;
    if (stem.ends_with("_total")) stem.remove_suffix(6);
    EXPECT_EQ(stem.ends_with("_seconds"), m.unit == Unit::kSeconds) << m.name;
    EXPECT_EQ(stem.ends_with("_bytes"), m.unit == Unit::kBytes) << m.name;
    EXPECT_EQ(stem.ends_with("_ut"), m.unit == Unit::kUt) << m.name;
    EXPECT_FALSE(m.help.empty()) << m.name;
    EXPECT_FALSE(m.help.ends_with('.')) << m.name;
    EXPECT_EQ(m.help.find_first_of("|\n"), std::string_view::npos) << m.name;
    EXPECT_EQ(m.buckets.empty(), m.type != MetricType::kHistogram) << m.name;
    EXPECT_LE(m.buckets.size(), Histogram::kBucketsMax) << m.name;
    EXPECT_TRUE(std::ranges::is_sorted(m.buckets, std::less_equal{}) || m.buckets.empty()) << m.name;
    for (const std::string_view label : m.labels) EXPECT_NE(label, "le") << m.name;
  }
}

TEST(Registry, shows_what_was_counted_in_prometheus_text) {
  Registry r;
  EXPECT_EQ(r.exposition(), "");
  r.counter(Metric::kLedgerTxs).add(3);
  r.counter(Metric::kApiRequests, {"submit", "ok"}).add();
  r.counter(Metric::kApiRequests, {"submit", "denied"}).add(2);
  r.gauge(Metric::kLedgerHeight).set(41);
  r.gauge(Metric::kLedgerHeight).add(1);
  const std::string text = r.exposition();
  EXPECT_EQ(text,
            "# HELP hanse_ledger_height Height of the newest durable block\n"
            "# TYPE hanse_ledger_height gauge\n"
            "hanse_ledger_height 42\n"
            "# HELP hanse_ledger_txs_total Transactions in durable blocks, refused ones included\n"
            "# TYPE hanse_ledger_txs_total counter\n"
            "hanse_ledger_txs_total 3\n"
            "# HELP hanse_api_requests_total API calls answered, by method and result code\n"
            "# TYPE hanse_api_requests_total counter\n"
            "hanse_api_requests_total{method=\"submit\",code=\"denied\"} 2\n"
            "hanse_api_requests_total{method=\"submit\",code=\"ok\"} 1\n");
}

TEST(Registry, puts_an_observation_on_a_bound_into_its_bucket) {
  Registry r;
  Histogram& h = r.histogram(Metric::kJournalFsyncSeconds);
  h.observe(50'000);  // exactly the first bound
  h.observe(50'001);
  h.observe(1'000'000'001);  // above the last
  const std::string text = r.exposition();
  EXPECT_TRUE(has_line(text, "hanse_journal_fsync_seconds_bucket{le=\"5e-05\"} 1") ||
              has_line(text, "hanse_journal_fsync_seconds_bucket{le=\"0.00005\"} 1"))
      << text;
  EXPECT_EQ(value_of(text, "hanse_journal_fsync_seconds_bucket{le=\"0.0001\"}"), 2) << text;
  EXPECT_EQ(value_of(text, "hanse_journal_fsync_seconds_bucket{le=\"1\"}"), 2) << text;
  EXPECT_EQ(value_of(text, "hanse_journal_fsync_seconds_bucket{le=\"+Inf\"}"), 3) << text;
  EXPECT_EQ(value_of(text, "hanse_journal_fsync_seconds_count"), 3) << text;
  EXPECT_NEAR(value_of(text, "hanse_journal_fsync_seconds_sum"), 1.000100002, 1e-9) << text;
}

TEST(Registry, gives_the_same_handle_for_the_same_labels) {
  Registry r;
  EXPECT_EQ(&r.counter(Metric::kGseeJobs, {"ok"}), &r.counter(Metric::kGseeJobs, {"ok"}));
  EXPECT_NE(&r.counter(Metric::kGseeJobs, {"ok"}), &r.counter(Metric::kGseeJobs, {"trap"}));
  EXPECT_EQ(&r.counter(Metric::kGseeJobs, {std::string(kLabelBytesMax, 'x')}),
            &r.counter(Metric::kGseeJobs, {std::string(kLabelBytesMax + 1, 'x')}));
  EXPECT_EQ(&registry(), &registry());
}

TEST(Registry, folds_label_values_beyond_the_limit_into_other) {
  Registry r;
  for (std::size_t i = 0; i < kSeriesMax; ++i) r.counter(Metric::kAuctionMatches, {text("p{}", i)}).add();
  EXPECT_EQ(value_of(r.exposition(), "hanse_telemetry_overflows_total{metric=\"hanse_auction_matches_total\"}"), -1);
  r.counter(Metric::kAuctionMatches, {"one too many"}).add();
  r.counter(Metric::kAuctionMatches, {"and another"}).add();
  r.counter(Metric::kAuctionMatches, {"p0"}).add();
  const std::string shown = r.exposition();
  EXPECT_EQ(value_of(shown, "hanse_auction_matches_total{provider=\"other\"}"), 2);
  EXPECT_EQ(value_of(shown, "hanse_auction_matches_total{provider=\"p0\"}"), 2);
  EXPECT_EQ(value_of(shown, "hanse_telemetry_overflows_total{metric=\"hanse_auction_matches_total\"}"), 2);
  EXPECT_EQ(shown.find("one too many"), std::string::npos);
}

TEST(Registry, escapes_label_values) {
  Registry r;
  r.counter(Metric::kAuctionMatches, {"a\"b\\c\nd"}).add();
  EXPECT_TRUE(has_line(r.exposition(), R"(hanse_auction_matches_total{provider="a\"b\\c\nd"} 1)")) << r.exposition();
}

TEST(Registry, counts_exactly_with_many_threads) {
  Registry r;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        r.counter(Metric::kLedgerTxs).add();
        r.histogram(Metric::kLedgerBlockSeconds).observe(i);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(r.counter(Metric::kLedgerTxs).value(), 80'000u);
  EXPECT_EQ(r.histogram(Metric::kLedgerBlockSeconds).bucket(0), 80'000u);
}

TEST(RegistryDeathTest, ends_the_process_on_a_wrong_type_or_number_of_labels) {
  Registry r;
  EXPECT_DEATH(r.gauge(Metric::kLedgerTxs), "own type");
  EXPECT_DEATH(r.counter(Metric::kGseeJobs), "as many label values");
}

TEST(Counter, raise_to_never_lowers) {
  Counter c;
  c.raise_to(5);
  c.raise_to(3);
  EXPECT_EQ(c.value(), 5u);
}

TEST(Process, reports_memory_cpu_descriptors_start_and_log_counts) {
  Registry r;
  const std::uint64_t warns = logging::stats().issued[3];
  logging::log_warn("counted by the test of metrics");
  refresh_process_metrics(r);
  const std::string before = r.exposition();
  EXPECT_GT(value_of(before, "hanse_process_resident_bytes"), 1e6) << before;
  EXPECT_GT(value_of(before, "hanse_process_cpu_seconds_total"), 0);
  EXPECT_EQ(value_of(before, "hanse_log_events_total{level=\"warn\"}"), static_cast<double>(warns + 1));
  EXPECT_EQ(value_of(before, "hanse_log_lost_total{level=\"error\"}"), 0);
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_NEAR(value_of(before, "hanse_process_start_time_seconds"), now, 3600);
  const int fd = dup(0);
  ASSERT_GE(fd, 0);
  refresh_process_metrics(r);
  EXPECT_EQ(value_of(r.exposition(), "hanse_process_open_fds"), value_of(before, "hanse_process_open_fds") + 1);
  close(fd);
}

TEST(Reference, page_is_what_the_catalogue_says) {
  const std::string path = "docs/reference/metrics.md", page = reference_page();
  if (std::getenv("HANSE_BLESS") != nullptr) std::ofstream(path, std::ios::binary) << page;
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), page)
      << path << " is out of date: run HANSE_BLESS=1 build/bin/telemetry_test from the top folder";
  for (const MetricInfo& m : kCatalog) EXPECT_NE(page.find(m.name), std::string::npos);
}

}  // namespace
}  // namespace hanse::telemetry

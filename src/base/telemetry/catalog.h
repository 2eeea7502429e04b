// Every metric of Hanse, once. Registration, the text that Prometheus reads and docs/reference/metrics.md all come from
// this table; adding a metric is adding its name to the enum and its line to the table, in the same order.
//
// Names: hanse_<what>_<unit>, counters end in _total after the unit. Values are integers in the unit of `raw`; seconds
// are recorded in nanoseconds and shown as seconds, money is in micro-tokens (ut), sizes in bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace hanse::telemetry {

enum class Metric : std::uint8_t {
  kAuctionMatches,
  kEscrowLocked,
  kGseeJobs,
  kRuntimeJobSeconds,
  kLedgerHeight,
  kLedgerTxs,
  kLedgerBlockSeconds,
  kJournalFsyncSeconds,
  kApiRequests,
  kLogEvents,
  kLogLost,
  kTelemetryOverflows,
  kProcessResident,
  kProcessCpu,
  kProcessFds,
  kProcessStart,
  kCount,
};
constexpr std::size_t kMetrics = static_cast<std::size_t>(Metric::kCount);

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };
enum class Unit : std::uint8_t { kNone, kSeconds, kBytes, kUt };  // kSeconds: recorded in nanoseconds

constexpr std::size_t kLabelsMax = 2;
constexpr std::size_t kSeriesMax = 128;     // label values a metric keeps apart; further ones become "other"
constexpr std::size_t kLabelBytesMax = 64;  // of a label value; longer ones are cut
constexpr std::string_view kOverflow = "other";

struct MetricInfo {
  Metric metric;
  std::string_view name;
  MetricType type;
  Unit unit;
  std::array<std::string_view, kLabelsMax> labels;  // empty names are absent
  std::string_view help;
  std::span<const std::int64_t> buckets;  // upper bounds, ascending, in raw units; histograms only

  constexpr std::size_t label_count() const {
    std::size_t n = 0;
    while (n < kLabelsMax && !labels[n].empty()) ++n;
    return n;
  }
};

namespace detail {
constexpr std::int64_t kUs = 1'000, kMs = 1'000'000, kS = 1'000'000'000;
constexpr std::int64_t kDiskBuckets[] = {50 * kUs, 100 * kUs, 250 * kUs, 500 * kUs, 1 * kMs,   2'500 * kUs, 5 * kMs,
                                         10 * kMs, 25 * kMs,  50 * kMs,  100 * kMs, 250 * kMs, 1 * kS};
constexpr std::int64_t kBlockBuckets[] = {1 * kMs,   2'500 * kUs, 5 * kMs, 10 * kMs,    25 * kMs, 50 * kMs, 100 * kMs,
                                          250 * kMs, 500 * kMs,   1 * kS,  2'500 * kMs, 5 * kS,   10 * kS};
constexpr std::int64_t kJobBuckets[] = {1 * kMs, 5 * kMs, 10 * kMs, 50 * kMs, 100 * kMs, 500 * kMs, 1 * kS,
                                        5 * kS,  10 * kS, 30 * kS,  60 * kS,  300 * kS,  600 * kS};
}  // namespace detail

constexpr std::array<MetricInfo, kMetrics> kCatalog = {{
    {Metric::kAuctionMatches,
     "hanse_auction_matches_total",
     MetricType::kCounter,
     Unit::kNone,
     {"provider"},
     "Jobs matched, by provider",
     {}},
    {Metric::kEscrowLocked,
     "hanse_escrow_locked_ut",
     MetricType::kGauge,
     Unit::kUt,
     {},
     "Money locked in escrow and bonds of open jobs",
     {}},
    {Metric::kGseeJobs,
     "hanse_gsee_jobs_total",
     MetricType::kCounter,
     Unit::kNone,
     {"status"},
     "Jobs that ended on this provider, by run status",
     {}},
    {Metric::kRuntimeJobSeconds,
     "hanse_runtime_job_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     {},
     "Time a job node took in a worker, from hand-over to outcome",
     detail::kJobBuckets},
    {Metric::kLedgerHeight,
     "hanse_ledger_height",
     MetricType::kGauge,
     Unit::kNone,
     {},
     "Height of the newest durable block",
     {}},
    {Metric::kLedgerTxs,
     "hanse_ledger_txs_total",
     MetricType::kCounter,
     Unit::kNone,
     {},
     "Transactions in durable blocks, refused ones included",
     {}},
    {Metric::kLedgerBlockSeconds,
     "hanse_ledger_block_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     {},
     "Time to execute a block and make it durable",
     detail::kBlockBuckets},
    {Metric::kJournalFsyncSeconds,
     "hanse_journal_fsync_seconds",
     MetricType::kHistogram,
     Unit::kSeconds,
     {},
     "Time of one fdatasync of the journal",
     detail::kDiskBuckets},
    {Metric::kApiRequests,
     "hanse_api_requests_total",
     MetricType::kCounter,
     Unit::kNone,
     {"method", "code"},
     "API calls answered, by method and result code",
     {}},
    {Metric::kLogEvents,
     "hanse_log_events_total",
     MetricType::kCounter,
     Unit::kNone,
     {"level"},
     "Log events issued, by level",
     {}},
    {Metric::kLogLost,
     "hanse_log_lost_total",
     MetricType::kCounter,
     Unit::kNone,
     {"level"},
     "Log events dropped because a ring was full or the sink refused the line, by level",
     {}},
    {Metric::kTelemetryOverflows,
     "hanse_telemetry_overflows_total",
     MetricType::kCounter,
     Unit::kNone,
     {"metric"},
     "Label values folded into \"other\" because the metric keeps enough apart, by metric",
     {}},
    {Metric::kProcessResident,
     "hanse_process_resident_bytes",
     MetricType::kGauge,
     Unit::kBytes,
     {},
     "Resident memory of the process",
     {}},
    {Metric::kProcessCpu,
     "hanse_process_cpu_seconds_total",
     MetricType::kCounter,
     Unit::kSeconds,
     {},
     "CPU time of the process, user and system",
     {}},
    {Metric::kProcessFds,
     "hanse_process_open_fds",
     MetricType::kGauge,
     Unit::kNone,
     {},
     "Open file descriptors of the process",
     {}},
    {Metric::kProcessStart,
     "hanse_process_start_time_seconds",
     MetricType::kGauge,
     Unit::kSeconds,
     {},
     "Start of the process, Unix time",
     {}},
}};

constexpr const MetricInfo& info(Metric metric) { return kCatalog[static_cast<std::size_t>(metric)]; }

}  // namespace hanse::telemetry

// Counting what happens. The metrics are those of catalog.h; code takes a handle once and bumps it on its hot path:
//
//   static telemetry::Counter& txs = telemetry::registry().counter(telemetry::Metric::kLedgerTxs);
//   txs.add();
//   telemetry::registry().counter(telemetry::Metric::kGseeJobs, {run_status_name(s)}).add();
//
// A handle is one or a few atomics and lives as long as its registry. Looking one up takes a lock and a hash: keep it
// where the call is frequent. A metric keeps at most kSeriesMax label combinations apart; all further ones share the
// series whose labels are "other", and hanse_telemetry_overflows_total counts how often.
// Raw units: nanoseconds for seconds, else as the name says. Label values are no place for secrets or user text.
// A wrong type or number of labels is our own bug and ends the process.
// Threads: any. Errors: none.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/telemetry/catalog.h"

namespace hanse::telemetry {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  // For totals that are kept elsewhere and only copied here; never lowers the value.
  void raise_to(std::uint64_t total);

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(std::int64_t v) { value_.fetch_add(v, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class Histogram {
 public:
  static constexpr std::size_t kBucketsMax = 16;
  explicit Histogram(std::span<const std::int64_t> bounds) : bounds_(bounds) {}
  void observe(std::int64_t raw);
  std::uint64_t bucket(std::size_t i) const { return counts_[i].load(std::memory_order_relaxed); }  // not cumulative
  std::int64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  std::span<const std::int64_t> bounds() const { return bounds_; }

 private:
  std::span<const std::int64_t> bounds_;
  std::atomic<std::uint64_t> counts_[kBucketsMax + 1] = {};  // the last one counts what is above every bound
  std::atomic<std::int64_t> sum_{0};
};

using Labels = std::initializer_list<std::string_view>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(Metric metric, Labels labels = {});
  Gauge& gauge(Metric metric, Labels labels = {});
  Histogram& histogram(Metric metric, Labels labels = {});

  // Prometheus text format 0.0.4 (content type "text/plain; version=0.0.4") of every series that was ever taken, in the
  // order of the catalogue and of the label values.
  std::string exposition() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

Registry& registry();  // the one of the process

// Copies the process's memory, CPU time, descriptors and start time, and the log's counts, into the registry; the
// server of /metrics calls it before exposition(). What the system does not tell keeps its last value.
void refresh_process_metrics(Registry& registry);

// docs/reference/metrics.md, made from the catalogue.
std::string reference_page();

}  // namespace hanse::telemetry

#include "base/telemetry/metrics.h"

#include "base/core/check.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <variant>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace hanse::telemetry {

namespace {

using LabelValues = std::vector<std::string>;
using Instrument = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

Instrument make_instrument(const MetricInfo& m) {
  switch (m.type) {
    case MetricType::kCounter: return std::make_unique<Counter>();
    case MetricType::kGauge: return std::make_unique<Gauge>();
    case MetricType::kHistogram: return std::make_unique<Histogram>(m.buckets);
  }
  return std::make_unique<Counter>();
}

double shown(const MetricInfo& m, double raw) { return m.unit == Unit::kSeconds ? raw / 1e9 : raw; }

prometheus::ClientMetric to_client(const MetricInfo& m, const LabelValues& labels, const Instrument& instrument) {
  prometheus::ClientMetric out;
  for (std::size_t i = 0; i < labels.size(); ++i) out.label.push_back({std::string(m.labels[i]), labels[i]});
  if (const auto* c = std::get_if<std::unique_ptr<Counter>>(&instrument)) {
    out.counter.value = shown(m, static_cast<double>((*c)->value()));
  } else if (const auto* g = std::get_if<std::unique_ptr<Gauge>>(&instrument)) {
    out.gauge.value = shown(m, static_cast<double>((*g)->value()));
  } else {
    const Histogram& h = *std::get<std::unique_ptr<Histogram>>(instrument);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < h.bounds().size(); ++i) {
      below += h.bucket(i);
      out.histogram.bucket.push_back({below, shown(m, static_cast<double>(h.bounds()[i]))});
    }
    out.histogram.sample_count = below + h.bucket(h.bounds().size());  // the serializer adds the +Inf bucket
    out.histogram.sample_sum = shown(m, static_cast<double>(h.sum()));
  }
  return out;
}

prometheus::MetricType prometheus_type(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return prometheus::MetricType::Counter;
    case MetricType::kGauge: return prometheus::MetricType::Gauge;
    case MetricType::kHistogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

struct Registry::Rep {
  mutable std::mutex mutex;
  std::array<std::map<LabelValues, Instrument>, kMetrics> series;

  template <class T>
  T& find(Metric metric, MetricType type, Labels labels) {
    const MetricInfo& m = info(metric);
    check(m.type == type, "a metric is asked for by its own type");
    check(labels.size() == m.label_count(), "a metric has as many label values as labels");
    LabelValues key;
    for (const std::string_view label : labels) key.emplace_back(label.substr(0, kLabelBytesMax));
    const std::lock_guard lock(mutex);
    auto& all = series[static_cast<std::size_t>(metric)];
    auto it = all.find(key);
    if (it == all.end()) {
      if (all.size() >= kSeriesMax) {  // one more for "other"
        key.assign(labels.size(), std::string(kOverflow));
        count_overflow(metric);
      }
      it = all.try_emplace(key, make_instrument(m)).first;
    }
    return *std::get<std::unique_ptr<T>>(it->second);
  }

  // Has one label value a metric, so it cannot overflow itself.
  void count_overflow(Metric metric) {
    constexpr Metric kOverflows = Metric::kTelemetryOverflows;
    static_assert(kMetrics <= kSeriesMax);
    auto& all = series[static_cast<std::size_t>(kOverflows)];
    const LabelValues key{std::string(info(metric).name)};
    const auto it = all.try_emplace(key, make_instrument(info(kOverflows))).first;
    std::get<std::unique_ptr<Counter>>(it->second)->add();
  }
};

void Counter::raise_to(std::uint64_t total) {
  std::uint64_t seen = value();
  while (seen < total && !value_.compare_exchange_weak(seen, total, std::memory_order_relaxed)) {
  }
}

void Histogram::observe(std::int64_t raw) {
  const auto at = std::ranges::lower_bound(bounds_, raw);  // a bound counts what is at most the bound
  counts_[at - bounds_.begin()].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(raw, std::memory_order_relaxed);
}

Registry::Registry() : rep_(std::make_unique<Rep>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(Metric metric, Labels labels) {
  return rep_->find<Counter>(metric, MetricType::kCounter, labels);
}
Gauge& Registry::gauge(Metric metric, Labels labels) { return rep_->find<Gauge>(metric, MetricType::kGauge, labels); }
Histogram& Registry::histogram(Metric metric, Labels labels) {
  return rep_->find<Histogram>(metric, MetricType::kHistogram, labels);
}

std::string Registry::exposition() const {
  std::vector<prometheus::MetricFamily> families;
  {
    const std::lock_guard lock(rep_->mutex);
    for (const MetricInfo& m : kCatalog) {
      const auto& all = rep_->series[static_cast<std::size_t>(m.metric)];
      if (all.empty()) continue;
      prometheus::MetricFamily family;
      family.name = m.name;
      family.help = m.help;
      family.type = prometheus_type(m.type);
      for (const auto& [labels, instrument] : all) family.metric.push_back(to_client(m, labels, instrument));
      families.push_back(std::move(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

Registry& registry() {
  static Registry* const one = new Registry;  // never destroyed: handles outlive main
  return *one;
}

}  // namespace hanse::telemetry

#include "base/core/text.h"
#include "base/telemetry/metrics.h"

namespace hanse::telemetry {

namespace {

std::string_view type_word(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return "counter";
    case MetricType::kGauge: return "gauge";
    case MetricType::kHistogram: return "histogram";
  }
  return "?";
}

std::string_view unit_word(Unit unit) {
  switch (unit) {
    case Unit::kNone: return "";
    case Unit::kSeconds: return "seconds";
    case Unit::kBytes: return "bytes";
    case Unit::kUt: return "micro-tokens";
  }
  return "?";
}

}  // namespace

std::string reference_page() {
  std::string out =
      "# Metrics\n\n"
      "Written from the table in `src/base/telemetry/catalog.h`; `HANSE_BLESS=1 build/bin/telemetry_test` writes it\n"
      "again. The node serves them in Prometheus text format at `/metrics`.\n\n";
  out += text(
      "A metric keeps at most {} combinations of label values apart; further ones are counted under `{}`.\n"
      "Label values are cut at {} bytes.\n\n",
      kSeriesMax, kOverflow, kLabelBytesMax);
  out += "| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n";
  std::string buckets;
  for (const MetricInfo& m : kCatalog) {
    std::string labels;
    for (std::size_t i = 0; i < m.label_count(); ++i) labels += text("{}`{}`", i > 0 ? ", " : "", m.labels[i]);
    out += text("| `{}` | {} | {} | {} | {} |\n", m.name, type_word(m.type), unit_word(m.unit), labels, m.help);
    if (m.type != MetricType::kHistogram) continue;
    buckets += text("- `{}`:", m.name);
    for (const std::int64_t b : m.buckets) buckets += text(" {}", static_cast<double>(b) / 1e9);
    buckets += '\n';
  }
  return out + "\nUpper bounds of the buckets, in seconds:\n\n" + buckets;
}

}  // namespace hanse::telemetry

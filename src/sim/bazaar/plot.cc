#include <algorithm>

#include "base/core/text.h"
#include "sim/bazaar/bazaar.h"

namespace hanse::sim {
namespace {

constexpr double kLeft = 80, kWide = 760, kTall = 180, kGap = 70, kTop = 60;
constexpr int kTicks = 4;
constexpr std::size_t kLabelsMax = 20;

struct Line {
  std::string_view name, colour;
  std::vector<double> points;  // one a round; a negative one is left out
};

// A panel with its axes, ticks, legend and lines, from 0 to `most`.
std::string panel(double top, std::string_view title, double most, const std::vector<Line>& lines) {
  const std::size_t n = lines.front().points.size();
  const auto x = [&](std::size_t i) {
    return n < 2 ? kLeft + kWide / 2 : kLeft + kWide * static_cast<double>(i) / static_cast<double>(n - 1);
  };
  const auto y = [&](double v) { return top + kTall - kTall * std::min(v / most, 1.0); };
  std::string out = text(R"(<text x="{}" y="{}" class="title">{}</text>)"
                         "\n",
                         kLeft, top - 12, title);
  for (int t = 0; t <= kTicks; ++t) {
    const double v = most * t / kTicks;
    out += text(R"(<line x1="{0}" y1="{2:.1f}" x2="{1}" y2="{2:.1f}" class="grid"/>)"
                R"(<text x="{3}" y="{4:.1f}" text-anchor="end">{5:.{6}f}</text>)"
                "\n",
                kLeft, kLeft + kWide, y(v), kLeft - 8, y(v) + 4, v, most > 10 ? 0 : 2);
  }
  out += text(R"(<path d="M{0} {1}V{2}H{3}" class="axis"/>)"
              "\n",
              kLeft, top, top + kTall, kLeft + kWide);
  const std::size_t step = (n + kLabelsMax - 1) / kLabelsMax;
  for (std::size_t i = 0; i < n; i += step)
    out += text(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x(i), top + kTall + 16, i + 1);
  out += "\n";
  double legend = kLeft + kWide;
  for (const Line& line : lines) {
    legend -= 150;
    out +=
        text(R"(<line x1="{0}" y1="{2}" x2="{1}" y2="{2}" stroke="{3}" class="line"/><text x="{4}" y="{5}">{6}</text>)"
             "\n",
             legend, legend + 24, top - 16, line.colour, legend + 30, top - 12, line.name);
    std::string points, dots;
    for (std::size_t i = 0; i < n; ++i) {
      if (line.points[i] < 0) continue;
      points += text("{:.1f},{:.1f} ", x(i), y(line.points[i]));
      dots += text(R"(<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="{}"/>)", x(i), y(line.points[i]), line.colour);
    }
    out += text(R"(<polyline points="{}" stroke="{}" class="line"/>{})"
                "\n",
                points, line.colour, dots);
  }
  return out;
}

}  // namespace

std::string market_svg(const MarketPlan& plan, const MarketOutcome& o) {
  Line price{.name = "sealed round", .colour = "#1f77b4", .points = {}};
  Line posted{.name = "immediate", .colour = "#d95f02", .points = {}};
  Line ratio{.name = "welfare ratio", .colour = "#2a7f3f", .points = {}};
  Line used{.name = "slots used", .colour = "#7b3294", .points = {}};
  double most = 100;
  for (const RoundRow& r : o.rounds) {
    price.points.push_back(r.price == 0 ? -1 : static_cast<double>(r.price));
    posted.points.push_back(r.posted == 0 ? -1 : static_cast<double>(r.posted));
    ratio.points.push_back(std::max(r.ratio(), 0.0));
    used.points.push_back(r.utilisation());
    while (most < static_cast<double>(std::max(r.price, r.posted))) most += 100;
  }
  if (o.rounds.empty()) return {};
  const double tall = kTop + 3 * (kTall + kGap);
  std::string out = text(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}">)"
                         "\n",
                         kLeft + kWide + 40, tall);
  out +=
      "<style>text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}"
      ".axis{stroke:#222;fill:none}.line{fill:none;stroke-width:2}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  out += text(
      "<text x=\"{}\" y=\"18\">hanse sim market: seed {}, {} payers, {} providers; rounds from left to right"
      "</text>\n",
      kLeft, plan.seed, plan.payers, plan.providers);
  out += panel(kTop, "price, ut per 1000 compute units", most, {posted, price});
  out += panel(kTop + kTall + kGap, "welfare against the optimum", 1, {ratio});
  out += panel(kTop + 2 * (kTall + kGap), "utilisation", 1, {used});
  return out + "</svg>\n";
}

}  // namespace hanse::sim

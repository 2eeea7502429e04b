#include "exchange/proof/detail/sumcheck.h"

#include "base/core/check.h"
#include "base/core/text.h"
#include "exchange/proof/detail/multilinear.h"

namespace hanse::proof {

namespace {

constexpr Ext kHalf{{(kPrime + 1) / 2}, {0}};

// The polynomial of degree 2 with these values at 0, 1 and 2.
Ext at(Ext r, Ext v0, Ext v1, Ext v2) {
  const Ext second = v2 - v1 - v1 + v0;  // 2 c2
  const Ext c2 = second * kHalf;
  return v0 + r * (v1 - v0 - c2 + r * c2);
}

// One level: four halves of two tables of children, under the claim's point.
struct Level {
  std::vector<Ext> p0, p1, q0, q1;
  Ext inner(Ext lambda) const { return p0[0] * q1[0] + q0[0] * (p1[0] + lambda * q1[0]); }
};

struct RoundValues {
  Ext at0, at1, at2;
};

RoundValues round_values(const Level& level, std::span<const Ext> weights, Ext lambda) {
  const std::size_t half = level.p0.size() / 2;
  const auto inner = [&](Ext p0, Ext p1, Ext q0, Ext q1) { return p0 * q1 + q0 * (p1 + lambda * q1); };
  RoundValues out;
  for (std::size_t i = 0; i < half; ++i) {
    const Ext p00 = level.p0[i], p01 = level.p0[half + i], p10 = level.p1[i], p11 = level.p1[half + i];
    const Ext q00 = level.q0[i], q01 = level.q0[half + i], q10 = level.q1[i], q11 = level.q1[half + i];
    out.at0 += weights[i] * inner(p00, p10, q00, q10);
    out.at1 += weights[i] * inner(p01, p11, q01, q11);
    out.at2 += weights[i] * inner(p01 + p01 - p00, p11 + p11 - p10, q01 + q01 - q00, q11 + q11 - q10);
  }
  return out;
}

std::vector<Ext> front_half(const std::vector<Ext>& v) { return {v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2)}; }
std::vector<Ext> back_half(const std::vector<Ext>& v) { return {v.begin() + std::ptrdiff_t(v.size() / 2), v.end()}; }

std::vector<Ext> prove_level(Writer& out, Level level, std::span<const Ext> point) {
  const Ext lambda = out.draw();
  std::vector<Ext> reached;
  if (!point.empty()) {
    std::vector<Ext> weights = eq_table(point.subspan(1));  // of the variables that follow the round's
    for (std::size_t round = 0; round < point.size(); ++round) {
      const RoundValues h = round_values(level, weights, lambda);
      out.put(std::vector<Ext>{h.at0, h.at1, h.at2});
      const Ext r = out.draw();
      for (auto* table : {&level.p0, &level.p1, &level.q0, &level.q1}) fold(*table, r);
      const std::size_t half = weights.size() / 2;
      for (std::size_t i = 0; i < half; ++i) weights[i] += weights[half + i];
      weights.resize(half);
      reached.push_back(r);
    }
  }
  out.put(std::vector<Ext>{level.p0[0], level.p1[0], level.q0[0], level.q1[0]});
  reached.insert(reached.begin(), out.draw());
  return reached;
}

}  // namespace

std::vector<Ext> prove_dot(Writer& out, std::vector<Ext>& a, std::vector<Ext>& b) {
  check(a.size() == b.size() && std::has_single_bit(a.size()), "two tables of one size");
  std::vector<Ext> point;
  while (a.size() > 1) {
    const std::size_t half = a.size() / 2;
    Ext at0, at2;
    for (std::size_t i = 0; i < half; ++i) {
      at0 += a[i] * b[i];
      at2 += (a[half + i] + a[half + i] - a[i]) * (b[half + i] + b[half + i] - b[i]);
    }
    out.put(std::vector<Ext>{at0, at2});
    point.push_back(out.draw());
    fold(a, point.back());
    fold(b, point.back());
  }
  return point;
}

// The first round on small integers, the others as above.
std::vector<Ext> prove_dot(Writer& out, std::span<const std::int32_t> a, std::vector<Ext> b, Ext& a_at_point) {
  check(a.size() == b.size() && std::has_single_bit(a.size()), "two tables of one size");
  if (a.size() == 1) {
    a_at_point = lift(from_int(a[0]));
    return {};
  }
  const std::size_t half = a.size() / 2;
  SmallSum at0, at2;
  for (std::size_t i = 0; i < half; ++i) {
    at0.add(SmallSum::Factor(b[i]), a[i]);
    at2.add(SmallSum::Factor(b[half + i] + b[half + i] - b[i]), 2 * std::int64_t{a[half + i]} - a[i]);
  }
  out.put(std::vector<Ext>{at0.value(), at2.value()});
  const Ext r = out.draw();
  const SmallSum::Factor front(kOne - r), back(r);
  std::vector<Ext> folded(half);
  for (std::size_t i = 0; i < half; ++i) {
    SmallSum sum;
    sum.add(front, a[i]);
    sum.add(back, a[half + i]);
    folded[i] = sum.value();
  }
  fold(b, r);
  std::vector<Ext> point = prove_dot(out, folded, b);
  a_at_point = folded[0];
  point.insert(point.begin(), r);
  return point;
}

DotClaim check_dot(Reader& in, Ext claim, std::size_t rounds) {
  DotClaim out{.point = {}, .value = claim};
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::vector<Ext> told = in.take(2);
    out.point.push_back(in.draw());
    out.value = at(out.point.back(), told[0], out.value - told[0], told[1]);
  }
  return out;
}

std::vector<Ext> prove_fractions(Writer& out, std::vector<Ext> den) {
  check(std::has_single_bit(den.size()), "a table of a power of two");
  std::vector<std::vector<Ext>> tops{std::vector<Ext>(den.size(), kOne)}, bottoms{std::move(den)};
  while (bottoms.back().size() > 1) {
    const std::vector<Ext>&top = tops.back(), &bottom = bottoms.back();
    const std::size_t half = bottom.size() / 2;
    std::vector<Ext> t(half), b(half);
    for (std::size_t i = 0; i < half; ++i) {
      t[i] = top[i] * bottom[half + i] + top[half + i] * bottom[i];
      b[i] = bottom[i] * bottom[half + i];
    }
    tops.push_back(std::move(t));
    bottoms.push_back(std::move(b));
  }
  out.put(std::vector<Ext>{tops.back()[0], bottoms.back()[0]});
  std::vector<Ext> point;
  tops.pop_back();
  bottoms.pop_back();
  for (; !tops.empty(); tops.pop_back(), bottoms.pop_back())
    point = prove_level(
        out, {front_half(tops.back()), back_half(tops.back()), front_half(bottoms.back()), back_half(bottoms.back())},
        point);
  return point;
}

Result<FractionClaim> check_fractions(Reader& in, std::size_t variables) {
  FractionClaim out{.top = in.take(), .bottom = in.take(), .point = {}, .value = {}};
  Ext top = out.top, bottom = out.bottom;
  for (std::size_t level = 0; level < variables; ++level) {
    const Ext lambda = in.draw();
    Ext claim = top + lambda * bottom;
    std::vector<Ext> reached;
    for (std::size_t round = 0; round < level; ++round) {
      const std::vector<Ext> h = in.take(3);
      if (h[0] + out.point[round] * (h[1] - h[0]) != claim)
        return fail(Kind::kCorrupt, "proof.sum",
                    text("found another sum in round {} of level {}, expected that of the claim", round, level));
      reached.push_back(in.draw());
      claim = at(reached.back(), h[0], h[1], h[2]);
    }
    const std::vector<Ext> ends = in.take(4);  // p0 p1 q0 q1
    if (ends[0] * ends[3] + ends[1] * ends[2] + lambda * ends[2] * ends[3] != claim)
      return fail(Kind::kCorrupt, "proof.sum", text("found other fractions at level {}, expected the claimed", level));
    const Ext t = in.draw();
    top = ends[0] + t * (ends[1] - ends[0]);
    bottom = ends[2] + t * (ends[3] - ends[2]);
    reached.insert(reached.begin(), t);
    out.point = std::move(reached);
  }
  if (top != kOne) return fail(Kind::kCorrupt, "proof.sum", "found another top of the fractions, expected 1");
  out.value = bottom;
  return out;
}

}  // namespace hanse::proof

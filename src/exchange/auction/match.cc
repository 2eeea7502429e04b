#include "exchange/auction/match.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "exchange/gxf/audit.h"

namespace hanse::auction {
namespace {

Result<std::uint32_t> latency_of(const gxf::Job& job) {
  const auto it = job.extensions.find(gxf::kExtensionLatency);
  if (it == job.extensions.end()) return 0;
  codec::CborReader r(it->second);
  const auto latency = r.u64("max_latency_ms", ~std::uint32_t{0});
  if (!latency || !r.finish()) {
    return fail(
        Kind::kInvalid, "market.latency",
        text("extension {} is {}, expected an integer of 32 bits", gxf::kExtensionLatency, ByteView(it->second)));
  }
  return static_cast<std::uint32_t>(*latency);
}

Result<bool> is_private(const gxf::Job& job) {
  const auto it = job.extensions.find(gxf::kExtensionPrivate);
  if (it == job.extensions.end()) return false;
  if (it->second != Bytes{1})
    return fail(Kind::kInvalid, "market.private",
                text("extension {} is {}, expected 1", gxf::kExtensionPrivate, ByteView(it->second)));
  if (job.inputs.empty())
    return fail(Kind::kInvalid, "market.private", "a private job has no inputs, expected at least 1");
  if (job.audit != gxf::Audit::kReceipts)
    return fail(Kind::kUnsupported, "market.audit_unsupported",
                text("a private job asks for audit {}, which needs its inputs; expected receipts (0)",
                     static_cast<std::uint64_t>(job.audit)));
  return true;
}

Hash32 tie_of(const MatchContext& context, const market::Ask& ask) {
  return crypto::blake3("hanse/tie/1", {context.beacon.view(), ask.provider.view(), ask.id.view()});
}

constexpr std::uint32_t bit(market::Constraint c) { return 1u << static_cast<unsigned>(c); }

}  // namespace

Result<market::Bid> bid_of(const gxf::Job& job, const market::Params& params) {
  if (job.audit != gxf::Audit::kReceipts && params.audit_window == 0)
    return fail(Kind::kConflict, "market.no_audits",
                text("the job asks for audit {}, nothing is audited on this network: its audit_window is 0",
                     static_cast<std::uint64_t>(job.audit)));
  if (const std::string gap = gxf::audit_gap(job); !gap.empty())
    return fail(Kind::kUnsupported, "market.audit_unsupported",
                text("the job asks for audit {}, but {}", static_cast<std::uint64_t>(job.audit), gap));
  market::Bid bid;
  bid.job_id = job.job_id;
  bid.payer = job.payer;
  for (const gxf::Node& node : job.nodes) {
    TRY_OK(add_load(bid.work, {node.precision, node.shape.seq, node.shape.batch}));
    bid.precisions |= market::precision_bit(node.precision);
    bid.level = std::max(bid.level, node.shape.level);
    bid.seq = std::max(bid.seq, node.shape.seq);
    bid.batch = std::max(bid.batch, node.shape.batch);
  }
  bid.region_mask = job.region_mask;
  bid.residency = job.residency;
  TRY(bid.max_latency_ms, latency_of(job));
  TRY(bid.is_private, is_private(job));
  bid.isolation = job.isolation;
  TRY(bid.cu, compute_units(params.cu_base, bid.work));
  bid.limit_total = job.limit_total;
  bid.expires = job.expires;
  return bid;
}

std::uint64_t gas_limit_of(const gxf::Job& job) {
  std::uint64_t sum = 0;
  for (const gxf::Node& node : job.nodes) {
    if (__builtin_add_overflow(sum, node.limits.gas, &sum)) return ~std::uint64_t{0};
  }
  return sum;
}

std::uint32_t fixed_violations(const market::Bid& bid, const market::Ask& ask) {
  using enum market::Constraint;
  std::uint32_t broken = 0;
  const auto require = [&](bool holds, market::Constraint c) { broken |= holds ? 0 : bit(c); };
  require((bid.precisions & ~ask.precisions) == 0, kPrecision);
  require(bid.level <= ask.level_max, kLevel);
  require(bid.seq <= ask.max_seq, kSeq);
  require(bid.batch <= ask.max_batch, kBatch);
  require((bid.region_mask >> ask.region & 1) != 0, kRegion);
  require(bid.residency == 0 || bid.residency == ask.region + 1, kResidency);
  require(bid.isolation <= ask.isolation, kIsolation);
  require(bid.max_latency_ms == 0 || ask.latency_ms <= bid.max_latency_ms, kLatency);
  require(!bid.is_private || ask.takes_private, kPrivate);
  return broken;
}

std::uint32_t violations(const market::Bid& bid, const Offer& offer, const MatchContext& context, Terms& terms) {
  using enum market::Constraint;
  const market::Ask& ask = offer.ask;
  const market::Provider& provider = offer.provider;
  std::uint32_t broken = fixed_violations(bid, offer.ask);
  const auto require = [&](bool holds, market::Constraint c) { broken |= holds ? 0 : bit(c); };
  require(context.height <= ask.valid_until, kValidity);
  require(provider.used < provider.capacity, kSlots);
  require(ask.used_cu <= ask.capacity_cu && bid.cu <= ask.capacity_cu - ask.used_cu, kUnits);
  require(!context.excluded || *context.excluded != ask.provider, kExcluded);

  const auto price = posted_price(ask.base_price, bid.work, {.used = provider.used, .capacity = provider.capacity});
  const bool affordable = price && *price <= bid.limit_total;
  require(affordable, kLimit);
  if (affordable) {
    Amount unlocked, bond;
    const bool bonded = Amount::sub(provider.bond, provider.bond_locked, unlocked) &&
                        bond_for(*price, context.bond, bond) && bond <= unlocked;
    require(bonded, kBond);
    terms = Terms{.price = *price, .bond = bond};
  }
  return broken;
}

bool Matcher::consider(const Offer& offer) {
  if (in_list_ == kScanMax) {
    cut_ = true;
    return false;
  }
  ++in_list_;
  if (best_) {
    const auto floor_price = posted_price(offer.ask.base_price, bid_.work, {.used = 0, .capacity = 1});
    if (!floor_price || *floor_price > best_->price) return false;
  }
  Terms terms;
  if (violations(bid_, offer, context_, terms) != 0) return true;
  if (best_ && best_->price < terms.price) return true;
  const Hash32 tie = tie_of(context_, offer.ask);
  if (best_ && best_->price == terms.price && best_tie_ <= tie) return true;
  best_ = Match{.offer = offer, .price = terms.price, .bond = terms.bond};
  best_tie_ = tie;
  return true;
}

}  // namespace hanse::auction

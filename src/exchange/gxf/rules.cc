#include "exchange/gxf/detail/fields.h"
#include "exchange/gxf/detail/keys.h"
#include "exchange/gxf/gxf.h"

#include "base/core/text.h"

#include <algorithm>

namespace hanse::gxf {

namespace {

std::string at_node(std::size_t i, std::string_view field) { return text("nodes[{}].{}", i, field); }

Status check_shape(const Node& node, std::size_t i, const Params& params) {
  const Shape& s = node.shape;
  if (s.tokens > s.seq)
    return fail_gxf(GxfCode::kTokensGtSeq, at_node(i, "shape.tokens"), text("found {}, seq is {}", s.tokens, s.seq));
  const std::size_t dims_least = s.level == 3 ? 3 : s.level > 0 ? 1 : 0;
  if (s.dims.size() < dims_least)
    return fail_gxf(GxfCode::kLevelBoundMissing, at_node(i, "shape.dims"),
                    text("found {} dims, level {} needs {} at least", s.dims.size(), s.level, dims_least));
  for (std::size_t d = 0; d < s.dims.size(); ++d)
    if (s.dims[d] == 0)
      return fail_gxf(GxfCode::kLevelBoundMissing, at_node(i, text("shape.dims[{}]", d)),
                      "found 0, which bounds nothing");
  if (s.level == 3 && s.tokens == 0)
    return fail_gxf(GxfCode::kLevelBoundMissing, at_node(i, "shape.tokens"),
                    "found 0, level 3 needs a bound on tokens");
  if (kv_bytes(node) > params.kv_bytes_max)
    return fail_gxf(GxfCode::kKvOverflow, at_node(i, "shape"),
                    text("the key-value cache is larger than {} bytes", params.kv_bytes_max));
  return {};
}

Status check_limits(const Limits& limits, std::size_t i) {
  const std::pair<std::string_view, std::uint64_t> fields[] = {{"limits.gas", limits.gas},
                                                               {"limits.mem_pages", limits.mem_pages},
                                                               {"limits.wall_ms", limits.wall_ms},
                                                               {"limits.out_bytes", limits.out_bytes}};
  for (const auto& [name, value] : fields)
    if (value == 0) return fail_gxf(GxfCode::kLimitZero, at_node(i, name), "found 0, every limit is mandatory");
  return {};
}

// What a node must name to be runnable at all.
Status check_kind(const Node& node, std::size_t i) {
  if (node.kind != NodeKind::kEngine) {
    if (node.artifact.is_zero())
      return fail_gxf(GxfCode::kCborType, at_node(i, "artifact"), "found zero, this kind of node needs an artifact");
    return {};
  }
  const auto name = node.params.find(kParamKindName);
  const Bytes* bytes = name == node.params.end() ? nullptr : std::get_if<Bytes>(&name->second);
  if (bytes == nullptr || !detail::is_kind_name(*bytes))
    return fail_gxf(GxfCode::kCborType, at_node(i, "params"),
                    text("found no kind name in param 0, expected 1 to {} of a-z 0-9 . / - _", kKindNameMax));
  return {};
}

Status check_node(const Node& node, std::size_t i, const Params& params) {
  if ((params.precisions >> static_cast<unsigned>(node.precision) & 1) == 0)
    return fail_gxf(
        GxfCode::kPrecisionUnsupported, at_node(i, "precision"),
        text("found precision {}, which this network does not offer", static_cast<unsigned>(node.precision)));
  TRY_OK(check_shape(node, i, params));
  TRY_OK(check_limits(node.limits, i));
  return check_kind(node, i);
}

// Flash matches at once at a posted price: a job of many minutes does not fit into it. An explicit lane is what counts;
// without one the priority chooses.
Status check_lane(const Job& job) {
  if (job.effective_lane() != Lane::kFlash) return {};
  const std::string_view why = job.lane == Lane::kFlash ? "lane 1" : "lane 0 with a priority of 128 or more";
  std::uint64_t wall_ms = 0;
  for (const Node& node : job.nodes) wall_ms += node.limits.wall_ms;
  if (wall_ms > kFlashWallMsMax)
    return fail_gxf(
        GxfCode::kLaneConflict, "lane",
        text("found {}, which is Flash, with {} ms of wall time, at most {}", why, wall_ms, kFlashWallMsMax));
  return {};
}

}  // namespace

bool detail::is_kind_name(ByteView name) {
  return !name.empty() && name.size() <= kKindNameMax && std::all_of(name.begin(), name.end(), [](std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '/' || c == '-' || c == '_';
  });
}

Uint128 kv_bytes(const Node& node) {
  const Shape& s = node.shape;
  if (s.level != 3 || s.dims.size() < 3) return 0;
  const unsigned width = node.precision == Precision::kBf16 ? 2 : 1;
  // At most 1 + 3 * 32 + 17 + 10 + 1 bits.
  return Uint128{2} * s.dims[0] * s.dims[1] * s.dims[2] * s.seq * s.batch * width;
}

Status detail::check_fields(const Job& job, const Params& params) {
  if (job.expires <= job.not_before || job.expires.value - job.not_before.value > params.span_max)
    return fail_gxf(GxfCode::kSpan, "expires",
                    text("found {} after not_before {}, expected 1 to {} blocks later", job.expires.value,
                         job.not_before.value, params.span_max));
  if (job.region_mask == 0)
    return fail_gxf(GxfCode::kRegionEmpty, "region_mask", "found 0, expected one region at least");
  if (job.residency > 64 || (job.residency > 0 && (job.region_mask >> (job.residency - 1) & 1) == 0))
    return fail_gxf(GxfCode::kResidencyConflict, "residency",
                    text("found region bit {}, which is not in the mask {:x}", job.residency - 1, job.region_mask));
  if (job.limit_total.value == 0) return fail_gxf(GxfCode::kPriceZero, "limit_total", "found 0, expected a price cap");
  for (std::size_t i = 0; i < job.nodes.size(); ++i) TRY_OK(check_node(job.nodes[i], i, params));
  return check_lane(job);
}

}  // namespace hanse::gxf

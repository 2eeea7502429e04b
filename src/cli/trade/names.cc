#include "base/core/text.h"
#include "cli/trade/trade_verbs.h"
#include "exchange/gxf/job_file.h"
#include "exchange/market/records.h"

namespace hanse::trade {
namespace {

constexpr std::string_view kPrecisions[] = {"int8", "e5m2", "fp8", "bf16"};  // from 1

}  // namespace

std::string region_name(std::uint16_t region) {
  for (const gxf::Region& known : gxf::regions())
    if (known.bit == region) return std::string(known.name);
  return text("{}", region);
}

std::string precisions_name(std::uint8_t mask) {
  std::string out;
  for (std::size_t i = 0; i < std::size(kPrecisions); ++i) {
    if ((mask >> (i + 1) & 1) != 0) out += text("{}{}", out.empty() ? "" : ",", kPrecisions[i]);
  }
  return out;
}

std::string cell_name(std::uint8_t precision, std::uint16_t region, std::uint8_t level) {
  return text("{}/{}/L{}", precisions_name(static_cast<std::uint8_t>(1u << precision)), region_name(region), level);
}

Result<std::uint8_t> parse_precisions(std::string_view list) {
  std::uint8_t mask = 0;
  std::string_view rest = list;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view name = rest.substr(0, comma);
    const auto* known = std::ranges::find(kPrecisions, name);
    if (known == std::end(kPrecisions))
      return fail(Kind::kInvalid, "cli.usage", text("found precision '{}', expected int8, e5m2, fp8 or bf16", name));
    mask |= static_cast<std::uint8_t>(2u << (known - std::begin(kPrecisions)));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  if (mask == 0) return fail(Kind::kInvalid, "cli.usage", "found no precision, expected names such as int8,fp8");
  return mask;
}

Result<std::uint16_t> parse_region(std::string_view name) {
  const gxf::Region* region = gxf::find_region(name);
  if (region == nullptr)
    return fail(Kind::kInvalid, "cli.usage", text("found region '{}', expected a name such as EU or US", name));
  return region->bit;
}

}  // namespace hanse::trade

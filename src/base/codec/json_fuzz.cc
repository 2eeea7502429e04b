// Text that parses as JSON or YAML dumps as JSON that parses to the same dump.
#include "base/codec/json.h"
#include "base/core/bytes.h"
#include "base/core/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = hanse::as_text(hanse::ByteView(data, size).subspan(1));
  const auto value = data[0] % 2 == 0 ? hanse::codec::parse_json(text) : hanse::codec::parse_yaml(text);
  if (!value) return 0;
  const std::string dumped = value->dump();
  const auto again = hanse::codec::parse_json(dumped);
  hanse::check(again.has_value(), "a dump parses");
  hanse::check(again->dump() == dumped, "a dump is stable");
  hanse::check(hanse::codec::parse_json(value->dump_pretty())->dump() == dumped, "a pretty dump says the same");
  return 0;
}

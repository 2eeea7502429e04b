// Any bytes give an error, nothing, or a message whose encoding decodes to the same message again.
#include "base/core/check.h"
#include "mesh/lan/dns.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  using namespace hanse::lan;
  const auto message = decode_message(ByteView(data, size));
  if (!message || !*message) return 0;
  for (const auto* section : {&(*message)->answers, &(*message)->authority, &(*message)->additional}) {
    for (const Record& r : *section) {
      check(ptr_of(r).has_value() == (r.type == Type::kPtr), "a PTR that was read holds a name");
      check(srv_of(r).has_value() == (r.type == Type::kSrv), "an SRV that was read holds a name");
      (void)txt_value(r, "id");
    }
  }
  const Bytes bytes = encode_message(**message);
  if (bytes.size() > kMessageBytesMax) return 0;  // it was compressed better than we do
  const auto again = decode_message(bytes);
  check(again && *again && **again == **message, "what was read is written so that it reads the same");
  return 0;
}

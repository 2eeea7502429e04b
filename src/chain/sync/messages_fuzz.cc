// Questions and answers of state sync from strangers: what decodes re-encodes to itself, and no head is believed
// without signatures.
#include "base/core/check.h"
#include "chain/sync/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView input{data, size};
  if (const auto request = hanse::sync::decode_request(input))
    hanse::check(hanse::equal(hanse::sync::encode(*request), input), "a decoded request encodes to itself");
  if (const auto reply = hanse::sync::decode_reply(input)) {
    hanse::check(hanse::equal(hanse::sync::encode(*reply), input), "a decoded reply encodes to itself");
    if (const auto* past = std::get_if<hanse::sync::Past>(&reply->what))
      (void)hanse::sync::verify(*past, hanse::Height{1},
                                past->blocks.empty() ? hanse::light::BlockHeader{} : past->blocks.back().header);
  }
  if (const auto head = hanse::sync::decode_head(input)) {
    hanse::check(hanse::equal(hanse::sync::encode(*head), input), "a decoded head encodes to itself");
    hanse::light::Trusted nobody;
    nobody.params.quorum_bp = 6'700;
    hanse::check(!hanse::sync::verify(*head, nobody), "no head is believed without signatures");
  }
  return 0;
}

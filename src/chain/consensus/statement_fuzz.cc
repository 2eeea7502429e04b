// Statements and evidence: what decodes encodes to the same bytes, and judging it never fails in another way.
#include "base/core/check.h"
#include "chain/consensus/statement.h"

using namespace hanse;
using namespace hanse::consensus;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView body(data, size);
  if (const auto statement = decode_statement(body))
    check(equal(encode(*statement), body), "what decodes encodes to itself");
  if (const auto evidence = decode_evidence(body)) {
    check(equal(encode(*evidence), body), "what decodes encodes to itself");
    (void)contradiction(*evidence);
  }
  return 0;
}

// Papers of anybody: there is one encoding, and a certificate that decodes keeps the rules of its bytes.
#include "base/core/check.h"
#include "mesh/identity/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView body(data, size);
  const auto holds = [](const auto& cert) {
    if (!cert) return;
    check(cert->not_before_ms < cert->not_after_ms, "it begins before it ends");
    check(cert->not_after_ms - cert->not_before_ms <= identity::kLifeMsMax, "its life is bounded");
    check(crypto::sig_sizes(static_cast<std::uint8_t>(cert->key.alg))->public_key == cert->key.bytes.size(),
          "its key is whole");
  };
  holds(identity::decode_agent_cert(body));
  holds(identity::decode_user_cert(body));
  const auto papers = identity::decode_papers(body);
  if (!papers) return 0;
  check(equal(identity::encode(*papers), body), "there is one encoding");
  holds(identity::decode_agent_cert(papers->agent));
  holds(identity::decode_user_cert(papers->user));
  // No key here signs: whatever it is, nobody is proved.
  check(!identity::verify(*papers, {.by = {}, .now_ms = 1}), "nothing is proved without a signature");
  return 0;
}

// Rendezvous records of anybody: one that decodes is about the machine and the agent of its own keys, and nobody's
// without signatures.
#include "base/core/check.h"
#include "mesh/rendezvous/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const ByteView bytes(data, size);
  const auto u = rendezvous::decode_record(bytes);
  if (!u) return 0;
  const auto cert = identity::decode_agent_cert(u->record.cert);
  check(cert && cert->subject == u->record.machine, "the certificate is of the machine");
  check(crypto::account_id(u->record.key) == u->record.machine, "the machine is that of the key");
  check(identity::agent_id(cert->key) == u->record.agent, "the agent is that of the certificate");
  const rendezvous::Expected expected{.network = u->record.network, .now_ms = u->record.not_after_ms};
  check(!rendezvous::open_record(bytes, expected), "nothing is proved without a signature");
  return 0;
}

// Proof files, add-checkpoint requests and evidence: what parses is written back as the same bytes (evidence: the same
// value), and proves nothing without a signature.
#include "base/core/check.h"
#include "engines/tlog/monitor.h"
#include "engines/tlog/proof.h"
#include "engines/tlog/witness.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace tlog = hanse::tlog;
  const std::string_view in = hanse::as_text({data, size});
  if (const auto proof = tlog::parse_proof(in)) {
    hanse::check(tlog::format_proof(*proof) == in, "a proof has one form");
    hanse::check(!tlog::verify_proof(*proof, hanse::Hash32{}, {"log", {}, {}, 0}), "no key, no proof");
  }
  if (const auto request = tlog::parse_add_checkpoint(in))
    hanse::check(tlog::format_add_checkpoint(*request) == in, "a request has one form");
  if (const auto evidence = tlog::parse_evidence(in)) {
    const std::string json = tlog::evidence_json(*evidence).dump();
    hanse::check(tlog::evidence_json(tlog::parse_evidence(json).value()).dump() == json, "evidence is stable");
    hanse::check(!tlog::check_evidence(*evidence, "log", {}), "no key, no evidence");
  }
  return 0;
}

// Any bytes give an error or an answer that fits the request.
#include "base/core/check.h"
#include "mesh/portmap/pcp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const portmap::PcpMap request{.port = 12000, .wanted_port = 12000, .lifetime_s = 60};
  const auto answer = portmap::decode_pcp(ByteView(data, size), request);
  if (!answer || answer->other_version) return 0;
  check(answer->ip.size() == 4 || answer->ip.size() == 16, "an address is 4 or 16 bytes");
  check(answer->port != 0 && answer->lifetime_s != 0, "a mapping has a port and a lifetime");
  return 0;
}

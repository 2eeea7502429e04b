// Records of any peer: what decodes holds the rules of its bytes.
#include "base/core/check.h"
#include "mesh/discovery/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;  // NOLINT: one small program
  const auto u = discovery::decode_record(ByteView(data, size));
  if (!u) return 0;
  check(u->record.addresses.size() <= discovery::kAddressesMax, "addresses are bounded");
  for (const auto& a : u->record.addresses) {
    const auto reach = discovery::reach_of(a);
    check(reach != discovery::Reach::kNever, "no address that may never be dialled");
    check(reach == discovery::Reach::kPublic || u->record.scope == discovery::Scope::kLocal, "private ones stay local");
  }
  return 0;
}

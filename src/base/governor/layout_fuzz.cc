#include <cstdlib>

#include "base/core/bytes.h"
#include "base/governor/cgroup.h"
#include "base/governor/psi.h"

// Kernel text in any state: read or refused, never more controllers than there are names for.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::governor;
  const auto text = hanse::as_text(hanse::ByteView(data, size));
  if (const auto layout = parse_layout(text, text))
    if (layout->v1.size() > 8 || (layout->unified.empty() && !layout->unified_controllers.empty())) std::abort();
  if (const auto pressure = parse_pressure(text))
    if (pressure->some.avg10 > 10'099 || pressure->full.avg300 > 10'099) std::abort();
  return 0;
}

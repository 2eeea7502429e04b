#include "exchange/runtime/runner.h"

namespace hanse::runtime {

Status Runner::verify(const RunRequest& request, const RunOutcome& claimed, std::uint8_t isolation,
                      RunControl& control) {
  TRY(const auto found, run(request, isolation, control));
  return compare_outcomes(claimed, found);
}

}  // namespace hanse::runtime

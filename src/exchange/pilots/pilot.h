// The pilot's end: dials in with its ticket, says what its sandbox really holds and what it runs, and runs the calls
// it is given in `runner`, at most `slots` side by side. A call that wants more isolation than this machine has is
// refused by the runner, never run bare. Returns when the daemon says that it is enough and the last call is answered,
// when the pilot has been idle for idle_ms_max (0: never), or when `stop` is set.
// Errors: pilots.closed (the daemon is gone or silent; what runs is stopped), pilots.tls, pilots.address,
// pilots.bad_frame, or what the daemon refused this pilot with.
// Threads: the caller's, and one a call.
#pragma once

#include <atomic>

#include "base/core/clock.h"

#include "exchange/pilots/wire.h"
#include "exchange/runtime/runner.h"

namespace hanse::pilots {

struct PilotOptions {
  std::uint32_t slots = 1;  // to kSlotsMax
  std::uint8_t isolation = 0;
  std::int64_t dial_ms_max = 10'000;
  std::int64_t idle_ms_max = 0;
  std::uint32_t version = kVersion;
};

Status fly(const Ticket& ticket, runtime::Runner& runner, const PilotOptions& options, const std::atomic<bool>& stop,
           Clock& clock = system_clock());

}  // namespace hanse::pilots

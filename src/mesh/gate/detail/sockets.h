// TCP sockets of a gate. Private to this room. Errors: gate.address (invalid), gate.port_in_use (conflict),
// gate.unreachable (unavailable), gate.timeout (timeout), gate.system (internal).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/core/fd.h"
#include "base/core/result.h"

namespace hanse::gate::detail {

struct Listener {
  Fd fd;
  std::uint16_t port = 0;  // as bound
};
Result<Listener> listen_on(std::string_view address);
Result<Fd> accept_one(int listener);  // without a descriptor when nobody waits there
Result<Fd> connect_to(std::string_view address, std::int64_t wait_ms);
void set_no_delay(int fd);

}  // namespace hanse::gate::detail

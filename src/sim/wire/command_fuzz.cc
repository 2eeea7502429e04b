// Commands of any bytes: applied or refused, and the options stay within what a link can do.
#include "base/core/check.h"
#include "sim/wire/command.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;
  wire::Pair links;
  wire::Schedule schedule;
  const std::string_view line = as_text({data, size});
  (void)schedule.add(line);
  if (!wire::obey(line, links)) return 0;
  for (const wire::LinkOptions& o : links) {
    check(o.loss_ppm <= wire::kCertain && o.late_ppm <= wire::kCertain && o.twice_ppm <= wire::kCertain, "shares");
    check(o.delay_ns >= 0 && o.jitter_ns >= 0 && o.late_ns >= 0 && o.queue_bytes > 0 && o.mtu >= 68, "sizes and times");
  }
  return 0;
}

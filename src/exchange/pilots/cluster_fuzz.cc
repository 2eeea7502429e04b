#include <cstdlib>

#include "exchange/pilots/cluster.h"
#include "exchange/pilots/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::pilots;
  if (size == 0) return 0;
  const hanse::ByteView bytes(data + 1, size - 1);
  const std::string_view words = hanse::as_text(bytes);
  switch (data[0] % 5) {
    case 0:
      if (const auto jobs = parse_squeue(words))
        for (const auto& one : *jobs)
          if (one.id.empty() || (!one.name.empty() && !is_pilot_name(one.name))) std::abort();
      break;
    case 1: (void)parse_sbatch(words); break;
    case 2:
      if (const auto page = parse_jobs(words))
        for (const auto& one : page->jobs)
          if (!is_pilot_name(one.id)) std::abort();
      (void)api_error(500, words, "fuzz");
      break;
    case 3:
      if (const auto hello = decode_hello(bytes))
        if (!hanse::equal(encode_hello(*hello), bytes)) std::abort();
      break;
    default:
      if (const auto ticket = parse_ticket(words))
        if (!parse_ticket(write_ticket(*ticket))) std::abort();
  }
  return 0;
}

// Recovery from arbitrary files: the input is laid out as the files of a small journal. Whatever it holds, recovery
// ends with a history or an error, and a journal that opened takes a record and gives it back.
#include "base/core/check.h"
#include "base/core/mem_fs.h"
#include "store/journal/format.h"

namespace hanse::journal {
namespace {

constexpr Options kOptions{.segment_bytes = 4 * kBlock, .segments = 2};

// Input: u8 flags, then edits (u8 file, u16 offset, u8 length, bytes) applied to a journal with three records.
void run(ByteView input) {
  MemFs fs;
  SeededRandom random(1);
  {
    auto journal = Journal::create(fs, "j", kOptions, random);
    check(journal.has_value(), "create");
    for (std::uint8_t n = 0; n < 3; ++n) check((*journal)->append(n, Bytes(2000, n)) && (*journal)->sync(), "append");
  }
  while (input.size() >= 4) {
    const unsigned file = input[0] % 6u;
    const std::string path = file < 2 ? meta_path("j", static_cast<int>(file))
                                      : segment_path("j", static_cast<int>(file % 2), (file - 2) / 2);
    const std::uint64_t offset = load_le<std::uint16_t>(input.data() + 1);
    const std::size_t size = std::min<std::size_t>(input[3], input.size() - 4);
    if (size == 0) {
      (void)fs.unlink(path);
    } else if (auto opened = fs.open(path, OpenMode::kWrite)) {
      check((*opened)->write_at(offset, input.subspan(4, size)).has_value(), "edit");
    }
    input = input.subspan(4 + size);
  }
  (void)check_journal(fs, "j");
  auto journal = Journal::open(fs, "j");
  if (!journal) return;
  const auto seq = (*journal)->append(9, as_bytes("after"));
  if (!seq) return;
  check((*journal)->sync().has_value(), "sync after recovery");
  bool seen = false;
  check((*journal)
                ->replay(*seq,
                         [&](const Record& record) -> Status {
                           seen = seen || (record.seq == *seq && as_text(record.payload) == "after");
                           return {};
                         })
                .has_value() &&
            seen,
        "the new record is there");
}

}  // namespace
}  // namespace hanse::journal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hanse::journal::run({data, size});
  return 0;
}

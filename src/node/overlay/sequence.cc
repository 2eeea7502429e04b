#include "node/overlay/sequence.h"

#include <algorithm>
#include <charconv>

namespace hanse::overlay {

Result<Sequence> Sequence::open(Fs& fs, std::string path, std::uint64_t block, std::int64_t wall_ms) {
  Sequence out(fs, std::move(path), block);
  out.next_ = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms, 1));
  if (out.path_.empty()) return out;
  if (const auto kept = read_file(fs, out.path_, 32)) {
    std::uint64_t found = 0;
    const std::string_view digits = as_text(*kept);
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), found);  // a spoilt file: the clock
    out.next_ = std::max(out.next_, found);
  } else if (kept.error().kind() != Kind::kNotFound) {
    return std::unexpected(kept.error().clone());
  }
  out.reserved_ = out.next_;
  return out;
}

Status Sequence::reserve(std::uint64_t upto) {
  if (path_.empty() || upto <= reserved_) return {};
  const std::uint64_t end = upto + block_;
  TRY_OK(replace_file(*fs_, path_, to_bytes(std::to_string(end))));
  reserved_ = end;
  return {};
}

Result<std::uint64_t> Sequence::next() {
  TRY_OK(reserve(next_ + 1));
  return next_++;
}

}  // namespace hanse::overlay

#include "exchange/router/replay.h"

#include "base/core/text.h"

namespace hanse::router {
namespace {

constexpr std::size_t kSlotsFirst = 1024;

std::unexpected<Error> replayed() {
  return fail(Kind::kConflict, "router.replay", "the cell's replay tag was seen before, expected each one once");
}

}  // namespace

ReplaySet::ReplaySet(std::size_t tags_max) : tags_max_(tags_max), slots_(kSlotsFirst) {}

Status ReplaySet::add(const ReplayTag& tag) { return add(load_le<std::uint64_t>(tag.data.data())); }

Status ReplaySet::add(std::uint64_t fingerprint) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = fingerprint & mask;
  if (fingerprint == 0 ? zero_seen_ : slots_[at] != 0) {
    if (fingerprint == 0) return replayed();
    for (; slots_[at] != 0; at = (at + 1) & mask)
      if (slots_[at] == fingerprint) return replayed();
  }
  if (full())
    return fail(Kind::kExhausted, "router.replay_full",
                text("found {} cells of this epoch, expected fewer than {}", count_, tags_max_));
  ++count_;
  if (fingerprint == 0) {
    zero_seen_ = true;
  } else {
    slots_[at] = fingerprint;
  }
  if (count_ * 10 > slots_.size() * 7) grow();
  return {};
}

void ReplaySet::grow() {
  std::vector<std::uint64_t> old(slots_.size() * 2);
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const std::uint64_t fingerprint : old) {
    if (fingerprint == 0) continue;
    std::size_t at = fingerprint & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = fingerprint;
  }
}

std::vector<std::uint64_t> ReplaySet::fingerprints() const {
  std::vector<std::uint64_t> out;
  out.reserve(count_);
  if (zero_seen_) out.push_back(0);
  for (const std::uint64_t fingerprint : slots_)
    if (fingerprint != 0) out.push_back(fingerprint);
  return out;
}

Status ReplaySet::restore(const std::vector<std::uint64_t>& fingerprints) {
  for (const std::uint64_t fingerprint : fingerprints) TRY_OK(add(fingerprint));
  return {};
}

}  // namespace hanse::router

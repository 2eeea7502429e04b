// Set reconciliation by ranges (mesh.md 5.14; Meyer, "Range-Based Set Reconciliation", SRDS 2023): two peers find out
// exactly which (HLC, id) items only one of them has. A range is compared by the fingerprint of its items: the sum of
// their hashes modulo 2^256, hashed with their count. Ranges that differ are split kWays ways; the items of those with
// kListMax or fewer are listed. With 10,000 items and one that differs: 3 round trips, below 4 KB.
// A step is bytes to bytes; the side that began gets the differences. An answer stays below step_bytes_max: what does
// not fit is compared by one fingerprint and split in the next round, and a difference behind it may be told again.
// resume_at is where a broken session goes on.
//   bytes   u8 version 1, then ranges in ascending order: bound (where it ends), mode, and what the mode brings
//   bound   varint of HLC - last bound's HLC, plus 1 (0 = the end of everything), then u8 n <= 32 and n bytes of id
//   mode    0 skip | 1 fingerprint, 16 bytes | 2 items: varint n, then each as HLC (varint, minus the one before), id
//   32
// Limits: kReconcileStepMax bytes in, kReconcileRangesMax ranges, kItemsListedMax items of a step. Threads: a
// SortedItems is immutable. Errors: gossip.reconcile (corrupt: what, where).
#pragma once

#include <span>
#include <vector>

#include "base/core/result.h"
#include "mesh/gossip/messages.h"

namespace hanse::gossip {

constexpr std::size_t kWays = 16, kListMax = 16;
constexpr std::size_t kReconcileStepMax = kReconcileBytesMax, kReconcileStepMin = 4'096;
constexpr std::size_t kReconcileRangesMax = 2'048;
constexpr std::size_t kItemsListedMax = 2'048;
constexpr std::size_t kFingerprintBytes = 16;

struct Item {
  std::uint64_t hlc = 0;
  MessageId id;
  friend auto operator<=>(const Item&, const Item&) = default;
};

// Items in order, with the sums of their hashes, so that the fingerprint of any range costs one subtraction.
class SortedItems {
 public:
  explicit SortedItems(std::vector<Item> items);  // any order; equal ones count once, an HLC of all ones is none
  std::span<const Item> items() const { return items_; }
  std::size_t size() const { return items_.size(); }
  std::size_t lower_bound(const Item& bound) const;
  using Fingerprint = FixedBytes<kFingerprintBytes>;
  Fingerprint fingerprint(std::size_t first, std::size_t last) const;  // [first, last)

 private:
  struct Sum {
    std::uint64_t limbs[4] = {0, 0, 0, 0};
  };
  std::vector<Item> items_;
  std::vector<Sum> sums_;  // of the first i
};

struct ReconcileStep {
  Bytes bytes;             // to the other side; empty: nothing differs any more
  std::vector<Item> have;  // only here; filled on the side that began
  std::vector<Item> need;  // only there
  Item resume_at;          // everything below is reconciled
};

// The first step, over all items at or above `from`.
Bytes begin_reconcile(const SortedItems& items, const Item& from = {});

enum class ReconcileSide : std::uint8_t { kBegan, kAnswers };
Result<ReconcileStep> step_reconcile(const SortedItems& items, ReconcileSide side, ByteView in,
                                     std::size_t step_bytes_max = kReconcileStepMax);

}  // namespace hanse::gossip

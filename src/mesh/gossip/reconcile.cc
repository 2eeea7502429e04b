#include "mesh/gossip/reconcile.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "mesh/gossip/mutant.h"

namespace hanse::gossip {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kAnswerListMax = 64;
constexpr Item kEnd{.hlc = UINT64_MAX, .id = [] {
                      MessageId id;
                      id.data.fill(0xff);
                      return id;
                    }()};

enum class Mode : std::uint8_t { kSkip = 0, kFingerprint = 1, kItems = 2 };

struct Range {
  Item begin = {}, end = {};  // [begin, end); end == kEnd: to the end
  Mode mode = Mode::kSkip;
  SortedItems::Fingerprint fingerprint = {};
  std::vector<Item> items = {};
};

void write_varint(Bytes& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<std::uint8_t>(v | 0x80));
  out.push_back(static_cast<std::uint8_t>(v));
}

// A list of ranges on its way out: neighbours of mode skip are joined, and those at the end left out.
class StepWriter {
 public:
  StepWriter() { out_.push_back(kVersion); }

  void skip(const Item& end) { skipped_ = end, skipping_ = true; }
  void fingerprint(const Item& end, const SortedItems::Fingerprint& f) {
    open(end, Mode::kFingerprint);
    append(out_, f.view());
  }
  void items(const Item& end, std::span<const Item> items) {
    open(end, Mode::kItems);
    write_varint(out_, items.size());
    std::uint64_t last = 0;
    for (const Item& i : items) {
      write_varint(out_, i.hlc - last);
      append(out_, i.id.view());
      last = i.hlc;
    }
  }
  std::size_t size() const { return out_.size(); }
  std::size_t ranges() const { return ranges_; }
  bool empty() const { return ranges_ == 0; }
  Bytes take() { return std::move(out_); }

 private:
  void bound(const Item& end) {
    if (end == kEnd) {
      write_varint(out_, 0);
    } else {
      write_varint(out_, end.hlc - last_hlc_ + 1);
      std::size_t n = 32;
      while (n > 0 && end.id.data[n - 1] == 0) --n;
      out_.push_back(static_cast<std::uint8_t>(n));
      append(out_, end.id.view().first(n));
      last_hlc_ = end.hlc;
    }
    ++ranges_;
  }
  void open(const Item& end, Mode mode) {
    if (skipping_) {
      bound(skipped_);
      out_.push_back(static_cast<std::uint8_t>(Mode::kSkip));
      skipping_ = false;
    }
    bound(end);
    out_.push_back(static_cast<std::uint8_t>(mode));
  }

  Bytes out_;
  Item skipped_;
  bool skipping_ = false;
  std::uint64_t last_hlc_ = 0;
  std::size_t ranges_ = 0;
};

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kCorrupt, "gossip.reconcile", what); }

class StepReader {
 public:
  explicit StepReader(ByteView in) : in_(in) {}

  Result<std::vector<Range>> all() {
    if (in_.size() > kReconcileStepMax || in_.empty())
      return bad(text("found a step of {} bytes, expected 1 to {}", in_.size(), kReconcileStepMax));
    TRY(const auto version, byte());
    if (version != kVersion) return bad(text("found version {}, expected {}", version, kVersion));
    std::vector<Range> out;
    Item at;
    while (at_ < in_.size()) {
      if (out.size() >= kReconcileRangesMax) return bad(text("found more than {} ranges", kReconcileRangesMax));
      if (at == kEnd) return bad("found a range behind the end of everything");
      Range r{.begin = at};
      TRY(r.end, bound(at.hlc));
      if (r.end <= at)
        return bad(text("found a range that ends at HLC {} after one that ended at {}", r.end.hlc, at.hlc));
      TRY(const auto mode, byte());
      if (mode > 2) return bad(text("found mode {}, expected 0 to 2", mode));
      r.mode = static_cast<Mode>(mode);
      if (r.mode == Mode::kFingerprint) {
        TRY(const ByteView f, raw(kFingerprintBytes));
        std::memcpy(r.fingerprint.data.data(), f.data(), f.size());
      } else if (r.mode == Mode::kItems) {
        TRY_OK(list(r));
      }
      at = r.end;
      out.push_back(std::move(r));
    }
    return out;
  }

 private:
  Status list(Range& r) {
    TRY(const std::uint64_t n, varint());
    if (n > kItemsListedMax || n * 33 > in_.size() - at_)
      return bad(text("found a list of {} items in {} bytes", n, in_.size() - at_));
    listed_ += n;
    if (listed_ > kItemsListedMax) return bad(text("found {} listed items, expected {}", listed_, kItemsListedMax));
    r.items.reserve(n);
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      Item item;
      TRY(const std::uint64_t step, varint());
      if (step >= UINT64_MAX - last) return bad("found an HLC that is no time");
      item.hlc = last + step;
      TRY(const ByteView id, raw(32));
      std::memcpy(item.id.data.data(), id.data(), 32);
      if (item < r.begin || item >= r.end || (!r.items.empty() && item <= r.items.back()))
        return bad(text("found item {} of HLC {} outside its range or out of order", i, item.hlc));
      last = item.hlc;
      r.items.push_back(item);
    }
    return {};
  }
  Result<Item> bound(std::uint64_t last_hlc) {
    TRY(const std::uint64_t step, varint());
    if (step == 0) return kEnd;
    if (step - 1 > UINT64_MAX - last_hlc) return bad("found a bound beyond 64 bits");
    Item out{.hlc = last_hlc + step - 1, .id = {}};
    TRY(const auto n, byte());
    if (n > 32) return bad(text("found a bound with {} bytes of an id, expected at most 32", n));
    TRY(const ByteView id, raw(n));
    if (n > 0) {
      if (id.back() == 0) return bad("found a bound longer than needed");
      std::memcpy(out.id.data.data(), id.data(), n);
    }
    if (out.hlc == UINT64_MAX) return bad("found a bound that is no time");
    return out;
  }
  Result<std::uint64_t> varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      TRY(const auto b, byte());
      if (shift == 63 && b > 1) break;
      v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) != 0) continue;
      if (b == 0 && shift > 0) break;
      return v;
    }
    return bad(text("found a number longer than needed or beyond 64 bits at byte {}", at_));
  }
  Result<std::uint8_t> byte() {
    if (at_ >= in_.size()) return bad(text("found the end at byte {}, expected more", at_));
    return in_[at_++];
  }
  Result<ByteView> raw(std::size_t n) {
    if (n > in_.size() - at_) return bad(text("found the end at byte {}, expected {} more", in_.size(), n));
    at_ += n;
    return in_.subspan(at_ - n, n);
  }

  ByteView in_;
  std::size_t at_ = 0;
  std::uint64_t listed_ = 0;
};

// The shortest bound that parts two neighbours.
Item between(const Item& below, const Item& at) {
  Item out{.hlc = at.hlc, .id = {}};
  if (below.hlc != at.hlc) return out;
  std::size_t i = 0;
  while (i < 32 && below.id.data[i] == at.id.data[i]) ++i;
  std::copy_n(at.id.data.begin(), std::min<std::size_t>(i + 1, 32), out.id.data.begin());
  return out;
}

struct Stepper {
  const SortedItems& mine;
  ReconcileSide side;
  std::size_t bytes_max;
  StepWriter w;
  ReconcileStep out;
  bool open = false;  // something of this step is not reconciled

  // What a split, or a list in answer, can take at most.
  bool room() const {
    static_assert((kWays + 1) * (10 + 1 + 32 + 1 + kFingerprintBytes) < kAnswerListMax * 42);
    return w.size() + kAnswerListMax * 42 + 128 <= bytes_max && w.ranges() + kWays + 4 <= kReconcileRangesMax;
  }

  void split(const Range& r, std::size_t first, std::size_t last) {
    const std::size_t n = last - first;
    if (n <= kListMax) {
      w.items(r.end, mine.items().subspan(first, n));
      return;
    }
    std::size_t at = first;
    for (std::size_t i = 0; i < kWays; ++i) {
      const std::size_t next = first + n * (i + 1) / kWays;
      const Item end = i + 1 == kWays ? r.end : between(mine.items()[next - 1], mine.items()[next]);
      if (i + 1 < kWays || !mutant(Mutant::kRangeSkipped)) w.fingerprint(end, mine.fingerprint(at, next));
      at = next;
    }
  }

  void differences(const Range& r, std::size_t first, std::size_t last) {
    const auto here = mine.items().subspan(first, last - first);
    std::ranges::set_difference(here, r.items, std::back_inserter(out.have));
    std::ranges::set_difference(r.items, here, std::back_inserter(out.need));
  }

  // False when the answer is full: then its last range is all that is left, in one fingerprint.
  bool one(const Range& r) {
    const std::size_t first = mine.lower_bound(r.begin);
    const std::size_t last = r.end == kEnd ? mine.size() : mine.lower_bound(r.end);
    const bool equal = r.mode == Mode::kFingerprint && mine.fingerprint(first, last) == r.fingerprint;
    if (r.mode == Mode::kSkip || equal) return w.skip(r.end), true;
    if (r.mode == Mode::kItems && side == ReconcileSide::kBegan) {
      differences(r, first, last);
      return w.skip(r.end), true;
    }
    if (!open) out.resume_at = r.begin;
    open = true;
    if (!room()) {
      w.fingerprint(kEnd, mine.fingerprint(first, mine.size()));
      return false;
    }
    // Of a list theirs is known here now, ours is not there: a list in answer, or ranges where that would be long.
    if (r.mode == Mode::kFingerprint || last - first > kAnswerListMax)
      split(r, first, last);
    else
      w.items(r.end, mine.items().subspan(first, last - first));
    return true;
  }
};

}  // namespace

SortedItems::SortedItems(std::vector<Item> items) : items_(std::move(items)) {
  std::erase_if(items_, [](const Item& i) { return i.hlc == UINT64_MAX; });
  std::ranges::sort(items_);
  const auto twice = std::ranges::unique(items_);
  items_.erase(twice.begin(), twice.end());
  sums_.resize(items_.size() + 1);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    std::uint8_t hlc[8];
    store_le(hlc, items_[i].hlc);
    const Hash32 h = crypto::blake3("hanse/reconcile-item/1", {ByteView(hlc), items_[i].id.view()});
    unsigned carry = 0;
    for (std::size_t l = 0; l < 4; ++l) {
      const std::uint64_t add = load_le<std::uint64_t>(h.data.data() + 8 * l);
      const std::uint64_t sum = sums_[i].limbs[l] + add;
      sums_[i + 1].limbs[l] = sum + carry;
      carry = (sum < add ? 1u : 0u) + (sums_[i + 1].limbs[l] < sum ? 1u : 0u);
    }
  }
}

std::size_t SortedItems::lower_bound(const Item& bound) const {
  return static_cast<std::size_t>(std::ranges::lower_bound(items_, bound) - items_.begin());
}

SortedItems::Fingerprint SortedItems::fingerprint(std::size_t first, std::size_t last) const {
  std::uint8_t bytes[40] = {};
  if (!mutant(Mutant::kFingerprintByCount)) {
    unsigned borrow = 0;
    for (std::size_t l = 0; l < 4; ++l) {
      const std::uint64_t a = sums_[last].limbs[l], b = sums_[first].limbs[l];
      store_le(bytes + 8 * l, a - b - borrow);
      borrow = a < b || (a == b && borrow != 0) ? 1 : 0;
    }
  }
  store_le(bytes + 32, static_cast<std::uint64_t>(last - first));
  const Hash32 h = crypto::blake3("hanse/reconcile-range/1", {ByteView(bytes)});
  Fingerprint out;
  std::memcpy(out.data.data(), h.data.data(), kFingerprintBytes);
  return out;
}

Bytes begin_reconcile(const SortedItems& items, const Item& from) {
  StepWriter w;
  if (from != Item{}) w.skip(from);
  w.fingerprint(kEnd, items.fingerprint(items.lower_bound(from), items.size()));
  return w.take();
}

Result<ReconcileStep> step_reconcile(const SortedItems& items, ReconcileSide side, ByteView in,
                                     std::size_t step_bytes_max) {
  TRY(const std::vector<Range> ranges, StepReader(in).all());
  Stepper s{.mine = items,
            .side = side,
            .bytes_max = std::clamp(step_bytes_max, kReconcileStepMin, kReconcileStepMax),
            .w = {},
            .out = {}};
  s.out.resume_at = kEnd;
  for (const Range& r : ranges)
    if (!s.one(r)) break;
  if (!s.w.empty()) s.out.bytes = s.w.take();
  return std::move(s.out);
}

}  // namespace hanse::gossip

#include "sim/check/linear.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "base/core/text.h"

namespace hanse::sim {

std::uint64_t append_value(std::uint64_t value, std::uint64_t arg) {
  std::uint64_t x = (value ^ 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u + arg;
  x = (x ^ (x >> 29)) * 0x94d049bb133111ebu;
  return x ^ (x >> 32);
}

Applied apply_op(std::uint64_t value, OpKind kind, std::uint64_t arg, std::uint64_t expected) {
  switch (kind) {
    case OpKind::kAppend: {
      const std::uint64_t next = append_value(value, arg);
      return {.value = next, .answer = next};
    }
    case OpKind::kRead: return {.value = value, .answer = value};
    case OpKind::kCas: break;
  }
  if (value != expected) return {.value = value, .answer = 0};
  return {.value = arg, .answer = 1};
}

namespace {

// Calls and answers of one key in order of time, as a doubly linked list from which an operation is lifted when it is
// linearized and put back when that led nowhere.
class Search {
 public:
  explicit Search(std::vector<Op> ops) : ops_(std::move(ops)) {
    struct Point {
      std::int64_t at;
      std::uint32_t op;
      bool answer;
    };
    std::vector<Point> points;
    for (std::uint32_t i = 0; i < ops_.size(); ++i) {
      points.push_back({ops_[i].call_ns, i, false});
      points.push_back({ops_[i].answer_ns, i, true});
      if (ops_[i].answer_ns != kNoAnswer) ++answered_left_;
    }
    // At one instant calls come before answers: operations that touch in time may be ordered either way.
    std::ranges::stable_sort(
        points, [](const Point& a, const Point& b) { return a.at != b.at ? a.at < b.at : a.answer < b.answer; });
    entries_.resize(points.size() + 2);
    call_of_.resize(ops_.size());
    answer_of_.resize(ops_.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      Entry& e = entries_[i + 1];
      e = {.op = points[i].op, .answer = points[i].answer};
      (points[i].answer ? answer_of_ : call_of_)[points[i].op] = static_cast<std::uint32_t>(i + 1);
    }
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      entries_[i].prev = i == 0 ? 0 : i - 1;
      entries_[i].next = i + 1;
    }
    bits_.resize((ops_.size() + 63) / 64);
  }

  bool run() {
    const auto end = static_cast<std::uint32_t>(entries_.size() - 1);
    std::uint64_t value = 0;
    std::uint32_t at = entries_[0].next;
    while (answered_left_ > 0) {
      if (at != end && !entries_[at].answer) {
        const Op& op = ops_[entries_[at].op];
        const Applied done = apply_op(value, op.kind, op.arg, op.expected);
        if ((op.answer_ns == kNoAnswer || done.answer == op.answer) && remember(entries_[at].op, done.value)) {
          taken_.push_back({entries_[at].op, value});
          longest_ = std::max(longest_, taken_.size());
          value = done.value;
          lift(entries_[at].op);
          at = entries_[0].next;
          continue;
        }
        at = entries_[at].next;
        continue;
      }
      // An answer whose call is not linearized, or the end: go back.
      if (taken_.empty()) return false;
      const auto [op, before] = taken_.back();
      taken_.pop_back();
      value = before;
      put_back(op);
      at = entries_[call_of_[op]].next;
    }
    return true;
  }
  std::size_t longest() const { return longest_; }

 private:
  struct Entry {
    std::uint32_t op = 0;
    bool answer = false;
    std::uint32_t prev = 0, next = 0;
  };

  void unlink(std::uint32_t e) {
    entries_[entries_[e].prev].next = entries_[e].next;
    entries_[entries_[e].next].prev = entries_[e].prev;
  }
  void relink(std::uint32_t e) {
    entries_[entries_[e].prev].next = e;
    entries_[entries_[e].next].prev = e;
  }
  void lift(std::uint32_t op) {
    unlink(call_of_[op]);
    unlink(answer_of_[op]);
    bits_[op / 64] |= std::uint64_t{1} << (op % 64);
    if (ops_[op].answer_ns != kNoAnswer) --answered_left_;
  }
  void put_back(std::uint32_t op) {
    relink(answer_of_[op]);
    relink(call_of_[op]);
    bits_[op / 64] &= ~(std::uint64_t{1} << (op % 64));
    if (ops_[op].answer_ns != kNoAnswer) ++answered_left_;
  }
  // False when this set of operations led to this value before.
  bool remember(std::uint32_t op, std::uint64_t value) {
    std::string key(reinterpret_cast<const char*>(bits_.data()), bits_.size() * 8);
    key[op / 8] = static_cast<char>(key[op / 8] | (1 << (op % 8)));
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
    return seen_.insert(std::move(key)).second;
  }

  std::vector<Op> ops_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> call_of_, answer_of_;
  std::vector<std::uint64_t> bits_;
  std::unordered_set<std::string> seen_;
  struct Taken {
    std::uint32_t op;
    std::uint64_t before;
  };
  std::vector<Taken> taken_;
  std::size_t answered_left_ = 0, longest_ = 0;
};

}  // namespace

Result<std::string> check_history(std::span<const Op> ops) {
  std::map<std::uint32_t, std::vector<Op>> keys;
  for (const Op& op : ops) keys[op.key].push_back(op);
  for (auto& [key, mine] : keys) {
    if (mine.size() > kOpsPerKeyMax)
      return fail(Kind::kExhausted, "check.history",
                  text("found {} operations of key {}, expected at most {}", mine.size(), key, kOpsPerKeyMax));
    const std::size_t count = mine.size();
    Search search(std::move(mine));
    if (!search.run())
      return text("key {}: no order explains its {} operations, at most {} of them", key, count, search.longest());
  }
  return std::string();
}

}  // namespace hanse::sim

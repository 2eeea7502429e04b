#include "base/codec/cbor.h"

#include "base/codec/utf8.h"
#include "base/core/check.h"
#include "base/core/text.h"

#include <algorithm>
#include <limits>

namespace hanse::codec {

namespace {

constexpr std::uint8_t kUint = 0, kNegative = 1, kBytes = 2, kText = 3, kArray = 4, kMap = 5, kSimple = 7;
constexpr std::uint8_t kFalse = 0xf4, kTrue = 0xf5;
constexpr std::uint64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

std::string_view type_name(std::uint8_t first) {
  constexpr std::string_view kNames[] = {
      "an unsigned integer", "a negative integer", "a byte string", "a text", "an array", "a map", "a tag"};
  const std::uint8_t major = first >> 5;
  if (major != kSimple) return kNames[major];
  if (first == kFalse || first == kTrue) return "a boolean";
  return first >= 0xf9 && first <= 0xfb ? "a float" : "a simple value";
}

enum class HeadFault : std::uint8_t { kNone, kTruncated, kLong, kIndefinite };

struct Head {
  std::uint64_t value;
  std::uint8_t size;
  HeadFault fault;
};

// The argument of an item's first bytes. Majors 0 to 5 only; the caller looked at the major.
inline Head parse_head(ByteView in) {
  const std::uint8_t info = in[0] & 31;
  if (info < 24) [[likely]]
    return {info, 1, HeadFault::kNone};
  if (info > 27) return {0, 1, HeadFault::kIndefinite};
  const auto width = static_cast<std::uint8_t>(1u << (info - 24));
  if (in.size() < std::size_t{1} + width) return {0, 1, HeadFault::kTruncated};
  std::uint64_t v = 0;
  std::uint64_t least = 0;
  switch (width) {
    case 1: v = in[1], least = 24; break;
    case 2: v = load_be<std::uint16_t>(&in[1]), least = 0x100; break;
    case 4: v = load_be<std::uint32_t>(&in[1]), least = 0x1'0000; break;
    default: v = load_be<std::uint64_t>(&in[1]), least = 0x1'0000'0000; break;
  }
  return {v, static_cast<std::uint8_t>(1 + width), v < least ? HeadFault::kLong : HeadFault::kNone};
}

}  // namespace

CborReader::CborReader(ByteView input, CborLimits limits) : in_(input), limits_(limits) { open_.reserve(8); }

std::string CborReader::container_path() const {
  std::string out;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const bool in_array = i > 0 && !open_[i - 1].is_map;
    if (!in_array && !(i == 0 && open_[0].is_map)) {
      if (!out.empty()) out += '.';
      out += open_[i].name;
    }
    const bool innermost = i + 1 == open_.size();
    const std::uint64_t begun = open_[i].items - open_[i].items_left;
    if (!open_[i].is_map && begun > 0 && (!innermost || has_item_)) out += hanse::text("[{}]", begun - 1);
  }
  return out;
}

std::string CborReader::path() const {
  std::string out = container_path();
  const bool named = open_.empty() || open_.back().is_map;
  if (has_item_ && named && !what_.empty()) {
    if (!out.empty()) out += '.';
    out += what_;
  }
  if (out.empty() && !open_.empty()) out = open_[0].name;
  return out;
}

std::unexpected<Error> CborReader::fail_here(std::string_view id, std::string_view message) const {
  return std::unexpected(Error(Kind::kInvalid, id, message).at(path()));
}

std::unexpected<Error> CborReader::fail_missing(std::string_view field) const {
  std::string where = container_path();
  if (!where.empty()) where += '.';
  return std::unexpected(
      Error(Kind::kInvalid, "codec.missing", hanse::text("found no field {}", field)).at(where + std::string(field)));
}

// Counts the item that is about to be read and makes it the one that errors name.
Status CborReader::begin(std::string_view what) {
  if (!open_.empty()) {
    Open& o = open_.back();
    if (o.items_left == 0) [[unlikely]] {
      has_item_ = false;
      return fail_here("codec.missing", hanse::text("found {} items, expected one more: {}", o.items, what));
    }
    check(!o.is_map || o.has_key, "a CBOR map's key is read before its value");
    o.has_key = false;
    --o.items_left;
  }
  what_ = what;
  has_item_ = true;
  if (in_.size() > limits_.size_max) [[unlikely]]
    return fail_here("codec.too_large",
                     hanse::text("found {} bytes of input, at most {} are allowed", in_.size(), limits_.size_max));
  if (at_ >= in_.size()) [[unlikely]]
    return fail_here("codec.truncated", hanse::text("the input ends at byte {}, expected an item", at_));
  return {};
}

std::unexpected<Error> CborReader::wrong_type(std::string_view expected) const {
  const std::uint8_t first = in_[at_];
  const bool stringy = (first >> 5) >= kBytes && (first >> 5) <= kMap;
  if (first == 0xff || (stringy && (first & 31) == 31))
    return fail_here("codec.noncanonical", hanse::text("found an item of indefinite length at byte {}", at_));
  return fail_here("codec.type", hanse::text("found {}, expected {} at byte {}", type_name(first), expected, at_));
}

std::unexpected<Error> CborReader::wrong_head(std::uint8_t fault) const {
  switch (static_cast<HeadFault>(fault)) {
    case HeadFault::kTruncated:
      return fail_here("codec.truncated", hanse::text("the input ends inside the item at byte {}", at_));
    case HeadFault::kLong:
      return fail_here("codec.noncanonical", hanse::text("the number at byte {} fits in fewer bytes", at_));
    default:
      return fail_here("codec.noncanonical",
                       hanse::text("found an item of indefinite or reserved length at byte {}", at_));
  }
}

// The argument at at_, whose major was checked.
Result<std::uint64_t> CborReader::argument() {
  const Head h = parse_head(in_.subspan(at_));
  if (h.fault != HeadFault::kNone) [[unlikely]]
    return wrong_head(static_cast<std::uint8_t>(h.fault));
  at_ += h.size;
  return h.value;
}

Result<std::uint64_t> CborReader::head(std::uint8_t major, std::string_view what) {
  TRY_OK(begin(what));
  if (in_[at_] >> 5 != major) [[unlikely]]
    return wrong_type(type_name(static_cast<std::uint8_t>(major << 5)));
  return argument();
}

Result<std::uint64_t> CborReader::u64(std::string_view what, std::uint64_t max) {
  auto v = head(kUint, what);
  if (v && *v > max) [[unlikely]]
    return fail_here("codec.type", hanse::text("found {}, expected at most {}", *v, max));
  return v;
}

Result<std::int64_t> CborReader::i64(std::string_view what) {
  TRY_OK(begin(what));
  const std::uint8_t major = in_[at_] >> 5;
  if (major > kNegative) [[unlikely]]
    return wrong_type("an integer");
  TRY(const std::uint64_t v, argument());
  if (v > kInt64Max) [[unlikely]]
    return fail_here("codec.type", "found an integer outside the 64-bit signed range");
  return major == kUint ? static_cast<std::int64_t>(v) : -1 - static_cast<std::int64_t>(v);
}

Result<bool> CborReader::boolean(std::string_view what) {
  TRY_OK(begin(what));
  const std::uint8_t first = in_[at_];
  if (first != kFalse && first != kTrue) return wrong_type("a boolean");
  ++at_;
  return first == kTrue;
}

Result<ByteView> CborReader::string(std::uint8_t major, std::string_view what, std::size_t size_max) {
  TRY(const std::uint64_t size, head(major, what));
  if (size > size_max) [[unlikely]]
    return fail_here("codec.too_large", hanse::text("found {} bytes, at most {} are allowed", size, size_max));
  if (size > in_.size() - at_) [[unlikely]]
    return fail_here("codec.truncated", hanse::text("found {} bytes to the end, expected {}", in_.size() - at_, size));
  const ByteView out = in_.subspan(at_, size);
  at_ += size;
  return out;
}

Result<ByteView> CborReader::bytes(std::string_view what, std::size_t size_max) {
  return string(kBytes, what, size_max);
}

Result<std::string_view> CborReader::text(std::string_view what, std::size_t size_max) {
  TRY(const ByteView v, string(kText, what, size_max));
  if (!is_utf8(as_text(v))) return fail_here("codec.utf8", "found text that is not UTF-8");
  return as_text(v);
}

Status CborReader::fixed_span(std::string_view what, ByteSpan out) {
  TRY(const ByteView v, string(kBytes, what, in_.size()));
  if (v.size() != out.size()) [[unlikely]]
    return fail_here("codec.type", hanse::text("found {} bytes, expected {}", v.size(), out.size()));
  std::copy(v.begin(), v.end(), out.begin());
  return {};
}

Status CborReader::enter(std::uint8_t major, std::string_view what, std::size_t max) {
  TRY(const std::uint64_t items, head(major, what));
  if (items > max) [[unlikely]]
    return fail_here("codec.too_large", hanse::text("found {} items, at most {} are allowed", items, max));
  // Every item takes a byte at least, every map entry two: a count the input cannot hold is refused here.
  if (items > (in_.size() - at_) / (major == kMap ? 2 : 1)) [[unlikely]]
    return fail_here("codec.truncated",
                     hanse::text("found {} bytes to the end, too few for {} items", in_.size() - at_, items));
  if (open_.size() >= limits_.depth_max) [[unlikely]]
    return fail_here("codec.depth", hanse::text("found a container inside {} others, the limit", open_.size()));
  open_.push_back({.name = what,
                   .items = items,
                   .items_left = items,
                   .last_key = 0,
                   .is_map = major == kMap,
                   .has_key = false,
                   .any_key = false});
  has_item_ = false;
  return {};
}

Status CborReader::enter_array(std::string_view what, std::size_t items_max) { return enter(kArray, what, items_max); }
Status CborReader::enter_map(std::string_view what, std::size_t entries_max) { return enter(kMap, what, entries_max); }

bool CborReader::more() const { return !open_.empty() && open_.back().items_left > 0; }
std::size_t CborReader::left() const { return open_.empty() ? 0 : open_.back().items_left; }

Result<std::uint64_t> CborReader::key() {
  check(!open_.empty() && open_.back().is_map && !open_.back().has_key, "a CBOR key is read where a map has one");
  Open& o = open_.back();
  has_item_ = false;
  if (o.items_left == 0) return fail_here("codec.missing", hanse::text("found {} entries, expected one more", o.items));
  if (at_ >= in_.size())
    return fail_here("codec.truncated", hanse::text("the input ends at byte {}, expected a key", at_));
  if (in_[at_] >> 5 != kUint) [[unlikely]]
    return wrong_type("an unsigned integer as map key");
  TRY(const std::uint64_t k, argument());
  if (o.any_key && k <= o.last_key) [[unlikely]] {
    if (k == o.last_key) return fail_here("codec.dupkey", hanse::text("found key {} twice", k));
    return fail_here("codec.noncanonical", hanse::text("found key {} after key {}", k, o.last_key));
  }
  o.last_key = k;
  o.any_key = true;
  o.has_key = true;
  return k;
}

Status CborReader::leave() {
  check(!open_.empty() && !open_.back().has_key, "a CBOR container is left where it was entered");
  if (open_.back().items_left > 0) {
    has_item_ = false;
    return fail_here("codec.type", hanse::text("found {} items, expected {}", open_.back().items,
                                               open_.back().items - open_.back().items_left));
  }
  what_ = open_.back().name;
  open_.pop_back();
  has_item_ = true;
  return {};
}

Status CborReader::finish() {
  check(open_.empty(), "every CBOR container is left before finish()");
  has_item_ = false;
  if (in_.size() > limits_.size_max)
    return fail_here("codec.too_large",
                     hanse::text("found {} bytes of input, at most {} are allowed", in_.size(), limits_.size_max));
  if (at_ != in_.size())
    return fail_here("codec.trailing", hanse::text("found {} bytes after the end at byte {}", in_.size() - at_, at_));
  return {};
}

bool CborReader::next_is_bytes() const { return at_ < in_.size() && in_[at_] >> 5 == kBytes; }

Result<ByteView> CborReader::raw(std::string_view what) {
  TRY_OK(begin(what));
  const std::size_t start = at_;
  TRY_OK(skip_item());
  return in_.subspan(start, at_ - start);
}

// Walks one item of any type without recursion. Errors inside it carry the path of the whole item.
Status CborReader::skip_item() {
  struct Level {
    std::uint64_t left;  // items, keys and values counted apart
    std::uint64_t last_key;
    bool is_map, any_key;
  };
  std::vector<Level> levels;
  do {
    if (at_ >= in_.size())
      return fail_here("codec.truncated", hanse::text("the input ends at byte {}, expected an item", at_));
    const std::uint8_t first = in_[at_];
    const std::uint8_t major = first >> 5;
    const bool is_key = !levels.empty() && levels.back().is_map && levels.back().left % 2 == 0;
    if (!levels.empty()) --levels.back().left;
    if (major > kMap) {
      if (is_key || (first != kFalse && first != kTrue)) return wrong_type("an item of the profile");
      ++at_;
    } else {
      if (is_key && major != kUint) return wrong_type("an unsigned integer as map key");
      const std::size_t item_at = at_;
      TRY(const std::uint64_t v, argument());
      const std::size_t room = in_.size() - at_;
      switch (major) {
        case kUint:
          if (!is_key) break;
          if (levels.back().any_key && v <= levels.back().last_key) {
            if (v == levels.back().last_key) return fail_here("codec.dupkey", hanse::text("found key {} twice", v));
            return fail_here("codec.noncanonical", hanse::text("found key {} after key {}", v, levels.back().last_key));
          }
          levels.back().last_key = v;
          levels.back().any_key = true;
          break;
        case kNegative:
          if (v > kInt64Max) return fail_here("codec.type", "found an integer outside the 64-bit signed range");
          break;
        case kBytes:
        case kText:
          if (v > room)
            return fail_here("codec.truncated", hanse::text("found {} bytes to the end, expected {}", room, v));
          if (major == kText && !is_utf8(as_text(in_.subspan(at_, v))))
            return fail_here("codec.utf8", hanse::text("found text that is not UTF-8 at byte {}", item_at));
          at_ += v;
          break;
        default: {
          const std::uint64_t width = major == kMap ? 2 : 1;
          if (v > room / width)
            return fail_here("codec.truncated",
                             hanse::text("found {} bytes to the end, too few for {} items", room, v));
          if (open_.size() + levels.size() >= limits_.depth_max)
            return fail_here("codec.depth",
                             hanse::text("found a container inside {} others, the limit", limits_.depth_max));
          levels.push_back({.left = v * width, .last_key = 0, .is_map = major == kMap, .any_key = false});
        }
      }
    }
    while (!levels.empty() && levels.back().left == 0) levels.pop_back();
  } while (!levels.empty());
  return {};
}

Status check_canonical(ByteView input, CborLimits limits) {
  CborReader r(input, limits);
  TRY_OK(r.raw("item"));
  return r.finish();
}

}  // namespace hanse::codec

#include "base/logging/detail/record.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

namespace hanse::logging::detail {

namespace {

using Type = TextArg::Type;

struct FieldHead {
  std::uint8_t type, key_size;
  std::uint16_t value_size;
};
static_assert(sizeof(FieldHead) == 4);

std::size_t value_size(const TextArg& v) {
  switch (v.type) {
    case Type::kText: return std::min(v.s.size(), kTextMax);
    case Type::kHex: return std::min(v.s.size(), kTextMax / 2);
    default: return 8;
  }
}

// Output that stops at the end of its room; kLineMax holds six bytes for each byte of the largest record.
class Out {
 public:
  explicit Out(char* to) : begin_(to), at_(to), end_(to + kLineMax) {}
  void put(char c) {
    if (at_ != end_) *at_++ = c;
  }
  void put(std::string_view s) {
    const std::size_t n = std::min(s.size(), static_cast<std::size_t>(end_ - at_));
    std::memcpy(at_, s.data(), n);
    at_ += n;
  }
  template <class T>
  void number(T v) {
    if (const auto done = std::to_chars(at_, end_, v); done.ec == std::errc{}) at_ = done.ptr;
  }
  void digits(std::int64_t v, int width) {
    char buf[20];
    for (int i = width; i-- > 0; v /= 10) buf[i] = static_cast<char>('0' + v % 10);
    put(std::string_view(buf, static_cast<std::size_t>(width)));
  }
  void hex(std::string_view bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (const char c : bytes) {
      put(kHex[static_cast<unsigned char>(c) >> 4]);
      put(kHex[static_cast<unsigned char>(c) & 15]);
    }
  }
  std::string_view view() const { return {begin_, static_cast<std::size_t>(at_ - begin_)}; }

 private:
  char *begin_, *at_, *end_;
};

// Bytes of the UTF-8 character at the front of s, 0 when it is not one (RFC 3629: no overlong forms, no surrogates).
std::size_t utf8_size(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned first = byte(0);
  const std::size_t n = first < 0x80                     ? 1
                        : first >= 0xc2 && first <= 0xdf ? 2
                        : (first & 0xf0) == 0xe0         ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (n == 0 || s.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (n == 3 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f))) return 0;
  if (n == 4 && ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))) return 0;
  return n;
}

void escaped(Out& out, std::string_view s) {
  while (!s.empty()) {
    const char c = s[0];
    const std::size_t n = utf8_size(s);
    if (n == 0) {
      out.put("\\ufffd");
    } else if (c == '"' || c == '\\') {
      out.put('\\');
      out.put(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out.put("\\u00");
      out.hex(s.substr(0, 1));
    } else {
      out.put(s.substr(0, n));
    }
    s.remove_prefix(std::max<std::size_t>(n, 1));
  }
}

void quoted(Out& out, std::string_view s) {
  out.put('"');
  escaped(out, s);
  out.put('"');
}

bool plain_word(std::string_view s) {
  const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '='; };
  return !s.empty() && std::ranges::all_of(s, plain);
}

void text_value(Out& out, std::string_view s, bool json) {
  if (!json && plain_word(s))
    out.put(s);
  else
    quoted(out, s);
}

void value(Out& out, Type type, std::string_view raw, bool json) {
  std::uint64_t bits = 0;
  if (raw.size() == 8) std::memcpy(&bits, raw.data(), 8);
  switch (type) {
    case Type::kInt: return out.number(static_cast<std::int64_t>(bits));
    case Type::kUint: return out.number(bits);
    case Type::kBool: return out.put(bits != 0 ? "true" : "false");
    case Type::kChar: return text_value(out, raw.substr(0, 1), json);
    case Type::kText: return text_value(out, raw, json);
    case Type::kDouble: {
      double d;
      std::memcpy(&d, raw.data(), 8);
      if (std::isfinite(d)) return out.number(d);
      return text_value(out, std::isnan(d) ? "nan" : d > 0 ? "inf" : "-inf", json);
    }
    case Type::kHex:
      if (json) out.put('"');
      out.hex(raw);
      if (json) out.put('"');
      return;
  }
}

// "2026-01-31T12:34:56.123456Z" of microseconds since 1970 (civil-from-days: Hinnant, "chrono-Compatible Low-Level Date
// Algorithms").
void timestamp(Out& out, std::int64_t us, bool with_date) {
  std::int64_t seconds = us / 1'000'000, part = us % 1'000'000;
  if (part < 0) part += 1'000'000, seconds -= 1;
  std::int64_t days = seconds / 86'400, second = seconds % 86'400;
  if (second < 0) second += 86'400, days -= 1;
  if (with_date) {
    const std::int64_t z = days + 719'468, era = (z >= 0 ? z : z - 146'096) / 146'097, doe = z - era * 146'097;
    const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
    const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
    out.digits(yoe + era * 400 + (month <= 2 ? 1 : 0), 4);
    out.put('-');
    out.digits(month, 2);
    out.put('-');
    out.digits(doy - (153 * mp + 2) / 5 + 1, 2);
    out.put('T');
  }
  out.digits(second / 3600, 2);
  out.put(':');
  out.digits(second / 60 % 60, 2);
  out.put(':');
  out.digits(second % 60, 2);
  out.put('.');
  out.digits(part, 6);
  if (with_date) out.put('Z');
}

// The folder a source file lies in: "src/exchange/auction/book.cc" is of room auction.
std::string_view room_of(std::string_view file) {
  std::size_t slash = file.rfind('/');
  if (slash == std::string_view::npos) return "hanse";
  std::string_view folder = file.substr(0, slash);
  if (folder.ends_with("/detail")) folder.remove_suffix(7);
  slash = folder.rfind('/');
  return slash == std::string_view::npos ? folder : folder.substr(slash + 1);
}

bool reserved(std::string_view key) {
  return key == "ts" || key == "level" || key == "room" || key == "event" || key == "cut";
}

}  // namespace

std::size_t record_size(std::string_view event, Fields fields) {
  std::size_t size = sizeof(RecordHead) + std::min(event.size(), kEventMax), count = 0;
  for (const Field& f : fields) {
    if (++count > kFieldsMax) break;
    size += sizeof(FieldHead) + std::min(f.key.size(), kKeyMax) + value_size(f.value);
  }
  return (size + 7) / 8 * 8;
}

void write_record(std::byte* out, std::size_t size, Level level, std::string_view event, Fields fields,
                  std::int64_t mono_ns, const char* file, std::uint32_t line) {
  const auto count = std::min(fields.size(), kFieldsMax);
  RecordHead head{.size = static_cast<std::uint32_t>(size),
                  .level = static_cast<std::uint8_t>(level),
                  .fields = static_cast<std::uint8_t>(count),
                  .event_size = static_cast<std::uint16_t>(std::min(event.size(), kEventMax)),
                  .line = line,
                  .cut = fields.size() > kFieldsMax || event.size() > kEventMax,
                  .mono_ns = mono_ns,
                  .file = file};
  std::byte* at = out + sizeof head;
  std::memcpy(at, event.data(), head.event_size);
  at += head.event_size;
  for (std::size_t i = 0; i < count; ++i) {
    const Field& f = fields.begin()[i];
    const FieldHead fh{static_cast<std::uint8_t>(f.value.type),
                       static_cast<std::uint8_t>(std::min(f.key.size(), kKeyMax)),
                       static_cast<std::uint16_t>(value_size(f.value))};
    const bool bytes = f.value.type == Type::kText || f.value.type == Type::kHex;
    if (f.key.size() > kKeyMax || (bytes && f.value.s.size() > fh.value_size)) head.cut = 1;
    std::memcpy(at, &fh, sizeof fh);
    at += sizeof fh;
    std::memcpy(at, f.key.data(), fh.key_size);
    at += fh.key_size;
    std::memcpy(at, bytes ? static_cast<const void*>(f.value.s.data()) : &f.value.u, fh.value_size);
    at += fh.value_size;
  }
  std::memcpy(out, &head, sizeof head);
}

std::string_view format_line(const std::byte* record, Format format, const TimeBase& base, char* to) {
  RecordHead head;
  std::memcpy(&head, record, sizeof head);
  const char* at = reinterpret_cast<const char*>(record) + sizeof head;
  const auto take = [&](std::size_t n) { return std::string_view(std::exchange(at, at + n), n); };
  const std::string_view event = take(head.event_size), level = level_name(static_cast<Level>(head.level)),
                         room = room_of(head.file);
  const std::int64_t us = base.wall_ms * 1000 + (head.mono_ns - base.mono_ns) / 1000;
  const bool json = format == Format::kJson;
  Out out(to);
  if (json) {
    out.put("{\"ts\":\"");
    timestamp(out, us, true);
    out.put("\",\"level\":\"");
    out.put(level);
    out.put("\",\"room\":");
    quoted(out, room);
    out.put(",\"event\":");
    quoted(out, event);
  } else {
    timestamp(out, us, false);
    out.put(' ');
    out.put(level);
    out.put(std::string_view("     ").substr(0, 6 - level.size()));
    out.put(room);
    out.put(": ");
    escaped(out, event);
  }
  for (std::size_t i = 0; i < head.fields; ++i) {
    FieldHead fh;
    std::memcpy(&fh, take(sizeof fh).data(), sizeof fh);
    const std::string_view key = take(fh.key_size);
    out.put(json ? "," : " ");
    if (json) out.put('"');
    escaped(out, key);
    if (json && reserved(key)) out.put('_');
    out.put(json ? "\":" : "=");
    value(out, static_cast<Type>(fh.type), take(fh.value_size), json);
  }
  if (head.cut != 0) out.put(json ? ",\"cut\":true" : " cut=true");
  if (json) out.put('}');
  return out.view();
}

}  // namespace hanse::logging::detail

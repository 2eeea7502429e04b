#include "mesh/lan/dns.h"

#include <algorithm>
#include <map>

#include "base/core/check.h"
#include "base/core/text.h"

namespace hanse::lan {
namespace {

constexpr std::size_t kHeaderBytes = 12, kSrvFixedBytes = 6;
constexpr std::uint16_t kClassIn = 1, kClassAny = 255, kTopBit = 0x8000;
constexpr std::uint16_t kFlagResponse = 0x8000, kFlagAuthoritative = 0x0400, kFlagTruncated = 0x0200;
constexpr std::uint16_t kOpcodeAndRcode = 0x780f;

// Bytes of lengths are at most 63, below the letters, so a whole name folds at once.
char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return fold(x) == fold(y); });
}

std::unexpected<Error> bad(std::string_view what, std::size_t at) {
  return fail(Kind::kCorrupt, "lan.dns_format", text("found {} at byte {}", what, at));
}
std::unexpected<Error> over(std::size_t found, std::string_view what, std::size_t most) {
  return fail(Kind::kExhausted, "lan.dns_limit", text("found {} {}, expected at most {}", found, what, most));
}

}  // namespace

Name Name::of(std::initializer_list<std::string_view> labels) {
  Name out;
  out.wire_.clear();
  for (const std::string_view label : labels) {
    check(!label.empty() && label.size() <= kLabelBytesMax, "a label has 1 to 63 bytes");
    out.wire_ += static_cast<char>(label.size());
    out.wire_ += label;
  }
  out.wire_ += '\0';
  check(out.wire_.size() <= kNameBytesMax, "a name has at most 255 bytes");
  return out;
}

bool operator==(const Name& a, const Name& b) { return same_text(a.wire_, b.wire_); }

std::string Name::folded() const {
  std::string out = wire_;
  std::ranges::transform(out, out.begin(), fold);
  return out;
}

std::string_view Name::label() const { return std::string_view(wire_).substr(1, static_cast<std::uint8_t>(wire_[0])); }

Name Name::parent() const {
  Name out;
  if (wire_.size() > 1) out.wire_ = wire_.substr(1 + static_cast<std::uint8_t>(wire_[0]));
  return out;
}

std::string Name::text() const {
  std::string out;
  for (std::size_t at = 0; wire_[at] != 0; at += 1 + static_cast<std::uint8_t>(wire_[at])) {
    for (const char c : std::string_view(wire_).substr(at + 1, static_cast<std::uint8_t>(wire_[at])))
      out += c > ' ' && c < 127 ? c : '?';
    out += '.';
  }
  return out;
}

class NameReader {
 public:
  // A name at `at` of the message; `at` moves behind it.
  static Result<Name> read(ByteView message, std::size_t& at) {
    Name out;
    out.wire_.clear();
    std::size_t from = at, before = at;  // a pointer leads before the place where this piece of the name began
    bool jumped = false;
    for (;;) {
      if (from >= message.size()) return bad("a name that ends too early", from);
      const std::size_t length = message[from];
      if (length >= 0xc0) {
        if (from + 2 > message.size()) return bad("half a pointer", from);
        const std::size_t target = (length & 0x3f) << 8 | message[from + 1];
        if (!jumped) at = from + 2;
        jumped = true;
        if (target < kHeaderBytes || target >= before) return bad("a pointer that leads not backwards", from);
        from = before = target;
        continue;
      }
      if (length > kLabelBytesMax) return bad("a label of an unknown form", from);
      if (from + 1 + length > message.size()) return bad("a label that ends too early", from);
      if (out.wire_.size() + 1 + length > kNameBytesMax)
        return over(out.wire_.size() + 1 + length, "bytes of a name", kNameBytesMax);
      out.wire_ += as_text(message.subspan(from, 1 + length));
      from += 1 + length;
      if (length == 0) break;
    }
    if (!jumped) at = from;
    return out;
  }
};

namespace {

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  template <class T>
  Result<T> number() {
    if (bytes_.size() - at_ < sizeof(T)) return bad("a message that ends too early", at_);
    at_ += sizeof(T);
    return load_be<T>(bytes_.data() + at_ - sizeof(T));
  }

  Status question(std::vector<Question>& out) {
    Question q;
    TRY(q.name, NameReader::read(bytes_, at_));
    TRY(const std::uint16_t type, number<std::uint16_t>());
    TRY(const std::uint16_t group, number<std::uint16_t>());
    q.type = static_cast<Type>(type);
    q.unicast = (group & kTopBit) != 0;
    const std::uint16_t plain = group & ~kTopBit;
    if (plain == kClassIn || plain == kClassAny) out.push_back(std::move(q));
    return {};
  }

  Status record(std::vector<Record>& out) {
    Record r;
    TRY(r.name, NameReader::read(bytes_, at_));
    TRY(const std::uint16_t type, number<std::uint16_t>());
    TRY(const std::uint16_t group, number<std::uint16_t>());
    TRY(r.ttl_s, number<std::uint32_t>());
    TRY(const std::size_t size, number<std::uint16_t>());
    if (bytes_.size() - at_ < size) return bad("data of a record that ends too early", at_);
    if (size > kDataBytesMax) return over(size, "bytes of a record's data", kDataBytesMax);
    r.type = static_cast<Type>(type);
    r.flush = (group & kTopBit) != 0;
    const std::size_t end = at_ + size;
    if ((group & ~kTopBit) == kClassIn) {
      TRY_OK(data(r, end));
      out.push_back(std::move(r));
    }
    at_ = end;
    return {};
  }

  std::size_t at() const { return at_; }

 private:
  Status data(Record& r, std::size_t end) {
    const std::size_t fixed = r.type == Type::kSrv ? kSrvFixedBytes : 0;
    if (r.type != Type::kPtr && r.type != Type::kSrv) {
      const std::size_t want = r.type == Type::kA ? 4 : r.type == Type::kAaaa ? 16 : end - at_;
      if (end - at_ != want) return bad("an address of another size", at_);
      r.data = to_bytes(bytes_.subspan(at_, end - at_));
      return {};
    }
    if (end - at_ < fixed) return bad("an SRV record that is too short", at_);
    r.data = to_bytes(bytes_.subspan(at_, fixed));
    std::size_t at = at_ + fixed;
    TRY(const Name name, NameReader::read(bytes_, at));
    if (at != end) return bad("bytes behind the name in a record", at);
    append(r.data, as_bytes(name.wire()));
    return {};
  }

  ByteView bytes_;
  std::size_t at_ = 0;
};

class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void name(std::string_view wire) {
    while (wire[0] != 0) {
      const auto [found, is_new] = places_.try_emplace(std::string(wire), out_.size());
      if (!is_new) return append_be<std::uint16_t>(out_, static_cast<std::uint16_t>(0xc000 | found->second));
      if (out_.size() >= 0x4000) places_.erase(found);  // beyond what a pointer can name
      const std::size_t label = 1 + static_cast<std::uint8_t>(wire[0]);
      append(out_, as_bytes(wire.substr(0, label)));
      wire.remove_prefix(label);
    }
    out_.push_back(0);
  }

  void question(const Question& q) {
    name(q.name.wire());
    append_be(out_, static_cast<std::uint16_t>(q.type));
    append_be<std::uint16_t>(out_, q.unicast ? kClassIn | kTopBit : kClassIn);
  }

  void record(const Record& r) {
    name(r.name.wire());
    append_be(out_, static_cast<std::uint16_t>(r.type));
    append_be<std::uint16_t>(out_, r.flush ? kClassIn | kTopBit : kClassIn);
    append_be(out_, r.ttl_s);
    const std::size_t length = out_.size();
    append_be<std::uint16_t>(out_, 0);
    const std::size_t fixed = r.type == Type::kSrv ? kSrvFixedBytes : r.type == Type::kPtr ? 0 : r.data.size();
    append(out_, ByteView(r.data).first(fixed));
    if (fixed < r.data.size()) name(as_text(ByteView(r.data).subspan(fixed)));
    store_be(out_.data() + length, static_cast<std::uint16_t>(out_.size() - length - 2));
  }

 private:
  Bytes& out_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace

bool same_record(const Record& a, const Record& b) {
  if (a.type != b.type || !(a.name == b.name)) return false;
  if (a.type != Type::kPtr && a.type != Type::kSrv) return a.data == b.data;
  const std::size_t fixed = a.type == Type::kSrv ? kSrvFixedBytes : 0;
  const std::string_view x = as_text(a.data), y = as_text(b.data);
  return x.substr(0, fixed) == y.substr(0, fixed) && same_text(x.substr(fixed), y.substr(fixed));
}

Bytes ptr_data(const Name& target) { return to_bytes(target.wire()); }

Bytes srv_data(const Srv& srv) {
  Bytes out(4, 0);  // priority and weight
  append_be(out, srv.port);
  append(out, as_bytes(srv.target.wire()));
  return out;
}

Bytes txt_data(const std::vector<std::string>& strings) {
  Bytes out;
  for (const std::string& s : strings) {
    check(s.size() <= 255, "a string of TXT has at most 255 bytes");
    out.push_back(static_cast<std::uint8_t>(s.size()));
    append(out, as_bytes(s));
  }
  return out;
}

std::optional<Name> ptr_of(const Record& record) {
  std::size_t at = 0;
  if (record.type != Type::kPtr) return std::nullopt;
  auto name = NameReader::read(record.data, at);
  return name ? std::optional(*std::move(name)) : std::nullopt;
}

std::optional<Srv> srv_of(const Record& record) {
  std::size_t at = kSrvFixedBytes;
  if (record.type != Type::kSrv || record.data.size() <= kSrvFixedBytes) return std::nullopt;
  auto name = NameReader::read(record.data, at);
  if (!name) return std::nullopt;
  return Srv{load_be<std::uint16_t>(record.data.data() + 4), *std::move(name)};
}

std::optional<std::string> txt_value(const Record& record, std::string_view key) {
  if (record.type != Type::kTxt) return std::nullopt;
  for (std::size_t at = 0; at < record.data.size();) {
    const std::size_t length = std::min<std::size_t>(record.data[at], record.data.size() - at - 1);
    const std::string_view one = as_text(ByteView(record.data).subspan(at + 1, length));
    if (one.size() > key.size() && one[key.size()] == '=' && same_text(one.substr(0, key.size()), key))
      return std::string(one.substr(key.size() + 1));
    at += 1 + length;
  }
  return std::nullopt;
}

Result<std::optional<Message>> decode_message(ByteView bytes) {
  if (bytes.size() > kMessageBytesMax) return over(bytes.size(), "bytes of a message", kMessageBytesMax);
  if (bytes.size() < kHeaderBytes) return bad("a message without its header", bytes.size());
  Reader r(bytes);
  Message out;
  TRY(out.id, r.number<std::uint16_t>());
  TRY(const std::uint16_t flags, r.number<std::uint16_t>());
  std::size_t counts[4];
  for (std::size_t& count : counts) {
    TRY(count, r.number<std::uint16_t>());
  }
  if ((flags & kOpcodeAndRcode) != 0) return std::optional<Message>();
  if (counts[0] > kQuestionsMax) return over(counts[0], "questions", kQuestionsMax);
  const std::size_t records = counts[1] + counts[2] + counts[3];
  if (records > kRecordsMax) return over(records, "records", kRecordsMax);
  out.response = (flags & kFlagResponse) != 0;
  out.truncated = (flags & kFlagTruncated) != 0;
  for (std::size_t i = 0; i < counts[0]; ++i) TRY_OK(r.question(out.questions));
  std::vector<Record>* sections[] = {&out.answers, &out.authority, &out.additional};
  for (std::size_t s = 0; s < 3; ++s)
    for (std::size_t i = 0; i < counts[s + 1]; ++i) TRY_OK(r.record(*sections[s]));
  if (r.at() != bytes.size()) return bad("bytes behind the last record", r.at());
  return std::optional(std::move(out));
}

Bytes encode_message(const Message& m) {
  Bytes out;
  append_be(out, m.id);
  append_be<std::uint16_t>(out, static_cast<std::uint16_t>((m.response ? kFlagResponse | kFlagAuthoritative : 0) |
                                                           (m.truncated ? kFlagTruncated : 0)));
  for (const std::size_t n : {m.questions.size(), m.answers.size(), m.authority.size(), m.additional.size()})
    append_be(out, static_cast<std::uint16_t>(n));
  Writer w(out);
  for (const Question& q : m.questions) w.question(q);
  for (const auto* section : {&m.answers, &m.authority, &m.additional})
    for (const Record& r : *section) w.record(r);
  return out;
}

}  // namespace hanse::lan

#include "store/archive/xml.h"

#include <string>
#include <vector>

#include "base/core/text.h"

namespace hanse::archive {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':';
}

void put_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&](std::uint32_t v) { out += static_cast<char>(v); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) return byte(0xC0 | c >> 6), byte(0x80 | (c & 63));
  if (c < 0x10000) return byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63));
  byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63));
}

class Reader {
 public:
  Reader(std::string_view xml, const std::function<Status(std::string_view, std::string_view)>& visit)
      : xml_(xml), visit_(visit) {}

  Status run() {
    if (xml_.size() > kXmlBytesMax) return bad(text("{} bytes", xml_.size()), text("at most {}", kXmlBytesMax));
    if (xml_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    skip_space();
    if (xml_.substr(at_).starts_with("<?xml")) {
      const auto end = xml_.find("?>", at_);
      if (end == xml_.npos) return bad("an open declaration", "?>");
      at_ = end + 2;
    }
    skip_space();
    if (at_ == xml_.size() || xml_[at_] != '<') return bad("no element", "one");
    do {
      TRY_OK(step());
    } while (!open_.empty());
    skip_space();
    if (at_ != xml_.size()) return bad("bytes after the document", "its end");
    return {};
  }

 private:
  struct Open {
    std::string name;       // as in the document, for its end
    std::size_t path_size;  // of path_ before it
    std::string text;
  };

  std::unexpected<Error> bad(std::string_view found, std::string_view expected) const {
    return fail(Kind::kCorrupt, "archive.reply", text("found {} at byte {}, expected {}", found, at_, expected));
  }
  void skip_space() {
    while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
  }
  bool take(char c) {
    if (at_ == xml_.size() || xml_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view name() {
    const std::size_t from = at_;
    while (at_ < xml_.size() && is_name(xml_[at_])) ++at_;
    return xml_.substr(from, at_ - from);
  }

  // One piece of text or one tag.
  Status step() {
    if (at_ == xml_.size()) return bad("the end", "the end of an element");
    if (xml_[at_] != '<') return characters();
    ++at_;
    return take('/') ? end_tag() : start_tag();
  }

  Status characters() {
    std::string& out = open_.back().text;
    while (at_ < xml_.size() && xml_[at_] != '<') {
      if (xml_[at_] == '&') {
        TRY_OK(reference(out));
      } else {
        out += xml_[at_++];
      }
    }
    return {};
  }

  Status reference(std::string& out) {
    const auto end = xml_.substr(at_, 12).find(';');
    if (end == xml_.npos) return bad("an open reference", "a semicolon");
    const std::string_view name = xml_.substr(at_ + 1, end - 1);
    constexpr std::pair<std::string_view, char> kNamed[] = {
        {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    for (const auto& [word, c] : kNamed) {
      if (name != word) continue;
      out += c;
      at_ += end + 1;
      return {};
    }
    const bool hex = name.starts_with("#x");
    if (!name.starts_with('#') || name.size() < (hex ? 3u : 2u)) return bad("an unknown entity", "one of the five");
    std::uint32_t value = 0;
    for (const char c : name.substr(hex ? 2 : 1)) {
      const int digit = c >= '0' && c <= '9'          ? c - '0'
                        : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : hex && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                      : -1;
      if (digit < 0) return bad("a reference that is no number", "digits");
      value = value * (hex ? 16 : 10) + static_cast<std::uint32_t>(digit);
      if (value > 0x10FFFF) return bad("a character beyond Unicode", "at most 10FFFF");
    }
    if (value == 0 || (value >= 0xD800 && value < 0xE000)) return bad("a character that is none", "another");
    put_utf8(out, value);
    at_ += end + 1;
    return {};
  }

  Status start_tag() {
    const std::string_view found = name();
    if (found.empty()) return bad("markup that is no element", "an element");
    if (open_.size() == kXmlDepthMax) return bad("elements nested deeper", text("at most {}", kXmlDepthMax));
    open_.push_back({std::string(found), path_.size(), {}});
    const auto colon = found.rfind(':');
    if (colon == found.size() - 1) return bad("an element with a prefix alone", "a name behind it");
    if (!path_.empty()) path_ += '/';
    path_ += found.substr(colon == found.npos ? 0 : colon + 1);
    for (;;) {
      skip_space();
      if (take('>')) return {};
      if (take('/')) {
        if (!take('>')) return bad("a slash", "/>");
        return close();
      }
      TRY_OK(attribute());
    }
  }

  Status attribute() {
    if (name().empty()) return bad("no attribute", "one or the end of the tag");
    skip_space();
    if (!take('=')) return bad("an attribute without value", "=");
    skip_space();
    const char quote = at_ < xml_.size() ? xml_[at_] : ' ';
    if (quote != '"' && quote != '\'') return bad("a value without quotes", "quotes");
    const auto end = xml_.find(quote, at_ + 1);
    if (end == xml_.npos || xml_.substr(at_, end - at_).find('<') != xml_.npos) return bad("an open value", "its end");
    at_ = end + 1;
    return {};
  }

  Status end_tag() {
    const std::string_view found = name();
    if (open_.empty() || found != open_.back().name) return bad("another end tag", "that of the open element");
    skip_space();
    if (!take('>')) return bad("an open tag", ">");
    return close();
  }

  Status close() {
    const Open done = std::move(open_.back());
    open_.pop_back();
    TRY_OK(visit_(path_, done.text));
    path_.resize(done.path_size);
    return {};
  }

  std::string_view xml_;
  const std::function<Status(std::string_view, std::string_view)>& visit_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
  std::string path_;
};

}  // namespace

Status read_xml(std::string_view xml,
                const std::function<Status(std::string_view path, std::string_view text)>& visit) {
  return Reader(xml, visit).run();
}

}  // namespace hanse::archive

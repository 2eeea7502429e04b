#include "base/plugin/error_wire.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::plugin {

namespace {

// Length of the UTF-8 sequence at s[at], or 0 when there is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (size == 0 || lead > 0xF4 || at + size > s.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const unsigned char second = byte(at + 1);
  if (lead == 0xE0 && second < 0xA0) return 0;
  if (lead == 0xED && second > 0x9F) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;
  if (lead == 0xF4 && second > 0x8F) return 0;
  return size;
}

std::string clean(std::string_view s, std::size_t size_max) {
  std::string out;
  for (std::size_t at = 0; at < s.size() && out.size() < size_max;) {
    const std::size_t size = utf8_length(s, at);
    if (out.size() + size > size_max) break;
    if (size == 0) {
      out += '?';
      ++at;
    } else {
      out.append(s.substr(at, size));
      at += size;
    }
  }
  return out;
}

struct Parts {
  std::uint64_t kind = 0;
  std::string_view id, message, path;
  std::uint64_t code = 0;
  std::vector<std::string_view> context;
};

Status read_part(codec::CborReader& r, std::uint64_t key, Parts& parts) {
  switch (key) {
    case 0: {
      TRY(parts.kind, r.u64("kind", 255));
      return {};
    }
    case 1: {
      TRY(parts.id, r.text("id", kErrorIdMax));
      return {};
    }
    case 2: {
      TRY(parts.message, r.text("message", kErrorTextMax));
      return {};
    }
    case 3: {
      TRY(parts.code, r.u64("code", 0xFFFFFFFF));
      return {};
    }
    case 4: {
      TRY(parts.path, r.text("path", kErrorTextMax));
      return {};
    }
    case 5: {
      TRY_OK(r.enter_array("context", kErrorContextMax));
      while (r.more()) {
        TRY(const auto line, r.text("", kErrorTextMax));
        parts.context.push_back(line);
      }
      return r.leave();
    }
    default: return r.fail_here("codec.type", text("found key {}, expected 0 to 5", key));
  }
}

}  // namespace

Bytes encode_error(const Error& error) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(static_cast<std::uint64_t>(error.kind()));
  w.key(1);
  w.text(clean(error.id(), kErrorIdMax));
  w.key(2);
  w.text(clean(error.message(), kErrorTextMax));
  w.key(3);
  w.u64(error.code());
  w.key(4);
  w.text(clean(error.path(), kErrorTextMax));
  w.key(5);
  const std::size_t lines = std::min(error.context().size(), kErrorContextMax);
  w.array(lines);
  for (std::size_t i = 0; i < lines; ++i) w.text(clean(error.context()[i], kErrorTextMax));
  return w.take();
}

Result<Error> decode_error(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kErrorSizeMax, .depth_max = 2});
  TRY_OK(r.enter_map("error", 6));
  if (r.left() != 6) return r.fail_here("codec.missing", text("found {} fields, expected 6", r.left()));
  Parts parts;
  while (r.more()) {
    TRY(const auto key, r.key());
    TRY_OK(read_part(r, key, parts));
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (parts.kind > static_cast<std::uint64_t>(Kind::kInternal))
    return fail(Kind::kInvalid, "plugin.bad_error", text("found error kind {}, expected 0 to 9", parts.kind));
  Error error(static_cast<Kind>(parts.kind), parts.id, parts.message);
  if (parts.code != 0) error = std::move(error).coded(static_cast<std::uint32_t>(parts.code));
  if (!parts.path.empty()) error = std::move(error).at(parts.path);
  for (const auto line : parts.context) error = std::move(error).with(line);
  return error;
}

}  // namespace hanse::plugin

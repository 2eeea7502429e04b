#include "exchange/pilots/wire.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "exchange/runtime/isolation.h"

namespace hanse::pilots {
namespace {

constexpr std::string_view kTicketHead = "hanse-pilot/1";

bool is_small(FrameType type) {
  return type == FrameType::kWelcome || type == FrameType::kStop || type == FrameType::kPing || type == FrameType::kEnd;
}

std::unexpected<Error> bad_ticket(std::string_view what) {
  return fail(Kind::kInvalid, "pilots.bad_ticket",
              text("found {}, expected 'hanse-pilot/1 HOST:PORT NAME PIN SECRET'", what));
}

}  // namespace

void write_head(const FrameHead& head, std::uint8_t* out) {
  store_le(out, static_cast<std::uint32_t>(head.size));
  store_le(out + 4, static_cast<std::uint32_t>(head.type));
  store_le(out + 8, head.call);
}

Result<FrameHead> read_head(const std::uint8_t* in, std::size_t size_max) {
  const std::size_t size = load_le<std::uint32_t>(in);
  const auto type = load_le<std::uint32_t>(in + 4);
  if (type < 1 || type > static_cast<std::uint32_t>(FrameType::kEnd))
    return fail(Kind::kCorrupt, "pilots.bad_frame", text("found type {}, expected 1 to 9", type));
  const FrameHead head{.size = size, .type = static_cast<FrameType>(type), .call = load_le<std::uint64_t>(in + 8)};
  const std::size_t most = is_small(head.type) ? 0 : size_max;
  if (size > most)
    return fail(Kind::kCorrupt, "pilots.bad_frame", text("found {} bytes of type {}, at most {}", size, type, most));
  return head;
}

Bytes encode_hello(const Hello& hello) {
  codec::CborWriter w;
  w.map(6);
  w.key(0);
  w.u64(hello.version);
  w.key(1);
  w.text(hello.name);
  w.key(2);
  w.bytes(hello.secret.view());
  w.key(3);
  w.u64(hello.isolation);
  w.key(4);
  w.array(hello.kinds.size());
  for (const auto& kind : hello.kinds) w.text(kind);
  w.key(5);
  w.u64(hello.slots);
  return w.take();
}

Result<Hello> decode_hello(ByteView bytes) {
  codec::CborReader r(bytes, {.size_max = kHelloSizeMax, .depth_max = 3});
  Hello out;
  unsigned seen = 0;
  TRY_OK(r.enter_map("hello", 6));
  while (r.more()) {
    TRY(const std::uint64_t key, r.key());
    seen |= key < 6 ? 1u << key : 0;
    switch (key) {
      case 0: {
        TRY(const std::uint64_t version, r.u64("version", ~std::uint32_t{0}));
        out.version = static_cast<std::uint32_t>(version);
        break;
      }
      case 1: {
        TRY(const std::string_view name, r.text("name", kNameMax));
        out.name = name;
        break;
      }
      case 2: TRY_OK(r.fixed("secret", out.secret)); break;
      case 3: {
        TRY(const std::uint64_t isolation, r.u64("isolation", runtime::kIsolationMax));
        out.isolation = static_cast<std::uint8_t>(isolation);
        break;
      }
      case 4:
        TRY_OK(r.enter_array("kinds", kKindsMax));
        while (r.more()) {
          TRY(const std::string_view kind, r.text("kind", runtime::kKindNameMax));
          out.kinds.emplace_back(kind);
        }
        TRY_OK(r.leave());
        break;
      case 5: {
        TRY(const std::uint64_t slots, r.u64("slots", kSlotsMax));
        out.slots = static_cast<std::uint32_t>(slots);
        break;
      }
      default: return r.fail_here("codec.type", text("found key {}, expected 0 to 5", key));
    }
  }
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (seen != 0x3f) return fail(Kind::kInvalid, "codec.missing", "a hello lacks one of its fields 0 to 5");
  if (out.slots == 0) return fail(Kind::kInvalid, "codec.type", text("found 0 slots, expected 1 to {}", kSlotsMax));
  return out;
}

std::string write_ticket(const Ticket& ticket) {
  return text("{} {} {} {} {}", kTicketHead, ticket.address, ticket.name, ticket.pin, ticket.secret);
}

Result<Ticket> parse_ticket(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.size() > kTicketSizeMax) return bad_ticket(text("{} bytes", line.size()));
  std::vector<std::string_view> words;
  while (words.size() <= 5) {
    const auto space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == line.npos) break;
    line.remove_prefix(space + 1);
  }
  if (words.size() != 5) return bad_ticket(text("{} words", words.size()));
  Ticket out{.address = std::string(words[1]), .name = std::string(words[2]), .pin = {}, .secret = {}};
  if (words[0] != kTicketHead) return bad_ticket("another first word");
  const auto colon = out.address.rfind(':');
  if (colon == out.address.npos || colon == 0 || colon + 1 == out.address.size()) return bad_ticket("no HOST:PORT");
  if (!is_pilot_name(out.name)) return bad_ticket("no name of a pilot");
  const auto pin = codec::from_hex(words[3]);
  const auto secret = codec::from_hex(words[4]);
  if (!pin || !AccountId::from(*pin, out.pin)) return bad_ticket("a pin that is not 64 hex digits");
  if (!secret || !Hash32::from(*secret, out.secret)) return bad_ticket("a secret that is not 64 hex digits");
  return out;
}

bool is_pilot_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= kNameMax && name.front() != '-' && name.back() != '-' &&
         std::ranges::all_of(name, plain);
}

}  // namespace hanse::pilots

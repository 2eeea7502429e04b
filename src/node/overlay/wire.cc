#include "node/overlay/wire.h"

#include <algorithm>

#include "base/codec/cbor.h"
#include "base/core/text.h"

namespace hanse::overlay {
namespace {

constexpr std::size_t kKeyBytesMax = 2'592;

bool is_loopback(const Address& a) {
  if (a.is_v4()) return a.ip[12] == 127;
  return std::ranges::all_of(a.ip.begin(), a.ip.end() - 1, [](std::uint8_t b) { return b == 0; }) && a.ip[15] == 1;
}

void write(codec::CborWriter& w, const Give& give) {
  w.array(4);
  w.u64(static_cast<std::uint64_t>(give.key.alg));
  w.bytes(give.key.bytes);
  w.bytes(give.of_public);
  w.bytes(give.of_local);
}

Result<Give> read_give(codec::CborReader& r) {
  Give out;
  TRY_OK(r.enter_array("give", 4));
  TRY(const auto alg, r.u64("algorithm", 4));
  if (alg != 3 && alg != 4) return r.fail_here("overlay.frame", text("found algorithm {}, expected 3 or 4", alg));
  out.key.alg = static_cast<crypto::SigAlg>(alg);
  TRY(const ByteView key, r.bytes("key", kKeyBytesMax));
  TRY(const auto sizes, crypto::sig_sizes(static_cast<std::uint8_t>(alg)));
  if (key.size() != sizes.public_key)
    return r.fail_here("overlay.frame", text("found a key of {} bytes, expected {}", key.size(), sizes.public_key));
  out.key.bytes = to_bytes(key);
  TRY(const ByteView of_public, r.bytes("public", discovery::kRecordBytesMax));
  TRY(const ByteView of_local, r.bytes("local", discovery::kRecordBytesMax));
  out.of_public = to_bytes(of_public);
  out.of_local = to_bytes(of_local);
  TRY_OK(r.leave());
  return out;
}

void write(codec::CborWriter& w, const Contact& contact) {
  w.array(3);
  w.bytes(contact.peer.view());
  w.bytes(to_record(contact.address).ip);
  w.u64(contact.address.port);
}

Result<Contact> read_contact(codec::CborReader& r) {
  Contact out;
  TRY_OK(r.enter_array("contact", 3));
  TRY_OK(r.fixed("peer", out.peer));
  TRY(const ByteView ip, r.bytes("ip", 16));
  TRY(const auto port, r.u64("port", 65'535));
  TRY_OK(r.leave());
  const discovery::Address address{.ip = to_bytes(ip), .port = static_cast<std::uint16_t>(port)};
  if (ip.size() != 4 && ip.size() != 16)
    return r.fail_here("overlay.frame", text("found an ip of {} bytes, expected 4 or 16", ip.size()));
  out.address = to_transport(address);
  if (ip.size() == 16 && out.address.is_v4())
    return r.fail_here("overlay.frame", "found an IPv4 address of 16 bytes, expected 4");
  return out;
}

void write(codec::CborWriter& w, const std::vector<PeerId>& holders) {
  w.array(holders.size());
  for (const PeerId& one : holders) w.bytes(one.view());
}

Result<std::vector<PeerId>> read_holders(codec::CborReader& r) {
  std::vector<PeerId> out;
  TRY_OK(r.enter_array("holders", rendezvous::kHolders));
  while (r.more()) TRY_OK(r.fixed("holder", out.emplace_back()));
  TRY_OK(r.leave());
  return out;
}

template <class T, class F>
Result<T> decoded(std::string_view name, ByteView body, F&& read, std::size_t size_max = kFindBytesMax) {
  codec::CborReader r(body, {.size_max = size_max, .depth_max = 4});
  const auto all = [&]() -> Result<T> {
    TRY(T out, read(r));
    TRY_OK(r.finish());
    return out;
  };
  auto out = all();
  if (!out) return fail(Kind::kCorrupt, "overlay.frame", text("{}: {}", name, out.error().str()));
  return out;
}

Result<std::uint32_t> read_request(codec::CborReader& r, std::string_view name, std::size_t items) {
  TRY_OK(r.enter_array(name, items));
  TRY(const auto request, r.u64("request", UINT32_MAX));
  return static_cast<std::uint32_t>(request);
}

}  // namespace

// ---- where an address leads ----------------------------------------------------------------------------------------

Zone zone_of(const Address& address) {
  if (address.is_carried() || address.port == 0) return Zone::kNone;
  if (is_loopback(address)) return Zone::kLoopback;
  switch (discovery::reach_of(to_record(address))) {
    case discovery::Reach::kPublic: return Zone::kPublic;
    case discovery::Reach::kPrivate: return Zone::kPrivate;
    case discovery::Reach::kNever: return Zone::kNone;
  }
  return Zone::kNone;
}

bool may_dial(const Address& told, const Address& teller) {
  const Zone zone = zone_of(told), from = zone_of(teller);
  return zone == Zone::kPublic || (zone != Zone::kNone && from != Zone::kNone && zone >= from);
}

std::uint64_t group_of(const Address& address, unsigned v4_bits, unsigned v6_bits) {
  if (zone_of(address) != Zone::kPublic) return 0;
  const std::uint64_t upper = load_be<std::uint64_t>(address.ip.data());
  if (!address.is_v4()) return upper >> (64 - v6_bits);
  return (std::uint64_t{1} << 63) | (load_be<std::uint32_t>(address.ip.data() + 12) >> (32 - v4_bits));
}

discovery::Address to_record(const Address& address) {
  discovery::Address out{.port = address.port};
  out.ip.assign(address.ip.begin() + (address.is_v4() ? 12 : 0), address.ip.end());
  return out;
}

Address to_transport(const discovery::Address& address) {
  Address out{.port = address.port};
  if (address.ip.size() == 4) out.ip[10] = out.ip[11] = 0xff;
  std::copy_n(address.ip.begin(), std::min<std::size_t>(address.ip.size(), 16),
              out.ip.begin() + (address.ip.size() == 4 ? 12 : 0));
  return out;
}

// ---- frames --------------------------------------------------------------------------------------------------------

Bytes encode(const Give& give) {
  codec::CborWriter w;
  write(w, give);
  return w.take();
}
Result<Give> decode_give(ByteView body) { return decoded<Give>("give", body, read_give); }

Bytes encode(const Others& others) {
  codec::CborWriter w;
  w.array(others.gives.size());
  for (const Give& give : others.gives) write(w, give);
  return w.take();
}
Result<Others> decode_others(ByteView body) {
  const auto read = [](codec::CborReader& r) -> Result<Others> {
    Others out;
    TRY_OK(r.enter_array("others", discovery::kToldMax));
    while (r.more()) {
      TRY(Give give, read_give(r));
      if (give.of_public.empty() || !give.of_local.empty())
        return r.fail_here("overlay.frame", "found a peer without a public record or with a local one");
      out.gives.push_back(std::move(give));
    }
    TRY_OK(r.leave());
    return out;
  };
  return decoded<Others>("others", body, read, kToldBytesMax);
}

Bytes encode(const Find& find) {
  codec::CborWriter w;
  w.array(3);
  w.u64(find.request);
  w.boolean(find.of_peer);
  w.bytes(find.target.view());
  return w.take();
}
Result<Find> decode_find(ByteView body) {
  return decoded<Find>("find", body, [](codec::CborReader& r) -> Result<Find> {
    Find out;
    TRY(out.request, read_request(r, "find", 3));
    TRY(out.of_peer, r.boolean("of_peer"));
    TRY_OK(r.fixed("target", out.target));
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const Found& found) {
  codec::CborWriter w;
  w.array(3);
  w.u64(found.request);
  w.array(found.contacts.size());
  for (const Contact& contact : found.contacts) write(w, contact);
  w.array(found.value ? 1 : 0);
  if (found.value) write(w, *found.value);
  return w.take();
}
Result<Found> decode_found(ByteView body) {
  return decoded<Found>("found", body, [](codec::CborReader& r) -> Result<Found> {
    Found out;
    TRY(out.request, read_request(r, "found", 3));
    TRY_OK(r.enter_array("contacts", discovery::kAnswerMax));
    while (r.more()) {
      TRY(out.contacts.emplace_back(), read_contact(r));
    }
    TRY_OK(r.leave());
    TRY_OK(r.enter_array("value", 1));
    if (r.more()) {
      TRY(out.value.emplace(), read_give(r));
    }
    TRY_OK(r.leave());
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const Try& wanted) {
  codec::CborWriter w;
  w.array(2);
  w.u64(wanted.request);
  write(w, wanted.contact);
  return w.take();
}
Result<Try> decode_try(ByteView body) {
  return decoded<Try>("try", body, [](codec::CborReader& r) -> Result<Try> {
    Try out;
    TRY(out.request, read_request(r, "try", 2));
    TRY(out.contact, read_contact(r));
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const Tried& tried) {
  codec::CborWriter w;
  w.array(2);
  w.u64(tried.request);
  w.boolean(tried.reached);
  return w.take();
}
Result<Tried> decode_tried(ByteView body) {
  return decoded<Tried>("tried", body, [](codec::CborReader& r) -> Result<Tried> {
    Tried out;
    TRY(out.request, read_request(r, "tried", 2));
    TRY(out.reached, r.boolean("reached"));
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const Publish& publish) {
  codec::CborWriter w;
  w.array(2);
  w.u64(publish.request);
  w.bytes(publish.record);
  return w.take();
}
Result<Publish> decode_publish(ByteView body) {
  const auto read = [](codec::CborReader& r) -> Result<Publish> {
    Publish out;
    TRY(out.request, read_request(r, "publish", 2));
    TRY(const ByteView record, r.bytes("record", rendezvous::kRecordBytesMax));
    out.record = to_bytes(record);
    TRY_OK(r.leave());
    return out;
  };
  return decoded<Publish>("publish", body, read, kThereBytesMax);
}

Bytes encode(const Published& published) {
  codec::CborWriter w;
  w.array(3);
  w.u64(published.request);
  w.u64(static_cast<std::uint64_t>(published.taken));
  write(w, published.holders);
  return w.take();
}
Result<Published> decode_published(ByteView body) {
  return decoded<Published>("published", body, [](codec::CborReader& r) -> Result<Published> {
    Published out;
    TRY(out.request, read_request(r, "published", 3));
    TRY(const auto taken, r.u64("taken", static_cast<std::uint64_t>(rendezvous::Taken::kFalse)));
    out.taken = static_cast<rendezvous::Taken>(taken);
    TRY(out.holders, read_holders(r));
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const Where& where) {
  codec::CborWriter w;
  w.array(2);
  w.u64(where.request);
  w.bytes(where.agent.view());
  return w.take();
}
Result<Where> decode_where(ByteView body) {
  return decoded<Where>("where", body, [](codec::CborReader& r) -> Result<Where> {
    Where out;
    TRY(out.request, read_request(r, "where", 2));
    TRY_OK(r.fixed("agent", out.agent));
    TRY_OK(r.leave());
    return out;
  });
}

Bytes encode(const There& there) {
  codec::CborWriter w;
  w.array(3);
  w.u64(there.request);
  w.array(there.records.size());
  for (const Bytes& record : there.records) w.bytes(record);
  write(w, there.holders);
  return w.take();
}
Result<There> decode_there(ByteView body) {
  const auto read = [](codec::CborReader& r) -> Result<There> {
    There out;
    TRY(out.request, read_request(r, "there", 3));
    TRY_OK(r.enter_array("records", rendezvous::kGivenMax));
    while (r.more()) {
      TRY(const ByteView record, r.bytes("record", rendezvous::kRecordBytesMax));
      out.records.push_back(to_bytes(record));
    }
    TRY_OK(r.leave());
    TRY(out.holders, read_holders(r));
    TRY_OK(r.leave());
    return out;
  };
  return decoded<There>("there", body, read, kThereBytesMax);
}

}  // namespace hanse::overlay

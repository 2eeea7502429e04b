#include "exchange/router/packet.h"

#include <algorithm>

#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/aead.h"
#include "base/crypto/hash.h"

namespace hanse::router {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kZeroAt = 8;          // of the head, to its end
constexpr std::size_t kRoutingZeroAt = 72;  // of the routing, to its end
constexpr std::string_view kContext = "HANSE-WOP1";

bool all_zero(ByteView bytes) {
  std::uint8_t any = 0;
  for (const std::uint8_t b : bytes) any |= b;
  return any == 0;
}

std::array<std::uint8_t, kHeadSize> head_of(const Geometry& geometry, std::size_t layers, std::uint32_t epoch) {
  std::array<std::uint8_t, kHeadSize> out{kVersion, 0, static_cast<std::uint8_t>(layers),
                                          static_cast<std::uint8_t>(geometry.suite)};
  store_be(out.data() + 4, epoch);
  return out;
}

struct LayerSecrets {
  crypto::Secret<32> header_key;
  ReplayTag tag;
  crypto::LionessKey payload_key;
};
// The ciphertext goes in as received: X25519 ignores a bit of it, and two ciphertexts must not have one tag.
LayerSecrets derive(ByteView head, const NodeId& node, ByteView ciphertext, const crypto::SharedSecret& shared) {
  crypto::Secret<240> material;
  crypto::shake256({as_bytes(kContext), head, node.view(), ciphertext, shared.view()}, material.span());
  LayerSecrets out;
  const ByteView m = material.view();
  crypto::Secret<32>::from(m.first(32), out.header_key);
  ReplayTag::from(m.subspan(32, 16), out.tag);
  crypto::LionessKey::from(m.subspan(48), out.payload_key);
  return out;
}

void write_routing(const Routing& routing, ByteSpan out) {
  out[0] = static_cast<std::uint8_t>(routing.command);
  store_be(out.data() + 2, routing.delay_ms);
  store_be(out.data() + 4, routing.expiry_epoch);
  std::copy_n(routing.next.data.begin(), 32, out.begin() + 8);
  std::copy_n(routing.target.data.begin(), 32, out.begin() + 40);
}

Result<Routing> read_routing(ByteView in, std::size_t layers) {
  Routing out;
  const bool last = layers == 1;
  if (in[0] > 3 || in[1] != 0 || !all_zero(in.subspan(kRoutingZeroAt)))
    return fail(Kind::kInvalid, "router.routing",
                text("found command {}, flags {}, expected a command below 4, then zeros", in[0], in[1]));
  out.command = static_cast<Command>(in[0]);
  out.delay_ms = load_be<std::uint16_t>(in.data() + 2);
  out.expiry_epoch = load_be<std::uint32_t>(in.data() + 4);
  NodeId::from(in.subspan(8, 32), out.next);
  Target::from(in.subspan(40, 32), out.target);
  if (last ? out.command == Command::kForward || !out.next.is_zero() || out.delay_ms != 0
           : out.command != Command::kForward || !out.target.is_zero())
    return fail(Kind::kInvalid, "router.routing",
                text("found command {} with {} layers left, expected forwarding before the last layer and not in it",
                     in[0], layers));
  return out;
}

Status check_path(const Geometry& geometry, const Path& path) {
  if (path.hops.empty() || path.hops.size() > kLayersMax)
    return fail(Kind::kInvalid, "router.path",
                text("found a path of {} hops, expected 1 to {}", path.hops.size(), kLayersMax));
  if (path.last == Command::kForward || path.hops.back().delay_ms != 0)
    return fail(Kind::kInvalid, "router.path", "the last hop forwards or waits, expected that it keeps the payload");
  for (const Hop& hop : path.hops)
    if (hop.key.alg != geometry.kem)
      return fail(Kind::kInvalid, "router.path",
                  text("found a {} key, expected {} for suite {}", crypto::kem_alg_name(hop.key.alg),
                       crypto::kem_alg_name(geometry.kem), static_cast<std::uint8_t>(geometry.suite)));
  return {};
}

const crypto::GcmNonce kNonce{};  // every header key seals once

}  // namespace

Result<Onion> make_onion(const Geometry& geometry, const Path& path, Random& random) {
  TRY_OK(check_path(geometry, path));
  const std::size_t hops = path.hops.size();
  Onion onion;
  onion.keys.resize(hops);
  for (std::size_t layers = 1; layers <= hops; ++layers) {  // from the receiver outwards
    const Hop& hop = path.hops[hops - layers];
    Routing routing;
    routing.delay_ms = hop.delay_ms;
    routing.expiry_epoch = path.expiry_epoch;
    if (layers == 1) {
      routing.command = path.last;
      routing.target = path.target;
    } else {
      routing.next = path.hops[hops - layers + 1].node;
    }
    TRY(const auto sent, crypto::encapsulate(hop.key, random));
    const auto head = head_of(geometry, layers, path.epoch);
    LayerSecrets secrets = derive(head, hop.node, sent.ciphertext, sent.secret);
    Bytes plain(kRoutingSize);
    write_routing(routing, plain);
    append(plain, onion.header);
    TRY(const Bytes box, crypto::gcm_seal({secrets.header_key, kNonce, head}, plain));
    onion.header = sent.ciphertext;
    append(onion.header, box);
    onion.keys[hops - layers] = std::move(secrets.payload_key);
  }
  return onion;
}

Bytes assemble_cell(const Geometry& geometry, std::uint32_t epoch, ByteView header, ByteView payload) {
  check(payload.size() == geometry.payload && header.size() % geometry.layer() == 0 &&
            header.size() <= geometry.header(kLayersMax),
        "header and payload have the geometry's sizes");
  Bytes cell = to_bytes(head_of(geometry, header.size() / geometry.layer(), epoch));
  cell.reserve(kCellSize);
  append(cell, header);
  append(cell, payload);
  cell.resize(kCellSize);
  return cell;
}

Result<Bytes> seal_cell(const Geometry& geometry, const Path& path, crypto::SecureBytes payload, Random& random) {
  if (payload.size() != geometry.payload)
    return fail(Kind::kInvalid, "router.path",
                text("found a payload of {} bytes, expected {}", payload.size(), geometry.payload));
  TRY(const Onion onion, make_onion(geometry, path, random));
  for (std::size_t i = onion.keys.size(); i-- > 0;) crypto::lioness_encrypt(onion.keys[i], payload.span());
  return assemble_cell(geometry, path.epoch, onion.header, payload.view());
}

Result<Head> read_head(const Geometry& geometry, ByteView cell) {
  if (cell.size() != kCellSize)
    return fail(Kind::kInvalid, "router.cell", text("found {} bytes, expected {}", cell.size(), kCellSize));
  const auto suite = static_cast<std::uint8_t>(geometry.suite);
  if (cell[0] != kVersion || cell[1] != 0 || cell[3] != suite || cell[2] == 0 || cell[2] > kLayersMax)
    return fail(Kind::kInvalid, "router.cell",
                text("found version {}, type {}, {} layers, suite {}, expected {}, 0, 1 to {}, {}", cell[0], cell[1],
                     cell[2], cell[3], kVersion, kLayersMax, suite));
  if (!all_zero(cell.subspan(kZeroAt, kHeadSize - kZeroAt)) ||
      !all_zero(cell.subspan(kHeadSize + geometry.header(cell[2]) + geometry.payload)))
    return fail(Kind::kInvalid, "router.cell", "the padding of the cell has a byte that is not zero");
  return Head{cell[2], load_be<std::uint32_t>(cell.data() + 4)};
}

Result<Opened> open_layer(const Geometry& geometry, ByteView cell, const LayerKey& key) {
  TRY(const Head head, read_head(geometry, cell));
  check(key.secret.public_key().alg == geometry.kem, "the layer's key is of the network's suite");
  const auto rejected = [] {
    return fail(Kind::kDenied, "router.rejected", "the layer is not for this key and node, or was altered");
  };
  const ByteView ciphertext = cell.subspan(kHeadSize, geometry.ciphertext);
  const auto shared = key.secret.decapsulate(ciphertext);
  if (!shared) return rejected();
  LayerSecrets secrets = derive(cell.first(kHeadSize), key.node, ciphertext, *shared);
  const ByteView box =
      cell.subspan(kHeadSize + geometry.ciphertext, geometry.header(head.layers) - geometry.ciphertext);
  const auto plain = crypto::gcm_open({secrets.header_key, kNonce, cell.first(kHeadSize)}, box);
  if (!plain) return rejected();
  TRY(const Routing routing, read_routing(plain->view().first(kRoutingSize), head.layers));
  return Opened{head, routing, secrets.tag, crypto::SecureBytes(plain->view().subspan(kRoutingSize)),
                std::move(secrets.payload_key)};
}

void peel(const Geometry& geometry, const Opened& opened, ByteSpan cell) {
  const std::size_t layers = opened.head.layers;
  check(cell.size() == kCellSize && cell[2] == layers && opened.inner.size() == geometry.header(layers - 1),
        "a cell is peeled by what was opened of it");
  const ByteSpan payload = cell.subspan(kHeadSize + geometry.header(layers), geometry.payload);
  crypto::lioness_decrypt(opened.payload_key, payload);
  std::uint8_t* const inner = cell.data() + kHeadSize;
  std::copy_n(opened.inner.view().begin(), opened.inner.size(), inner);
  std::memmove(inner + opened.inner.size(), payload.data(), payload.size());
  std::ranges::fill(cell.subspan(kHeadSize + opened.inner.size() + geometry.payload), std::uint8_t{0});
  cell[2] = static_cast<std::uint8_t>(layers - 1);
}

ByteView payload_of(const Geometry& geometry, ByteView cell) {
  check(cell.size() == kCellSize && cell[2] <= kLayersMax, "a cell has its size and layers");
  return cell.subspan(kHeadSize + geometry.header(cell[2]), geometry.payload);
}

}  // namespace hanse::router

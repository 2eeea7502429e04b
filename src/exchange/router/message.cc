#include "exchange/router/message.h"

#include <algorithm>

#include "base/core/text.h"
#include "base/crypto/aead.h"

namespace hanse::router {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kZeroTag = 32;
constexpr std::string_view kReplyContext = "HANSE-WOP1-REPLY";
const crypto::GcmNonce kNonce{};  // every reply key seals once

std::size_t room_of(const Geometry& geometry, Carries carries) {
  return geometry.payload - (carries == Carries::kReply ? kTagSize : 0);
}

void write_surb(const Geometry& geometry, const Surb& surb, ByteSpan out) {
  out[0] = kVersion;
  out[1] = static_cast<std::uint8_t>(geometry.suite);
  out[2] = surb.layers;
  store_be(out.data() + 4, surb.epoch);
  std::ranges::copy(surb.first.data, out.begin() + 8);
  std::ranges::copy(surb.header, out.begin() + 40);
  std::ranges::copy(surb.reply_key.view(), out.last(kReplyKeySize).begin());
}

std::unexpected<Error> bad_payload(std::string_view what) { return fail(Kind::kCorrupt, "router.payload", what); }

Result<Surb> read_surb(const Geometry& geometry, ByteView in) {
  const std::uint8_t layers = in[2];
  if (in[0] != kVersion || in[1] != static_cast<std::uint8_t>(geometry.suite) || layers == 0 || layers > kLayersMax ||
      in[3] != 0)
    return bad_payload(
        text("found a reply block of version {}, suite {}, {} layers, flags {}, expected {}, {}, 1 to "
             "{}, 0",
             in[0], in[1], layers, in[3], kVersion, static_cast<std::uint8_t>(geometry.suite), kLayersMax));
  const ByteView headers = in.subspan(40, geometry.header(kLayersMax));
  const ByteView padding = headers.subspan(geometry.header(layers));
  if (std::ranges::any_of(padding, [](std::uint8_t b) { return b != 0; }))
    return bad_payload("the padding of a reply block has a byte that is not zero");
  Surb out;
  out.layers = layers;
  out.epoch = load_be<std::uint32_t>(in.data() + 4);
  NodeId::from(in.subspan(8, 32), out.first);
  out.header = to_bytes(headers.first(geometry.header(layers)));
  crypto::Secret<kReplyKeySize>::from(in.last(kReplyKeySize), out.reply_key);
  return out;
}

Status check_surb(const Geometry& geometry, const Surb& surb) {
  if (surb.layers != 0 && surb.layers <= kLayersMax && surb.header.size() == geometry.header(surb.layers)) return {};
  return fail(Kind::kInvalid, "router.surb",
              text("found a reply block of {} layers in {} bytes, expected 1 to {} layers of {} bytes", surb.layers,
                   surb.header.size(), kLayersMax, geometry.layer()));
}

Status check_message(const Geometry& geometry, const Message& m, Carries carries) {
  if (m.surbs.size() > surbs_max(geometry))
    return fail(Kind::kInvalid, "router.message",
                text("found {} reply blocks, expected at most {}", m.surbs.size(), surbs_max(geometry)));
  if (m.body.size() > body_max(geometry, carries, m.surbs.size()))
    return fail(Kind::kInvalid, "router.message",
                text("found a body of {} bytes, expected at most {}", m.body.size(),
                     body_max(geometry, carries, m.surbs.size())));
  if (m.fragment >= m.fragments)
    return fail(Kind::kInvalid, "router.message", text("found fragment {} of {}", m.fragment, m.fragments));
  for (const Surb& surb : m.surbs) TRY_OK(check_surb(geometry, surb));
  return {};
}

Result<crypto::SecureBytes> encode(const Geometry& geometry, const Message& m, Carries carries, Random& random) {
  TRY_OK(check_message(geometry, m, carries));
  crypto::SecureBytes out(room_of(geometry, carries));
  const ByteSpan at = out.span().subspan(kZeroTag);
  at[0] = m.kind;
  at[1] = static_cast<std::uint8_t>(m.surbs.size());
  store_be(at.data() + 4, static_cast<std::uint32_t>(m.body.size()));
  std::ranges::copy(m.id.data, at.begin() + 8);
  store_be(at.data() + 24, m.fragment);
  store_be(at.data() + 26, m.fragments);
  ByteSpan rest = out.span().subspan(kMessageHead);
  for (const Surb& surb : m.surbs) {
    write_surb(geometry, surb, rest.first(geometry.surb()));
    rest = rest.subspan(geometry.surb());
  }
  std::ranges::copy(m.body, rest.begin());
  random.fill(rest.subspan(m.body.size()));
  return out;
}

Result<Message> decode(const Geometry& geometry, ByteView in, Carries carries) {
  const Bytes zeros(kZeroTag);
  if (in.size() != room_of(geometry, carries) || !crypto::equal_secret(in.first(kZeroTag), zeros))
    return bad_payload("the payload is not one that a sender made for this hop, or was altered");
  const ByteView at = in.subspan(kZeroTag);
  const std::size_t surbs = at[1];
  Message out;
  out.kind = at[0];
  const auto body = load_be<std::uint32_t>(at.data() + 4);
  MessageId::from(at.subspan(8, 16), out.id);
  out.fragment = load_be<std::uint16_t>(at.data() + 24);
  out.fragments = load_be<std::uint16_t>(at.data() + 26);
  if (surbs > surbs_max(geometry) || at[2] != 0 || at[3] != 0 || out.fragment >= out.fragments ||
      body > body_max(geometry, carries, surbs))
    return bad_payload(text("found {} reply blocks, a body of {} bytes, fragment {} of {}, expected at most {} and {}",
                            surbs, body, out.fragment, out.fragments, surbs_max(geometry),
                            body_max(geometry, carries, surbs)));
  ByteView rest = in.subspan(kMessageHead);
  for (std::size_t i = 0; i < surbs; ++i) {
    TRY(Surb surb, read_surb(geometry, rest.first(geometry.surb())));
    out.surbs.push_back(std::move(surb));
    rest = rest.subspan(geometry.surb());
  }
  out.body = to_bytes(rest.first(body));
  return out;
}

}  // namespace

std::size_t surbs_max(const Geometry& geometry) {
  return std::min(kSurbsPerMessage, (room_of(geometry, Carries::kReply) - kMessageHead) / geometry.surb());
}

std::size_t body_max(const Geometry& geometry, Carries carries, std::size_t surbs) {
  return room_of(geometry, carries) - kMessageHead - geometry.surb() * std::min(surbs, surbs_max(geometry));
}

Result<crypto::SecureBytes> encode_message(const Geometry& geometry, const Message& message, Random& random) {
  return encode(geometry, message, Carries::kRequest, random);
}

Result<Message> decode_message(const Geometry& geometry, ByteView payload) {
  return decode(geometry, payload, Carries::kRequest);
}

Result<SurbPair> make_surb(const Geometry& geometry, Path path, Random& random) {
  if (path.last != Command::kSurbReply)
    return fail(Kind::kInvalid, "router.surb",
                text("found a path that ends with command {}, expected {}", static_cast<std::uint8_t>(path.last),
                     static_cast<std::uint8_t>(Command::kSurbReply)));
  random.fill(path.target.span());
  TRY(Onion onion, make_onion(geometry, path, random));
  SurbPair out;
  out.secrets = {path.target, std::move(onion.keys), {}, path.expiry_epoch};
  random.fill(out.secrets.reply_key.span());
  out.block = {static_cast<std::uint8_t>(path.hops.size()), path.epoch, path.hops.front().node, std::move(onion.header),
               out.secrets.reply_key.clone()};
  return out;
}

Result<ReplyCell> reply_cell(const Geometry& geometry, Surb block, const Message& message, Random& random) {
  TRY_OK(check_surb(geometry, block));
  TRY(const auto plain, encode(geometry, message, Carries::kReply, random));
  TRY(const Bytes sealed, crypto::gcm_seal({block.reply_key, kNonce, as_bytes(kReplyContext)}, plain.view()));
  return ReplyCell{block.first, assemble_cell(geometry, block.epoch, block.header, sealed)};
}

Status SurbBook::add(SurbSecrets secrets) {
  if (blocks_.size() >= blocks_max_)
    return fail(
        Kind::kExhausted, "router.surbs_full",
        text("found {} reply blocks that wait for an answer, expected fewer than {}", blocks_.size(), blocks_max_));
  const Target id = secrets.id;
  blocks_.insert_or_assign(id, std::move(secrets));
  return {};
}

Result<Message> SurbBook::open(const Target& id, ByteView payload) {
  const auto found = blocks_.find(id);
  if (found == blocks_.end())
    return fail(Kind::kNotFound, "router.surb_unknown", text("no reply block {} waits for an answer", id));
  const SurbSecrets secrets = std::move(found->second);
  blocks_.erase(found);
  if (payload.size() != geometry_.payload) return bad_payload("the answer has not the size of a payload");
  crypto::SecureBytes sealed(payload);
  for (std::size_t i = secrets.keys.size(); i-- > 0;) crypto::lioness_encrypt(secrets.keys[i], sealed.span());
  const auto plain = crypto::gcm_open({secrets.reply_key, kNonce, as_bytes(kReplyContext)}, sealed.view());
  if (!plain) return bad_payload("the answer is not sealed under its reply block's key, or was altered");
  return decode(geometry_, plain->view(), Carries::kReply);
}

void SurbBook::expire(std::uint32_t epoch) {
  std::erase_if(blocks_, [epoch](const auto& entry) { return entry.second.expiry_epoch < epoch; });
}

}  // namespace hanse::router

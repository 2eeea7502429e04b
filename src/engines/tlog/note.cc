#include "engines/tlog/note.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/codec/hex.h"
#include "base/codec/utf8.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "engines/tlog/checkpoint.h"

namespace hanse::tlog {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014, space
constexpr std::size_t kTimeSize = 8;

std::unexpected<Error> bad(std::string message) { return fail(Kind::kCorrupt, "tlog.note", message); }

// White_Space of Unicode, outside of ASCII.
bool has_wide_blank(std::string_view s) {
  for (const char* const blank : {"\xC2\x85", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\xA8", "\xE2\x80\xA9",
                                  "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"})
    if (s.find(blank) != std::string_view::npos) return true;
  for (std::size_t at = s.find("\xE2\x80"); at != std::string_view::npos; at = s.find("\xE2\x80", at + 1))
    if (at + 2 < s.size() && static_cast<unsigned char>(s[at + 2]) <= 0x8A) return true;  // U+2000 to U+200A
  return false;
}

crypto::SigAlg algorithm(SignatureType type) {
  return type == SignatureType::kSubtree ? crypto::SigAlg::kMlDsa44 : crypto::SigAlg::kEd25519;
}

std::uint32_t key_id_of(std::string_view name, SignatureType type, ByteView public_key) {
  const std::uint8_t middle[] = {'\n', static_cast<std::uint8_t>(type)};
  return load_be<std::uint32_t>(crypto::sha256({as_bytes(name), middle, public_key}).data.data());
}

// What is signed: the text, or what a cosignature puts around it.
Result<Bytes> signed_message(const NoteKey& key, std::string_view note_text, std::uint64_t time_s) {
  if (key.type == SignatureType::kEd25519) return to_bytes(note_text);
  TRY(const Checkpoint checkpoint, parse_checkpoint(note_text));
  if (key.type == SignatureType::kCosignature) return to_bytes(text("cosignature/v1\ntime {}\n{}", time_s, note_text));
  if (checkpoint.origin.size() > kNameMax)
    return fail(Kind::kCorrupt, "tlog.checkpoint",
                text("found an origin of {} bytes, expected at most {}", checkpoint.origin.size(), kNameMax));
  Bytes out = to_bytes(std::string_view("subtree/v1\n\0", 12));
  out.push_back(static_cast<std::uint8_t>(key.name.size()));
  append(out, as_bytes(key.name));
  append_be(out, time_s);
  out.push_back(static_cast<std::uint8_t>(checkpoint.origin.size()));
  append(out, as_bytes(checkpoint.origin));
  append_be(out, std::uint64_t{0});
  append_be(out, checkpoint.head.size);
  append(out, checkpoint.head.root.view());
  return out;
}

Result<NoteSignature> parse_signature_line(std::string_view line) {
  if (!line.starts_with(kDash)) return bad(text("found '{}' for a signature line", line.substr(0, 40)));
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return bad("found a signature line without a signature");
  NoteSignature out;
  out.name = line.substr(0, space);
  if (const Status name = check_key_name(out.name); !name) return bad(std::string(name.error().message()));
  const auto bytes = codec::from_base64(line.substr(space + 1));
  if (!bytes) return bad(text("signature of {}: {}", out.name, bytes.error().message()));
  if (bytes->size() <= 4) return bad(text("found {} bytes of signature, expected more than 4", bytes->size()));
  if (bytes->size() > kSignatureMax)
    return fail(Kind::kExhausted, "tlog.note_limit",
                text("found {} bytes of signature, expected at most {}", bytes->size(), kSignatureMax));
  out.key_id = load_be<std::uint32_t>(bytes->data());
  out.bytes.assign(bytes->begin() + 4, bytes->end());
  return out;
}

// A signature of a known key; gives the time it names.
Result<std::uint64_t> check_signature(const NoteKey& key, std::string_view note_text, const NoteSignature& signature) {
  ByteView bytes = signature.bytes;
  std::uint64_t time_s = 0;
  if (key.type != SignatureType::kEd25519 && bytes.size() > kTimeSize) {
    time_s = load_be<std::uint64_t>(bytes.data());
    bytes = bytes.subspan(kTimeSize);
  }
  const auto refuse = [&](std::string_view why) {
    return fail(Kind::kDenied, "tlog.bad_signature", text("signature of {}: {}", key.name, why));
  };
  if (time_s > static_cast<std::uint64_t>(INT64_MAX)) return refuse(text("found time {}", time_s));
  auto message = signed_message(key, note_text, time_s);
  if (!message) return refuse(message.error().message());
  const Status good = crypto::verify({algorithm(key.type), key.public_key}, {}, *message, bytes);
  if (!good) return refuse(good.error().message());
  return time_s;
}

}  // namespace

std::string signature_line(const NoteSignature& signature) {
  Bytes bytes;
  append_be(bytes, signature.key_id);
  append(bytes, signature.bytes);
  return text("{}{} {}\n", kDash, signature.name, codec::to_base64(bytes));
}

Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines) {
  std::vector<NoteSignature> out;
  std::string_view line;
  while (!lines.empty()) {
    if (!take_line(lines, line)) return bad("found a signature line without its newline");
    if (out.size() == kSignaturesMax)
      return fail(Kind::kExhausted, "tlog.note_limit", text("found more than {} signatures", kSignaturesMax));
    TRY(NoteSignature signature, parse_signature_line(line));
    out.push_back(std::move(signature));
  }
  if (out.empty()) return bad("found no signature");
  return out;
}

Result<Note> parse_note(std::string_view note) {
  if (note.size() > kNoteMax)
    return fail(Kind::kExhausted, "tlog.note_limit",
                text("found a note of {} bytes, expected at most {}", note.size(), kNoteMax));
  const bool control =
      std::ranges::any_of(note, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
  if (control || !codec::is_utf8(note)) return bad("found control characters or bytes that are not UTF-8");
  const std::size_t split = note.rfind("\n\n");
  if (split == std::string_view::npos) return bad("found no empty line before the signatures");
  TRY(auto signatures, parse_signature_lines(note.substr(split + 2)));
  return Note{std::string(note.substr(0, split + 1)), std::move(signatures)};
}

std::string format_note(const Note& note) {
  std::string out = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) out += signature_line(signature);
  return out;
}

Status check_key_name(std::string_view name) {
  const bool bad_ascii =
      std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == '+'; });
  if (name.empty() || name.size() > kNameMax || bad_ascii || has_wide_blank(name) || !codec::is_utf8(name))
    return fail(Kind::kInvalid, "tlog.key",
                text("found key name '{}', expected 1 to {} bytes of UTF-8 without blanks and plus signs",
                     name.substr(0, kNameMax), kNameMax));
  return {};
}

Result<NoteKey> make_note_key(std::string_view name, SignatureType type, ByteView public_key) {
  TRY_OK(check_key_name(name));
  TRY(const crypto::SigSizes sizes, crypto::sig_sizes(static_cast<std::uint8_t>(algorithm(type))));
  if (public_key.size() != sizes.public_key)
    return fail(Kind::kInvalid, "tlog.key",
                text("found a public key of {} bytes for {}, expected {}", public_key.size(), name, sizes.public_key));
  return NoteKey{std::string(name), type, to_bytes(public_key), key_id_of(name, type, public_key)};
}

Result<NoteKey> parse_vkey(std::string_view vkey) {
  const auto refuse = [](std::string_view why) {
    return fail(Kind::kInvalid, "tlog.key", text("{}, expected <name>+<key id>+<base64 key>", why));
  };
  const std::size_t first = vkey.find('+'), second = vkey.find('+', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return refuse("found no two plus signs");
  const auto bytes = codec::from_base64(vkey.substr(second + 1));
  if (!bytes) return refuse(bytes.error().message());
  if (bytes->empty()) return refuse("found an empty key");
  const auto type = static_cast<SignatureType>((*bytes)[0]);
  if (type != SignatureType::kEd25519 && type != SignatureType::kCosignature && type != SignatureType::kSubtree)
    return refuse(text("found signature type {}", (*bytes)[0]));
  TRY(NoteKey key, make_note_key(vkey.substr(0, first), type, ByteView(*bytes).subspan(1)));
  if (vkey.substr(first + 1, second - first - 1) != text("{:08x}", key.key_id))
    return refuse(text("found key id {} for a key of id {:08x}",
                       vkey.substr(first + 1, second - first - 1).substr(0, 40), key.key_id));
  return key;
}

std::string format_vkey(const NoteKey& key) {
  Bytes bytes = {static_cast<std::uint8_t>(key.type)};
  append(bytes, key.public_key);
  return text("{}+{:08x}+{}", key.name, key.key_id, codec::to_base64(bytes));
}

Result<NoteSigner> NoteSigner::create(std::string_view name, SignatureType type, ByteView seed) {
  TRY(crypto::SecretKey secret, crypto::SecretKey::from_seed(algorithm(type), seed));
  TRY(NoteKey key, make_note_key(name, type, secret.public_key().bytes));
  return NoteSigner(std::move(key), std::move(secret));
}

Result<NoteSignature> NoteSigner::sign(std::string_view note_text, std::uint64_t time_s) const {
  NoteSignature out{key_.name, key_.key_id, {}};
  TRY(const Bytes message, signed_message(key_, note_text, time_s));
  if (key_.type != SignatureType::kEd25519) append_be(out.bytes, time_s);
  append(out.bytes, secret_.sign({}, message));
  return out;
}

Result<Verified> verify_note(const Note& note, std::span<const NoteKey> keys) {
  Verified out;
  for (const NoteSignature& signature : note.signatures) {
    const auto known = std::ranges::find_if(
        keys, [&](const NoteKey& key) { return key.key_id == signature.key_id && key.name == signature.name; });
    if (known == keys.end()) continue;
    const bool again = std::ranges::any_of(out.signatures, [&](const NoteSignature& other) {
      return other.key_id == signature.key_id && other.name == signature.name;
    });
    TRY(const std::uint64_t time_s, check_signature(*known, note.text, signature));
    if (again) continue;
    out.signatures.push_back(signature);
    out.times_s.push_back(time_s);
  }
  if (out.signatures.empty())
    return fail(Kind::kDenied, "tlog.unsigned",
                text("found {} signatures, expected one of the {} known keys", note.signatures.size(), keys.size()));
  return out;
}

}  // namespace hanse::tlog

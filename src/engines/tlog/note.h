// Signed notes (c2sp.org/signed-note): a text and signatures under it, and the keys that make and check them.
//   note    text ending in "\n", an empty line, signature lines "— <name> <base64(key id 4 || signature)>\n"
//   key id  SHA-256(name || "\n" || type || public key)[:4]
//   vkey    <name>+<hex key id>+<base64(type || public key)>
// Types: 0x01 Ed25519 over the text; 0x04 and 0x06 are cosignatures of checkpoints (c2sp.org/tlog-cosignature), which
// begin with a u64 big-endian time in seconds:
//   0x04  Ed25519 over "cosignature/v1\ntime <t>\n" || text
//   0x06  ML-DSA-44, empty context, over "subtree/v1\n\0" || u8 length, cosigner name || u64 time || u8 length, origin
//         || u64 start || u64 end || root 32
// A note is believed only where a known key signed it: signatures of others are ignored, a bad one of a known key
// spoils the note. Parsing is strict: what parses is written back as the same bytes. Limits: note 64 KiB, 32
// signatures, key name 255 bytes, signature 4 KiB. Pure; any thread; values. Errors: tlog.note (corrupt: not of the
// form), tlog.note_limit (exhausted), tlog.key (invalid: no vkey, or a name that none may have), tlog.unsigned (denied:
// no signature of a known key), tlog.bad_signature (denied: a known key's signature does not verify), tlog.checkpoint
// (corrupt: cosigned text is no checkpoint).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto/sign.h"

namespace hanse::tlog {

constexpr std::size_t kNoteMax = 64 * 1024;
constexpr std::size_t kSignaturesMax = 32;
constexpr std::size_t kNameMax = 255;
constexpr std::size_t kSignatureMax = 4096;

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  Bytes bytes;  // after the key id: for cosignatures time and signature
  friend bool operator==(const NoteSignature&, const NoteSignature&) = default;
};
std::string signature_line(const NoteSignature& signature);
// Lines as a witness answers them.
Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines);

struct Note {
  std::string text;
  std::vector<NoteSignature> signatures;
};
Result<Note> parse_note(std::string_view note);
std::string format_note(const Note& note);

enum class SignatureType : std::uint8_t { kEd25519 = 0x01, kCosignature = 0x04, kSubtree = 0x06 };

// A public key with its name: what a reader of notes trusts.
struct NoteKey {
  std::string name;
  SignatureType type = SignatureType::kEd25519;
  Bytes public_key;
  std::uint32_t key_id = 0;
  friend bool operator==(const NoteKey&, const NoteKey&) = default;
};
Status check_key_name(std::string_view name);  // not empty, UTF-8 without blanks, control characters and plus signs
Result<NoteKey> make_note_key(std::string_view name, SignatureType type, ByteView public_key);
Result<NoteKey> parse_vkey(std::string_view vkey);
std::string format_vkey(const NoteKey& key);

// Signs notes in one name. time_s is of cosignatures; 0x01 carries none.
class NoteSigner {
 public:
  // The key must be of the type's algorithm: Ed25519, for 0x06 ML-DSA-44. Borrows nothing.
  static Result<NoteSigner> create(std::string_view name, SignatureType type, ByteView seed);
  const NoteKey& key() const { return key_; }
  Result<NoteSignature> sign(std::string_view text, std::uint64_t time_s) const;

 private:
  NoteSigner(NoteKey key, crypto::SecretKey secret) : key_(std::move(key)), secret_(std::move(secret)) {}
  NoteKey key_;
  crypto::SecretKey secret_;
};

struct Verified {
  std::vector<NoteSignature> signatures;  // those of known keys, in the note's order
  std::vector<std::uint64_t> times_s;     // beside them; 0 for type 0x01
};
// tlog.unsigned unless a key of `keys` signed; at most one signature a key counts.
Result<Verified> verify_note(const Note& note, std::span<const NoteKey> keys);

}  // namespace hanse::tlog

#include "base/crypto/keyfile.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/codec/cbor.h"
#include "base/codec/hex.h"
#include "base/core/check.h"
#include "base/core/text.h"
#include "base/crypto/aead.h"
#include "base/crypto/hash.h"

namespace hanse::crypto {
namespace {

constexpr std::uint64_t kVersion = 2, kKdfNone = 0, kKdfScrypt = 1, kScryptR = 8, kScryptP = 1;
constexpr std::size_t kSaltSize = 32, kCheckSize = 16, kSeedsSize = 96, kPublicPartMax = 4096;
constexpr std::string_view kMagic = "hanse-key";

// What the first line and every reader may know.
struct PublicPart {
  PublicKey key;
  std::uint64_t kdf = kKdfNone;
  unsigned scrypt_log2 = 0;
  FixedBytes<kSaltSize> salt;
  // Sealed: tells a wrong passphrase from altered bytes, and costs a guesser as much as the tag does.
  // Unencrypted: a digest of the seeds.
  FixedBytes<kCheckSize> check;
};

struct KeyFile {
  PublicPart part;
  Bytes part_bytes;
  GcmNonce nonce;
  Bytes box;  // sealed seeds, or the seeds themselves
};

std::unexpected<Error> corrupt(std::string_view why) { return fail(Kind::kCorrupt, "crypto.keyfile_corrupt", why); }

template <class T>
std::expected<T, Error> as_corrupt(std::expected<T, Error> result) {
  if (!result) return corrupt(result.error().str());
  return result;
}

FixedBytes<kCheckSize> check_of(ByteView secret) {
  FixedBytes<kCheckSize> check;
  blake3_xof("hanse/keyfile-check/1", {secret}, check.span());
  return check;
}

// 64 bytes from scrypt: the first half is the key, the second shows that the passphrase is right.
struct Stretched {
  Secret<32> key;
  FixedBytes<kCheckSize> check;
};

Result<Stretched> stretch(std::string_view passphrase, const PublicPart& part) {
  const std::uint64_t n = std::uint64_t{1} << part.scrypt_log2;
  const std::uint64_t memory_max = 2 * 128 * kScryptR * n;
  Secret<64> out;
  if (EVP_PBE_scrypt(passphrase.data(), passphrase.size(), part.salt.data.data(), kSaltSize, n, kScryptR, kScryptP,
                     memory_max, out.span().data(), out.kSize) != 1) {
    ERR_clear_error();
    return fail(Kind::kUnavailable, "crypto.keyfile_io", text("no memory for scrypt with N = 2^{}", part.scrypt_log2));
  }
  Stretched result;
  Secret<32>::from(out.view().first(32), result.key);
  result.check = check_of(out.view().subspan(32));
  return result;
}

Bytes encode_part(const PublicPart& part) {
  codec::CborWriter w;
  w.map(part.kdf == kKdfNone ? 5 : 7);
  w.key(0), w.u64(kVersion);
  w.key(1), w.u64(static_cast<std::uint64_t>(part.key.alg));
  w.key(2), w.bytes(part.key.bytes);
  w.key(3), w.u64(part.kdf);
  if (part.kdf == kKdfScrypt) {
    w.key(4), w.u64(part.scrypt_log2);
    w.key(5), w.bytes(part.salt.view());
  }
  w.key(6), w.bytes(part.check.view());
  return w.take();
}

Status expect_key(codec::CborReader& r, std::uint64_t expected) {
  TRY(const auto key, r.key());
  if (key != expected) return corrupt(text("found key {}, expected {}", key, expected));
  return {};
}

Result<PublicPart> decode_part(ByteView bytes) {
  codec::CborReader r(bytes);
  PublicPart part;
  TRY_OK(r.enter_map("key_file", 7));
  TRY_OK(expect_key(r, 0));
  TRY(const auto version, r.u64("version", 255));
  if (version != kVersion) return corrupt(text("found key file version {}, expected {}", version, kVersion));
  TRY_OK(expect_key(r, 1));
  TRY(const auto alg, r.u64("alg", 255));
  TRY(const SigSizes sizes, sig_sizes(static_cast<std::uint8_t>(alg)));
  part.key.alg = static_cast<SigAlg>(alg);
  TRY_OK(expect_key(r, 2));
  TRY(const ByteView key, r.bytes("public_key", sizes.public_key));
  if (key.size() != sizes.public_key || part.key.alg == SigAlg::kEd25519)
    return corrupt(text("found a {} public key of {} bytes", sig_alg_name(part.key.alg), key.size()));
  part.key.bytes = to_bytes(key);
  TRY_OK(expect_key(r, 3));
  TRY(part.kdf, r.u64("kdf", kKdfScrypt));
  if (part.kdf == kKdfScrypt) {
    TRY_OK(expect_key(r, 4));
    TRY(const auto log2, r.u64("scrypt_log2", kScryptLog2Max));
    if (log2 < kScryptLog2Min)
      return corrupt(text("found scrypt N = 2^{}, expected 2^{} or more", log2, kScryptLog2Min));
    part.scrypt_log2 = static_cast<unsigned>(log2);
    TRY_OK(expect_key(r, 5));
    TRY_OK(r.fixed("salt", part.salt));
  }
  TRY_OK(expect_key(r, 6));
  TRY_OK(r.fixed("check", part.check));
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  return part;
}

std::string first_line(const PublicPart& part) {
  return text("{} {} {} {}", kMagic, kVersion, part.kdf == kKdfNone ? "UNENCRYPTED" : "encrypted",
              codec::encode_id(account_id(part.key).view()));
}

std::string armour(const KeyFile& file) {
  codec::CborWriter w;
  w.map(3);
  w.key(0), w.bytes(file.part_bytes);
  w.key(1), w.bytes(file.nonce.view());
  w.key(2), w.bytes(file.box);
  return first_line(file.part) + "\n" + codec::to_base32(w.take()) + "\n";
}

Result<KeyFile> decode(std::string_view content) {
  if (content.size() > kKeyFileMax)
    return corrupt(text("found a key file of {} bytes, expected at most {}", content.size(), kKeyFileMax));
  const std::size_t line_end = content.find('\n');
  if (!content.starts_with(kMagic) || line_end == content.npos || !content.ends_with('\n'))
    return corrupt(text("found no '{}' line followed by one line of base32", kMagic));
  const std::string_view line = content.substr(0, line_end);
  const std::string_view body = content.substr(line_end + 1, content.size() - line_end - 2);
  TRY(const Bytes bytes, codec::from_base32(body));
  codec::CborReader r(bytes);
  KeyFile file;
  TRY_OK(r.enter_map("key_file", 3));
  TRY_OK(expect_key(r, 0));
  TRY(const ByteView part, r.bytes("public_part", kPublicPartMax));
  file.part_bytes = to_bytes(part);
  TRY(file.part, decode_part(part));
  TRY_OK(expect_key(r, 1));
  TRY_OK(r.fixed("nonce", file.nonce));
  TRY_OK(expect_key(r, 2));
  TRY(const ByteView box, r.bytes("box", 256));
  file.box = to_bytes(box);
  TRY_OK(r.leave());
  TRY_OK(r.finish());
  if (line != first_line(file.part))
    return corrupt(text("found first line '{}', expected '{}'", line.substr(0, 100), first_line(file.part)));
  return file;
}

Result<SecureBytes> open_box(const KeyFile& file, std::string_view passphrase, const KeyFileOptions& options) {
  if (file.part.kdf == kKdfNone) {
    if (!options.allow_unencrypted)
      return fail(Kind::kDenied, "crypto.keyfile_unencrypted", "found an unencrypted key file, expected a sealed one");
    if (!file.nonce.is_zero() || check_of(file.box) != file.part.check)
      return corrupt("the seeds of an unencrypted key file do not fit their digest");
    return SecureBytes(file.box);
  }
  TRY(const Stretched stretched, stretch(passphrase, file.part));
  if (!equal_secret(stretched.check.view(), file.part.check.view()))
    return fail(Kind::kDenied, "crypto.wrong_passphrase", "the passphrase does not open this key file");
  return as_corrupt(gcm_open({stretched.key, file.nonce, file.part_bytes}, file.box));
}

}  // namespace

KeySeeds KeySeeds::generate(Random& random, SigAlg alg) {
  KeySeeds seeds;
  seeds.alg = alg;
  random.fill(seeds.signing.span());
  random.fill(seeds.kem.span());
  return seeds;
}

Result<Identity> KeySeeds::identity() const { return Identity::from_seed(signing.view(), alg); }

Result<std::string> encode_key_file(const KeySeeds& seeds, std::string_view passphrase, Random& random,
                                    KeyFileOptions options) {
  if (passphrase.empty() && !options.allow_unencrypted)
    return fail(Kind::kInvalid, "crypto.passphrase_empty",
                "found an empty passphrase, expected one to seal the key with");
  if (options.scrypt_log2 < kScryptLog2Min || options.scrypt_log2 > kScryptLog2Max)
    return fail(
        Kind::kInvalid, "crypto.keyfile_cost",
        text("found scrypt N = 2^{}, expected 2^{} to 2^{}", options.scrypt_log2, kScryptLog2Min, kScryptLog2Max));
  TRY(const Identity identity, seeds.identity());
  SecureBytes plain(kSeedsSize);
  std::memcpy(plain.span().data(), seeds.signing.view().data(), seeds.signing.kSize);
  std::memcpy(plain.span().data() + seeds.signing.kSize, seeds.kem.view().data(), seeds.kem.kSize);

  KeyFile file;
  file.part.key = identity.mldsa().public_key();
  if (passphrase.empty()) {
    file.part.check = check_of(plain.view());
    file.part_bytes = encode_part(file.part);
    file.box = to_bytes(plain.view());
    std::string content = armour(file);
    wipe(file.box);
    return content;
  }
  file.part.kdf = kKdfScrypt;
  file.part.scrypt_log2 = options.scrypt_log2;
  random.fill(file.part.salt.span());
  random.fill(file.nonce.span());
  TRY(const Stretched stretched, stretch(passphrase, file.part));
  file.part.check = stretched.check;
  file.part_bytes = encode_part(file.part);
  TRY(file.box, gcm_seal({stretched.key, file.nonce, file.part_bytes}, plain.view()));
  return armour(file);
}

Result<KeyFileInfo> parse_key_file(std::string_view content) {
  TRY(KeyFile file, as_corrupt(decode(content)));
  const AccountId account = account_id(file.part.key);
  return KeyFileInfo{std::move(file.part.key), account, file.part.kdf != kKdfNone};
}

Result<KeySeeds> unlock_key_file(std::string_view content, std::string_view passphrase, KeyFileOptions options) {
  TRY(const KeyFile file, as_corrupt(decode(content)));
  TRY(const SecureBytes plain, open_box(file, passphrase, options));
  if (plain.size() != kSeedsSize)
    return corrupt(text("found {} bytes of seeds, expected {}", plain.size(), kSeedsSize));
  KeySeeds seeds;
  seeds.alg = file.part.key.alg;
  Secret<32>::from(plain.view().first(32), seeds.signing);
  Secret<64>::from(plain.view().subspan(32), seeds.kem);
  TRY(const Identity identity, seeds.identity());
  if (identity.mldsa().public_key() != file.part.key)
    return corrupt("the seed inside makes another public key than the one outside");
  return seeds;
}

}  // namespace hanse::crypto

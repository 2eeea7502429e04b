// Key files: the seeds of one identity on disk, sealed under a passphrase. Layout: proto/records/keyfile.md.
//   kept       the 32-byte ML-DSA seed and a 64-byte KEM seed, nothing that can be derived from them
//   sealed     AES-256-GCM under scrypt (N = 2^17, r = 8, p = 1: 128 MiB and about half a second)
//   readable   algorithm and public key, without the passphrase; authenticated when the file is unlocked
//   on disk    mode 0600, created with O_EXCL and O_NOFOLLOW under a temporary name, synced, then renamed into place
// A file is read only when it is regular, ours, no symbolic link and closed to group and others. An empty passphrase is
// refused unless the options allow an unencrypted file, which then says so in its first line.
// Threads: free functions, any; two writers of one path get one winner. Blocks on disk and on scrypt.
// Errors:
//   crypto.keyfile_exists (conflict)       crypto.keyfile_missing (not_found)    crypto.keyfile_mode (denied)
//   crypto.keyfile_symlink (denied)        crypto.keyfile_owner (denied)         crypto.keyfile_io (unavailable)
//   crypto.wrong_passphrase (denied)       crypto.keyfile_corrupt (corrupt)      crypto.keyfile_unencrypted (denied)
//   crypto.passphrase_empty (invalid)      crypto.keyfile_cost (invalid)
#pragma once

#include <string>
#include <string_view>

#include "base/core/random.h"
#include "base/core/result.h"
#include "base/crypto/secret.h"
#include "base/crypto/sign.h"

namespace hanse::crypto {

constexpr std::size_t kKeyFileMax = 16 * 1024;
constexpr unsigned kScryptLog2Min = 14, kScryptLog2Max = 18;

struct KeySeeds {
  SigAlg alg = SigAlg::kMlDsa65;
  Secret<32> signing;
  Secret<64> kem;  // ML-KEM takes all 64 bytes, X-Wing the first 32

  static KeySeeds generate(Random& random, SigAlg alg = SigAlg::kMlDsa65);
  Result<Identity> identity() const;
};

struct KeyFileInfo {
  PublicKey public_key;
  AccountId account;
  bool encrypted = true;
};

struct KeyFileOptions {
  bool allow_unencrypted = false;  // networks for development: node keys without a passphrase
  bool replace = false;            // write over an existing key file
  unsigned scrypt_log2 = 17;
};

Status write_key_file(const std::string& path, const KeySeeds& seeds, std::string_view passphrase, Random& random,
                      KeyFileOptions options = {});
Result<KeyFileInfo> read_key_file(const std::string& path);
Result<KeySeeds> open_key_file(const std::string& path, std::string_view passphrase, KeyFileOptions options = {});

// The same without a disk.
Result<std::string> encode_key_file(const KeySeeds& seeds, std::string_view passphrase, Random& random,
                                    KeyFileOptions options = {});
Result<KeyFileInfo> parse_key_file(std::string_view content);
Result<KeySeeds> unlock_key_file(std::string_view content, std::string_view passphrase, KeyFileOptions options = {});

}  // namespace hanse::crypto

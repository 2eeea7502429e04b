#include "base/crypto/hash.h"

#include <blake3.h>
#include <openssl/evp.h>

#include <cstddef>
#include <new>

#include "base/core/check.h"
#include "base/crypto/detail/openssl.h"

namespace hanse::crypto {
namespace {

// Deriving the key of a context costs as much as hashing 64 bytes, and a program has a few dozen contexts: each thread
// keeps the hashers of the last ones as they are before any data. Only the head of a hasher is in use then.
constexpr std::size_t kHeadSize = offsetof(blake3_hasher, cv_stack);
constexpr std::size_t kNameMax = 56, kSlots = 64;

struct Prefix {
  std::uint8_t name_size = 0;
  char name[kNameMax];
  alignas(blake3_hasher) std::uint8_t head[kHeadSize];
};

blake3_hasher keyed(std::string_view context) {
  thread_local Prefix slots[kSlots];
  blake3_hasher h;
  if (context.empty() || context.size() > kNameMax) {
    blake3_hasher_init_derive_key_raw(&h, context.data(), context.size());
    return h;
  }
  std::size_t slot = context.size();
  for (const char c : context) slot = slot * 31 + static_cast<unsigned char>(c);
  Prefix& prefix = slots[slot % kSlots];
  if (prefix.name_size != context.size() || std::memcmp(prefix.name, context.data(), context.size()) != 0) {
    blake3_hasher_init_derive_key_raw(&h, context.data(), context.size());
    std::memcpy(prefix.head, &h, kHeadSize);
    std::memcpy(prefix.name, context.data(), context.size());
    prefix.name_size = static_cast<std::uint8_t>(context.size());
  }
  std::memcpy(static_cast<void*>(&h), prefix.head, kHeadSize);
  return h;
}

blake3_hasher start(std::string_view context, std::initializer_list<ByteView> parts) {
  blake3_hasher h = keyed(context);
  for (const ByteView part : parts) blake3_hasher_update(&h, part.data(), part.size());
  return h;
}

// An algorithm looked up once and one context a thread: a fetch or an allocation costs more than hashing 64 bytes.
class Digest {
 public:
  explicit Digest(const char* name) : md_(EVP_MD_fetch(nullptr, name, nullptr)), ctx_(EVP_MD_CTX_new()) {
    check(md_ != nullptr && ctx_ != nullptr, "OpenSSL has SHA-2 and SHA-3");
  }
  ~Digest() { EVP_MD_free(md_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void hash(std::initializer_list<ByteView> parts, ByteSpan out) {
    absorb(parts);
    unsigned size = 0;
    check(EVP_DigestFinal_ex(ctx_.get(), out.data(), &size) == 1 && size == out.size(), "digest is final");
  }
  void hash_xof(std::initializer_list<ByteView> parts, ByteSpan out) {
    absorb(parts);
    check(EVP_DigestFinalXOF(ctx_.get(), out.data(), out.size()) == 1, "digest is final");
  }

 private:
  void absorb(std::initializer_list<ByteView> parts) {
    check(EVP_DigestInit_ex2(ctx_.get(), md_, nullptr) == 1, "digest starts");
    for (const ByteView part : parts)
      check(EVP_DigestUpdate(ctx_.get(), part.data(), part.size()) == 1, "digest takes data");
  }

  EVP_MD* md_;
  detail::MdCtxPtr ctx_;
};

}  // namespace

static_assert(sizeof(blake3_hasher) <= 1920 && alignof(blake3_hasher) <= 16);

Blake3::Blake3() { blake3_hasher_init(new (state_) blake3_hasher); }

Blake3::Blake3(std::string_view context) { new (state_) blake3_hasher(keyed(context)); }

void Blake3::update(ByteView data) {
  blake3_hasher_update(std::launder(reinterpret_cast<blake3_hasher*>(state_)), data.data(), data.size());
}

Hash32 Blake3::finish() const {
  Hash32 out;
  blake3_hasher_finalize(std::launder(reinterpret_cast<const blake3_hasher*>(state_)), out.data.data(), out.kSize);
  return out;
}

Hash32 blake3(ByteView data) {
  blake3_hasher h;
  blake3_hasher_init(&h);
  blake3_hasher_update(&h, data.data(), data.size());
  Hash32 out;
  blake3_hasher_finalize(&h, out.data.data(), out.kSize);
  return out;
}

Hash32 blake3(std::string_view context, std::initializer_list<ByteView> parts) {
  Hash32 out;
  blake3_xof(context, parts, out.span());
  return out;
}

void blake3_xof(std::string_view context, std::initializer_list<ByteView> parts, ByteSpan out) {
  const blake3_hasher h = start(context, parts);
  blake3_hasher_finalize(&h, out.data(), out.size());
}

BlobId blob_id(ByteView data) { return BlobId{blake3(data).data}; }

Hash32 sha256(std::initializer_list<ByteView> parts) {
  thread_local Digest digest("SHA2-256");
  Hash32 out;
  digest.hash(parts, out.span());
  return out;
}

Hash32 hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> inner{}, outer{};
  const Hash32 short_key = key.size() > kBlock ? sha256({key}) : Hash32{};
  const ByteView used = key.size() > kBlock ? short_key.view() : key;
  std::memcpy(inner.data(), used.data(), used.size());
  outer = inner;
  for (std::uint8_t& b : inner) b ^= 0x36;
  for (std::uint8_t& b : outer) b ^= 0x5c;
  Bytes message = to_bytes(ByteView(inner));
  for (const ByteView part : parts) append(message, part);
  const Hash32 digest = sha256({message});
  return sha256({ByteView(outer), digest.view()});
}

FixedBytes<64> sha512(std::initializer_list<ByteView> parts) {
  thread_local Digest digest("SHA2-512");
  FixedBytes<64> out;
  digest.hash(parts, out.span());
  return out;
}

Hash32 sha3_256(std::initializer_list<ByteView> parts) {
  thread_local Digest digest("SHA3-256");
  Hash32 out;
  digest.hash(parts, out.span());
  return out;
}

void shake256(std::initializer_list<ByteView> parts, ByteSpan out) {
  thread_local Digest digest("SHAKE-256");
  digest.hash_xof(parts, out);
}

}  // namespace hanse::crypto

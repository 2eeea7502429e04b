#include "base/crypto/legacy.h"

#include <openssl/evp.h>

#include "base/core/check.h"
#include "base/crypto/detail/openssl.h"

namespace hanse::crypto {
namespace {

void digest(const EVP_MD* md, std::initializer_list<ByteView> parts, ByteSpan out) {
  const detail::MdCtxPtr ctx(EVP_MD_CTX_new());
  check(ctx && EVP_DigestInit_ex(ctx.get(), md, nullptr) == 1, "OpenSSL has SHA-1 and MD5");
  for (const ByteView part : parts)
    check(EVP_DigestUpdate(ctx.get(), part.data(), part.size()) == 1, "digest takes data");
  unsigned size = 0;
  check(EVP_DigestFinal_ex(ctx.get(), out.data(), &size) == 1 && size == out.size(), "digest is final");
}

}  // namespace

FixedBytes<20> hmac_sha1(ByteView key, std::initializer_list<ByteView> parts) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> inner{}, outer{};
  FixedBytes<20> short_key;
  if (key.size() > kBlock) digest(EVP_sha1(), {key}, short_key.span());
  const ByteView used = key.size() > kBlock ? short_key.view() : key;
  std::copy(used.begin(), used.end(), inner.begin());
  outer = inner;
  for (std::uint8_t& b : inner) b ^= 0x36;
  for (std::uint8_t& b : outer) b ^= 0x5c;
  Bytes message = to_bytes(ByteView(inner));
  for (const ByteView part : parts) append(message, part);
  FixedBytes<20> middle, out;
  digest(EVP_sha1(), {message}, middle.span());
  digest(EVP_sha1(), {ByteView(outer), middle.view()}, out.span());
  return out;
}

FixedBytes<16> md5(std::initializer_list<ByteView> parts) {
  FixedBytes<16> out;
  digest(EVP_md5(), parts, out.span());
  return out;
}

}  // namespace hanse::crypto

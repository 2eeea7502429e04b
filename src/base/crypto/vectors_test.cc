// Published test vectors against the public functions of this room.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/crypto/aead.h"
#include "base/crypto/detail/test_vectors.h"
#include "base/crypto/hash.h"
#include "base/crypto/kem.h"
#include "base/crypto/merkle.h"
#include "base/crypto/sign.h"

namespace hanse::crypto {
namespace {

using codec::Json;
using detail::at, detail::each_wycheproof, detail::has_flag, detail::hex_of, detail::is_valid, detail::read_vectors,
    detail::text_of;

// Gives back a recorded string: deterministic encapsulation.
class Recorded final : public Random {
 public:
  explicit Recorded(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(ByteSpan out) override {
    ASSERT_LE(used_ + out.size(), bytes_.size());
    std::memcpy(out.data(), bytes_.data() + used_, out.size());
    used_ += out.size();
  }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

TEST(Vectors, blake3) {
  const auto file = read_vectors("blake3/test_vectors.json");
  if (!file) return;
  const std::string context = text_of(*file, "context_string");
  ASSERT_FALSE(at(*file, "cases").items().empty());
  for (const Json& c : at(*file, "cases").items()) {
    Bytes input(at(c, "input_len").as_u64("input_len").value_or(0));
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::uint8_t>(i % 251);
    const Bytes plain = hex_of(c, "hash"), derived = hex_of(c, "derive_key");
    EXPECT_TRUE(equal(blake3(input).view(), ByteView(plain).first(32))) << input.size();
    Bytes out(derived.size());
    blake3_xof(context, {input}, out);
    EXPECT_EQ(out, derived) << input.size();
  }
}

bool ed25519_accepts(ByteView key, ByteView message, ByteView signature) {
  return verify({SigAlg::kEd25519, to_bytes(key)}, "", message, signature).has_value();
}

// C2SP/CCTV: every encoding corner. ZIP-215 accepts all but those whose k was computed over re-encoded bytes; even they
// pass when A has small order, since 8kA is then the identity whatever k is.
TEST(Vectors, cctv_ed25519_under_zip215) {
  const auto file = read_vectors("cctv/ed25519vectors.json");
  if (!file) return;
  ASSERT_EQ(file->items().size(), 914U);
  for (const Json& t : file->items()) {
    const bool expected = !has_flag(t, "reencoded_k") || has_flag(t, "low_order_A");
    EXPECT_EQ(ed25519_accepts(hex_of(t, "key"), as_bytes(text_of(t, "msg")), hex_of(t, "sig")), expected)
        << "case " << at(t, "number").dump();
  }
}

// Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), table 5, row of ZIP-215.
TEST(Vectors, speccheck_under_zip215) {
  const auto file = read_vectors("speccheck/cases.json");
  if (!file) return;
  constexpr bool kExpected[] = {true, true, true, true, true, true, false, false, false, true, true, true};
  ASSERT_EQ(file->items().size(), std::size(kExpected));
  for (std::size_t i = 0; i < std::size(kExpected); ++i) {
    const Json& t = file->items()[i];
    EXPECT_EQ(ed25519_accepts(hex_of(t, "pub_key"), hex_of(t, "message"), hex_of(t, "signature")), kExpected[i]) << i;
  }
}

TEST(Vectors, wycheproof_ed25519) {
  each_wycheproof("ed25519_test.json", [](const Json& group, const Json& test) {
    // "-0" as R decodes under ZIP-215; RFC 8032 refuses it.
    const bool minus_zero = has_flag(test, "InvalidEncoding") && text_of(test, "sig").starts_with("01000000") &&
                            text_of(test, "sig").substr(56, 8) == "00000080";
    const bool got = ed25519_accepts(hex_of(at(group, "publicKey"), "pk"), hex_of(test, "msg"), hex_of(test, "sig"));
    EXPECT_EQ(got, is_valid(test) || minus_zero);
  });
}

void check_mldsa_verify(SigAlg alg, const std::string& file) {
  each_wycheproof(file, [alg](const Json& group, const Json& test) {
    const Bytes context = hex_of(test, "ctx");
    const PublicKey key{alg, hex_of(group, "publicKey")};
    const bool got = verify(key, as_text(context), hex_of(test, "msg"), hex_of(test, "sig")).has_value();
    EXPECT_EQ(got, is_valid(test)) << text_of(test, "comment");
  });
}

TEST(Vectors, wycheproof_mldsa44_verify) { check_mldsa_verify(SigAlg::kMlDsa44, "mldsa_44_verify_test.json"); }
TEST(Vectors, wycheproof_mldsa65_verify) { check_mldsa_verify(SigAlg::kMlDsa65, "mldsa_65_verify_test.json"); }
TEST(Vectors, wycheproof_mldsa87_verify) { check_mldsa_verify(SigAlg::kMlDsa87, "mldsa_87_verify_test.json"); }

TEST(Vectors, wycheproof_mldsa65_keys_from_seeds) {
  each_wycheproof("mldsa_65_sign_seed_test.json", [](const Json& group, const Json& test) {
    const auto key = SecretKey::from_seed(SigAlg::kMlDsa65, hex_of(group, "privateSeed"));
    if (!key) {
      EXPECT_FALSE(is_valid(test));
      return;
    }
    EXPECT_EQ(key->public_key().bytes, hex_of(group, "publicKey"));
    if (!is_valid(test) || test.find("msg") == nullptr) return;  // some give only mu
    const Bytes context = hex_of(test, "ctx");
    EXPECT_TRUE(verify(key->public_key(), as_text(context), hex_of(test, "msg"), hex_of(test, "sig")));
  });
}

void check_mlkem(KemAlg alg, const std::string& file) {
  each_wycheproof(file, [alg](const Json&, const Json& test) {
    const auto key = KemSecretKey::from_seed(alg, hex_of(test, "seed"));
    if (!key) {
      EXPECT_FALSE(is_valid(test));
      return;
    }
    const bool same_key = key->public_key().bytes == hex_of(test, "ek");
    const auto secret = key->decapsulate(hex_of(test, "c"));
    const bool got = same_key && secret && equal(secret->view(), hex_of(test, "K"));
    EXPECT_EQ(got, is_valid(test)) << text_of(test, "comment");
  });
}

TEST(Vectors, wycheproof_mlkem768) { check_mlkem(KemAlg::kMlKem768, "mlkem_768_test.json"); }
TEST(Vectors, wycheproof_mlkem1024) { check_mlkem(KemAlg::kMlKem1024, "mlkem_1024_test.json"); }

TEST(Vectors, wycheproof_mlkem1024_encapsulation) {
  each_wycheproof("mlkem_1024_encaps_test.json", [](const Json&, const Json& test) {
    Recorded random(hex_of(test, "m"));
    const auto got = encapsulate({KemAlg::kMlKem1024, hex_of(test, "ek")}, random);
    ASSERT_EQ(got.has_value(), is_valid(test)) << text_of(test, "comment");
    if (!got) return;
    EXPECT_EQ(got->ciphertext, hex_of(test, "c"));
    EXPECT_TRUE(equal(got->secret.view(), hex_of(test, "K")));
  });
}

void check_mlkem_seed(KemAlg alg, const std::string& file) {
  each_wycheproof(file, [alg](const Json&, const Json& test) {
    const auto key = KemSecretKey::from_seed(alg, hex_of(test, "seed"));
    ASSERT_EQ(key.has_value(), is_valid(test));
    if (key) {
      EXPECT_EQ(key->public_key().bytes, hex_of(test, "ek"));
    }
  });
}

TEST(Vectors, wycheproof_mlkem768_keys) { check_mlkem_seed(KemAlg::kMlKem768, "mlkem_768_keygen_seed_test.json"); }
TEST(Vectors, wycheproof_mlkem1024_keys) { check_mlkem_seed(KemAlg::kMlKem1024, "mlkem_1024_keygen_seed_test.json"); }

TEST(Vectors, xwing) {
  const auto file = read_vectors("xwing/test-vectors.json");
  if (!file) return;
  ASSERT_FALSE(file->items().empty());
  for (const Json& t : file->items()) {
    const auto key = KemSecretKey::from_seed(KemAlg::kXWing, hex_of(t, "seed"));
    ASSERT_TRUE(key);
    EXPECT_EQ(key->public_key().bytes, hex_of(t, "pk"));
    Recorded random(hex_of(t, "eseed"));
    const auto sent = encapsulate(key->public_key(), random);
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->ciphertext, hex_of(t, "ct"));
    EXPECT_TRUE(equal(sent->secret.view(), hex_of(t, "ss")));
    const auto got = key->decapsulate(sent->ciphertext);
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, sent->secret);
  }
}

TEST(Vectors, wycheproof_aes_256_gcm) {
  std::size_t used = 0;
  each_wycheproof("aes_gcm_test.json", [&used](const Json& group, const Json& test) {
    const auto size = [&group](const char* key) { return at(group, key).as_u64(key).value_or(0); };
    if (size("keySize") != 256 || size("ivSize") != 96 || size("tagSize") != 128) return;
    ++used;
    Secret<32> key;
    GcmNonce nonce;
    ASSERT_TRUE(Secret<32>::from(hex_of(test, "key"), key) && GcmNonce::from(hex_of(test, "iv"), nonce));
    const Bytes associated = hex_of(test, "aad"), message = hex_of(test, "msg");
    Bytes sealed = hex_of(test, "ct");
    append(sealed, hex_of(test, "tag"));
    const auto opened = gcm_open({key, nonce, associated}, sealed);
    ASSERT_EQ(opened.has_value(), is_valid(test));
    if (!opened) return;
    EXPECT_TRUE(equal(opened->view(), message));
    EXPECT_EQ(gcm_seal({key, nonce, associated}, message).value(), sealed);
  });
  if (used == 0) std::printf("skipped: no AES-256-GCM cases\n");
}

TEST(Vectors, wycheproof_hkdf_sha256) {
  each_wycheproof("hkdf_sha256_test.json", [](const Json&, const Json& test) {
    Bytes out(at(test, "size").as_u64("size").value_or(0));
    const Bytes material = hex_of(test, "ikm"), salt = hex_of(test, "salt"), info = hex_of(test, "info");
    const bool ok = hkdf_sha256({material, salt, info}, out).has_value();
    ASSERT_EQ(ok, is_valid(test));
    if (ok) {
      EXPECT_EQ(out, hex_of(test, "okm"));
    }
  });
}

// Base64 of the log vectors. Their "don't care" strings are not 32 bytes; a digest of each stands for it,
// and an absent one is no hash at all.
Hash32 from_base64(const std::string& text, std::string_view role = {}) {
  Bytes bytes;
  std::uint32_t bits = 0;
  int n = 0;
  for (const char c : text) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kAlphabet.find(c));
    if ((n += 6) < 8) continue;
    n -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> n));
  }
  Hash32 out;
  if (Hash32::from(bytes, out)) return out;
  return bytes.empty() ? sha256({as_bytes("absent"), as_bytes(role)}) : sha256({bytes});
}

Proof proof_of(const Json& test) {
  Proof out;
  for (const Json& item : at(test, "proof").items())
    out.push_back(from_base64(std::string(item.as_text("proof").value_or(""))));
  return out;
}

template <class Check>
void each_log_vector(const std::string& kind, Check&& check) {
  const std::filesystem::path root = std::filesystem::path(detail::vectors_root()) / "rfc6962" / kind;
  if (!std::filesystem::exists(root)) {
    std::printf("skipped: no vectors in %s\n", root.c_str());
    return;
  }
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    const auto test = read_vectors(std::filesystem::relative(entry.path(), detail::vectors_root()).string());
    ASSERT_TRUE(test);
    SCOPED_TRACE(entry.path().string());
    EXPECT_EQ(check(*test), !at(*test, "wantErr").as_bool("wantErr").value_or(true)) << text_of(*test, "desc");
    ++n;
  }
  EXPECT_GT(n, 50U);
}

TEST(Vectors, rfc6962_inclusion) {
  each_log_vector("inclusion", [](const Json& test) {
    const LeafPosition position{at(test, "leafIdx").as_u64("leafIdx").value_or(~0ULL),
                                at(test, "treeSize").as_u64("treeSize").value_or(0)};
    const Hash32 root = from_base64(text_of(test, "root"), "root");
    const Hash32 leaf = from_base64(text_of(test, "leafHash"), "leaf");
    return log_verify_inclusion(leaf, position, proof_of(test), root).has_value();
  });
}

TEST(Vectors, rfc6962_consistency) {
  each_log_vector("consistency", [](const Json& test) {
    const LogGrowth growth{at(test, "size1").as_u64("size1").value_or(0),
                           at(test, "size2").as_u64("size2").value_or(0)};
    const Hash32 old_root = from_base64(text_of(test, "root1")), new_root = from_base64(text_of(test, "root2"));
    return log_verify_consistency(growth, proof_of(test), old_root, new_root).has_value();
  });
}

}  // namespace
}  // namespace hanse::crypto

#include "store/archive/sign.h"

#include <gtest/gtest.h>

#include "base/crypto/hash.h"
#include "base/core/text.h"

namespace hanse::archive {
namespace {

constexpr std::int64_t kMay24 = 1'369'353'600'000;  // 2013-05-24 00:00:00 UTC
constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// The examples of "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)".
const Keys kExampleKeys{
    .id = "AKIAIOSFODNN7EXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", .session_token = {}};

SignedRequest example(std::string method, std::string path, Headers more, std::string_view payload_hash) {
  SignedRequest r{.method = std::move(method), .path = std::move(path), .query = {}, .headers = std::move(more)};
  r.headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
  r.headers.emplace_back("x-amz-date", amz_date(kMay24));
  r.headers.emplace_back("x-amz-content-sha256", payload_hash);
  return r;
}

std::string signature(const SignedRequest& request) {
  const std::string whole = v4_authorization(request, kExampleKeys, {.region = "us-east-1", .service = "s3"});
  return whole.substr(whole.find("Signature=") + 10);
}

TEST(SigV4, get_object_example) {
  const auto r = example("GET", "/test.txt", {{"range", "bytes=0-9"}}, kEmptyHash);
  EXPECT_EQ(v4_authorization(r, kExampleKeys, {.region = "us-east-1", .service = "s3"}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(v4_canonical_request(r),
            text("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:{}\n"
                 "x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n{}",
                 kEmptyHash, kEmptyHash));
}

TEST(SigV4, put_object_example) {
  const std::string hash = text("{}", crypto::sha256({as_bytes("Welcome to Amazon S3.")}));
  const auto r = example("PUT", "/" + percent_encode("test$file.text"),
                         {{"date", http_date(kMay24)}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}, hash);
  EXPECT_EQ(signature(r), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, bucket_lifecycle_example) {
  auto r = example("GET", "/", {}, kEmptyHash);
  r.query = {{"lifecycle", ""}};
  EXPECT_EQ(signature(r), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4, list_objects_example) {
  auto r = example("GET", "/", {}, kEmptyHash);
  r.query = {{"prefix", "J"}, {"max-keys", "2"}};  // sorted by the signer
  EXPECT_EQ(signature(r), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// The string of "Authorize with Shared Key" (Get Container Metadata); the key is the one that the storage emulator
// publishes, the signature was computed with another HMAC.
TEST(SharedKey, documented_string_and_an_independent_signature) {
  const SignedRequest r{.method = "GET",
                        .path = "/mycontainer",
                        .query = {{"restype", "container"}, {"timeout", "20"}, {"comp", "metadata"}},
                        .headers = {{"x-ms-version", "2015-02-21"}, {"x-ms-date", http_date(1'435'361'952'000)}}};
  EXPECT_EQ(shared_key_string(r, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
  const Keys keys{.id = "myaccount",
                  .secret = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
                  .session_token = {}};
  const auto got = shared_key_authorization(r, keys);
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(*got, "SharedKey myaccount:1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=");
}

TEST(SharedKey, a_length_of_zero_is_the_empty_text_and_repeated_parameters_are_joined) {
  const SignedRequest r{.method = "PUT",
                        .path = "/c/b",
                        .query = {{"a", "2"}, {"a", "1"}},
                        .headers = {{"content-length", "0"}, {"content-type", "t"}}};
  EXPECT_EQ(shared_key_string(r, "acc"), "PUT\n\n\n\n\nt\n\n\n\n\n\n\n/acc/c/b\na:1,2");
  SignedRequest seven = r;
  seven.headers[0].second = "7";
  EXPECT_EQ(shared_key_string(seven, "acc"), "PUT\n\n\n7\n\nt\n\n\n\n\n\n\n/acc/c/b\na:1,2");
}

TEST(AzureKeys, what_is_no_base64_is_refused_without_repeating_it) {
  for (const char* bad : {"Zg", "Zg=a", "Z===", "Zm9\n", "Zm9v===="}) {
    const auto got = key_bytes(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().id(), "archive.credentials");
    EXPECT_EQ(got.error().str().find(bad), std::string::npos);
  }
}

TEST(Dates, of_both_services) {
  EXPECT_EQ(amz_date(kMay24), "20130524T000000Z");
  EXPECT_EQ(http_date(kMay24), "Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_EQ(http_date(951'782'399'000), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(amz_date(951'782'400'000), "20000229T000000Z");
}

}  // namespace
}  // namespace hanse::archive

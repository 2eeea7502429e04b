#include <gtest/gtest.h>

#include <deque>

#include "base/codec/base64.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "store/archive/sign.h"
#include "store/archive/target.h"

namespace hanse::archive {
namespace {

// Answers as it was told and remembers what was asked.
class ScriptHttp final : public Http {
 public:
  struct Asked {
    std::string method, url, range, authorization;
    Bytes body;
  };
  struct Step {
    int status = 200;
    std::string body = {};
    Headers headers = {};
    std::string_view error = {};  // instead of an answer, after `body` went to the sink
  };
  std::deque<Step> script;
  std::vector<Asked> asked;

  Result<HttpAnswer> send(const HttpRequest& request) override {
    Asked a{
        .method = request.method, .url = request.url, .range = {}, .authorization = {}, .body = to_bytes(request.body)};
    for (const auto& [name, value] : request.headers) {
      if (name == "range") a.range = value;
      if (name == "authorization") a.authorization = value;
    }
    asked.push_back(std::move(a));
    if (script.empty()) return fail(Kind::kInternal, "test.script", text("{} {}", request.method, request.url));
    const Step step = std::move(script.front());
    script.pop_front();
    HttpAnswer answer{.status = step.status, .headers = step.headers, .body = {}};
    if (request.sink != nullptr && step.status / 100 == 2) {
      TRY_OK((*request.sink)(as_bytes(step.body)));
    } else {
      answer.body = to_bytes(step.body);
    }
    if (step.error == "archive.timeout") return fail(Kind::kTimeout, "archive.timeout", "stalled");
    if (!step.error.empty()) return fail(Kind::kUnavailable, "archive.unavailable", "broken");
    return answer;
  }
};

struct Remotes : testing::Test {
  ScriptHttp http;
  ManualClock clock{1'369'353'600'000};
  SeededRandom random{7};
  std::vector<std::int64_t> waits;
  std::unique_ptr<Target> s3, azure;

  void SetUp() override {
    Context context{.clock = &clock, .random = &random, .http = &http};
    context.environment = [](const std::string& name) {
      return name == "AWS_SESSION_TOKEN" ? "" : std::string("a2V5");
    };
    context.wait_ms = [this](std::int64_t ms) { waits.push_back(ms); };
    s3 = std::move(*open_target("s3://bucket/p?endpoint=http://127.0.0.1:1", context));
    azure = std::move(*open_target("az://acc/box/p", context));
  }
  void next(std::initializer_list<ScriptHttp::Step> steps) { http.script.insert(http.script.end(), steps); }
  static ScriptHttp::Step kept(std::size_t size) { return {.headers = {{"content-length", text("{}", size)}}}; }
  std::string methods() const {
    std::string out;
    for (const auto& a : http.asked) out += a.method + " ";
    return out;
  }
};

constexpr std::string_view kDenied =
    "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.</Message></Error>";

TEST_F(Remotes, s3_puts_and_then_looks) {
  next({{}, kept(5)});
  ASSERT_TRUE(s3->put("b/data", bytes_source(as_bytes("hello"))));
  ASSERT_EQ(http.asked.size(), 2u);
  EXPECT_EQ(http.asked[0].method, "PUT");
  EXPECT_EQ(http.asked[0].url, "http://127.0.0.1:1/bucket/p/b/data");
  EXPECT_EQ(as_text(http.asked[0].body), "hello");
  EXPECT_TRUE(http.asked[0].authorization.starts_with("AWS4-HMAC-SHA256 Credential=a2V5/20130524/us-east-1/s3/"));
  EXPECT_EQ(http.asked[1].method, "HEAD");
}

TEST_F(Remotes, an_object_kept_otherwise_than_sent_is_an_error) {
  next({{}, kept(4)});
  EXPECT_EQ(s3->put("a", bytes_source(as_bytes("hello"))).error().id(), "archive.mismatch");
  next({{}, {.headers = {{"content-length", "5"}, {"x-amz-checksum-sha256", "another"}}}});
  EXPECT_EQ(s3->put("a", bytes_source(as_bytes("hello"))).error().id(), "archive.mismatch");
  next({{},
        {.headers = {{"content-length", "5"},
                     {"x-amz-checksum-sha256", codec::to_base64(crypto::sha256({as_bytes("hello")}).view())}}}});
  EXPECT_TRUE(s3->put("a", bytes_source(as_bytes("hello"))));
  next({{.status = 201}, kept(4)});
  EXPECT_EQ(azure->put("a", bytes_source(as_bytes("hello"))).error().id(), "archive.mismatch");
}

TEST_F(Remotes, tries_again_after_the_servers_failures_and_not_after_ours) {
  next({{.status = 503}, {.status = 500}, {.error = "archive.timeout"}, {.error = "archive.unavailable"}, {}, kept(1)});
  EXPECT_TRUE(s3->put("a", bytes_source(as_bytes("1"))));
  ASSERT_EQ(waits.size(), 4u);
  for (const auto ms : waits) EXPECT_TRUE(ms >= 1 && ms <= 1600) << ms;
  http.asked.clear();
  for (int i = 0; i < kAttemptsMax; ++i) next({{.status = 503}});
  EXPECT_EQ(s3->put("a", bytes_source(as_bytes("1"))).error().id(), "archive.unavailable");
  EXPECT_EQ(http.asked.size(), std::size_t{kAttemptsMax});
  for (int i = 0; i < kAttemptsMax; ++i) next({{.error = "archive.timeout"}});
  EXPECT_EQ(s3->head("a").error().id(), "archive.timeout");
  http.asked.clear();
  next({{.status = 403, .body = std::string(kDenied)}});
  const Status refused = s3->put("a", bytes_source(as_bytes("1")));
  EXPECT_EQ(refused.error().id(), "archive.denied");
  EXPECT_NE(refused.error().str().find("HTTP 403 (SignatureDoesNotMatch: The signature"), std::string::npos);
  next({{.status = 409}});
  EXPECT_EQ(s3->put("a", bytes_source(as_bytes("1"))).error().id(), "archive.refused");
  next({{.status = 301}});
  EXPECT_EQ(s3->head("a").error().id(), "archive.refused");
  next({{.status = 404}});
  EXPECT_EQ(s3->head("a").error().id(), "archive.not_found");
  next({{.status = 404}});
  EXPECT_TRUE(s3->erase("a"));
  EXPECT_EQ(http.asked.size(), 5u);
}

TEST_F(Remotes, a_broken_download_goes_on_where_it_stopped) {
  next({{.body = "hel", .error = "archive.unavailable"}, {.status = 503}, {.status = 206, .body = "lo"}});
  EXPECT_EQ(as_text(*s3->get_bytes("a", 5)), "hello");
  ASSERT_EQ(http.asked.size(), 3u);
  EXPECT_EQ(http.asked[0].range, "");
  EXPECT_EQ(http.asked[2].range, "bytes=3-");
  next({{.body = "hel", .error = "archive.unavailable"}, {.status = 200, .body = ""}});
  EXPECT_EQ(s3->get_bytes("a", 5).error().id(), "archive.reply");
  next({{.body = "hello"}});
  const Sink full = [](ByteView) -> Status { return fail(Kind::kExhausted, "core.fs_full", "no room"); };
  EXPECT_EQ(s3->get("a", 5, full).error().id(), "core.fs_full");
}

std::string page(std::string_view names, std::string_view token) {
  std::string out = "<?xml version='1.0'?><ListBucketResult xmlns='x'><Name>bucket</Name>";
  for (const char c : names) out += text("<Contents><Key>p/{}</Key><Size>{}</Size></Contents>", c, c - 'a');
  if (token.empty()) return out + "<IsTruncated>false</IsTruncated></ListBucketResult>";
  return out +
         text("<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken></ListBucketResult>",
              token);
}

TEST_F(Remotes, s3_lists_page_after_page) {
  next({{.body = page("cd", "t/1")}, {.body = page("ab", "")}});
  const auto got = s3->list("");
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(*got, (std::vector<Entry>{{"a", 0}, {"b", 1}, {"c", 2}, {"d", 3}}));
  EXPECT_EQ(http.asked[0].url, "http://127.0.0.1:1/bucket/?list-type=2&prefix=p%2F");
  EXPECT_EQ(http.asked[1].url, "http://127.0.0.1:1/bucket/?continuation-token=t%2F1&list-type=2&prefix=p%2F");
}

TEST_F(Remotes, s3_refuses_lists_that_are_none) {
  for (const std::string& bad :
       {std::string("<Other/>"), std::string("no xml"),
        std::string("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        std::string("<ListBucketResult><Contents><Key>p/a</Key><Size>-1</Size></Contents></ListBucketResult>"),
        std::string("<ListBucketResult><Contents><Key>q/a</Key><Size>1</Size></Contents></ListBucketResult>")}) {
    next({{.body = bad}});
    EXPECT_EQ(s3->list("").error().id(), "archive.reply") << bad;
  }
  next({{.body = page("a", "t")}, {.body = page("a", "t")}});
  EXPECT_EQ(s3->list("").error().id(), "archive.reply");
  // Names that are not ours are left out.
  next({{.body = "<ListBucketResult><Contents><Key>p/a/b/c</Key><Size>1</Size></Contents></ListBucketResult>"}});
  EXPECT_TRUE(s3->list("")->empty());
}

TEST_F(Remotes, lists_have_a_limit) {
  std::string big = "<ListBucketResult>";
  for (int i = 0; i < 50'001; ++i) big += text("<Contents><Key>p/{}</Key><Size>1</Size></Contents>", i);
  for (int i = 0; i < 4; ++i)
    next({{.body = big + text("<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>"
                              "</ListBucketResult>",
                              i)}});
  EXPECT_EQ(s3->list("").error().id(), "archive.list_max");
}

// 64 MiB and a byte, without the memory.
Source large_source() {
  return {.size_bytes = (64u << 20) + 1, .read = [](std::uint64_t, ByteSpan out) -> Status {
            std::memset(out.data(), 1, out.size());
            return {};
          }};
}
constexpr std::string_view kBegun =
    "<InitiateMultipartUploadResult><UploadId>up&amp;1</UploadId></InitiateMultipartUploadResult>";
const ScriptHttp::Step kPart{.headers = {{"etag", "\"e\""}}};

TEST_F(Remotes, s3_sends_large_objects_in_parts) {
  next({{.body = std::string(kBegun)},
        kPart,
        kPart,
        kPart,
        {.status = 500},
        kPart,
        kPart,
        {.body = "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"},
        kept((64u << 20) + 1)});
  const Status done = s3->put("big", large_source());
  ASSERT_TRUE(done) << done.error().str();
  EXPECT_EQ(methods(), "POST PUT PUT PUT PUT PUT PUT POST HEAD ");
  EXPECT_EQ(http.asked[1].url, "http://127.0.0.1:1/bucket/p/big?partNumber=1&uploadId=up%261");
  EXPECT_EQ(http.asked[6].body.size(), 1u);
  EXPECT_NE(as_text(http.asked[7].body).find("<Part><PartNumber>5</PartNumber><ETag>\"e\"</ETag>"),
            std::string_view::npos);
}

TEST_F(Remotes, s3_aborts_the_parts_of_a_failed_upload) {
  next({{.body = std::string(kBegun)}, kPart, {.status = 403}, {.status = 204}});
  EXPECT_EQ(s3->put("big", large_source()).error().id(), "archive.denied");
  EXPECT_EQ(methods(), "POST PUT PUT DELETE ");
  EXPECT_EQ(http.asked[3].url, "http://127.0.0.1:1/bucket/p/big?uploadId=up%261");
  // The service says 200 first and that it failed afterwards.
  next({{.body = std::string(kBegun)},
        kPart,
        kPart,
        kPart,
        kPart,
        kPart,
        {.body = "<Error><Code>InternalError</Code></Error>"},
        {.status = 204}});
  EXPECT_EQ(s3->put("big", large_source()).error().id(), "archive.unavailable");
  next({{.body = "<InitiateMultipartUploadResult/>"}});
  EXPECT_EQ(s3->put("big", large_source()).error().id(), "archive.reply");
  next({{.body = std::string(kBegun)}, {}, {.status = 204}});
  EXPECT_EQ(s3->put("big", large_source()).error().id(), "archive.reply");
  Source huge = large_source();
  huge.size_bytes = kObjectBytesMax + 1;
  EXPECT_EQ(s3->put("big", huge).error().id(), "archive.too_large");
  EXPECT_EQ(azure->put("big", huge).error().id(), "archive.too_large");
}

TEST_F(Remotes, azure_puts_blocks_lists_and_erases) {
  next({{.status = 201}, kept(5)});
  ASSERT_TRUE(azure->put("b/data", bytes_source(as_bytes("hello"))));
  EXPECT_EQ(http.asked[0].url, "https://acc.blob.core.windows.net/box/p/b/data");
  EXPECT_TRUE(http.asked[0].authorization.starts_with("SharedKey acc:"));
  http.asked.clear();
  next({{.status = 201},
        {.status = 201},
        {.status = 201},
        {.status = 201},
        {.status = 201},
        {.status = 201},
        kept((64u << 20) + 1)});
  ASSERT_TRUE(azure->put("big", large_source()));
  EXPECT_EQ(methods(), "PUT PUT PUT PUT PUT PUT HEAD ");
  EXPECT_EQ(http.asked[0].url, "https://acc.blob.core.windows.net/box/p/big?blockid=MDAwMDAwMDA%3D&comp=block");
  EXPECT_NE(as_text(http.asked[5].body).find("<Latest>MDAwMDAwMDQ=</Latest></BlockList>"), std::string_view::npos);
  http.asked.clear();
  next({{.body = "\xEF\xBB\xBF<?xml version='1.0'?><EnumerationResults><Blobs><Blob><Name>p/b</Name><Properties>"
                 "<Content-Length>3</Content-Length></Properties></Blob></Blobs><NextMarker>m</NextMarker>"
                 "</EnumerationResults>"},
        {.body = "<EnumerationResults><Blobs><Blob><Name>p/a</Name><Properties><Content-Length>4</Content-Length>"
                 "</Properties></Blob></Blobs><NextMarker/></EnumerationResults>"}});
  EXPECT_EQ(*azure->list(""), (std::vector<Entry>{{"a", 4}, {"b", 3}}));
  EXPECT_EQ(http.asked[1].url,
            "https://acc.blob.core.windows.net/box?comp=list&marker=m&prefix=p%2F&restype=container");
  next({{.status = 403, .headers = {{"x-ms-error-code", "AuthenticationFailed"}}}});
  const auto refused = azure->head("a");
  EXPECT_EQ(refused.error().id(), "archive.denied");
  EXPECT_NE(refused.error().str().find("AuthenticationFailed"), std::string::npos);
  next({{.status = 202}, {.body = "<Other/>"}, {.body = "hello"}});
  EXPECT_TRUE(azure->erase("a"));
  EXPECT_EQ(azure->list("").error().id(), "archive.reply");
  EXPECT_EQ(as_text(*azure->get_bytes("a", 5)), "hello");
}

TEST_F(Remotes, names_are_checked_before_anything_is_sent) {
  for (Target* target : {s3.get(), azure.get()}) {
    EXPECT_EQ(target->put("../a", bytes_source({})).error().id(), "archive.name");
    EXPECT_EQ(target->get_bytes("../a", 1).error().id(), "archive.name");
    EXPECT_EQ(target->head("../a").error().id(), "archive.name");
    EXPECT_EQ(target->erase("../a").error().id(), "archive.name");
  }
  EXPECT_TRUE(http.asked.empty());
}

}  // namespace
}  // namespace hanse::archive

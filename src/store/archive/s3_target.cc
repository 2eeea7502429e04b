#include <algorithm>

#include "base/codec/base64.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "store/archive/detail/remote.h"
#include "store/archive/xml.h"

namespace hanse::archive {
namespace {

std::string quoted(std::string_view s) {  // for the body of CompleteMultipartUpload
  std::string out;
  for (const char c : s) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

class S3Target final : public Target {
 public:
  S3Target(RemotePorts ports, RemotePlace place)
      : clock_(ports.clock),
        place_(std::move(place)),
        remote_(std::move(ports), place_.endpoint.origin, [this](Call& call) { return sign(call); }) {}

  std::string shown() const override { return place_.shown; }

  Status put(const std::string& name, const Source& source) override {
    TRY_OK(check_name(name));
    if (source.size_bytes > kObjectBytesMax)
      return fail(Kind::kExhausted, "archive.too_large",
                  text("found {} of {} bytes, expected at most {}", name, source.size_bytes, kObjectBytesMax));
    std::string checksum;
    if (source.size_bytes < place_.multipart_from) {
      TRY(checksum, put_whole(name, source));
    } else {
      TRY(checksum, put_parts(name, source));
    }
    return check_kept(name, source.size_bytes, checksum);
  }

  Status get(const std::string& name, std::uint64_t size_max, const Sink& sink) override {
    TRY_OK(check_name(name));
    return remote_.download(object("GET", name), what("read", name), size_max, sink);
  }

  Result<Entry> head(const std::string& name) override {
    TRY_OK(check_name(name));
    TRY(const HttpAnswer answer, remote_.send(object("HEAD", name), what("look at", name)));
    TRY(const std::uint64_t size, parse_size(answer.header("content-length"), what("look at", name)));
    return Entry{.name = name, .size_bytes = size};
  }

  Status erase(const std::string& name) override {
    TRY_OK(check_name(name));
    const auto answer = remote_.send(object("DELETE", name), what("remove", name));
    if (!answer && answer.error().kind() != Kind::kNotFound) return std::unexpected(answer.error().clone());
    return {};
  }

  Result<std::vector<Entry>> list(const std::string& prefix) override {
    std::vector<Entry> out;
    std::string token;
    do {
      Call call;
      call.request = {.method = "GET", .path = place_.root + "/", .query = {}, .headers = {}};
      call.request.query = {{"list-type", "2"}, {"prefix", place_.prefix + prefix}};
      if (!token.empty()) call.request.query.emplace_back("continuation-token", token);
      TRY(const HttpAnswer answer, remote_.send(call, what("list", prefix)));
      const std::string before = token;
      TRY(token, read_page(answer, out));
      if (out.size() > kListMax)
        return fail(Kind::kExhausted, "archive.list_max",
                    text("found more than {} objects under {}, expected at most that", kListMax, place_.shown));
      if (!token.empty() && token == before)
        return fail(Kind::kCorrupt, "archive.reply", "found the same continuation token twice, expected another");
    } while (!token.empty());
    std::ranges::sort(out, {}, &Entry::name);
    return out;
  }

 private:
  std::string what(std::string_view verb, std::string_view name) const {
    return text("{} {} in {}", verb, name, place_.shown);
  }

  Call object(std::string_view method, const std::string& name) const {
    Call call;
    call.request.method = method;
    call.request.path = place_.root + "/" + percent_encode(place_.prefix + name, Slash::kKeep);
    return call;
  }

  Status sign(Call& call) const {
    Headers& headers = call.request.headers;
    headers.emplace_back("host", place_.endpoint.host);
    headers.emplace_back("x-amz-date", amz_date(clock_.wall_ms()));
    headers.emplace_back("x-amz-content-sha256", codec::to_hex(crypto::sha256({call.body}).view()));
    if (!place_.keys.session_token.empty()) headers.emplace_back("x-amz-security-token", place_.keys.session_token);
    headers.emplace_back("authorization",
                         v4_authorization(call.request, place_.keys, {.region = place_.region, .service = "s3"}));
    return {};
  }

  Result<std::string> put_whole(const std::string& name, const Source& source) {
    TRY(const Bytes body, read_part(source, 0, source.size_bytes));
    Call call = object("PUT", name);
    call.body = body;
    const std::string checksum = codec::to_base64(crypto::sha256({ByteView(body)}).view());
    if (place_.checksums) call.request.headers.emplace_back("x-amz-checksum-sha256", checksum);
    TRY_OK(remote_.send(call, what("write", name)));
    return checksum;
  }

  struct Part {
    std::string etag, checksum;
  };

  Result<std::string> put_parts(const std::string& name, const Source& source) {
    Call begin = object("POST", name);
    begin.request.query = {{"uploads", ""}};
    if (place_.checksums) begin.request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
    TRY(const HttpAnswer begun, remote_.send(begin, what("begin to write", name)));
    std::string upload;
    TRY_OK(read_xml(as_text(begun.body), [&](std::string_view path, std::string_view found) -> Status {
      if (path == "InitiateMultipartUploadResult/UploadId") upload = found;
      return {};
    }));
    if (upload.empty())
      return fail(Kind::kCorrupt, "archive.reply", text("{}: found no UploadId, expected one", what("write", name)));
    auto checksum = put_each_part(name, source, upload);
    if (!checksum) {
      Call abort = object("DELETE", name);
      abort.request.query = {{"uploadId", upload}};
      (void)remote_.send(abort, what("abort writing", name));  // the first error is the one to tell
    }
    return checksum;
  }

  Result<std::string> put_each_part(const std::string& name, const Source& source, const std::string& upload) {
    const std::uint64_t step = part_bytes(source.size_bytes, place_.part_min);
    std::vector<Part> parts;
    Bytes digests;
    for (std::uint64_t at = 0; at < source.size_bytes; at += step) {
      TRY(const Bytes body, read_part(source, at, std::min(step, source.size_bytes - at)));
      const Hash32 digest = crypto::sha256({ByteView(body)});
      append(digests, digest.view());
      Call call = object("PUT", name);
      call.request.query = {{"partNumber", text("{}", parts.size() + 1)}, {"uploadId", upload}};
      call.body = body;
      const std::string checksum = codec::to_base64(digest.view());
      if (place_.checksums) call.request.headers.emplace_back("x-amz-checksum-sha256", checksum);
      TRY(const HttpAnswer answer, remote_.send(call, what(text("write part {} of", parts.size() + 1), name)));
      if (answer.header("etag").empty())
        return fail(Kind::kCorrupt, "archive.reply", text("{}: found no ETag, expected one", what("write", name)));
      parts.push_back({.etag = std::string(answer.header("etag")), .checksum = checksum});
    }
    TRY_OK(complete(name, upload, parts));
    return text("{}-{}", codec::to_base64(crypto::sha256({ByteView(digests)}).view()), parts.size());
  }

  Status complete(const std::string& name, const std::string& upload, const std::vector<Part>& parts) {
    std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      body += text("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", i + 1, quoted(parts[i].etag));
      if (place_.checksums) body += text("<ChecksumSHA256>{}</ChecksumSHA256>", parts[i].checksum);
      body += "</Part>";
    }
    body += "</CompleteMultipartUpload>";
    Call call = object("POST", name);
    call.request.query = {{"uploadId", upload}};
    call.body = as_bytes(body);
    TRY(const HttpAnswer answer, remote_.send(call, what("finish writing", name)));
    // The service may begin with 200 and say afterwards that it failed.
    bool done = false;
    TRY_OK(read_xml(as_text(answer.body), [&](std::string_view path, std::string_view found) -> Status {
      if (path == "Error/Code")
        return fail(Kind::kUnavailable, "archive.unavailable", text("{}: {}", what("finish writing", name), found));
      done = done || path == "CompleteMultipartUploadResult/ETag";
      return {};
    }));
    if (!done)
      return fail(Kind::kCorrupt, "archive.reply", text("{}: found no result, expected one", what("write", name)));
    return {};
  }

  Status check_kept(const std::string& name, std::uint64_t size_bytes, const std::string& checksum) {
    Call call = object("HEAD", name);
    if (place_.checksums) call.request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
    TRY(const HttpAnswer answer, remote_.send(call, what("look at", name)));
    TRY(const std::uint64_t size, parse_size(answer.header("content-length"), what("look at", name)));
    const std::string_view kept = answer.header("x-amz-checksum-sha256");
    if (size != size_bytes || (!kept.empty() && kept != checksum))
      return fail(Kind::kCorrupt, "archive.mismatch",
                  text("{}: found {} bytes with checksum '{}', expected {} with '{}'", what("look at", name), size,
                       kept, size_bytes, checksum));
    return {};
  }

  // Adds a page's entries; gives the token of the next page, "" after the last.
  Result<std::string> read_page(const HttpAnswer& answer, std::vector<Entry>& out) const {
    std::string token;
    bool more = false, known = false;
    std::string key, size;
    TRY_OK(read_xml(as_text(answer.body), [&](std::string_view path, std::string_view found) -> Status {
      known = known || path == "ListBucketResult";
      if (path == "ListBucketResult/Contents/Key") key = found;
      if (path == "ListBucketResult/Contents/Size") size = found;
      if (path == "ListBucketResult/IsTruncated") more = found == "true";
      if (path == "ListBucketResult/NextContinuationToken") token = found;
      if (path != "ListBucketResult/Contents") return {};
      TRY(const std::uint64_t bytes, parse_size(size, text("object '{}'", key)));
      if (!key.starts_with(place_.prefix))
        return fail(Kind::kCorrupt, "archive.reply", text("found '{}', expected names under '{}'", key, place_.prefix));
      const std::string name = key.substr(place_.prefix.size());
      if (check_name(name)) out.push_back({.name = name, .size_bytes = bytes});  // others are not ours
      key.clear();
      size.clear();
      return {};
    }));
    if (!known || (more && token.empty()))
      return fail(
          Kind::kCorrupt, "archive.reply",
          text("found {}, expected ListBucketResult and its token", known ? "a page without token" : "no list"));
    return more ? token : std::string();
  }

  Clock& clock_;
  RemotePlace place_;
  Remote remote_;
};

}  // namespace

std::unique_ptr<Target> make_s3(RemotePorts ports, RemotePlace place) {
  return std::make_unique<S3Target>(std::move(ports), std::move(place));
}

}  // namespace hanse::archive

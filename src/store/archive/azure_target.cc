#include <algorithm>

#include "base/codec/base64.h"
#include "base/core/text.h"
#include "store/archive/detail/remote.h"
#include "store/archive/xml.h"

namespace hanse::archive {
namespace {

constexpr std::string_view kVersion = "2021-08-06";

class AzureTarget final : public Target {
 public:
  AzureTarget(RemotePorts ports, RemotePlace place)
      : clock_(ports.clock),
        place_(std::move(place)),
        remote_(std::move(ports), place_.endpoint.origin, [this](Call& call) { return sign(call); }) {}

  std::string shown() const override { return place_.shown; }

  Status put(const std::string& name, const Source& source) override {
    TRY_OK(check_name(name));
    if (source.size_bytes > kObjectBytesMax)
      return fail(Kind::kExhausted, "archive.too_large",
                  text("found {} of {} bytes, expected at most {}", name, source.size_bytes, kObjectBytesMax));
    if (source.size_bytes < place_.multipart_from) {
      TRY(const Bytes body, read_part(source, 0, source.size_bytes));
      Call call = object("PUT", name);
      call.request.headers = {{"x-ms-blob-type", "BlockBlob"}};
      call.body = body;
      TRY_OK(remote_.send(call, what("write", name)));
    } else {
      TRY_OK(put_blocks(name, source));
    }
    TRY(const Entry kept, head(name));
    if (kept.size_bytes != source.size_bytes)
      return fail(Kind::kCorrupt, "archive.mismatch",
                  text("{}: found {} bytes, expected {}", what("look at", name), kept.size_bytes, source.size_bytes));
    return {};
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
    std::string marker;
    do {
      Call call;
      call.request = {.method = "GET", .path = place_.root, .query = {}, .headers = {}};
      call.request.query = {{"restype", "container"}, {"comp", "list"}, {"prefix", place_.prefix + prefix}};
      if (!marker.empty()) call.request.query.emplace_back("marker", marker);
      TRY(const HttpAnswer answer, remote_.send(call, what("list", prefix)));
      const std::string before = marker;
      TRY(marker, read_page(answer, out));
      if (out.size() > kListMax)
        return fail(Kind::kExhausted, "archive.list_max",
                    text("found more than {} objects under {}, expected at most that", kListMax, place_.shown));
      if (!marker.empty() && marker == before)
        return fail(Kind::kCorrupt, "archive.reply", "found the same marker twice, expected another");
    } while (!marker.empty());
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
    headers.emplace_back("x-ms-date", http_date(clock_.wall_ms()));
    headers.emplace_back("x-ms-version", kVersion);
    SignedRequest signed_request = call.request;
    if (call.request.method == "PUT") {
      // libcurl writes the length itself; the type is named so that none is invented.
      headers.emplace_back("content-type", "application/octet-stream");
      signed_request = call.request;
      signed_request.headers.emplace_back("content-length", text("{}", call.body.size()));
    }
    TRY(const std::string authorization, shared_key_authorization(signed_request, place_.keys));
    headers.emplace_back("authorization", authorization);
    return {};
  }

  // Blocks that no list names are dropped by the service, so a failure leaves what was there before.
  Status put_blocks(const std::string& name, const Source& source) {
    const std::uint64_t step = part_bytes(source.size_bytes, place_.part_min);
    std::string blocks = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    std::uint64_t number = 0;
    for (std::uint64_t at = 0; at < source.size_bytes; at += step, ++number) {
      TRY(const Bytes body, read_part(source, at, std::min(step, source.size_bytes - at)));
      const std::string id = codec::to_base64(as_bytes(text("{:08}", number)));  // ids have one length
      Call call = object("PUT", name);
      call.request.query = {{"comp", "block"}, {"blockid", id}};
      call.body = body;
      TRY_OK(remote_.send(call, what(text("write block {} of", number), name)));
      blocks += text("<Latest>{}</Latest>", id);
    }
    blocks += "</BlockList>";
    Call call = object("PUT", name);
    call.request.query = {{"comp", "blocklist"}};
    call.body = as_bytes(blocks);
    TRY_OK(remote_.send(call, what("finish writing", name)));
    return {};
  }

  Result<std::string> read_page(const HttpAnswer& answer, std::vector<Entry>& out) const {
    std::string marker, name, size;
    bool known = false;
    TRY_OK(read_xml(as_text(answer.body), [&](std::string_view path, std::string_view found) -> Status {
      known = known || path == "EnumerationResults";
      if (path == "EnumerationResults/Blobs/Blob/Name") name = found;
      if (path == "EnumerationResults/Blobs/Blob/Properties/Content-Length") size = found;
      if (path == "EnumerationResults/NextMarker") marker = found;
      if (path != "EnumerationResults/Blobs/Blob") return {};
      TRY(const std::uint64_t bytes, parse_size(size, text("blob '{}'", name)));
      if (!name.starts_with(place_.prefix))
        return fail(Kind::kCorrupt, "archive.reply",
                    text("found '{}', expected names under '{}'", name, place_.prefix));
      name.erase(0, place_.prefix.size());
      if (check_name(name)) out.push_back({.name = name, .size_bytes = bytes});
      name.clear();
      size.clear();
      return {};
    }));
    if (!known) return fail(Kind::kCorrupt, "archive.reply", "found no list, expected EnumerationResults");
    return marker;
  }

  Clock& clock_;
  RemotePlace place_;
  Remote remote_;
};

}  // namespace

std::unique_ptr<Target> make_azure(RemotePorts ports, RemotePlace place) {
  return std::make_unique<AzureTarget>(std::move(ports), std::move(place));
}

}  // namespace hanse::archive

// What the targets over HTTP share: sending with retries, resuming a download, and the services' error documents.
// Private to the room.
#pragma once

#include "base/core/clock.h"
#include "base/core/random.h"
#include "store/archive/sign.h"
#include "store/archive/target.h"

namespace hanse::archive {

constexpr std::uint64_t kMultipartFrom = 64u << 20;
constexpr std::uint64_t kPartBytes = 16u << 20;
constexpr std::uint64_t kPartsMax = 10'000;

struct Endpoint {
  std::string origin;  // "https://host:port", no slash at the end
  std::string host;    // "host:port", without the scheme's own port
  bool loopback = false;
};
// An absolute http(s) URL without path, query or user. archive.url, archive.plain_http.
Result<Endpoint> parse_endpoint(std::string_view url);

struct RemotePorts {
  Clock& clock;
  Random& random;
  Http& http;
  std::function<void(std::int64_t)> wait_ms;
};

// One request before it is signed; its path and query decide the URL.
struct Call {
  SignedRequest request;
  ByteView body;
  std::uint64_t answer_max = 16u << 20;
  const Sink* sink = nullptr;
};
using Sign = std::function<Status(Call&)>;  // adds date, host and authorization headers

class Remote {
 public:
  Remote(RemotePorts ports, std::string origin, Sign sign)
      : ports_(std::move(ports)), origin_(std::move(origin)), sign_(std::move(sign)) {}

  // 2xx, or an error. Signed again for each attempt.
  Result<HttpAnswer> send(const Call& call, std::string_view what);
  // GET; what arrived before a failure is not asked for again.
  Status download(Call call, std::string_view what, std::uint64_t size_max, const Sink& sink);

 private:
  Result<HttpAnswer> attempt(Call call, std::string_view what);
  RemotePorts ports_;
  std::string origin_;
  Sign sign_;
};

bool worth_retrying(const Error& error);
Result<std::uint64_t> parse_size(std::string_view digits, std::string_view what);
std::uint64_t part_bytes(std::uint64_t size_bytes, std::uint64_t part_min);
Result<Bytes> read_part(const Source& source, std::uint64_t offset, std::uint64_t size_bytes);

struct RemotePlace {
  Endpoint endpoint;
  std::string root;    // path of the bucket or container: "", "/bucket", "/account/container"
  std::string prefix;  // of every name: "" or "a/b/"
  std::string shown;
  Keys keys;
  std::string region;      // S3 only
  bool checksums = false;  // S3 only: the service knows x-amz-checksum-sha256
  std::uint64_t multipart_from = kMultipartFrom;
  std::uint64_t part_min = kPartBytes;
};
std::unique_ptr<Target> make_s3(RemotePorts ports, RemotePlace place);
std::unique_ptr<Target> make_azure(RemotePorts ports, RemotePlace place);
std::unique_ptr<Target> make_dir(Fs& fs, std::string dir);

}  // namespace hanse::archive

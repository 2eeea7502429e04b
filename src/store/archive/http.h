// Http: one request and its answer, as object targets and clusters of pilots need it. Production is libcurl
// (make_http), tests script it. No redirects, no cookies, certificates verified, at most kHeadersMax header lines kept.
// Plain http is the caller's decision (target.cc allows it for loopback only). Threads: one. Errors: archive.tls
// (denied), archive.timeout (timeout: nothing moved for kStallSeconds, or ms_max is over), archive.unavailable
// (unavailable), archive.too_large (exhausted: the answer), or what the sink said.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::archive {

constexpr int kConnectSeconds = 10;
constexpr int kStallSeconds = 30;
constexpr std::size_t kHeadersMax = 128;

using Sink = std::function<Status(ByteView)>;
using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  ByteView body;                         // sent with PUT and POST, also when empty
  std::uint64_t answer_max = 16u << 20;  // bytes of the answer's body
  std::int64_t ms_max = 0;               // of all of it; 0: as long as something moves
  std::string ca_file = {};              // certificates to trust; "" = those of the machine
  const Sink* sink = nullptr;            // takes the body of a 2xx answer; otherwise it is kept in `body`
};

struct HttpAnswer {
  int status = 0;
  Headers headers;
  Bytes body;
  std::string_view header(std::string_view lower_name) const;  // "" when absent
};

class Http {
 public:
  virtual ~Http() = default;
  virtual Result<HttpAnswer> send(const HttpRequest& request) = 0;
};

std::unique_ptr<Http> make_http();

}  // namespace hanse::archive

// HttpServer: HTTP/1.1 on a loopback port, one thread, for the routes of http_routes.h.
// Limits: connections_max at a time (the next one is closed), kHeadBytesMax of headers, no request body, and idle_ms
// for every read and write. A Host other than a loopback name is refused, so that a web page in a browser on this
// machine cannot read the node under a name of its own (DNS rebinding). Threads: start and stop from one thread; the
// handler runs on the server's own thread, one request at a time. Errors of start: api.port_in_use (conflict),
// api.listen (internal), client.bad_address (invalid). Errors in answers: api.bad_host (denied), api.bad_request
// (invalid), api.too_large (exhausted).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "node/api/http_routes.h"

namespace hanse::api {

constexpr std::size_t kHeadBytesMax = 8192;

struct HttpOptions {
  std::string address;  // "127.0.0.1:8080", port 0 picks one
  std::uint32_t connections_max = 64;
  std::int64_t idle_ms = 10'000;
};

using HttpHandler = std::function<HttpReply(std::string_view method, std::string_view target)>;

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> start(HttpOptions options, HttpHandler handler);
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual void stop() = 0;
};

}  // namespace hanse::api

// StreamServer: WebSocket on a loopback port, one thread, for what a node tells as it happens. A client names its
// topics when it connects, GET /api/v1/stream?topics=block.fast,view (none named: all), and only listens: each message
// is one JSON object as text. Close codes: 1003 for a client that sends a message, 1013 for one that reads too slowly.
// Limits: clients_max at a time (the next one is closed), kHeadBytesMax of headers, queue_max messages that wait for
// one client, pending_max that wait for all (one more closes every client, as each would miss it), kStreamInBytesMax of
// what a client sends, slow_close_ms to take the close frame. A Host or an Origin other than
// a loopback name is refused, so that a web page of another site cannot listen. Threads: start and stop from one
// thread; publish from any, and it does not wait. Errors of start: api.port_in_use (conflict), api.listen (internal),
// client.bad_address (invalid). Errors in answers: api.bad_host (denied), api.bad_request (invalid), api.no_route
// (not_found).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace hanse::api {

constexpr std::size_t kStreamInBytesMax = 1024;

struct StreamOptions {
  std::string address;  // "127.0.0.1:8081", port 0 picks one
  std::vector<std::string> topics;
  std::uint32_t clients_max = 64;
  std::size_t queue_max = 256;
  std::size_t pending_max = 1'024;
  std::int64_t handshake_ms = 10'000;
  std::int64_t slow_close_ms = 2'000;
};

class StreamServer {
 public:
  static Result<std::unique_ptr<StreamServer>> start(StreamOptions options);
  virtual ~StreamServer() = default;
  virtual void publish(std::string_view topic, const std::string& json) = 0;
  virtual std::uint16_t port() const = 0;
  virtual std::size_t clients() const = 0;  // that listen now
  virtual void stop() = 0;
};

}  // namespace hanse::api

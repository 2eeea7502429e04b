#include "node/api/http_server.h"

#include <chrono>
#include <thread>

#include "base/core/text.h"
#include "node/api/listen.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace hanse::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

struct Shared {
  HttpOptions options;
  HttpHandler handler;
  std::uint32_t connections = 0;  // touched by the server's thread only
};

// One connection: read a head, answer, and again while the caller keeps it open.
class Session final : public std::enable_shared_from_this<Session> {  // shared: each pending operation keeps it alive
 public:
  Session(tcp::socket socket, Shared& shared) : stream_(std::move(socket)), shared_(shared) { ++shared_.connections; }
  ~Session() { --shared_.connections; }

  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kHeadBytesMax));
    parser_->body_limit(0);
    stream_.expires_after(std::chrono::milliseconds(shared_.options.idle_ms));
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code ec, std::size_t) { self->on_read(ec); });
  }

 private:
  void on_read(error_code ec) {
    if (ec == http::error::header_limit || ec == http::error::body_limit || ec == http::error::buffer_overflow) {
      HttpReply reply =
          http_error(Error(Kind::kExhausted, "api.too_large",
                           text("found a request of more than {} bytes of head or with a body", kHeadBytesMax)));
      reply.status = ec == http::error::body_limit ? 413 : 431;
      return write(reply, false);
    }
    const bool gone = ec && ec.category() == asio::error::get_system_category();  // reset, aborted, ...
    if (gone || ec == http::error::end_of_stream || ec == beast::error::timeout) return close();
    if (ec)
      return write(http_error(Error(Kind::kInvalid, "api.bad_request", text("found no HTTP: {}", ec.message()))),
                   false);
    const auto& request = parser_->get();
    const std::string_view host(request[http::field::host].data(), request[http::field::host].size());
    if (!is_loopback_host(host))
      return write(
          http_error(Error(Kind::kDenied, "api.bad_host",
                           text("found host \"{}\", expected 127.0.0.1, [::1] or localhost", host.substr(0, 80)))),
          false);
    const std::string_view method(request.method_string().data(), request.method_string().size());
    const std::string_view target(request.target().data(), request.target().size());
    write(shared_.handler(method, target), request.keep_alive());
  }

  void write(const HttpReply& reply, bool keep) {
    response_ = {};
    response_.version(11);
    response_.result(reply.status);
    response_.set(http::field::content_type, reply.type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.keep_alive(keep);
    response_.body() = reply.body;
    response_.prepare_payload();
    stream_.expires_after(std::chrono::milliseconds(shared_.options.idle_ms));
    http::async_write(stream_, response_, [self = shared_from_this(), keep](error_code ec, std::size_t) {
      if (ec || !keep) return self->close();
      self->read();
    });
  }

  void close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  Shared& shared_;
  beast::flat_buffer buffer_{2 *
                             kHeadBytesMax};  // past the limit, so that a head one byte too long is read and answered
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
};

class Server final : public HttpServer {
 public:
  Server(HttpOptions options, HttpHandler handler) : shared_{std::move(options), std::move(handler)}, acceptor_(io_) {}
  ~Server() override { stop(); }

  Status listen() {
    TRY(const auto address, client::parse_address(shared_.options.address));
    if (!address.path.empty())
      return fail(Kind::kInvalid, "client.bad_address",
                  text("found {} for HTTP, expected 127.0.0.1:PORT", address.shown()));
    TRY_OK(port_is_free(address));
    error_code ec;
    const tcp::endpoint endpoint(asio::ip::make_address(address.host, ec), address.port);
    if (!ec) acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(64, ec);
    if (ec == asio::error::address_in_use)
      return fail(Kind::kConflict, "api.port_in_use", text("found {} taken, expected it free", address.shown()));
    if (ec) return fail(Kind::kInternal, "api.listen", text("listen on {}: {}", address.shown(), ec.message()));
    port_ = acceptor_.local_endpoint(ec).port();
    accept();
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  std::uint16_t port() const override { return port_; }

  void stop() override {
    if (!thread_.joinable()) return;
    io_.stop();
    thread_.join();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
      if (!ec && shared_.connections < shared_.options.connections_max)
        std::make_shared<Session>(std::move(socket), shared_)->read();
      if (ec == asio::error::operation_aborted) return;
      if (ec) return accept_later();
      accept();
    });
  }

  // Out of descriptors: trying again at once would spin.
  void accept_later() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([this](error_code ec) {
      if (!ec) accept();
    });
  }

  Shared shared_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_{io_};
  std::thread thread_;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, HttpHandler handler) {
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  TRY_OK(server->listen());
  return server;
}

}  // namespace hanse::api

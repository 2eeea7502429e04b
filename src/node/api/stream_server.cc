#include "node/api/stream_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <set>
#include <thread>

#include "base/core/text.h"
#include "node/api/http_server.h"
#include "node/api/listen.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

namespace hanse::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view kTarget = "/api/v1/stream";
constexpr std::int64_t kSilentMs = 60'000;  // a client that answers no ping for so long is gone

class Session;

struct Shared {
  StreamOptions options;
  std::uint32_t connections = 0;  // this and the next: touched by the server's thread only
  std::set<Session*> listening;
  std::atomic<std::size_t> clients{0};
};

Result<std::set<std::string, std::less<>>> topics_of(std::string_view target, const std::vector<std::string>& known) {
  const std::size_t mark = target.find('?');
  if (target.substr(0, mark) != kTarget)
    return fail(Kind::kNotFound, "api.no_route",
                text("found no stream {}, expected {}", target.substr(0, 80), kTarget));
  std::string_view query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
  if (query.empty()) return std::set<std::string, std::less<>>(known.begin(), known.end());
  constexpr std::string_view kName = "topics=";
  if (!query.starts_with(kName))
    return fail(Kind::kInvalid, "api.bad_request", text("found \"{}\", expected topics=…", query.substr(0, 80)));
  query.remove_prefix(kName.size());
  std::set<std::string, std::less<>> out;
  while (true) {
    const std::size_t comma = query.find(',');
    const std::string_view topic = query.substr(0, comma);
    if (std::ranges::find(known, topic) == known.end())
      return fail(Kind::kInvalid, "api.bad_request", text("found no topic \"{}\"", topic.substr(0, 40)));
    out.emplace(topic);
    if (comma == query.npos) return out;
    query.remove_prefix(comma + 1);
  }
}

// What a browser calls its page: "http://localhost:3000". Programs send none.
bool is_loopback_origin(std::string_view origin) {
  const std::size_t at = origin.find("://");
  return at != origin.npos && is_loopback_host(origin.substr(at + 3));
}

// One client: a head is read, then it is refused by HTTP or listens until either side closes.
class Session final : public std::enable_shared_from_this<Session> {  // shared: each pending operation keeps it alive
 public:
  Session(tcp::socket socket, Shared& shared)
      : socket_(std::move(socket)), pause_(socket_.get_executor()), shared_(shared) {
    ++shared_.connections;
  }
  ~Session() {
    --shared_.connections;
    forget();
  }

  void read_head() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kHeadBytesMax));
    parser_->body_limit(0);
    auto& stream = beast::get_lowest_layer(socket_);
    stream.expires_after(std::chrono::milliseconds(shared_.options.handshake_ms));
    http::async_read(stream, buffer_, *parser_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (!ec) self->on_head();
    });
  }

  void offer(std::string_view topic, const std::shared_ptr<const std::string>& message) {
    if (closing_ || !topics_.contains(topic)) return;
    if (queue_.size() >= shared_.options.queue_max) return close_slow();
    queue_.push_back(message);
    if (queue_.size() == 1) write();
  }

  void close_slow() { close(websocket::close_code::try_again_later, "too slow"); }

 private:
  void on_head() {
    request_ = parser_->release();
    const auto field = [&](http::field name) { return std::string(request_[name].data(), request_[name].size()); };
    if (!is_loopback_host(field(http::field::host)))
      return refuse(Error(
          Kind::kDenied, "api.bad_host",
          text("found host \"{}\", expected 127.0.0.1, [::1] or localhost", field(http::field::host).substr(0, 80))));
    if (const std::string origin = field(http::field::origin); !origin.empty() && !is_loopback_origin(origin))
      return refuse(Error(Kind::kDenied, "api.bad_host",
                          text("found origin \"{}\", expected a page of this machine", origin.substr(0, 80))));
    if (!websocket::is_upgrade(request_))
      return refuse(Error(Kind::kInvalid, "api.bad_request", "found no WebSocket upgrade"));
    auto topics = topics_of({request_.target().data(), request_.target().size()}, shared_.options.topics);
    if (!topics) return refuse(topics.error());
    topics_ = std::move(*topics);
    beast::get_lowest_layer(socket_).expires_never();  // the stream has its own timers
    socket_.set_option(
        websocket::stream_base::timeout{.handshake_timeout = std::chrono::milliseconds(shared_.options.handshake_ms),
                                        .idle_timeout = std::chrono::milliseconds(kSilentMs),
                                        .keep_alive_pings = true});
    socket_.read_message_max(kStreamInBytesMax);
    socket_.text(true);
    socket_.auto_fragment(false);  // a message is one frame
    socket_.async_accept(request_, [self = shared_from_this()](error_code ec) {
      if (ec) return;
      self->shared_.listening.insert(self.get());
      self->shared_.clients = self->shared_.listening.size();
      self->listen();
    });
  }

  // Nothing is expected but pings and a close, which the stream answers itself.
  void listen() {
    socket_.async_read(inbox_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->forget();
      self->close(websocket::close_code::unknown_data, "nothing is expected here");
    });
  }

  void write() {
    socket_.async_write(asio::buffer(*queue_.front()), [self = shared_from_this()](error_code ec, std::size_t) {
      if (ec) return self->forget();
      self->queue_.pop_front();
      if (!self->closing_ && !self->queue_.empty()) self->write();
    });
  }

  void close(websocket::close_code code, const char* why) {
    if (closing_) return;
    closing_ = true;
    forget();
    while (queue_.size() > 1) queue_.pop_back();  // the first one is being written
    socket_.async_close(websocket::close_reason(code, why),
                        [self = shared_from_this()](error_code) { self->pause_.cancel(); });
    pause_.expires_after(std::chrono::milliseconds(shared_.options.slow_close_ms));
    pause_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) beast::get_lowest_layer(self->socket_).close();
    });
  }

  void refuse(const Error& error) {
    const HttpReply reply = http_error(error);
    response_.version(11);
    response_.result(reply.status);
    response_.set(http::field::content_type, reply.type);
    response_.keep_alive(false);
    response_.body() = reply.body;
    response_.prepare_payload();
    auto& stream = beast::get_lowest_layer(socket_);
    http::async_write(stream, response_, [self = shared_from_this()](error_code, std::size_t) {
      error_code ignored;
      beast::get_lowest_layer(self->socket_).socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  void forget() {
    shared_.listening.erase(this);
    shared_.clients = shared_.listening.size();
  }

  websocket::stream<beast::tcp_stream> socket_;
  asio::steady_timer pause_;
  Shared& shared_;
  beast::flat_buffer buffer_{2 * kHeadBytesMax}, inbox_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::request<http::empty_body> request_;
  http::response<http::string_body> response_;
  std::set<std::string, std::less<>> topics_;
  std::deque<std::shared_ptr<const std::string>> queue_;  // shared: one message goes to many clients
  bool closing_ = false;
};

class Server final : public StreamServer {
 public:
  explicit Server(StreamOptions options) : acceptor_(io_) { shared_.options = std::move(options); }
  ~Server() override { stop(); }

  Status listen() {
    TRY(const auto address, client::parse_address(shared_.options.address));
    if (!address.path.empty())
      return fail(Kind::kInvalid, "client.bad_address",
                  text("found {} for WebSocket, expected 127.0.0.1:PORT", address.shown()));
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

  void publish(std::string_view topic, const std::string& json) override {
    if (shared_.clients == 0) return;
    if (pending_.fetch_add(1) >= shared_.options.pending_max) {
      pending_.fetch_sub(1);
      if (!overrun_.exchange(true)) asio::post(io_, [this] { close_all(); });
      return;
    }
    asio::post(io_, [this, topic = std::string(topic), message = std::make_shared<const std::string>(json)] {
      pending_.fetch_sub(1);
      for (Session* session : listening()) session->offer(topic, message);
    });
  }

  std::uint16_t port() const override { return port_; }
  std::size_t clients() const override { return shared_.clients; }

  void stop() override {
    if (!thread_.joinable()) return;
    io_.stop();
    thread_.join();
  }

 private:
  // A copy: closing one takes it out of the set, and nothing is destroyed before the caller returns.
  std::vector<Session*> listening() const { return {shared_.listening.begin(), shared_.listening.end()}; }

  void close_all() {
    overrun_ = false;
    for (Session* session : listening()) session->close_slow();
  }

  void accept() {
    acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
      if (!ec && shared_.connections < shared_.options.clients_max)
        std::make_shared<Session>(std::move(socket), shared_)->read_head();
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
  std::atomic<std::size_t> pending_{0};
  std::atomic<bool> overrun_{false};
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_{io_};
  std::thread thread_;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<StreamServer>> StreamServer::start(StreamOptions options) {
  auto server = std::make_unique<Server>(std::move(options));
  TRY_OK(server->listen());
  return server;
}

}  // namespace hanse::api

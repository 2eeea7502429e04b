#include "node/peering/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "base/codec/hex.h"
#include "base/core/clock.h"
#include "base/core/fd.h"
#include "base/core/text.h"

namespace hanse::peering {
namespace {

using codec::Json;

constexpr int kBacklog = 16;
constexpr int kRequestMs = 5'000;

std::unexpected<Error> system_error(std::string_view call) {
  return fail(Kind::kInternal, "peering.system", text("{}: {}", call, std::string_view(strerror(errno))));
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path)
    return fail(Kind::kInvalid, "peering.request",
                text("found a socket path of {} bytes, expected 1 to {}", path.size(), sizeof out.sun_path - 1));
  std::memcpy(out.sun_path, path.c_str(), path.size());
  return out;
}

bool write_line(int fd, const Json& json) {
  std::string line = json.dump() + "\n";
  for (std::string_view left = line; !left.empty();) {
    const ssize_t n = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// One line of at most so many bytes; what came behind it stays in `kept`.
Result<std::string> read_line(int fd, std::string& kept, std::size_t bytes_max, std::int64_t wait_ms) {
  const std::int64_t end = system_clock().mono_ns() + wait_ms * 1'000'000;
  while (true) {
    const auto at = kept.find('\n');
    if (std::min(at, kept.size()) > bytes_max)
      return fail(Kind::kExhausted, "peering.limit",
                  text("found a line of more bytes, expected at most {}", bytes_max));
    if (at != kept.npos) {
      std::string line = kept.substr(0, at);
      kept.erase(0, at + 1);
      return line;
    }
    const std::int64_t left_ms = (end - system_clock().mono_ns()) / 1'000'000;
    pollfd poll_on{.fd = fd, .events = POLLIN, .revents = 0};
    if (left_ms <= 0 || ::poll(&poll_on, 1, static_cast<int>(std::min<std::int64_t>(left_ms + 1, 60'000))) == 0) {
      if (left_ms > 60'000) continue;
      return fail(Kind::kTimeout, "peering.timeout", text("found no answer within {} ms", wait_ms));
    }
    char buffer[16384];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Kind::kUnavailable, "peering.no_node", "the node closed the connection");
    kept.append(buffer, static_cast<std::size_t>(n));
  }
}

Json error_json(const Error& error) {
  Json inner = Json::object();
  inner.set("kind", kind_name(error.kind())).set("id", error.id()).set("message", error.message());
  Json out = Json::object();
  out.set("error", std::move(inner));
  return out;
}

class Server final : public ControlServer {
 public:
  Server(std::string path, Handler handler) : path_(std::move(path)), handler_(std::move(handler)) {}
  ~Server() override { stop(); }

  Status open() {
    TRY(const sockaddr_un where, socket_address(path_));
    listen_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listen_) return system_error("socket");
    ::unlink(path_.c_str());  // the folder is locked: nobody else listens
    if (::bind(listen_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
        ::listen(listen_.get(), kBacklog) != 0)
      return system_error(text("listen on {}", path_));
    thread_ = std::thread([this] { accept_all(); });
    return {};
  }

  void stop() override {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    ::shutdown(listen_.get(), SHUT_RDWR);
    thread_.join();
    while (running_.load() > 0) running_.wait(running_.load());
    ::unlink(path_.c_str());
  }

 private:
  void accept_all() {
    while (!stopping_.load()) {
      const int fd = ::accept4(listen_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return;
      }
      if (running_.load() >= static_cast<int>(kConnectionsMax)) {
        write_line(fd, error_json(Error(Kind::kExhausted, "peering.limit",
                                        text("found {} callers at once, expected fewer", kConnectionsMax))));
        ::close(fd);
        continue;
      }
      running_.fetch_add(1);
      std::thread([this, fd] {
        {
          const Fd own(fd);
          serve(fd);
        }
        running_.fetch_sub(1);
        running_.notify_all();
      }).detach();
    }
  }

  void serve(int fd) {
    std::string kept;
    const auto line = read_line(fd, kept, kRequestBytesMax, kRequestMs);
    if (!line) {
      write_line(fd, error_json(line.error()));
      return;
    }
    const auto request = codec::parse_json(*line);
    const auto answer = request ? handler_(*request,
                                           [this, fd](Json progress) {
                                             char byte = 0;
                                             if (stopping_.load() || ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                                               return false;
                                             if (progress.is_null()) return true;
                                             Json out = Json::object();
                                             out.set("progress", std::move(progress));
                                             return write_line(fd, out);
                                           })
                                : Result<Json>(std::unexpected(request.error().clone()));
    Json out = Json::object();
    if (answer)
      out.set("ok", *answer);
    else
      out = error_json(answer.error());
    write_line(fd, out);
  }

  std::string path_;
  Handler handler_;
  Fd listen_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> running_{0};
};

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& path, Handler handler) {
  auto server = std::make_unique<Server>(path, std::move(handler));
  TRY_OK(server->open());
  return server;
}

Result<Json> ask(const Ask& ask) {
  TRY(const sockaddr_un where, socket_address(ask.path));
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return system_error("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
    return fail(errno == EACCES ? Kind::kDenied : Kind::kUnavailable, "peering.no_node",
                text("found no node at {} ({}), expected the mesh.sock of one that runs", ask.path,
                     std::string_view(strerror(errno))));
  (void)write_line(fd.get(), ask.request);  // who refused us has said so and closed: that is read below
  std::string kept;
  while (true) {
    TRY(const std::string line, read_line(fd.get(), kept, kAnswerBytesMax, ask.wait_ms));
    auto json = codec::parse_json(line);
    if (!json) return fail(Kind::kCorrupt, "peering.answer", json.error().message());
    if (const Json* progress = json->find("progress"); progress != nullptr) {
      if (ask.progress) ask.progress(*progress);
      continue;
    }
    if (const Json* ok = json->find("ok"); ok != nullptr) return *ok;
    const Json* error = json->find("error");
    if (error == nullptr) return fail(Kind::kCorrupt, "peering.answer", "found neither ok nor error in the answer");
    const auto part = [&](std::string_view name) {
      const Json* found = error->find(name);
      const auto words = found != nullptr ? found->as_text(name) : Result<std::string_view>(std::string_view());
      return std::string(words ? *words : std::string_view());
    };
    Kind kind = Kind::kInternal;
    (void)parse_kind(part("kind"), kind);
    return fail(kind, part("id"), part("message"));
  }
}

Result<Bytes> carry(const std::string& socket, router::Lane lane, Bytes question) {
  constexpr std::int64_t kFlashWaitMs = 60'000, kDeepWaitMs = 900'000, kSlackMs = 15'000;
  const bool deep = lane == router::Lane::kDeep;
  const std::int64_t wait_ms = deep ? kDeepWaitMs : kFlashWaitMs;
  codec::Json request = codec::Json::object();
  request.set("do", "mix_call").set("deep", deep).set("wait_ms", wait_ms);
  request.set("hex", codec::to_hex(question));
  TRY(const codec::Json answer, ask({.path = socket, .request = std::move(request), .wait_ms = wait_ms + kSlackMs}));
  const codec::Json* hex = answer.find("hex");
  if (hex == nullptr) return fail(Kind::kCorrupt, "peering.answer", "found no answer in what the node said");
  TRY(const std::string_view digits, hex->as_text("hex"));
  return codec::from_hex(digits);
}

}  // namespace hanse::peering

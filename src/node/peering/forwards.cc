#include "node/peering/forwards.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "base/core/fd.h"
#include "base/core/text.h"
#include "base/exec/loop.h"

namespace hanse::peering {
namespace {

enum : std::uint8_t { kOpen = 1, kData = 2, kCredit = 3, kEnd = 4, kGone = 5 };
enum : std::uint8_t { kOfSender = 0, kOfReceiver = 1 };
constexpr std::size_t kHead = 1 + 4;
constexpr int kBacklog = 16;

struct Name {  // of a stream, as we see it
  PeerId peer;
  bool ours = false;  // we opened it
  std::uint32_t number = 0;
  friend auto operator<=>(const Name&, const Name&) = default;
};

struct Stream {
  Fd fd;
  std::uint32_t credit = kWindow;  // that we may send
  Bytes to_write;                  // at most kWindow
  std::uint32_t owed = kWindow;    // that the peer may send
  bool read_end = false, told_end = false, peer_end = false;
};

struct Listen {
  Fd fd;
  PeerId peer;
  std::string path;
};

std::optional<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) return std::nullopt;
  std::memcpy(out.sun_path, path.c_str(), path.size());
  return out;
}

class Forwarder final : public Forwards {
 public:
  explicit Forwarder(ForwardOptions options) : options_(std::move(options)) {}
  ~Forwarder() override { stop(); }

  Status open() {
    TRY(loop_, exec::Loop::create(system_clock()));
    thread_ = std::thread([this] { (void)loop_->run(); });
    return {};
  }

  void handle(const PeerId& from, std::uint8_t type, Bytes body) override {
    (void)loop_->post([this, from, type, body = std::move(body)] { on_frame(from, type, body); });
  }

  void down(const PeerId& peer) override {
    (void)loop_->post([this, peer] {
      for (auto at = streams_.begin(); at != streams_.end();) at = at->first.peer == peer ? drop(at) : std::next(at);
    });
  }

  Status listen(const PeerId& peer, const std::string& path) override {
    auto done = std::make_shared<std::promise<Status>>();
    auto answer = done->get_future();
    TRY_OK(loop_->post([this, done, peer, path] { done->set_value(listen_here(peer, path)); }));
    return answer.get();
  }

  void stop() override {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
    for (auto& [fd, one] : listens_) ::unlink(one.path.c_str());
    listens_.clear();
    streams_.clear();
  }

 private:
  using Streams = std::map<Name, Stream>;

  Status listen_here(const PeerId& peer, const std::string& path) {
    if (listens_.size() >= kListensMax)
      return fail(Kind::kExhausted, "peering.limit",
                  text("found {} sockets to listen on, expected fewer", listens_.size()));
    const auto where = unix_address(path);
    Listen one{.fd = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), .peer = peer, .path = path};
    if (!where || !one.fd || ::bind(one.fd.get(), reinterpret_cast<const sockaddr*>(&*where), sizeof *where) != 0 ||
        ::listen(one.fd.get(), kBacklog) != 0)
      return fail(Kind::kUnavailable, "peering.listen",
                  text("cannot listen on {}: {}", path, where ? strerror(errno) : "no path of a socket"));
    const int fd = one.fd.get();
    TRY_OK(loop_->watch(fd, {}, [this, fd](exec::Ready) { accept_at(fd); }));
    listens_[fd] = std::move(one);
    return {};
  }

  void accept_at(int listen_fd) {
    Fd fd(::accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    const PeerId peer = listens_.at(listen_fd).peer;
    if (count(peer) >= kStreamsMax) return;  // closed: the caller sees the end
    const Name name{peer, true, next_++};
    if (!say(name, kOpen)) return;
    add(name, std::move(fd));
  }

  std::size_t count(const PeerId& peer) const {
    std::size_t out = 0;
    for (const auto& [name, stream] : streams_) out += name.peer == peer ? 1 : 0;
    return out;
  }

  void add(const Name& name, Fd fd) {
    streams_[name].fd = std::move(fd);
    rewatch(name, true);
  }

  // What is waited for: bytes to read while there is credit, room to write while something waits.
  void rewatch(const Name& name, bool first = false) {
    Stream& s = streams_.at(name);
    if (!first) loop_->unwatch(s.fd.get());
    const exec::Loop::Interest interest{.read = !s.read_end && s.credit > 0, .write = !s.to_write.empty()};
    const Status watched =
        loop_->watch(s.fd.get(), interest, [this, name](exec::Ready ready) { on_ready(name, ready); });
    if (!watched) fail_stream(name);
  }

  bool say(const Name& name, std::uint8_t type, ByteView rest = {}) {
    Bytes body{name.ours ? kOfSender : kOfReceiver};
    append_be(body, name.number);
    append(body, rest);
    return options_.send({name.peer, type, std::move(body)}).has_value();
  }

  Streams::iterator drop(Streams::iterator at) {
    loop_->unwatch(at->second.fd.get());
    return streams_.erase(at);
  }
  void fail_stream(const Name& name) {
    say(name, kGone);
    if (const auto at = streams_.find(name); at != streams_.end()) drop(at);
  }

  void on_ready(const Name& name, exec::Ready ready) {
    const auto at = streams_.find(name);
    if (at == streams_.end()) return;
    if (ready.writable && !flush(name)) return;
    if ((ready.readable || ready.closed) && !read(name)) return;
    end_or_wait(name);
  }

  bool read(const Name& name) {
    Stream& s = streams_.at(name);
    while (s.credit > 0 && !s.read_end) {
      Bytes buffer(std::min(s.credit, kForwardChunk));
      const ssize_t n = ::recv(s.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return true;
      if (n < 0) return fail_stream(name), false;
      if (n == 0) {
        s.read_end = true;
        break;
      }
      s.credit -= static_cast<std::uint32_t>(n);
      if (!say(name, kData, ByteView(buffer).first(static_cast<std::size_t>(n)))) return fail_stream(name), false;
    }
    if (s.read_end && !std::exchange(s.told_end, true)) say(name, kEnd);
    return true;
  }

  // Writes what waits and gives back its credit. False: the stream is gone.
  bool flush(const Name& name) {
    Stream& s = streams_.at(name);
    std::size_t written = 0;
    while (written < s.to_write.size()) {
      const ssize_t n =
          ::send(s.fd.get(), s.to_write.data() + written, s.to_write.size() - written, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) return fail_stream(name), false;
      written += static_cast<std::size_t>(n);
    }
    if (written == 0) return true;
    s.to_write.erase(s.to_write.begin(), s.to_write.begin() + static_cast<std::ptrdiff_t>(written));
    s.owed += static_cast<std::uint32_t>(written);
    Bytes more;
    append_be(more, static_cast<std::uint32_t>(written));
    if (!s.peer_end) say(name, kCredit, more);
    return true;
  }

  void end_or_wait(const Name& name) {
    const auto at = streams_.find(name);
    if (at == streams_.end()) return;
    Stream& s = at->second;
    if (s.peer_end && s.to_write.empty()) {
      ::shutdown(s.fd.get(), SHUT_WR);
      if (s.told_end) {
        drop(at);
        return;
      }
    }
    rewatch(name);
  }

  void on_frame(const PeerId& from, std::uint8_t type, const Bytes& body) {
    if (body.size() < kHead || body[0] > kOfReceiver) return;
    const Name name{from, body[0] == kOfReceiver, load_be<std::uint32_t>(body.data() + 1)};
    const ByteView rest = ByteView(body).subspan(kHead);
    if (type == kOpen) return on_open(name);
    const auto at = streams_.find(name);
    if (at == streams_.end()) {
      if (type == kData) say(name, kGone);
      return;
    }
    Stream& s = at->second;
    switch (type) {
      case kData:
        if (rest.size() > s.owed || s.peer_end) return fail_stream(name);
        s.owed -= static_cast<std::uint32_t>(rest.size());
        append(s.to_write, rest);
        if (flush(name)) end_or_wait(name);
        return;
      case kCredit:
        if (rest.size() != 4 || load_be<std::uint32_t>(rest.data()) > kWindow - s.credit) return fail_stream(name);
        s.credit += load_be<std::uint32_t>(rest.data());
        return rewatch(name);
      case kEnd: s.peer_end = true; return end_or_wait(name);
      case kGone: drop(at); return;
      default: return;
    }
  }

  void on_open(const Name& name) {
    const bool allowed = options_.everybody || options_.allowed.contains(name.peer);
    const auto where = unix_address(options_.api);
    if (name.ours || !allowed || !where || count(name.peer) >= kStreamsMax || streams_.contains(name)) {
      say(name, kGone);
      return;
    }
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*where), sizeof *where) != 0) {
      say(name, kGone);
      return;
    }
    add(name, std::move(fd));
  }

  ForwardOptions options_;
  std::unique_ptr<exec::Loop> loop_;
  std::thread thread_;
  // All below: of the thread inside.
  Streams streams_;
  std::map<int, Listen> listens_;
  std::uint32_t next_ = 1;
};

}  // namespace

Result<std::unique_ptr<Forwards>> Forwards::start(ForwardOptions options) {
  auto out = std::make_unique<Forwarder>(std::move(options));
  TRY_OK(out->open());
  return out;
}

}  // namespace hanse::peering

#include "exchange/pilots/detail/link.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/core/text.h"
#include "base/crypto/tls_key.h"

namespace hanse::pilots {
namespace {

constexpr unsigned char kRawPublicKey[] = {TLSEXT_cert_type_rpk};
constexpr std::size_t kTurnBytesMax = 1u << 20;  // read before frames are looked at

std::string why() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string out = reason != nullptr ? reason : "no reason given";
  ERR_clear_error();
  return out;
}

std::unexpected<Error> tls(std::string_view what) {
  return fail(Kind::kDenied, "pilots.tls", text("{}: {}", what, why()));
}

std::unexpected<Error> bad_address(const std::string& address, std::string_view what) {
  return fail(Kind::kUnavailable, "pilots.address", text("{}: {}", address, what));
}

struct CtxFree {
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(addrinfo* a) const { ::freeaddrinfo(a); }
};

Result<std::unique_ptr<addrinfo, CtxFree>> resolve(const std::string& address, int flags) {
  const auto colon = address.rfind(':');
  if (colon == address.npos) return bad_address(address, "expected HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (code != 0) return bad_address(address, ::gai_strerror(code));
  return std::unique_ptr<addrinfo, CtxFree>(found);
}

}  // namespace

struct Credentials::Impl {
  std::unique_ptr<SSL_CTX, CtxFree> context;
  bool daemon = false;
  AccountId pin;
};

struct Link::Impl {
  std::shared_ptr<Credentials> credentials;  // shared: a link outlives the one who dialed
  Fd socket;
  std::unique_ptr<SSL, CtxFree> ssl;
  bool wants_write = false;
};

namespace {

int verify(int, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* wanted = static_cast<const AccountId*>(SSL_get_app_data(ssl));
  X509_STORE_CTX_set_error(store, X509_V_ERR_RPK_UNTRUSTED);
  const EVP_PKEY* key = X509_STORE_CTX_get0_rpk(store);
  if (key == nullptr || wanted == nullptr || EVP_PKEY_is_a(key, "ML-DSA-65") != 1) return 0;
  crypto::PublicKey shown{.alg = crypto::SigAlg::kMlDsa65, .bytes = {}};
  std::size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(key, nullptr, &size) != 1) return 0;
  shown.bytes.resize(size);
  if (EVP_PKEY_get_raw_public_key(key, shown.bytes.data(), &size) != 1) return 0;
  if (crypto::account_id(shown) != *wanted) return 0;
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

Result<std::unique_ptr<SSL_CTX, CtxFree>> make_context() {
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, CtxFree> made(SSL_CTX_new(TLS_method()));
  if (made == nullptr) return tls("make a TLS context");
  SSL_CTX* c = made.get();
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_IGNORE_UNEXPECTED_EOF);  // frames say where they end
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 || SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(c, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(c, "X25519MLKEM768") != 1 || SSL_CTX_set1_sigalgs_list(c, "mldsa65") != 1 ||
      SSL_CTX_set_num_tickets(c, 0) != 1 || SSL_CTX_set1_server_cert_type(c, kRawPublicKey, sizeof kRawPublicKey) != 1)
    return tls("set up TLS 1.3 with X25519MLKEM768 and an ML-DSA raw public key");
  return made;
}

}  // namespace

Credentials::Credentials(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Credentials::~Credentials() = default;

Result<std::shared_ptr<Credentials>> Credentials::daemon(const crypto::SecretKey& key) {
  auto impl = std::make_unique<Impl>();
  TRY(impl->context, make_context());
  impl->daemon = true;
  const std::shared_ptr<void> handle = crypto::tls_key(key);
  if (SSL_CTX_use_PrivateKey(impl->context.get(), static_cast<EVP_PKEY*>(handle.get())) != 1)
    return tls("give the key to TLS");
  return std::make_shared<Credentials>(std::move(impl));
}

Result<std::shared_ptr<Credentials>> Credentials::pilot(const AccountId& pin) {
  auto impl = std::make_unique<Impl>();
  TRY(impl->context, make_context());
  impl->pin = pin;
  SSL_CTX_set_verify(impl->context.get(), SSL_VERIFY_PEER, &verify);
  return std::make_shared<Credentials>(std::move(impl));
}

Link::Link(std::unique_ptr<Impl> impl, Clock& clock)
    : impl_(std::move(impl)), clock_(clock), heard_ns_(clock.mono_ns()) {}
Link::~Link() = default;

Result<std::unique_ptr<Link>> Link::open(std::shared_ptr<Credentials> credentials, Fd socket, Clock& clock) {
  ERR_clear_error();
  auto impl = std::make_unique<Impl>();
  impl->credentials = std::move(credentials);
  impl->socket = std::move(socket);
  auto& side = impl->credentials->impl();
  impl->ssl.reset(SSL_new(side.context.get()));
  if (impl->ssl == nullptr || SSL_set_fd(impl->ssl.get(), impl->socket.get()) != 1) return tls("make a TLS session");
  (void)::fcntl(impl->socket.get(), F_SETFL, O_NONBLOCK);
  const int on = 1;
  (void)::setsockopt(impl->socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (side.daemon) {
    SSL_set_accept_state(impl->ssl.get());
  } else {
    SSL_set_app_data(impl->ssl.get(), &side.pin);
    SSL_set_connect_state(impl->ssl.get());
  }
  return std::unique_ptr<Link>(new Link(std::move(impl), clock));
}

Status Link::turn(int wake_fd, int timeout_ms) {
  TRY_OK(split());
  const bool full = frames_.size() >= kFramesMax;
  TRY_OK(write_some());  // also takes the handshake on
  pollfd all[2] = {{.fd = impl_->socket.get(), .events = static_cast<short>(full ? 0 : POLLIN), .revents = 0},
                   {.fd = wake_fd, .events = POLLIN, .revents = 0}};
  if (impl_->wants_write) all[0].events = static_cast<short>(all[0].events | POLLOUT);
  const bool ready = !frames_.empty() || SSL_pending(impl_->ssl.get()) > 0;
  (void)::poll(all, wake_fd >= 0 ? 2 : 1, ready ? 0 : timeout_ms);
  if (all[1].revents != 0) clear_wake(wake_fd);
  if (!full) TRY_OK(read_some());
  TRY_OK(split());
  return write_some();
}

Status Link::read_some() {
  ERR_clear_error();
  std::uint8_t buffer[16'384];
  for (std::size_t total = 0; total < kTurnBytesMax;) {
    std::size_t n = 0;
    if (SSL_read_ex(impl_->ssl.get(), buffer, sizeof buffer, &n) == 1) {
      append(in_, {buffer, n});
      total += n;
      heard_ns_ = clock_.mono_ns();
      continue;
    }
    switch (SSL_get_error(impl_->ssl.get(), 0)) {
      case SSL_ERROR_WANT_READ: return {};
      case SSL_ERROR_WANT_WRITE: impl_->wants_write = true; return {};
      case SSL_ERROR_SSL: return tls(SSL_is_init_finished(impl_->ssl.get()) == 1 ? "read" : "handshake");
      default:
        (void)split();  // what came before the end counts
        return fail(Kind::kUnavailable, "pilots.closed", "the other end closed the connection");
    }
  }
  return {};
}

Status Link::write_some() {
  ERR_clear_error();
  impl_->wants_write = false;
  SSL* ssl = impl_->ssl.get();
  int code = 1;
  if (SSL_is_init_finished(ssl) != 1) code = SSL_do_handshake(ssl);
  while (code == 1 && !out_.empty()) {
    std::size_t n = 0;
    code = SSL_write_ex(ssl, out_.front().data() + sent_, out_.front().size() - sent_, &n);
    if (code != 1) break;
    sent_ += n;
    if (sent_ < out_.front().size()) continue;
    out_.pop_front();
    sent_ = 0;
  }
  if (code == 1) return {};
  switch (SSL_get_error(ssl, code)) {
    case SSL_ERROR_WANT_READ: return {};
    case SSL_ERROR_WANT_WRITE: impl_->wants_write = true; return {};
    case SSL_ERROR_SSL: return tls(SSL_is_init_finished(ssl) == 1 ? "write" : "handshake");
    default: return fail(Kind::kUnavailable, "pilots.closed", "the other end closed the connection");
  }
}

Status Link::split() {
  std::size_t at = 0;
  Status bad;
  while (in_.size() - at >= kFrameHeadSize && frames_.size() < kFramesMax) {
    auto head = read_head(in_.data() + at, frame_max_);
    if (!head) {
      bad = std::unexpected(std::move(head).error());
      break;
    }
    if (in_.size() - at - kFrameHeadSize < head->size) break;
    frames_.push_back({*head, to_bytes(ByteView(in_).subspan(at + kFrameHeadSize, head->size))});
    at += kFrameHeadSize + head->size;
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  return bad;
}

std::optional<Frame> Link::take() {
  if (frames_.empty()) return std::nullopt;
  Frame out = std::move(frames_.front());
  frames_.pop_front();
  return out;
}

void Link::send(FrameType type, std::uint64_t call, ByteView a, ByteView b) {
  Bytes out(kFrameHeadSize);
  out.reserve(kFrameHeadSize + a.size() + b.size());
  write_head({.size = a.size() + b.size(), .type = type, .call = call}, out.data());
  append(out, a);
  append(out, b);
  out_.push_back(std::move(out));
}

std::size_t Link::unsent() const {
  std::size_t out = 0;
  for (const Bytes& one : out_) out += one.size();
  return out - sent_;
}

Result<Fd> listen_on(const std::string& address) {
  TRY(const auto found, resolve(address, AI_PASSIVE | AI_NUMERICHOST));
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!fd || ::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), 64) != 0)
    return bad_address(address, std::strerror(errno));
  return fd;
}

Result<std::string> local_address(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return bad_address("the listener", std::strerror(errno));
  return bound.ss_family == AF_INET6 ? text("[{}]:{}", host, port) : text("{}:{}", host, port);
}

Result<Fd> dial(const std::string& address, std::int64_t ms_max, Clock& clock) {
  TRY(const auto found, resolve(address, 0));
  const std::int64_t deadline_ns = clock.mono_ns() + ms_max * 1'000'000;
  std::string last = "no address";
  for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next) {
    Fd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int code = fd && ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
      const std::int64_t left_ms = (deadline_ns - clock.mono_ns()) / 1'000'000;
      pollfd wait{.fd = fd.get(), .events = POLLOUT, .revents = 0};
      socklen_t size = sizeof code;
      if (left_ms <= 0 || ::poll(&wait, 1, static_cast<int>(left_ms)) <= 0)
        code = ETIMEDOUT;
      else
        (void)::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    }
    if (code == 0) return fd;
    last = std::strerror(code);
  }
  return bad_address(address, last);
}

void ignore_sigpipe() {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

Result<Fd> make_wake() {
  Fd out(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!out) return fail(Kind::kUnavailable, "pilots.address", text("eventfd: {}", std::strerror(errno)));
  return out;
}

void wake(int fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

void clear_wake(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

}  // namespace hanse::pilots

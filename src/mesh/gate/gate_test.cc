#include "mesh/gate/gate.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "base/core/text.h"
#include "base/crypto/test_key.h"
#include "mesh/gate/detail/sockets.h"
#include "mesh/gate/detail/tls.h"

#include <gtest/gtest.h>

namespace hanse::gate {
namespace {

constexpr int kWaitMs = 20'000;

const crypto::Identity& server_identity() {
  static const auto identity = std::move(*crypto::Identity::from_seed(Bytes(32, 9)));
  return identity;
}

// A gate whose visitors are kept.
struct House {
  explicit House(Options options = {}) {
    if (options.addresses.empty()) options.addresses = {"127.0.0.1:0"};
    auto started = Gate::start(server_identity(), options, [this](std::size_t port, Fd plain, auto visitor) {
      const std::lock_guard lock(mutex);
      taken.push_back({port, std::move(plain), std::move(visitor)});
      changed.notify_all();
    });
    EXPECT_TRUE(started) << started.error().str();
    gate = std::move(*started);
  }
  std::string address(std::size_t port = 0) const { return text("127.0.0.1:{}", gate->ports()[port]); }
  Result<std::unique_ptr<Line>> dial(const crypto::SecretKey* key = nullptr) const {
    return Line::dial({.address = address(), .server = server_identity().id(), .key = key});
  }
  template <class Check>
  void wait_counts(Check&& check) const {
    std::unique_lock lock(mutex);
    while (!check(gate->counts())) changed.wait_for(lock, std::chrono::milliseconds(2));
  }
  void wait_taken(std::size_t n) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return taken.size() >= n; });
  }

  struct One {
    std::size_t port;
    Fd plain;
    std::shared_ptr<Visitor> visitor;
  };
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::vector<One> taken;
  std::unique_ptr<Gate> gate;  // last: its thread calls into the above
};

// Up to n bytes; fewer when the other side ended.
Bytes receive(int fd, std::size_t n) {
  Bytes out;
  while (out.size() < n) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, kWaitMs) <= 0) break;
    std::uint8_t piece[65'536];
    const auto got = ::recv(fd, piece, std::min(sizeof piece, n - out.size()), 0);
    if (got <= 0) break;
    append(out, {piece, static_cast<std::size_t>(got)});
  }
  return out;
}
void transmit(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&wait, 1, kWaitMs) <= 0) return;
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

// A foreign visitor: plain OpenSSL, with the versions and groups it is told to have.
struct Foreigner {
  Foreigner(const std::string& address, const char* groups, int version = TLS1_3_VERSION, EVP_PKEY* key = nullptr) {
    context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    EXPECT_EQ(SSL_CTX_set1_groups_list(context.get(), groups), 1);
    if (key != nullptr) show(key);
    net = std::move(*detail::connect_to(address, kWaitMs));
    ssl.reset(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), net.get());
    for (;;) {
      const int rc = SSL_connect(ssl.get());
      if (rc == 1) break;
      const int why = SSL_get_error(ssl.get(), rc);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return;
      pollfd wait{
          .fd = net.get(), .events = static_cast<short>(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), .revents = 0};
      if (::poll(&wait, 1, kWaitMs) <= 0) return;
    }
    up = true;
  }
  void show(EVP_PKEY* key) {
    X509* cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    EXPECT_GT(X509_sign(cert, key, EVP_PKEY_is_a(key, "EC") == 1 ? EVP_sha256() : nullptr), 0);
    EXPECT_EQ(SSL_CTX_use_certificate(context.get(), cert), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
    X509_free(cert);
  }
  std::string group() const { return SSL_group_to_name(ssl.get(), SSL_get_negotiated_group(ssl.get())); }
  detail::ContextPtr context;
  Fd net;
  detail::SslPtr ssl;
  bool up = false;
};

TEST(Gate, carries_bytes_both_ways_in_order_and_tells_who_visits) {
  House house({.addresses = {"127.0.0.1:0", "127.0.0.1:0"}});
  const auto& key = crypto::test_key(3);
  auto line = Line::dial({.address = house.address(1), .server = server_identity().id(), .key = &key});
  ASSERT_TRUE(line) << line.error().str();
  house.wait_taken(1);
  const auto& one = house.taken[0];
  EXPECT_EQ(one.port, 1u);
  ASSERT_TRUE(one.visitor->identity);
  EXPECT_EQ(*one.visitor->identity, crypto::account_id(key.public_key()));
  const Fd plain = (*line)->take();
  Bytes much(3'000'001);
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  std::thread there([&] { transmit(plain.get(), much); });
  EXPECT_EQ(receive(one.plain.get(), much.size()), much);
  there.join();
  std::thread back([&] { transmit(one.plain.get(), much); });
  EXPECT_EQ(receive(plain.get(), much.size()), much);
  back.join();
}

TEST(Gate, either_end_hears_when_the_other_closes_and_what_was_said_before_arrives) {
  House house;
  {
    auto line = house.dial();
    ASSERT_TRUE(line);
    house.wait_taken(1);
    Fd plain = (*line)->take();
    transmit(plain.get(), to_bytes("last words"));
    plain.reset();
    EXPECT_EQ(receive(house.taken[0].plain.get(), 100), to_bytes("last words"));
  }
  auto line = house.dial();
  ASSERT_TRUE(line);
  house.wait_taken(2);
  const Fd plain = (*line)->take();
  transmit(house.taken[1].plain.get(), to_bytes("bye"));
  house.taken[1].plain.reset();
  EXPECT_EQ(receive(plain.get(), 100), to_bytes("bye"));
  house.wait_counts([](const Counts& c) { return c.open == 0; });
}

TEST(Gate, a_visitor_without_a_certificate_is_nobody) {
  House house;
  ASSERT_TRUE(house.dial());
  house.wait_taken(1);
  EXPECT_FALSE(house.taken[0].visitor->identity);
}

TEST(Gate, prefers_the_post_quantum_group_and_takes_x25519_from_who_has_no_other) {
  House house;
  const Foreigner both(house.address(), "X25519:X25519MLKEM768");  // guesses the first
  ASSERT_TRUE(both.up);
  EXPECT_EQ(both.group(), "X25519MLKEM768");
  const Foreigner old(house.address(), "X25519");
  ASSERT_TRUE(old.up);
  EXPECT_EQ(old.group(), "x25519");
}

TEST(Gate, refuses_tls_1_2_and_other_groups) {
  House house;
  EXPECT_FALSE(Foreigner(house.address(), "X25519", TLS1_2_VERSION).up);
  EXPECT_FALSE(Foreigner(house.address(), "P-256").up);
  house.wait_counts([](const Counts& c) { return c.failed_handshakes == 2; });
  EXPECT_EQ(house.gate->counts().taken, 0u);
}

TEST(Gate, a_certificate_of_another_kind_of_key_makes_nobody_known) {
  House house;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  const Foreigner classical(house.address(), "X25519MLKEM768", TLS1_3_VERSION, key);
  EVP_PKEY_free(key);
  ASSERT_TRUE(classical.up);
  house.wait_taken(1);
  EXPECT_FALSE(house.taken[0].visitor->identity);
}

TEST(Line, refuses_another_server_than_it_dialed) {
  House house;
  const auto line =
      Line::dial({.address = house.address(), .server = crypto::account_id(crypto::test_key(4).public_key())});
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().id(), "gate.wrong_identity");
}

TEST(Line, says_when_nobody_is_there_and_when_the_handshake_fails) {
  std::string address;
  {
    auto gone = detail::listen_on("127.0.0.1:0");
    ASSERT_TRUE(gone);
    address = text("127.0.0.1:{}", gone->port);
    const auto late = Line::dial({.address = address, .server = {}, .wait_ms = 50});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().id(), "gate.timeout");
  }
  const auto nobody = Line::dial({.address = address, .server = {}});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().id(), "gate.unreachable");
  House full({.addresses = {}, .connections_max = 1});
  ASSERT_TRUE(full.dial());
  const Fd held = std::move(*detail::connect_to(full.address(), kWaitMs));
  full.wait_counts([](const Counts& c) { return c.open == 1; });
  const auto refused = full.dial();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "gate.refused");
  const auto bad = Line::dial({.address = "nowhere", .server = {}});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().id(), "gate.address");
}

TEST(Gate, closes_the_connection_past_the_most) {
  House house({.addresses = {}, .connections_max = 2});
  const auto first = house.dial(), second = house.dial();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(house.dial());
  EXPECT_EQ(house.gate->counts().refused_full, 1u);
}

TEST(Gate, closes_the_handshake_past_the_most_and_one_that_takes_too_long) {
  House house({.addresses = {}, .handshakes_max = 1, .handshake_ms = 60'000});
  const Fd slow = std::move(*detail::connect_to(house.address(), kWaitMs));
  house.wait_counts([](const Counts& c) { return c.open == 1; });
  EXPECT_FALSE(house.dial());
  EXPECT_EQ(house.gate->counts().refused_handshakes, 1u);

  House hasty({.addresses = {}, .handshake_ms = 1});
  const Fd silent = std::move(*detail::connect_to(hasty.address(), kWaitMs));
  EXPECT_TRUE(receive(silent.get(), 1).empty());
  EXPECT_EQ(hasty.gate->counts().late_handshakes, 1u);
}

TEST(Gate, closes_a_connection_that_makes_no_call_and_keeps_one_whose_call_runs) {
  House house({.addresses = {}, .first_call_ms = 1, .idle_ms = 1});
  auto quiet = house.dial();
  ASSERT_TRUE(quiet);
  const Fd plain = (*quiet)->take();
  EXPECT_TRUE(receive(plain.get(), 1).empty());
  EXPECT_EQ(house.gate->counts().quiet, 1u);

  House calm({.addresses = {}, .first_call_ms = 60'000, .idle_ms = 1});
  auto called = calm.dial(), waiting = calm.dial();
  ASSERT_TRUE(called && waiting);
  calm.wait_taken(2);
  calm.taken[0].visitor->began();
  calm.taken[1].visitor->began();
  calm.taken[1].visitor->ended(0);  // long ago
  calm.wait_counts([](const Counts& c) { return c.quiet == 1; });
  EXPECT_EQ(calm.gate->counts().open, 1u);
  calm.taken[0].visitor->ended(0);
  calm.wait_counts([](const Counts& c) { return c.quiet == 2 && c.open == 0; });
}

TEST(Gate, says_that_its_port_is_taken) {
  House house;
  const auto twice = Gate::start(server_identity(), {.addresses = {house.address()}}, [](auto, Fd, auto) {});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().id(), "gate.port_in_use");
  const auto none = Gate::start(server_identity(), {.addresses = {}}, [](auto, Fd, auto) {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().id(), "gate.address");
  EXPECT_NE(house.gate->certificates().find("BEGIN CERTIFICATE"), std::string::npos);
}

}  // namespace
}  // namespace hanse::gate

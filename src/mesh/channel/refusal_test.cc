// Who does not come up, and what each side says. A plain OpenSSL client plays the strangers.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <latch>

#include "base/crypto/tls_key.h"
#include "mesh/channel/detail/socket.h"
#include "mesh/channel/detail/test_net.h"
#include "mesh/channel/frame.h"

namespace hanse::channel {
namespace {

using detail::body;
using detail::Events;
using detail::kSmall;
using detail::local;
using detail::Pair;
using detail::test_key;
using detail::test_options;

class Plug {  // a blocking TCP connection to a listener of the tests
 public:
  explicit Plug(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = detail::parse_address(local(port));
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address->storage), address->size) == 0;
  }
  ~Plug() { close(fd_); }
  Plug(const Plug&) = delete;
  int fd() const { return fd_; }
  bool connected() const { return connected_; }
  bool put(std::string_view words) const { return ::write(fd_, words.data(), words.size()) > 0; }
  bool closed_by_peer() const {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    char byte[512];
    while (poll(&p, 1, 20'000) == 1) {
      if (::read(fd_, byte, sizeof byte) <= 0) return true;
    }
    return false;
  }

 private:
  int fd_;
  bool connected_ = false;
};

struct Rules {
  int version = TLS1_3_VERSION;
  const char* groups = "X25519MLKEM768";
  std::string_view alpn = "hanse-chain/1";
  const crypto::SecretKey* key = nullptr;
  bool certificate = false;  // X.509 in place of a raw key
};

class TlsPlug {
 public:
  TlsPlug(std::uint16_t port, const Rules& rules) : plug_(port), context_(SSL_CTX_new(TLS_client_method())) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's own sockets would end the test when the other side has hung up
    SSL_CTX_set_min_proto_version(context_, rules.version);
    SSL_CTX_set_max_proto_version(context_, rules.version);
    SSL_CTX_set1_groups_list(context_, rules.groups);
    const unsigned char raw[] = {TLSEXT_cert_type_rpk};
    SSL_CTX_set1_server_cert_type(context_, raw, sizeof raw);
    if (rules.key != nullptr) {
      const auto key = crypto::tls_key(*rules.key);
      if (rules.certificate)
        use_certificate(static_cast<EVP_PKEY*>(key.get()));
      else
        SSL_CTX_set1_client_cert_type(context_, raw, sizeof raw);
      SSL_CTX_use_PrivateKey(context_, static_cast<EVP_PKEY*>(key.get()));
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, plug_.fd());
    if (!rules.alpn.empty()) {
      const std::string offer = static_cast<char>(rules.alpn.size()) + std::string(rules.alpn);
      SSL_set_alpn_protos(ssl_, as_bytes(offer).data(), static_cast<unsigned>(offer.size()));
    }
    shaken_ = SSL_connect(ssl_) == 1;
  }
  ~TlsPlug() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsPlug(const TlsPlug&) = delete;
  bool shaken() const { return shaken_; }
  bool put(const Bytes& bytes) { return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0; }
  int get(ByteSpan out) { return SSL_read(ssl_, out.data(), static_cast<int>(out.size())); }  // 0 or less: closed
  bool resumable() { return SSL_SESSION_is_resumable(SSL_get0_session(ssl_)) == 1; }
  bool puts_hello(const Hello& hello) { return put(encode(hello)); }

 private:
  void use_certificate(EVP_PKEY* key) {
    X509* cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, nullptr);
    SSL_CTX_use_certificate(context_, cert);
    X509_free(cert);
  }
  Plug plug_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  bool shaken_ = false;
};

// Validator 1 of 0, 1 and 2, alone.
struct Alone {
  explicit Alone(const std::function<void(Options&)>& change = {}) {
    Options o = test_options(1, 3, events);
    if (change) change(o);
    channels = std::move(*Channels::open(std::move(o)));
  }
  bool refused(std::string_view words, std::size_t count = 1) {
    return events.wait([&] { return Events::count(events.refused, words) >= count; });
  }
  Events events;
  std::unique_ptr<Channels> channels;
};

Hello hello_of(std::uint16_t from, std::uint16_t to) {
  Hello hello;
  hello.network.data[0] = 7;
  hello.epoch = 3;
  hello.from = from;
  hello.to = to;
  hello.nonce.data[0] = 99;
  return hello;
}

TEST(Refusal, an_honest_plain_client_is_taken) {  // so that the refusals below are for their own reason
  Alone one;
  TlsPlug client(one.channels->port(), {.key = &test_key(0)});
  ASSERT_TRUE(client.shaken());
  ASSERT_TRUE(client.puts_hello(hello_of(0, 1)));
  ASSERT_TRUE(one.events.wait([&] { return one.events.ups.size() == 1; })) << one.events.all();
  Bytes answer(kHelloSize);
  ASSERT_EQ(client.get(answer), static_cast<int>(kHelloSize));
  EXPECT_EQ(decode_hello(answer)->from, 1);
  EXPECT_FALSE(client.resumable()) << "no ticket was given";
  ASSERT_TRUE(client.put({9, 1, 0, 0}));
  EXPECT_TRUE(one.events.wait([&] { return Events::count(one.events.downs, "channel.bad_frame") == 1; }))
      << one.events.all();
  EXPECT_EQ(one.channels->stats(0)->violations, 1u);
}

TEST(Refusal, other_versions_groups_protocols_and_certificates) {
  Alone one;
  std::size_t refusals = 0;
  const auto turned_away = [&](const Rules& rules) {
    TlsPlug client(one.channels->port(), rules);
    Bytes byte(1);
    return one.refused("channel.tls", ++refusals) && client.get(byte) <= 0;
  };
  EXPECT_TRUE(turned_away({.version = TLS1_2_VERSION, .groups = "X25519", .key = nullptr})) << "TLS 1.2";
  EXPECT_TRUE(turned_away({.groups = "X25519", .key = &test_key(0)})) << "classical group";
  EXPECT_TRUE(turned_away({.groups = "SecP256r1MLKEM768", .key = &test_key(0)})) << "another hybrid group";
  EXPECT_TRUE(turned_away({.alpn = "h2", .key = &test_key(0)})) << "foreign protocol";
  EXPECT_TRUE(turned_away({.alpn = "hanse-chain/2", .key = &test_key(0)})) << "another version of it";
  EXPECT_TRUE(turned_away({.alpn = "", .key = &test_key(0)})) << "no protocol";
  EXPECT_TRUE(turned_away({.key = nullptr})) << "no key";
  TlsPlug x509(one.channels->port(), {.key = &test_key(0), .certificate = true});
  EXPECT_TRUE(one.refused("channel.wrong_identity")) << "a certificate is no raw key, though its key is known";
  EXPECT_TRUE(one.events.empty(&Events::ups));
}

TEST(Refusal, garbage_on_the_port) {
  Alone one;
  Plug client(one.channels->port());
  ASSERT_TRUE(client.put("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(one.refused("channel.tls")) << one.events.all();
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_EQ(one.channels->totals().strangers, 1u);
}

TEST(Refusal, an_unknown_key_before_any_byte) {
  Alone one;
  TlsPlug client(one.channels->port(), {.key = &test_key(5)});
  EXPECT_TRUE(one.refused(text("{} channel.wrong_identity", kNobody))) << one.events.all();
  Bytes byte(1);
  EXPECT_LE(client.get(byte), 0) << "nothing was said to it";
}

TEST(Refusal, the_dialing_side_refuses_another_key_than_the_configured) {
  Pair pair;
  ASSERT_TRUE(pair.open([](Options& o) {
    if (o.self == 0) o.peers[0].key = test_key(5).public_key();
  }));
  Events& events = pair.events[0];
  EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, "1 channel.wrong_identity") > 1; }))
      << events.all();
  EXPECT_GE(pair.sides[0]->stats(1)->refusals, 2u);
  EXPECT_TRUE(pair.events[1].empty(&Events::ups));
}

TEST(Refusal, an_index_that_is_not_the_keys) {
  Alone one;
  TlsPlug client(one.channels->port(), {.key = &test_key(0)});
  ASSERT_TRUE(client.puts_hello(hello_of(2, 1)));
  EXPECT_TRUE(one.refused("0 channel.wrong_identity")) << one.events.all();
  TlsPlug lost(one.channels->port(), {.key = &test_key(0)});
  ASSERT_TRUE(lost.puts_hello(hello_of(0, 2)));
  EXPECT_TRUE(one.refused("the peer wants index 2")) << one.events.all();
}

TEST(Refusal, another_network_or_epoch_on_both_sides) {
  for (const bool network : {true, false}) {
    Pair pair;
    ASSERT_TRUE(pair.open([&](Options& o) {
      if (o.self != 0) return;
      if (network)
        o.network.data[0] = 8;
      else
        o.epoch = 4;
    }));
    for (Events& events : pair.events) {
      const std::string_view id = network ? "channel.wrong_network" : "channel.wrong_epoch";
      EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, id) > 0; })) << events.all();
      EXPECT_TRUE(events.empty(&Events::ups));
    }
  }
}

TEST(Refusal, a_hello_of_another_version_or_from_the_wrong_side) {
  Alone one;
  TlsPlug old(one.channels->port(), {.key = &test_key(0)});
  Bytes bytes = encode(hello_of(0, 1));
  bytes[0] = 0;
  ASSERT_TRUE(old.put(bytes));
  EXPECT_TRUE(one.refused("0 channel.bad_hello")) << one.events.all();
  TlsPlug higher(one.channels->port(), {.key = &test_key(2)});
  ASSERT_TRUE(higher.puts_hello(hello_of(2, 1)));
  EXPECT_TRUE(one.refused("2 channel.bad_hello")) << one.events.all();
}

TEST(Refusal, one_handshake_over_the_limit) {
  Alone one;
  std::vector<std::unique_ptr<Plug>> plugs;
  for (std::size_t i = 0; i < kHandshakesMax + 1; ++i) {
    plugs.push_back(std::make_unique<Plug>(one.channels->port()));
    ASSERT_TRUE(plugs.back()->connected());
  }
  EXPECT_TRUE(one.refused("channel.handshakes")) << one.events.all();
  EXPECT_TRUE(plugs.back()->closed_by_peer());
  EXPECT_EQ(one.channels->totals().handshakes_refused, 1u);
  plugs.erase(plugs.begin());  // one place is free again
  ASSERT_TRUE(one.refused("channel.closed"));
  TlsPlug client(one.channels->port(), {.key = &test_key(0)});
  ASSERT_TRUE(client.puts_hello(hello_of(0, 1)));
  EXPECT_TRUE(one.events.wait([&] { return one.events.ups.size() == 1; })) << one.events.all();
}

TEST(Refusal, an_old_handshake_gives_way_when_all_places_are_taken) {
  ManualClock clock;
  Alone one([&](Options& o) { o.clock = &clock; });
  std::vector<std::unique_ptr<Plug>> plugs;
  for (std::size_t i = 0; i < kHandshakesMax + 1; ++i) plugs.push_back(std::make_unique<Plug>(one.channels->port()));
  ASSERT_TRUE(one.refused("channel.handshakes")) << "all places are taken";
  clock.advance_ns(1'000'000'000);
  std::unique_ptr<TlsPlug> client;  // more than one, as the round that refused goes on with its own time
  ASSERT_TRUE(detail::eventually([&] {
    client = std::make_unique<TlsPlug>(one.channels->port(), Rules{.key = &test_key(0)});
    return client->puts_hello(hello_of(0, 1));
  }));
  EXPECT_TRUE(one.events.wait([&] { return one.events.ups.size() == 1; })) << one.events.all();
  EXPECT_EQ(one.events.told(&Events::refused, "its place is wanted"), 1u);
  EXPECT_TRUE(plugs.front()->closed_by_peer()) << "the oldest";
}

TEST(Refusal, refusals_are_all_counted_and_told) {
  Alone one;
  for (std::size_t i = 1; i <= 5; ++i) {
    TlsPlug client(one.channels->port(), {.key = &test_key(0)});
    ASSERT_TRUE(client.puts_hello(hello_of(2, 1)));
    ASSERT_TRUE(one.refused("0 channel.wrong_identity", i)) << one.events.all();
    EXPECT_EQ(one.channels->stats(0)->refusals, i);
  }
}

TEST(Refusal, bytes_behind_a_hello_that_waits_for_its_judgement) {
  std::latch entered(1), released(1);
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    o.timing.dead_after_ms = o.timing.twin_answer_ms = 60'000;
    if (o.self == 0)
      o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) {
        entered.count_down();
        released.wait();
      };
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[1]->send(0, Priority::kVote, kSmall, body("hold")));
  entered.wait();  // the first process answers no ping
  TlsPlug second(pair.sides[1]->port(), {.key = &test_key(0)});
  Bytes bytes = encode(hello_of(0, 1));
  bytes.push_back(0);
  ASSERT_TRUE(second.put(bytes));
  Events& events = pair.events[1];
  EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, "channel.bad_hello") == 1; })) << events.all();
  EXPECT_TRUE(events.empty(&Events::downs));
  released.count_down();
}

TEST(Refusal, a_handshake_that_does_not_go_on_is_cut) {
  Alone one([](Options& o) { o.timing.handshake_ms = 30; });
  Plug idle(one.channels->port());
  EXPECT_TRUE(idle.closed_by_peer());
  TlsPlug no_hello(one.channels->port(), {.key = &test_key(0)});
  ASSERT_TRUE(no_hello.shaken());
  EXPECT_TRUE(one.refused("0 channel.silent")) << one.events.all();
  EXPECT_EQ(one.events.told(&Events::refused, "channel.silent"), 2u);
}

TEST(Refusal, a_second_process_with_a_peers_key_is_found_and_the_first_stays) {
  Pair pair;
  ASSERT_TRUE(pair.open());
  ASSERT_TRUE(pair.up());
  Events twin;
  Options o = test_options(0, 2, twin);
  o.peers[0].address = local(pair.sides[1]->port());
  auto second = Channels::open(std::move(o));
  ASSERT_TRUE(second);
  Events& events = pair.events[1];
  ASSERT_TRUE(events.wait([&] { return !events.twins.empty(); })) << events.all();
  EXPECT_EQ(events.first_twin(), 0);
  EXPECT_GE(events.told(&Events::refused, "0 channel.twin"), 1u);
  EXPECT_TRUE(twin.empty(&Events::ups)) << "it never heard a hello";
  EXPECT_TRUE(events.empty(&Events::downs)) << events.all();
  ASSERT_TRUE(pair.sides[0]->send(1, Priority::kVote, kSmall, body("still here")));
  EXPECT_TRUE(events.wait([&] { return events.frames.size() == 1; }));
}

TEST(Refusal, a_second_process_takes_over_when_the_first_does_not_answer) {
  std::latch entered(1), released(1);
  Pair pair;
  ASSERT_TRUE(pair.open([&](Options& o) {
    o.timing.dead_after_ms = 60'000;
    o.timing.twin_answer_ms = 30;
    if (o.self == 0)
      o.callbacks.on_frame = [&](std::uint16_t, std::uint8_t, Bytes) {
        entered.count_down();
        released.wait();
      };
  }));
  ASSERT_TRUE(pair.up());
  ASSERT_TRUE(pair.sides[1]->send(0, Priority::kVote, kSmall, body("hold")));
  entered.wait();
  Events next;
  Options o = test_options(0, 2, next);
  o.peers[0].address = local(pair.sides[1]->port());
  auto second = Channels::open(std::move(o));
  ASSERT_TRUE(second);
  EXPECT_TRUE(next.wait([&] { return next.ups.size() == 1; })) << next.all();
  Events& events = pair.events[1];
  EXPECT_TRUE(events.wait([&] { return events.ups.size() == 2; })) << events.all();
  EXPECT_EQ(events.told(&Events::downs, "channel.silent"), 1u);
  EXPECT_TRUE(events.empty(&Events::twins));
  released.count_down();
}

TEST(Refusal, a_second_process_with_our_own_key_is_found_by_both) {
  Events first_events, second_events;
  auto first = Channels::open(test_options(0, 2, first_events));
  ASSERT_TRUE(first);
  Options o = test_options(0, 2, second_events);
  o.peers[0].address = local((*first)->port());
  auto second = Channels::open(std::move(o));
  ASSERT_TRUE(second);
  for (Events* events : {&first_events, &second_events}) {
    ASSERT_TRUE(events->wait([&] { return !events->twins.empty(); })) << events->all();
    EXPECT_EQ(events->first_twin(), 0);
    EXPECT_TRUE(events->empty(&Events::ups));
  }
}

TEST(Refusal, ourselves_are_no_twin) {
  Events events;
  auto one = Channels::open(test_options(0, 2, events));
  ASSERT_TRUE(one);
  ASSERT_TRUE((*one)->set_peer_address(1, local((*one)->port())));
  EXPECT_TRUE(events.wait([&] { return Events::count(events.refused, "found ourselves") >= 2; })) << events.all();
  EXPECT_TRUE(events.empty(&Events::twins));
}

}  // namespace
}  // namespace hanse::channel

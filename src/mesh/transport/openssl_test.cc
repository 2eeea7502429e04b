// A foreign peer: OpenSSL's own QUIC, as the program openssl. It cannot send our network tag, so the endpoint that it
// dials admits hellos without one.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/quic.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/core/text.h"
#include "base/crypto/tls_key.h"
#include "mesh/transport/detail/test_world.h"
#include "mesh/transport/driver.h"

namespace hanse::transport {
namespace {

using namespace detail;  // NOLINT: keys and options of the tests

constexpr std::int64_t kPatienceNs = 20'000'000'000;

// The program with its input and output in our hands.
class Program {
 public:
  explicit Program(const std::vector<std::string>& words) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      dup2(out[1], 2);
      std::vector<char*> argv;
      for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
    fcntl(out_, F_SETFL, O_NONBLOCK);
  }
  ~Program() { end(); }
  void write_all(ByteView bytes) { EXPECT_EQ(write(in_, bytes.data(), bytes.size()), std::ssize(bytes)); }
  const std::string& said() {
    char buffer[4096];
    for (ssize_t n = 0; (n = read(out_, buffer, sizeof buffer)) > 0;) said_.append(buffer, static_cast<std::size_t>(n));
    return said_;
  }
  int end() {
    if (pid_ <= 0) return -1;
    close(in_);
    kill(pid_, SIGTERM);
    int status = 0;
    waitpid(pid_, &status, 0);
    close(out_);
    pid_ = -1;
    return status;
  }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    close(in_);
    close(out_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string said_;
};

struct Listener {
  explicit Listener(bool admit_untagged) {
    DriverOptions o;
    o.endpoint = test_options(2);
    o.endpoint.admit_untagged = admit_untagged;
    o.on_event = [this](Endpoint&, Event event) { events.push_back(std::move(event)); };
    driver = std::move(*Driver::open(std::move(o)));
  }
  const Event* first(Event::Type type) const {
    for (const Event& e : events)
      if (e.type == type) return &e;
    return nullptr;
  }
  bool until(const std::function<bool()>& done) {
    const std::int64_t end = system_clock().mono_ns() + kPatienceNs;
    while (!done() && system_clock().mono_ns() < end)
      if (!driver->turn(5'000'000)) return false;
    return done();
  }
  std::unique_ptr<Driver> driver;
  std::vector<Event> events;
};

class Openssl : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + text("hanse-openssl-{}", getpid());
    std::filesystem::create_directory(folder_);
    key_ = folder_ + "/key.pem";
    certificate_ = folder_ + "/cert.pem";
    ASSERT_EQ(Program({"openssl", "req", "-x509", "-newkey", "mldsa65", "-noenc", "-subj", "/CN=peer", "-keyout", key_,
                       "-out", certificate_})
                  .wait(),
              0);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> dial(const Listener& to, const char* groups = "X25519MLKEM768",
                                const char* alpn = "hanse/1") const {
    return {"openssl",
            "s_client",
            "-quic",
            "-quiet",
            "-connect",
            address_text(to.driver->addresses()[0]),
            "-enable_server_rpk",
            "-enable_client_rpk",
            "-groups",
            groups,
            "-alpn",
            alpn,
            "-key",
            key_,
            "-cert",
            certificate_};
  }
  Bytes hello_frame() const {
    Hello hello;
    hello.network = test_options(2).network;
    const Bytes body = encode(hello);
    const FrameHead head = frame_head(kHelloFrame, body.size());
    Bytes out = to_bytes(ByteView(head.bytes).first(head.size));
    append(out, body);
    return out;
  }
  std::string folder_, key_, certificate_;
};

TEST_F(Openssl, connects_with_a_raw_mldsa_key_and_sees_hello) {
  Listener listener(true);
  Program client(dial(listener));
  ASSERT_TRUE(listener.until([&] {
    client.said();
    return listener.driver->endpoint().connections() == 1;
  })) << client.said();
  client.write_all(hello_frame());
  const std::string expected = std::string(as_text(hello_frame()));
  EXPECT_TRUE(listener.until([&] { return client.said().contains(expected); })) << client.said();
  ASSERT_NE(listener.first(Event::Type::kHello), nullptr);
  EXPECT_FALSE(listener.first(Event::Type::kUp)->peer.is_zero());
}

TEST_F(Openssl, is_refused_where_a_network_tag_is_asked_for) {
  Listener listener(false);
  Program client(dial(listener));
  ASSERT_TRUE(listener.until([&] { return listener.first(Event::Type::kDown) != nullptr; })) << client.said();
  EXPECT_EQ(listener.first(Event::Type::kDown)->error->id(), "transport.wrong_network");
}

TEST_F(Openssl, is_refused_with_a_classical_group_or_another_protocol) {
  for (const auto& [groups, alpn] : {std::pair{"X25519", "hanse/1"}, std::pair{"X25519MLKEM768", "h3"}}) {
    Listener listener(true);
    Program client(dial(listener, groups, alpn));
    ASSERT_TRUE(listener.until([&] { return listener.first(Event::Type::kDown) != nullptr; })) << client.said();
    EXPECT_EQ(listener.first(Event::Type::kDown)->error->id(), "transport.tls");
    EXPECT_EQ(listener.first(Event::Type::kUp), nullptr);
  }
}

TEST_F(Openssl, of_another_network_is_refused_by_its_hello) {
  Listener listener(true);
  Program client(dial(listener));
  Bytes frame = hello_frame();
  frame[2 + 4] ^= 1;  // the first byte of the network
  client.write_all(frame);
  ASSERT_TRUE(listener.until([&] { return listener.first(Event::Type::kDown) != nullptr; })) << client.said();
  EXPECT_EQ(listener.first(Event::Type::kDown)->error->id(), "transport.wrong_network");
  EXPECT_EQ(listener.first(Event::Type::kUp), nullptr) << "nothing was delivered before";
}

// OpenSSL's QUIC in this process: a peer that is who it says and breaks our framing.
class Liar {
 public:
  Liar(const Address& to, const crypto::SecretKey& key) {
    context_ = SSL_CTX_new(OSSL_QUIC_client_method());
    const unsigned char rpk[] = {TLSEXT_cert_type_rpk};
    const auto handle = crypto::tls_key(key);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, static_cast<EVP_PKEY*>(handle.get())), 1);
    EXPECT_EQ(SSL_CTX_set1_server_cert_type(context_, rpk, 1), 1);
    EXPECT_EQ(SSL_CTX_set1_client_cert_type(context_, rpk, 1), 1);
    EXPECT_EQ(SSL_CTX_set1_groups_list(context_, "X25519MLKEM768"), 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    in_addr loopback{.s_addr = htonl(INADDR_LOOPBACK)};
    BIO_ADDR* peer = BIO_ADDR_new();
    EXPECT_EQ(BIO_ADDR_rawmake(peer, AF_INET, &loopback, sizeof loopback, htons(to.port)), 1);
    connection_ = SSL_new(context_);
    const unsigned char alpn[] = "\x07hanse/1";
    SSL_set_fd(connection_, fd_);
    SSL_set_blocking_mode(connection_, 0);
    SSL_set1_initial_peer_addr(connection_, peer);
    BIO_ADDR_free(peer);
    SSL_set_alpn_protos(connection_, alpn, 8);
    SSL_set_default_stream_mode(connection_, SSL_DEFAULT_STREAM_MODE_NONE);
  }
  ~Liar() {
    for (SSL* stream : streams_) SSL_free(stream);
    SSL_free(connection_);
    SSL_CTX_free(context_);
    close(fd_);
  }
  bool connected() { return SSL_connect(connection_) == 1; }
  void turn() { SSL_handle_events(connection_); }
  // Opens a stream and says this on it.
  SSL* say(ByteView bytes) {
    SSL* stream = SSL_new_stream(connection_, 0);
    streams_.push_back(stream);
    std::size_t wrote = 0;
    EXPECT_EQ(SSL_write_ex(stream, bytes.data(), bytes.size(), &wrote), 1);
    return stream;
  }

 private:
  SSL_CTX* context_ = nullptr;
  SSL* connection_ = nullptr;
  std::vector<SSL*> streams_;
  int fd_ = -1;
};

struct Lie : Listener {
  Lie() : Listener(true), liar(driver->addresses()[0], test_key(1)) {
    EXPECT_TRUE(until([&] { return liar.connected(); }));
  }
  std::string refused_as() {
    until([&] {
      liar.turn();
      return first(Event::Type::kDown) != nullptr;
    });
    EXPECT_EQ(first(Event::Type::kEnd), nullptr);
    EXPECT_EQ(first(Event::Type::kFrame), nullptr);
    return first(Event::Type::kDown) != nullptr ? std::string(first(Event::Type::kDown)->error->id()) : "";
  }
  Liar liar;
};

TEST_F(Openssl, that_ends_a_stream_inside_a_frame_is_refused_and_nothing_is_delivered) {
  Lie lie;
  lie.liar.say(hello_frame());
  SSL* stream = lie.liar.say(Bytes{kEcho, 0, 10, 5, 1, 2, 3});
  EXPECT_EQ(SSL_stream_conclude(stream, 0), 1);
  EXPECT_EQ(lie.refused_as(), "transport.bad_frame");
}

TEST_F(Openssl, that_opens_a_stream_before_it_has_shown_its_network_is_refused) {
  Lie lie;
  lie.liar.say(Bytes{hello_frame()[0]});
  lie.liar.say(Bytes{kEcho, 0, 1, 5, 1});
  EXPECT_EQ(lie.refused_as(), "transport.bad_frame");
  EXPECT_EQ(lie.first(Event::Type::kUp), nullptr);
}

TEST_F(Openssl, that_ends_or_repeats_its_control_stream_is_refused) {
  for (const bool repeats : {false, true}) {
    Lie lie;
    Bytes bytes = hello_frame();
    if (repeats) append(bytes, hello_frame());
    SSL* control = lie.liar.say(bytes);
    EXPECT_TRUE(repeats || SSL_stream_conclude(control, 0) == 1);
    EXPECT_EQ(lie.refused_as(), "transport.bad_frame");
  }
}

}  // namespace
}  // namespace hanse::transport

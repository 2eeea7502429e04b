// What a connection costs: CPU of a handshake, CPU of bulk, memory. One JSON line a figure.
// Handshakes and memory: two endpoints in virtual time, so that nothing but the protocol is counted; the floor of a
// handshake are its bare signatures, verifications and key agreement in the same run. Bulk: two processes over UDP on
// loopback, 512 MB, CPU seconds of each side; the peer is OpenSSL's own QUIC in the same run, two processes as well.
// Connects: two endpoints of one process on loopback, wall clock and CPU; the peer is iroh, whose keys are classical,
// if $HANSE_IROH names a folder in which `npm install @number0/iroh` was run.
#include <arpa/inet.h>
#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/quic.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/core/check.h"
#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/crypto/tls_key.h"
#include "mesh/transport/detail/test_world.h"
#include "mesh/transport/driver.h"

namespace {

using namespace hanse;  // NOLINT: one small program
using namespace hanse::transport;
using namespace hanse::transport::detail;

constexpr std::uint64_t kBulkBytes = 512u << 20;

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

double rss_kib() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  long pages = 0, resident = 0;
  check(f != nullptr && std::fscanf(f, "%ld %ld", &pages, &resident) == 2, "statm is read");
  std::fclose(f);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

void line(std::string_view name, double value, std::string_view unit, double floor, std::string_view floor_what) {
  std::printf("%s\n", text("{{\"room\":\"transport\",\"name\":\"{}\",\"value\":{:.3f},\"unit\":\"{}\",\"floor\":{:.3f},"
                           "\"floor_what\":\"{}\",\"ratio\":{:.4f}}}",
                           name, value, unit, floor, floor_what, floor > 0 ? value / floor : 0)
                          .c_str());
  std::fflush(stdout);
}

template <class F>
double us_each(int count, F&& work) {
  const double before = cpu_seconds();
  for (int i = 0; i < count; ++i) work();
  return (cpu_seconds() - before) / count * 1e6;
}

EVP_PKEY* generate(const char* name) { return EVP_PKEY_Q_keygen(nullptr, nullptr, name); }

// Two bare signatures, two bare verifications, one key agreement: what no implementation can leave out.
double handshake_floor_us(crypto::SigAlg alg) {
  auto key = crypto::tls_key(test_key(1, alg));
  auto* pkey = static_cast<EVP_PKEY*>(key.get());
  const std::uint8_t message[130] = {};
  Bytes signature(8192);
  std::size_t size = 0;
  const double sign = us_each(600, [&] {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    size = signature.size();
    check(EVP_DigestSignInit_ex(context, nullptr, nullptr, nullptr, nullptr, pkey, nullptr) == 1 &&
              EVP_DigestSign(context, signature.data(), &size, message, sizeof message) == 1,
          "it signs");
    EVP_MD_CTX_free(context);
  });
  const double verify = us_each(200, [&] {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    check(EVP_DigestVerifyInit_ex(context, nullptr, nullptr, nullptr, nullptr, pkey, nullptr) == 1 &&
              EVP_DigestVerify(context, signature.data(), size, message, sizeof message) == 1,
          "it verifies");
    EVP_MD_CTX_free(context);
  });
  const double agree = us_each(200, [&] {
    EVP_PKEY* mine = generate("X25519MLKEM768");
    EVP_PKEY_CTX* wrap = EVP_PKEY_CTX_new(mine, nullptr);
    EVP_PKEY_CTX* open = EVP_PKEY_CTX_new(mine, nullptr);
    std::uint8_t sealed[2048], secret[128];
    std::size_t sealed_size = sizeof sealed, secret_size = sizeof secret;
    check(EVP_PKEY_encapsulate_init(wrap, nullptr) == 1 &&
              EVP_PKEY_encapsulate(wrap, sealed, &sealed_size, secret, &secret_size) == 1 &&
              EVP_PKEY_decapsulate_init(open, nullptr) == 1 &&
              EVP_PKEY_decapsulate(open, secret, &secret_size, sealed, sealed_size) == 1,
          "they agree");
    EVP_PKEY_CTX_free(wrap);
    EVP_PKEY_CTX_free(open);
    EVP_PKEY_free(mine);
  });
  return 2 * sign + 2 * verify + agree;
}

void handshakes(crypto::SigAlg alg, bool again, const char* name) {
  constexpr int kCount = 300;
  World world(1);
  Options a = test_options(1, alg), b = test_options(2, alg);
  a.remember_visits = again;
  a.limits.connections_max = b.limits.connections_max = b.limits.inbound_max = 4096;
  world.add(std::move(a));
  world.add(std::move(b));
  const double before = cpu_seconds();
  for (int i = 0; i < kCount; ++i) {
    world.dial(0, 1);
    world.nodes[0].events.clear();
    check(world.run(1000 * kMs, [&] { return world.nodes[0].first(Event::Type::kHello) != nullptr; }), "it connects");
    world.run(200 * kMs);  // what comes behind the handshake is part of it
  }
  const double each = (cpu_seconds() - before) / kCount * 1e6;
  line(name, each, "us cpu, both ends", handshake_floor_us(alg), "2 bare signs, 2 bare verifies, 1 key agreement");
}

void memory() {
  constexpr std::size_t kCount = 1000;
  World world(1);
  for (int number : {1, 2}) {
    Options o = test_options(number);
    o.limits.connections_max = o.limits.inbound_max = o.limits.handshakes_max = kCount;
    o.limits.idle_ms = 3'600'000;
    o.remember_visits = false;
    world.add(std::move(o));
  }
  world.dial(0, 1);
  world.run(1000 * kMs);
  malloc_trim(0);
  const double before = rss_kib();
  for (std::size_t i = 1; i < kCount; ++i) {
    world.dial(0, 1);
    world.run(300 * kMs);
    for (Node& node : world.nodes) std::vector<Event>().swap(node.events);
  }
  check(world.nodes[1].endpoint->connections() == kCount, "all are up");
  line("memory of one side of a connection", (rss_kib() - before) / (2.0 * (kCount - 1)), "KiB resident", 90, "limit");
}

void failed_dials() {
  World world(1);
  world.add(test_options(1));
  world.add(test_options(2));
  world.filter = [](Datagram&) { return false; };
  const auto round = [&] {
    for (int i = 0; i < 500; ++i) world.dial(0, 1);
    world.run(11'000 * kMs);
    check(world.nodes[0].endpoint->connections() == 0, "all have timed out");
    std::vector<Event>().swap(world.nodes[0].events);
  };
  round();
  const double before = rss_kib();
  for (int i = 0; i < 20; ++i) round();
  line("memory kept after 10,000 dials into nothing", std::max(rss_kib() - before, 0.0), "KiB resident", 4096, "limit");
}

struct Cost {
  double send = 0, receive = 0, wall = 0;
};

double gbit_per_cpu_s(double cpu) { return static_cast<double>(kBulkBytes) * 8 / 1e9 / cpu; }

// Runs both in processes of their own; each answers its CPU seconds for the transfer itself.
Cost in_two_processes(const std::function<double(int port_fd)>& receiver,
                      const std::function<double(int port_fd)>& sender) {
  int port[2], results[2][2];
  check(pipe(port) == 0 && pipe(results[0]) == 0 && pipe(results[1]) == 0, "pipes are made");
  const double start = static_cast<double>(system_clock().mono_ns()) / 1e9;
  pid_t children[2];
  for (int i : {0, 1}) {
    children[i] = fork();
    if (children[i] != 0) continue;
    const double cpu = i == 0 ? receiver(port[1]) : sender(port[0]);
    check(write(results[i][1], &cpu, sizeof cpu) == sizeof cpu, "the result is told");
    _exit(0);
  }
  Cost out;
  check(read(results[0][0], &out.receive, sizeof out.receive) == sizeof out.receive &&
            read(results[1][0], &out.send, sizeof out.send) == sizeof out.send,
        "both sides end");
  for (pid_t child : children) waitpid(child, nullptr, 0);
  out.wall = static_cast<double>(system_clock().mono_ns()) / 1e9 - start;
  for (const auto& p : {port, results[0], results[1]}) close(p[0]), close(p[1]);
  return out;
}

double hanse_receiver(int port_fd, bool segments) {
  std::uint64_t got = 0;
  double before = 0;
  bool down = false;
  DriverOptions o;
  o.endpoint = test_options(2);
  o.segments = segments;
  o.on_event = [&](Endpoint& endpoint, Event event) {
    if (event.type == Event::Type::kHello) before = cpu_seconds();
    down |= event.type == Event::Type::kDown;
    if (event.type != Event::Type::kFrame) return;
    got += event.body.size();
    const ConnectionId id = event.connection;
    endpoint.consumed(std::move(event));
    if (got >= kBulkBytes) endpoint.close(id, CloseCode::kDone, system_clock().mono_ns());
  };
  auto driver = std::move(*Driver::open(std::move(o)));
  const std::uint16_t bound = driver->addresses()[0].port;
  check(write(port_fd, &bound, sizeof bound) == sizeof bound, "the port is told");
  while (!down) check(driver->turn(100'000'000).has_value(), "it turns");
  const double cpu = cpu_seconds() - before;
  for (int i = 0; i < 4; ++i) check(driver->turn(1'000'000).has_value(), "it says farewell");
  return cpu;
}

double hanse_sender(int port_fd, bool segments) {
  std::uint16_t bound = 0;
  check(read(port_fd, &bound, sizeof bound) == sizeof bound, "the port is heard");
  bool up = false, down = false;
  ConnectionId id = 0;
  StreamId stream = -1;
  std::uint64_t queued = 0;
  double before = 0;
  const auto body = std::make_shared<const Bytes>(kFrameBodyMax, std::uint8_t{7});
  const auto fill = [&](Endpoint& endpoint) {
    while (queued < kBulkBytes && endpoint.send(id, stream, 1, body)) queued += body->size();
  };
  DriverOptions o;
  o.endpoint = test_options(1);
  o.segments = segments;
  o.on_event = [&](Endpoint& endpoint, Event event) {
    down |= event.type == Event::Type::kDown;
    if (event.type == Event::Type::kUp) {
      up = true;
      before = cpu_seconds();
      stream = *endpoint.open_stream(id, kBulkProtocol);
    }
    if (event.type == Event::Type::kUp || event.type == Event::Type::kRoom) fill(endpoint);
  };
  auto driver = std::move(*Driver::open(std::move(o)));
  const Address there = *parse_address(text("127.0.0.1:{}", bound));
  id = *driver->dial(there, crypto::account_id(test_key(2).public_key()));
  while (!down) check(driver->turn(100'000'000).has_value(), "it turns");
  check(up && queued >= kBulkBytes, "all was sent");
  return cpu_seconds() - before;
}

SSL_CTX* openssl_context(const SSL_METHOD* method, int number) {
  SSL_CTX* context = SSL_CTX_new(method);
  const auto key = crypto::tls_key(test_key(number));
  const unsigned char rpk[] = {TLSEXT_cert_type_rpk};
  check(context != nullptr && SSL_CTX_use_PrivateKey(context, static_cast<EVP_PKEY*>(key.get())) == 1 &&
            SSL_CTX_set1_server_cert_type(context, rpk, 1) == 1 &&
            SSL_CTX_set1_groups_list(context, "X25519MLKEM768") == 1,
        "OpenSSL takes our key");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned, void*) {
        *out = in + 1;
        *size = in[0];
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  return context;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int udp_socket() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  const sockaddr_in any = loopback(0);
  check(bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0, "loopback binds");
  return fd;
}

double openssl_receiver(int port_fd) {
  SSL_CTX* context = openssl_context(OSSL_QUIC_server_method(), 2);
  const int fd = udp_socket();
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  SSL* listener = SSL_new_listener(context, 0);
  check(listener != nullptr && SSL_set_fd(listener, fd) == 1 && SSL_listen(listener) == 1, "OpenSSL listens");
  const std::uint16_t port = ntohs(bound.sin_port);
  check(write(port_fd, &port, sizeof port) == sizeof port, "the port is told");
  SSL* connection = SSL_accept_connection(listener, 0);
  check(connection != nullptr, "OpenSSL accepts");
  Bytes buffer(kFrameBodyMax);
  double before = 0;
  std::uint64_t got = 0;
  std::size_t more = 0;
  while (got < kBulkBytes && SSL_read_ex(connection, buffer.data(), buffer.size(), &more) == 1) {
    if (got == 0) before = cpu_seconds();
    got += more;
  }
  check(got >= kBulkBytes, "OpenSSL got all");
  const double cpu = cpu_seconds() - before;
  check(SSL_write_ex(connection, "k", 1, &more) == 1, "OpenSSL answers");
  SSL_shutdown_ex(connection, SSL_SHUTDOWN_FLAG_RAPID, nullptr, 0);
  return cpu;
}

double openssl_sender(int port_fd) {
  std::uint16_t port = 0;
  check(read(port_fd, &port, sizeof port) == sizeof port, "the port is heard");
  SSL_CTX* context = openssl_context(OSSL_QUIC_client_method(), 1);
  const int fd = udp_socket();
  const sockaddr_in there = loopback(port);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0, "it connects");
  SSL* connection = SSL_new(context);
  BIO_ADDR* peer = BIO_ADDR_new();
  check(BIO_ADDR_rawmake(peer, AF_INET, &there.sin_addr, sizeof there.sin_addr, there.sin_port) == 1, "an address");
  const unsigned char alpn[] = "\x07hanse/1";
  check(SSL_set_fd(connection, fd) == 1 && SSL_set1_initial_peer_addr(connection, peer) == 1 &&
            SSL_set_alpn_protos(connection, alpn, 8) == 0 && SSL_connect(connection) == 1,
        "OpenSSL connects");
  const double before = cpu_seconds();
  const Bytes body(kFrameBodyMax, 7);
  for (std::uint64_t sent = 0; sent < kBulkBytes; sent += body.size()) {
    std::size_t wrote = 0;
    check(SSL_write_ex(connection, body.data(), body.size(), &wrote) == 1 && wrote == body.size(), "OpenSSL sends");
  }
  std::uint8_t answer = 0;
  std::size_t got = 0;
  (void)SSL_read_ex(connection, &answer, 1, &got);
  return cpu_seconds() - before;
}

void bulk() {
  const Cost peer = in_two_processes(openssl_receiver, openssl_sender);
  const Cost ours =
      in_two_processes([](int fd) { return hanse_receiver(fd, true); }, [](int fd) { return hanse_sender(fd, true); });
  const Cost single = in_two_processes([](int fd) { return hanse_receiver(fd, false); },
                                       [](int fd) { return hanse_sender(fd, false); });
  constexpr const char* kUnit = "Gbit a cpu second";
  line("bulk send", gbit_per_cpu_s(ours.send), kUnit, gbit_per_cpu_s(peer.send), "OpenSSL's QUIC, send");
  line("bulk receive", gbit_per_cpu_s(ours.receive), kUnit, gbit_per_cpu_s(peer.receive), "OpenSSL's QUIC, receive");
  line("bulk send, one datagram a call", gbit_per_cpu_s(single.send), kUnit, gbit_per_cpu_s(peer.send),
       "OpenSSL's QUIC, send");
  line("bulk receive, one datagram a call", gbit_per_cpu_s(single.receive), kUnit, gbit_per_cpu_s(peer.receive),
       "OpenSSL's QUIC, receive");
  line("bulk, wall clock", static_cast<double>(kBulkBytes) * 8 / 1e9 / ours.wall, "Gbit/s",
       static_cast<double>(kBulkBytes) * 8 / 1e9 / peer.wall, "OpenSSL's QUIC, wall clock");
}

struct Connects {
  double p50_ms = 0, cpu_ms = 0;
};
constexpr int kConnects = 300;

Connects our_connects() {
  int up = 0;
  const auto driver = [&](int number) {
    DriverOptions o;
    o.endpoint = test_options(number);
    o.endpoint.remember_visits = false;
    o.on_event = [&up, number](Endpoint&, Event event) {
      if (event.type == Event::Type::kUp && number == 1) ++up;
    };
    return std::move(*Driver::open(std::move(o)));
  };
  const auto a = driver(1), b = driver(2);
  std::vector<double> times;
  const double before = cpu_seconds();
  for (int i = 0; i < kConnects; ++i) {
    const std::int64_t began = system_clock().mono_ns();
    const ConnectionId here = *a->dial(b->addresses()[0], b->endpoint().id());
    while (up <= i) {
      check(a->turn(0).has_value() && b->turn(0).has_value(), "turns");
    }
    times.push_back(static_cast<double>(system_clock().mono_ns() - began) / 1e6);
    for (int turn = 0; turn < 20; ++turn) check(a->turn(0).has_value() && b->turn(0).has_value(), "turns");
    a->endpoint().close(here, CloseCode::kDone, a->now_ns());
  }
  std::ranges::sort(times);
  return {times[kConnects / 2], (cpu_seconds() - before) * 1000 / kConnects};
}

void connects() {
  Connects peer;
  std::string_view what = "iroh: $HANSE_IROH names no folder of it";
  if (const char* folder = std::getenv("HANSE_IROH"); folder != nullptr) {
    const char* root = std::getenv("HANSE_ROOT");
    const std::string command =
        text("node {}/tools/iroh_connect.mjs '{}' {} 2>/dev/null", root != nullptr ? root : ".", folder, kConnects);
    std::FILE* told = popen(command.c_str(), "r");
    check(told != nullptr && std::fscanf(told, "%lf %lf", &peer.p50_ms, &peer.cpu_ms) == 2, "iroh connects");
    pclose(told);
    what = "iroh, Ed25519 and X25519";
  }
  const Connects ours = our_connects();
  line("connect on loopback, median", ours.p50_ms, "ms", peer.p50_ms, what);
  line("connect on loopback, CPU of both ends", ours.cpu_ms, "ms", peer.cpu_ms, what);
}

}  // namespace

// Without arguments all; else those that are named: bulk connects handshakes memory.
int main(int count, char** names) {
  const auto wanted = [&](std::string_view name) {
    return count == 1 ||
           std::ranges::any_of(std::span(names + 1, names + count), [&](const char* n) { return n == name; });
  };
  if (wanted("bulk")) bulk();  // first: it forks
  if (wanted("connects")) connects();
  if (wanted("handshakes")) {
    handshakes(crypto::SigAlg::kMlDsa65, false, "handshake with ML-DSA-65");
    handshakes(crypto::SigAlg::kMlDsa87, false, "handshake with ML-DSA-87");
    handshakes(crypto::SigAlg::kMlDsa65, true, "handshake with a ticket");
  }
  if (wanted("memory")) {
    memory();
    failed_dials();
  }
  return 0;
}

#include "mesh/nat/turn.h"

#include <gtest/gtest.h>

#include <deque>

namespace hanse::nat {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const Endpoint kOne = *parse_endpoint("198.51.100.1:3478"), kTwo = *parse_endpoint("198.51.100.2:3478");
const Endpoint kPeer = *parse_endpoint("203.0.113.9:7000"), kUs = *parse_endpoint("203.0.113.5:12000");

// A server that checks what RFC 8656 wants checked, and refuses as its script says.
class Script {
 public:
  explicit Script(const Endpoint& at) : at_(at) {}

  std::optional<Bytes> handle(const Bytes& request) {
    if ((request[0] & 0xf0) == 0x40) {
      relayed.push_back(request);
      return std::nullopt;
    }
    const auto m = decode_stun(request);
    if (!m || silent) return std::nullopt;
    if (m->kind == StunClass::kIndication) {
      relayed.push_back(*m->data);
      return std::nullopt;
    }
    seen.push_back(*m);
    StunMessage reply;
    reply.method = m->method;
    reply.id = m->id;
    const bool strong = !algorithms.empty();
    const Bytes key = long_term_key({"alice", "secret"}, realm, strong ? kAlgorithmSha256 : kAlgorithmMd5);
    const StunSeal seal{strong ? Integrity::kSha256 : Integrity::kSha1, key, false};
    if (!m->realm) return refuse(reply, 401, {});
    if (!integrity_ok(*m, request, seal.integrity, key) || m->realm != realm) return refuse(reply, 401, {});
    if (m->nonce != nonce) return refuse(reply, 438, {});
    if (strong && m->password_algorithms != algorithms) return refuse(reply, 400, seal);
    if (!codes.empty()) {
      const std::uint16_t code = codes.front();
      codes.pop_front();
      if (code != 0) return refuse(reply, code, seal);
    }
    reply.kind = StunClass::kSuccess;
    answer(*m, reply);
    return encode_stun(reply, seal);
  }

  std::string realm = "example.org", nonce = "n1";
  std::vector<std::uint16_t> algorithms;
  std::deque<std::uint16_t> codes;  // one a sealed request; 0 lets it through
  Endpoint alternate;
  bool silent = false;
  std::vector<StunMessage> seen;
  std::vector<Bytes> relayed;
  std::uint32_t lifetime_s = 600;

 private:
  Bytes refuse(StunMessage& reply, std::uint16_t code, const StunSeal& seal) {
    reply.kind = StunClass::kError;
    reply.error = ErrorCode{code, "scripted"};
    if (code == 401 || code == 438) reply.realm = realm, reply.nonce = nonce, reply.password_algorithms = algorithms;
    if (code == 300) reply.alternate_server = alternate;
    return encode_stun(reply, seal);
  }
  void answer(const StunMessage& m, StunMessage& reply) const {
    if (m.method == StunMethod::kAllocate) {
      EXPECT_EQ(m.requested_transport, 17);
      reply.xor_relayed = Endpoint{at_.ip, 50000};
      reply.xor_mapped = kUs;
    }
    if (m.method == StunMethod::kAllocate || m.method == StunMethod::kRefresh)
      reply.lifetime_s = m.lifetime_s == 0u ? 0 : lifetime_s;
  }

  Endpoint at_;
};

struct Bench {
  explicit Bench(TurnOptions options = {}) : random(9) {
    if (options.servers.empty()) options.servers = {kOne, kTwo};
    if (options.credential.username.empty()) options.credential = {"alice", "secret"};
    turn.emplace(std::move(*TurnClient::create(std::move(options), random)));
  }
  void start() {
    turn->start(now_ns, out);
    settle();
  }
  void settle() {  // all that is sent is answered at once
    while (!out.empty()) {
      Outbox batch;
      batch.swap(out);
      for (const Datagram& d : batch) {
        sockets.push_back(d.socket);
        const auto reply = servers.at(d.to).handle(d.bytes);
        if (reply) turn->receive(d.socket, d.to, *reply, now_ns, out);
      }
    }
  }
  void advance(std::int64_t to_ns) {
    for (;;) {
      const auto next = turn->next_ns();
      if (!next || *next > to_ns) break;
      now_ns = std::max(now_ns, *next);
      turn->tick(now_ns, out);
      settle();
    }
    now_ns = to_ns;
  }
  std::size_t count(const Endpoint& server, StunMethod method) {
    const auto& seen = servers.at(server).seen;
    return static_cast<std::size_t>(
        std::count_if(seen.begin(), seen.end(), [&](const StunMessage& m) { return m.method == method; }));
  }

  SeededRandom random;
  std::map<Endpoint, Script> servers{{kOne, Script(kOne)}, {kTwo, Script(kTwo)}};
  std::optional<TurnClient> turn;
  Outbox out;
  std::vector<std::uint16_t> sockets;
  std::int64_t now_ns = 0;
};

TEST(Turn, allocates_after_a_401_with_realm_and_nonce) {
  Bench b;
  b.start();
  EXPECT_EQ(b.turn->state(), TurnState::kReady);
  EXPECT_EQ(b.turn->relayed(), (Endpoint{kOne.ip, 50000}));
  EXPECT_EQ(b.turn->mapped(), kUs);
  EXPECT_EQ(b.count(kOne, StunMethod::kAllocate), 2u);
  EXPECT_EQ(b.servers.at(kOne).seen[1].username, "alice");
}

TEST(Turn, uses_sha256_where_the_server_offers_it_and_refuses_to_be_bid_down) {
  Bench b;
  Script& s = b.servers.at(kOne);
  s.algorithms = {kAlgorithmMd5, kAlgorithmSha256};
  s.nonce = "obMatJos2AAABx";  // bit 0: password algorithms
  b.start();
  EXPECT_EQ(b.turn->state(), TurnState::kReady);
  EXPECT_EQ(s.seen[1].password_algorithm, kAlgorithmSha256);
  EXPECT_TRUE(s.seen[1].integrity_sha256_at);
  EXPECT_FALSE(s.seen[1].integrity_at);
  Bench down;
  down.servers.at(kOne).nonce = "obMatJos2AAABx";  // said to be offered, and cut out on the way
  down.start();
  EXPECT_EQ(down.servers.at(kOne).seen.size(), 1u);
  EXPECT_EQ(down.turn->server(), kTwo);
}

TEST(Turn, takes_a_new_nonce_or_realm_at_any_time) {
  Bench b;
  b.start();
  b.servers.at(kOne).nonce = "n2";
  ASSERT_TRUE(b.turn->permit(kPeer.ip, b.now_ns, b.out));
  b.settle();
  EXPECT_TRUE(b.turn->permitted(kPeer.ip));
  EXPECT_EQ(b.turn->counts().stale_nonces, 1u);
  b.servers.at(kOne).realm = "example.net";
  ASSERT_TRUE(b.turn->bind(kPeer, b.now_ns, b.out));
  b.settle();
  EXPECT_TRUE(b.turn->bound(kPeer));
  EXPECT_EQ(b.turn->server(), kOne);
  EXPECT_EQ(b.turn->counts().allocations, 1u);
}

TEST(Turn, a_channel_number_never_serves_a_second_peer) {
  Bench b;
  b.start();
  std::map<std::uint16_t, Endpoint> peers;
  b.servers.at(kOne).codes = {0, 403};  // the second is refused, and forgotten
  for (std::uint16_t port = 1; port <= 4; ++port) {
    ASSERT_TRUE(b.turn->bind({kPeer.ip, port}, 0, b.out));
    b.settle();
    EXPECT_EQ(b.turn->bound({kPeer.ip, port}), port != 2);
  }
  for (const StunMessage& m : b.servers.at(kOne).seen) {
    if (m.method != StunMethod::kChannelBind) continue;
    const auto [at, fresh] = peers.emplace(*m.channel, m.xor_peers[0]);
    EXPECT_EQ(at->second, m.xor_peers[0]);
  }
  EXPECT_EQ(peers.size(), 4u);
}

TEST(Turn, a_wrong_password_is_denied_by_every_server_once) {
  TurnOptions options;
  options.credential = {"alice", "wrong"};
  Bench b(options);
  b.start();
  EXPECT_EQ(b.turn->state(), TurnState::kFailed);
  EXPECT_EQ(b.turn->failure()->id(), "nat.turn_denied");
  EXPECT_EQ(b.count(kOne, StunMethod::kAllocate), 2u);
  EXPECT_EQ(b.count(kTwo, StunMethod::kAllocate), 2u);
}

TEST(Turn, goes_to_the_next_server_when_refused_or_not_answered) {
  for (const std::uint16_t code : {486, 508, 403}) {
    Bench b;
    b.servers.at(kOne).codes = {code};
    b.start();
    EXPECT_EQ(b.turn->state(), TurnState::kReady) << code;
    EXPECT_EQ(b.turn->server(), kTwo) << code;
  }
  Bench b;
  b.servers.at(kOne).silent = true;
  b.start();
  b.advance(39499 * kMs);
  EXPECT_EQ(b.turn->server(), kOne);
  b.advance(39500 * kMs);
  EXPECT_EQ(b.turn->server(), kTwo);
  EXPECT_EQ(b.turn->state(), TurnState::kReady);
  Bench none;
  none.servers.at(kOne).silent = none.servers.at(kTwo).silent = true;
  none.start();
  none.advance(100 * kSecond);
  EXPECT_EQ(none.turn->state(), TurnState::kFailed);
  EXPECT_EQ(none.turn->failure()->id(), "nat.turn_silent");
}

TEST(Turn, follows_an_alternate_server_once) {
  Bench b;
  b.servers.at(kOne).codes = {300};
  b.servers.at(kOne).alternate = kTwo;
  b.servers.at(kTwo).codes = {300};
  b.servers.at(kTwo).alternate = kOne;  // a loop
  b.start();
  EXPECT_EQ(b.turn->state(), TurnState::kFailed);
  EXPECT_EQ(b.turn->failure()->id(), "nat.turn_refused");
  EXPECT_EQ(b.count(kOne, StunMethod::kAllocate), 2u);
  Bench good;
  good.servers.at(kOne).codes = {300};
  good.servers.at(kOne).alternate = kTwo;
  good.start();
  EXPECT_EQ(good.turn->server(), kTwo);
  EXPECT_EQ(good.turn->state(), TurnState::kReady);
}

TEST(Turn, takes_another_socket_after_a_437) {
  TurnOptions options;
  options.sockets = {0, 5};
  Bench b(options);
  b.servers.at(kOne).codes = {437};
  b.start();
  EXPECT_EQ(b.turn->state(), TurnState::kReady);
  EXPECT_EQ(b.sockets.back(), 5);
  EXPECT_EQ(b.turn->server(), kOne);
}

TEST(Turn, keeps_allocation_permission_and_channel_alive) {
  Bench b;
  b.start();
  const Address other = Address::v4(0xcb00710a);
  ASSERT_TRUE(b.turn->permit(other, 0, b.out));
  ASSERT_TRUE(b.turn->bind(kPeer, 0, b.out));
  b.settle();
  b.advance(239 * kSecond);
  EXPECT_EQ(b.count(kOne, StunMethod::kCreatePermission), 1u);
  b.advance(240 * kSecond);
  EXPECT_EQ(b.count(kOne, StunMethod::kCreatePermission), 2u);
  b.advance(539 * kSecond);
  EXPECT_EQ(b.count(kOne, StunMethod::kRefresh), 0u);
  EXPECT_EQ(b.count(kOne, StunMethod::kChannelBind), 1u);
  b.advance(540 * kSecond);
  EXPECT_EQ(b.count(kOne, StunMethod::kRefresh), 1u);
  EXPECT_EQ(b.count(kOne, StunMethod::kChannelBind), 2u);
  b.advance(5400 * kSecond);
  EXPECT_EQ(b.count(kOne, StunMethod::kRefresh), 10u);
  EXPECT_EQ(b.count(kOne, StunMethod::kCreatePermission), 23u);
  for (const StunMessage& m : b.servers.at(kOne).seen)
    EXPECT_TRUE(m.method != StunMethod::kChannelBind || m.channel == kChannelFirst);
}

TEST(Turn, makes_anew_what_the_server_has_lost) {
  Bench b;
  b.start();
  ASSERT_TRUE(b.turn->bind(kPeer, 0, b.out));
  b.settle();
  b.servers.at(kOne).codes = {437};
  b.advance(540 * kSecond);  // its refresh is refused
  EXPECT_EQ(b.turn->state(), TurnState::kReady);
  EXPECT_EQ(b.turn->counts().allocations, 2u);
  EXPECT_TRUE(b.turn->bound(kPeer));
}

TEST(Turn, sends_indications_before_the_channel_and_channel_data_after) {
  Bench b;
  EXPECT_EQ(b.turn->send(kPeer, as_bytes("x"), b.out).error().id(), "nat.turn_down");
  b.start();
  EXPECT_EQ(b.turn->send(kPeer, as_bytes("x"), b.out).error().id(), "nat.turn_permission");
  ASSERT_TRUE(b.turn->permit(kPeer.ip, 0, b.out));
  b.settle();
  ASSERT_TRUE(b.turn->send(kPeer, as_bytes("first"), b.out));
  b.settle();
  ASSERT_TRUE(b.turn->bind(kPeer, 0, b.out));
  b.settle();
  ASSERT_TRUE(b.turn->send(kPeer, as_bytes("second"), b.out));
  b.settle();
  const auto& relayed = b.servers.at(kOne).relayed;
  ASSERT_EQ(relayed.size(), 2u);
  EXPECT_EQ(as_text(relayed[0]), "first");
  EXPECT_EQ(as_text(relayed[1]), std::string_view("\x40\x00\x00\x06second", 10));
  EXPECT_EQ(b.turn->send(kPeer, Bytes(kRelayedBytesMax + 1), b.out).error().id(), "nat.turn_limit");
}

TEST(Turn, delivers_data_of_permitted_peers_from_its_server_only) {
  Bench b;
  b.start();
  ASSERT_TRUE(b.turn->bind(kPeer, 0, b.out));
  b.settle();
  StunMessage m;
  m.kind = StunClass::kIndication;
  m.method = StunMethod::kData;
  m.xor_peers = {kPeer};
  m.data = to_bytes("in");
  const auto deliver = [&](const Endpoint& from, const Bytes& bytes) {
    return b.turn->receive(0, from, bytes, 0, b.out);
  };
  EXPECT_EQ(as_text(deliver(kOne, encode_stun(m))->data), "in");
  EXPECT_FALSE(deliver(kTwo, encode_stun(m)));
  m.xor_peers[0].ip = Address::v4(0x01020304);
  EXPECT_FALSE(deliver(kOne, encode_stun(m)));
  const Bytes channel{0x40, 0, 0, 2, 'o', 'k', 0, 0};
  const auto got = deliver(kOne, channel);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(got->data), "ok");
  EXPECT_EQ(got->peer, kPeer);
  EXPECT_FALSE(deliver(kOne, {0x40, 1, 0, 2, 'o', 'k'}));
  EXPECT_FALSE(deliver(kOne, {0x40, 0, 0, 3, 'o', 'k'}));
  EXPECT_FALSE(deliver(kOne, {0x40}));
}

TEST(Turn, releases_with_lifetime_zero) {
  Bench b;
  b.start();
  b.turn->release(0, b.out);
  EXPECT_EQ(b.turn->state(), TurnState::kReleasing);
  b.settle();
  EXPECT_EQ(b.turn->state(), TurnState::kClosed);
  EXPECT_EQ(b.servers.at(kOne).seen.back().lifetime_s, 0u);
}

TEST(Turn, refuses_over_its_limits) {
  Bench b;
  b.start();
  for (std::uint32_t i = 0; i < kPermissionsMax; ++i) {
    ASSERT_TRUE(b.turn->permit(Address::v4(0x0a000000 + i), 0, b.out));
    ASSERT_TRUE(b.turn->bind({Address::v4(0x0b000000), static_cast<std::uint16_t>(i + 1)}, 0, b.out));
    b.settle();
  }
  EXPECT_EQ(b.turn->permit(Address::v4(0x0c000000), 0, b.out).error().id(), "nat.turn_limit");
  EXPECT_EQ(b.turn->bind({Address::v4(0x0c000000), 1}, 0, b.out).error().id(), "nat.turn_limit");
  SeededRandom random(1);
  EXPECT_EQ(TurnClient::create({}, random).error().id(), "nat.turn_options");
}

}  // namespace
}  // namespace hanse::nat

#include "mesh/nat/reflector.h"

#include <gtest/gtest.h>

#include "mesh/nat/stun_client.h"

namespace hanse::nat {
namespace {

const Endpoint kA = *parse_endpoint("198.51.100.1:3478"), kB = *parse_endpoint("198.51.100.2:3479");
const Endpoint kV6 = *parse_endpoint("[2001:db8::1]:3478"), kV6Other = *parse_endpoint("[2001:db8::2]:3479");
const Endpoint kSource = *parse_endpoint("203.0.113.5:40000");

struct Bench {
  explicit Bench(const ReflectorOptions& options) : random(5), reflector(options, random) {}
  std::optional<StunMessage> ask(const StunMessage& m, const Endpoint& from = kSource) {
    last = reflector.receive(local, from, encode_stun(m, {Integrity::kNone, {}, true}), now_ns);
    if (!last) return std::nullopt;
    return *decode_stun(last->bytes);
  }
  SeededRandom random;
  Reflector reflector;
  Endpoint local = kA;
  std::int64_t now_ns = 0;
  std::optional<Reflection> last;
};

TEST(Reflector, tells_the_source_and_its_second_address) {
  Bench b({kA, kB});
  const auto m = b.ask(binding_request());
  ASSERT_TRUE(m);
  EXPECT_EQ(m->kind, StunClass::kSuccess);
  EXPECT_EQ(m->xor_mapped, kSource);
  EXPECT_EQ(m->response_origin, kA);
  EXPECT_EQ(m->other_address, kB);
  EXPECT_TRUE(m->fingerprint);
  EXPECT_EQ(b.last->from, kA);
  EXPECT_EQ(b.last->to, kSource);
}

TEST(Reflector, answers_from_the_address_and_port_that_were_asked_for) {
  for (const bool ip : {false, true})
    for (const bool port : {false, true}) {
      Bench b({kA, kB});
      StunMessage request = binding_request();
      request.change_request = ChangeRequest{ip, port};
      ASSERT_TRUE(b.ask(request));
      EXPECT_EQ(b.last->from, (Endpoint{ip ? kB.ip : kA.ip, port ? kB.port : kA.port}));
      b.local = kB;
      ASSERT_TRUE(b.ask(request));
      EXPECT_EQ(b.last->from, (Endpoint{ip ? kA.ip : kB.ip, port ? kA.port : kB.port}));
    }
}

TEST(Reflector, with_one_address_refuses_to_change_it) {
  Bench b({kA, std::nullopt});
  StunMessage request = binding_request();
  request.change_request = ChangeRequest{true, true};
  const auto m = b.ask(request);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->error->code, 420);
  EXPECT_EQ(m->unknown_attributes, std::vector<std::uint16_t>{0x0003});
  EXPECT_FALSE(b.ask(binding_request())->other_address);
}

TEST(Reflector, never_answers_with_more_than_one_and_a_half_times_the_request) {
  std::size_t answered = 0, full = 0;
  for (std::size_t software = 0; software < 120; ++software)
    for (const bool v6 : {false, true})
      for (const bool seal : {false, true}) {
        Bench b(v6 ? ReflectorOptions{kV6, kV6Other} : ReflectorOptions{kA, kB});
        StunMessage m;
        if (software > 0) m.software = std::string(software, ' ');
        const Bytes request = encode_stun(m, {Integrity::kNone, {}, seal});
        const auto r = b.reflector.receive(v6 ? kV6 : kA, v6 ? kV6Other : kSource, request, 0);
        if (!r) continue;
        ++answered;
        ASSERT_LE(r->bytes.size() * 2, request.size() * 3);
        const auto answer = decode_stun(r->bytes);
        EXPECT_TRUE(answer->xor_mapped);
        full += answer->other_address && answer->response_origin ? 1 : 0;
      }
  EXPECT_GT(answered, 400u);
  EXPECT_GT(full, 200u);
  Bench b({kA, kB});
  EXPECT_FALSE(b.reflector.receive(kA, kSource, encode_stun({}), 0));  // 20 bytes cannot be answered with 30
  EXPECT_EQ(b.reflector.counts().too_short, 1u);
}

TEST(Reflector, gives_a_source_twenty_answers_a_second) {
  Bench b({kA, kB});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(b.ask(binding_request())) << i;
  EXPECT_FALSE(b.ask(binding_request()));
  EXPECT_FALSE(b.ask(binding_request(), {kSource.ip, 1}));  // another port is the same source
  EXPECT_TRUE(b.ask(binding_request(), *parse_endpoint("203.0.113.6:40000")));
  b.now_ns = 49 * kMs;
  EXPECT_FALSE(b.ask(binding_request()));
  b.now_ns = 50 * kMs;
  EXPECT_TRUE(b.ask(binding_request()));
  EXPECT_FALSE(b.ask(binding_request()));
  EXPECT_EQ(b.reflector.counts().limited, 4u);
}

TEST(Reflector, answers_nothing_but_binding_requests_that_can_be_answered) {
  Bench b({kA, kB});
  StunMessage m = binding_request();
  m.kind = StunClass::kIndication;
  EXPECT_FALSE(b.ask(m));
  m.kind = StunClass::kSuccess;
  EXPECT_FALSE(b.ask(m));
  m.kind = StunClass::kRequest;
  m.method = StunMethod::kAllocate;
  EXPECT_FALSE(b.ask(m));
  EXPECT_FALSE(b.ask(binding_request(), {kSource.ip, 0}));
  EXPECT_FALSE(b.ask(binding_request(), *parse_endpoint("224.0.0.1:9")));
  EXPECT_EQ(b.reflector.counts().not_stun, 5u);
  EXPECT_TRUE(b.ask(binding_request()));
}

}  // namespace
}  // namespace hanse::nat

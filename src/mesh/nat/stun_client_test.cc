#include "mesh/nat/stun_client.h"

#include <gtest/gtest.h>

namespace hanse::nat {
namespace {

const Endpoint kServer = *parse_endpoint("198.51.100.1:3478");
const Endpoint kElsewhere = *parse_endpoint("198.51.100.1:3479");

Bytes answer_to(ByteView request, StunSeal seal = {}) {
  StunMessage m;
  m.kind = StunClass::kSuccess;
  m.id = decode_stun(request)->id;
  m.xor_mapped = *parse_endpoint("203.0.113.5:40000");
  return encode_stun(m, seal);
}

StunRequest ask() { return {0, kServer, binding_request(), {}, std::nullopt, std::nullopt}; }

TEST(StunClient, sends_at_the_times_of_the_rfc_and_gives_up_after_39500_ms) {
  SeededRandom random(1);
  StunClient client(random);
  Outbox out;
  ASSERT_TRUE(client.start(ask(), 0, out));
  std::vector<std::int64_t> sends{0};
  std::int64_t gone_ms = 0;
  while (gone_ms == 0) {
    const std::int64_t next = *client.next_ns();
    Outbox before;
    EXPECT_TRUE(client.tick(next - 1, before).empty());
    EXPECT_TRUE(before.empty());
    Outbox more;
    if (!client.tick(next, more).empty()) gone_ms = next / kMs;
    for (const Datagram& d : more) {
      EXPECT_EQ(d.bytes, out[0].bytes);
      sends.push_back(next / kMs);
    }
  }
  EXPECT_EQ(sends, (std::vector<std::int64_t>{0, 500, 1500, 3500, 7500, 15500, 31500}));
  EXPECT_EQ(gone_ms, 39500);
  EXPECT_EQ(client.pending(), 0u);
}

TEST(StunClient, takes_the_answer_once_and_only_from_the_server_at_the_right_socket) {
  SeededRandom random(2);
  StunClient client(random);
  Outbox out;
  ASSERT_TRUE(client.start(ask(), 0, out));
  const Bytes answer = answer_to(out[0].bytes);
  EXPECT_FALSE(client.receive(0, kElsewhere, answer, 1));
  EXPECT_FALSE(client.receive(1, kServer, answer, 1));
  Bytes other_id = answer;
  other_id[19] ^= 1;
  EXPECT_FALSE(client.receive(0, kServer, other_id, 1));
  EXPECT_FALSE(client.receive(0, kServer, out[0].bytes, 1));  // a request is no answer
  EXPECT_EQ(client.ignored(), 4u);
  const auto taken = client.receive(0, kServer, answer, 7);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->rtt_ns, 7);
  EXPECT_EQ(to_text(*taken->message.xor_mapped), "203.0.113.5:40000");
  EXPECT_FALSE(client.receive(0, kServer, answer, 8));
}

TEST(StunClient, a_sealed_request_takes_sealed_answers_only) {
  SeededRandom random(3);
  StunClient client(random);
  Outbox out;
  StunRequest request = ask();
  request.seal = {Integrity::kSha1, Bytes(16, 1), true};
  ASSERT_TRUE(client.start(request, 0, out));
  EXPECT_FALSE(client.receive(0, kServer, answer_to(out[0].bytes), 1));
  EXPECT_FALSE(client.receive(0, kServer, answer_to(out[0].bytes, {Integrity::kSha1, Bytes(16, 2)}), 1));
  StunMessage denied;
  denied.kind = StunClass::kError;
  denied.id = decode_stun(out[0].bytes)->id;
  denied.error = ErrorCode{300, "Try Alternate"};
  EXPECT_FALSE(client.receive(0, kServer, encode_stun(denied), 1));  // anybody could send us elsewhere
  EXPECT_TRUE(client.receive(0, kServer, answer_to(out[0].bytes, request.seal), 1));
  ASSERT_TRUE(client.start(request, 0, out));
  denied.id = decode_stun(out[1].bytes)->id;
  denied.error = ErrorCode{438, "Stale Nonce"};
  EXPECT_TRUE(client.receive(0, kServer, encode_stun(denied), 1));
}

TEST(StunClient, refuses_more_transactions_than_its_limit) {
  SeededRandom random(4);
  StunClient client(random);
  Outbox out;
  for (std::size_t i = 0; i < kTransactionsMax; ++i) ASSERT_TRUE(client.start(ask(), 0, out));
  const auto refused = client.start(ask(), 0, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "nat.transactions");
  EXPECT_EQ(out.size(), kTransactionsMax);
  client.cancel(decode_stun(out[0].bytes)->id);
  EXPECT_TRUE(client.start(ask(), 0, out));
}

}  // namespace
}  // namespace hanse::nat

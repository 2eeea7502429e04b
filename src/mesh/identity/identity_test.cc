#include "mesh/identity/identity.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "base/crypto/hash.h"
#include "base/crypto/test_key.h"
#include "mesh/identity/trust.h"

namespace hanse::identity {
namespace {

constexpr std::int64_t kNow = 1'790'000'000'000, kDay = 86'400'000;

const crypto::SecretKey& agent_key() { return crypto::test_key(10); }
const crypto::SecretKey& user_key() { return crypto::test_key(20); }
MachineId machine(std::uint8_t n = 1) { return crypto::account_id(crypto::test_key(n).public_key()); }
AgentId agent() { return agent_id(agent_key().public_key()); }
UserId user() { return user_id(user_key().public_key()); }

AgentCert of_agent() {
  return {.subject = machine(), .not_before_ms = kNow - kDay, .not_after_ms = kNow + kDay, .caps = kConnectCap};
}
UserCert of_user() {
  return {.subject = agent(), .not_before_ms = kNow - 2 * kDay, .not_after_ms = kNow + 9 * kDay, .caps = 0b111};
}
Papers papers(const AgentCert& a, const std::optional<UserCert>& u = {}) {
  Papers out{.agent = *sign_cert(a, agent_key()), .user = {}};
  if (u) out.user = *sign_cert(*u, user_key());
  return out;
}
Shown shown(std::int64_t now_ms = kNow) { return {.by = machine(), .now_ms = now_ms}; }
template <class T>
std::string id_of(const std::expected<T, Error>& result) {
  return result ? "" : std::string(result.error().id());
}

// A signed certificate with a body of our own making.
template <class F>
Bytes signed_body(F&& body, const crypto::SecretKey& key = agent_key()) {
  codec::CborWriter inner, outer;
  body(inner);
  const Bytes bytes = inner.take();
  outer.array(2);
  outer.bytes(bytes);
  outer.bytes(key.sign(kAgentCertContext, bytes));
  return outer.take();
}
struct Fields {
  std::uint64_t version = 1, alg = 3, not_before = kNow, not_after = kNow + kDay;
  Bytes key = agent_key().public_key().bytes;
};
Bytes forged(const Fields& f) {
  return signed_body([&](codec::CborWriter& w) {
    w.map(7);
    const auto number = [&](std::uint64_t key, std::uint64_t value) {
      w.key(key);
      w.u64(value);
    };
    number(0, f.version);
    number(1, f.alg);
    w.key(2);
    w.bytes(f.key);
    w.key(3);
    w.bytes(machine().view());
    number(4, f.not_before);
    number(5, f.not_after);
    number(6, 1);
  });
}

TEST(Ids, of_machine_agent_and_user_differ_for_one_key_and_so_do_their_texts) {
  const crypto::PublicKey& key = agent_key().public_key();
  const std::uint8_t alg = 3;
  EXPECT_EQ(agent_id(key).data, crypto::blake3("hanse.agent.v1", {ByteView(&alg, 1), key.bytes}).data);
  EXPECT_EQ(user_id(key).data, crypto::blake3("hanse.user.v1", {ByteView(&alg, 1), key.bytes}).data);
  EXPECT_NE(agent_id(key).data, user_id(key).data);
  EXPECT_NE(agent_id(key).data, crypto::account_id(key).data);
  EXPECT_EQ(*parse_agent(id_text(agent())), agent());
  EXPECT_EQ(*parse_user(id_text(user())), user());
  EXPECT_EQ(*parse_machine(id_text(machine())), machine());
  EXPECT_EQ(id_of(parse_agent(id_text(user()))), "identity.id");
  EXPECT_EQ(id_of(parse_user(id_text(machine()))), "identity.id");
  EXPECT_EQ(id_of(parse_machine(id_text(agent()))), "identity.id");
}

TEST(Papers, are_proved_up_the_chain) {
  const auto alone = verify(papers(of_agent()), shown());
  ASSERT_TRUE(alone) << alone.error().str();
  EXPECT_EQ(alone->agent, agent());
  EXPECT_FALSE(alone->user);
  const auto both =
      verify(papers(of_agent(), of_user()), {.by = machine(), .now_ms = kNow, .caps_needed = kConnectCap});
  ASSERT_TRUE(both) << both.error().str();
  EXPECT_EQ(*both, (Who{.agent = agent(),
                        .user = user(),
                        .caps = kConnectCap,
                        .not_before_ms = kNow - kDay,
                        .not_after_ms = kNow + kDay}));
  const Papers given = papers(of_agent(), of_user());
  EXPECT_EQ(*decode_papers(encode(given)), given);
  AgentCert decoded = *decode_agent_cert(given.agent);
  EXPECT_EQ(decoded.key, agent_key().public_key());
  decoded.key = {};
  EXPECT_EQ(decoded, of_agent());
  EXPECT_LE(encode(given).size(), kPapersBytesMax);
}

TEST(Papers, of_another_machine_or_agent_are_refused) {
  EXPECT_EQ(id_of(verify(papers(of_agent()), {.by = machine(2), .now_ms = kNow})), "identity.machine");
  UserCert other = of_user();
  other.subject = agent_id(crypto::test_key(11).public_key());
  EXPECT_EQ(id_of(verify(papers(of_agent(), other), shown())), "identity.agent");
}

TEST(Papers, hold_from_begin_to_end_with_five_minutes_for_wrong_clocks) {
  const Papers p = papers(of_agent());
  EXPECT_TRUE(verify(p, shown(kNow - kDay - kSkewMs)));
  EXPECT_EQ(id_of(verify(p, shown(kNow - kDay - kSkewMs - 1))), "identity.not_yet");
  EXPECT_TRUE(verify(p, shown(kNow + kDay + kSkewMs)));
  EXPECT_EQ(id_of(verify(p, shown(kNow + kDay + kSkewMs + 1))), "identity.expired");
  UserCert ended = of_user(), later = of_user();
  ended.not_after_ms = kNow - kSkewMs - 1;
  later.not_before_ms = kNow + kSkewMs + 1;
  EXPECT_EQ(id_of(verify(papers(of_agent(), ended), shown())), "identity.expired");
  EXPECT_EQ(id_of(verify(papers(of_agent(), later), shown())), "identity.not_yet");
}

TEST(Papers, pass_on_no_capability_that_was_not_given) {
  UserCert less = of_user();
  less.caps = 0b110;
  EXPECT_EQ(id_of(verify(papers(of_agent(), less), shown())), "identity.caps");
  EXPECT_EQ(id_of(verify(papers(of_agent()), {.by = machine(), .now_ms = kNow, .caps_needed = 0b10})), "identity.caps");
  AgentCert none = of_agent();
  none.caps = 0;
  EXPECT_TRUE(verify(papers(none, less), shown()));
}

TEST(Papers, with_any_changed_byte_are_not_believed) {
  const Papers good = papers(of_agent(), of_user());
  for (Bytes Papers::* part : {&Papers::agent, &Papers::user})
    for (std::size_t at = 0; at < (good.*part).size(); at += 41) {
      Papers bad = good;
      (bad.*part)[at] ^= 1;
      EXPECT_FALSE(verify(bad, shown())) << at;
    }
  Papers bad = good;
  bad.agent.back() ^= 1;
  EXPECT_EQ(id_of(verify(bad, shown())), "identity.signature");
  bad = good;
  bad.user.back() ^= 1;
  EXPECT_EQ(id_of(verify(bad, shown())), "identity.signature");
}

TEST(Papers, signed_for_one_purpose_do_not_serve_another) {
  // The same body under the context of a user.
  UserCert as_user = of_user();
  as_user.subject.data = machine().data;
  EXPECT_EQ(id_of(verify({.agent = *sign_cert(as_user, agent_key()), .user = {}}, shown())), "identity.signature");
}

TEST(Papers, of_another_suite_are_refused) {
  EXPECT_TRUE(verify({.agent = forged(Fields{}), .user = {}}, shown()));  // the forger makes what passes
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.alg = 2}))), "identity.suite");
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.alg = 4}))), "identity.suite");  // a key of the other length
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.key = Bytes(1'951, 1)}))), "identity.suite");
  const auto ed25519 = crypto::SecretKey::from_seed(crypto::SigAlg::kEd25519, Hash32{}.view());
  EXPECT_EQ(id_of(sign_cert(of_agent(), *ed25519)), "identity.suite");
  const auto large = crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa87, Hash32{}.view());
  UserCert theirs = of_user();
  const Papers mixed{.agent = *sign_cert(of_agent(), agent_key()), .user = *sign_cert(theirs, *large)};
  EXPECT_TRUE(verify(mixed, shown()));
  theirs.subject = agent_id(large->public_key());
  const Papers largest{.agent = *sign_cert(of_agent(), *large), .user = *sign_cert(theirs, *large)};
  EXPECT_TRUE(verify(largest, shown()));
  EXPECT_TRUE(decode_papers(encode(largest)));
}

TEST(Papers, live_for_a_bounded_time) {
  AgentCert cert = of_agent();
  cert.not_after_ms = cert.not_before_ms + kLifeMsMax;
  EXPECT_TRUE(sign_cert(cert, agent_key()));
  ++cert.not_after_ms;
  EXPECT_EQ(id_of(sign_cert(cert, agent_key())), "identity.life");
  cert.not_after_ms = cert.not_before_ms;
  EXPECT_EQ(id_of(sign_cert(cert, agent_key())), "identity.life");
  EXPECT_TRUE(decode_agent_cert(forged(Fields{.not_after = kNow + kLifeMsMax})));
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.not_after = kNow + kLifeMsMax + 1}))), "identity.life");
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.not_after = kNow}))), "identity.life");
}

TEST(Papers, of_another_layout_are_refused) {
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.version = 2}))), "identity.papers");
  EXPECT_EQ(id_of(decode_agent_cert(forged(Fields{.not_after = 1ull << 63}))), "identity.papers");
  EXPECT_EQ(id_of(decode_agent_cert({})), "identity.papers");
  EXPECT_EQ(id_of(decode_agent_cert(signed_body([](codec::CborWriter& w) { w.map(0); }))), "identity.papers");
  Bytes whole = papers(of_agent()).agent;
  EXPECT_EQ(id_of(decode_agent_cert(ByteView(whole).first(whole.size() - 1))), "identity.papers");
  whole.push_back(0);
  EXPECT_EQ(id_of(decode_agent_cert(whole)), "identity.papers");
  EXPECT_EQ(id_of(decode_papers(encode({.agent = Bytes(kCertBytesMax + 1, 0), .user = {}}))), "identity.papers");
  EXPECT_TRUE(decode_papers(encode({.agent = Bytes(kCertBytesMax, 0), .user = Bytes(kCertBytesMax, 0)})));
  EXPECT_EQ(id_of(verify({}, shown())), "identity.papers");
}

// ---- trust ---------------------------------------------------------------------------------------------------------

std::optional<Who> who(std::uint64_t caps = kConnectCap) { return Who{.agent = agent(), .user = user(), .caps = caps}; }

TEST(Trust, lets_everybody_in_unless_it_is_asked_for) {
  Trust t;
  EXPECT_FALSE(t.asks());
  EXPECT_TRUE(t.judge(machine(), {}));
  t.admission = Admission::kTrusted;
  EXPECT_TRUE(t.asks());
  EXPECT_EQ(id_of(t.judge(machine(), {})), "identity.not_trusted");
  EXPECT_EQ(id_of(t.judge(machine(), who())), "identity.not_trusted");
}

TEST(Trust, is_given_to_a_machine_an_agent_or_the_agents_of_a_user) {
  Trust by_machine, by_agent, by_user;
  for (Trust* t : {&by_machine, &by_agent, &by_user}) t->admission = Admission::kTrusted;
  ASSERT_TRUE(by_machine.trust(id_text(machine())));
  EXPECT_TRUE(by_machine.judge(machine(), {}));
  EXPECT_FALSE(by_machine.judge(machine(2), {}));
  ASSERT_TRUE(by_agent.trust(id_text(agent())));
  EXPECT_TRUE(by_agent.judge(machine(2), who()));
  EXPECT_EQ(id_of(by_agent.judge(machine(), {})), "identity.not_trusted");
  EXPECT_EQ(id_of(by_agent.judge(machine(), who(0b110))), "identity.caps");
  ASSERT_TRUE(by_user.trust(id_text(user())));
  EXPECT_TRUE(by_user.judge(machine(), who()));
  auto without = who();
  without->user.reset();
  EXPECT_EQ(id_of(by_user.judge(machine(), without)), "identity.not_trusted");
}

TEST(Trust, of_a_pair_pins_the_agent_to_its_machines) {
  Trust t;
  ASSERT_TRUE(t.trust(id_text(agent()) + "@" + id_text(machine(1))));
  ASSERT_TRUE(t.trust(id_text(agent()) + "@" + id_text(machine(2))));
  EXPECT_TRUE(t.asks()) << "also where everybody is let in";
  EXPECT_TRUE(t.judge(machine(1), who()));
  EXPECT_TRUE(t.judge(machine(2), who()));
  EXPECT_EQ(id_of(t.judge(machine(3), who())), "identity.pinned");
  EXPECT_TRUE(t.judge(machine(3), {}));
  t.admission = Admission::kTrusted;
  ASSERT_TRUE(t.trust(id_text(machine(3))));
  EXPECT_EQ(id_of(t.judge(machine(3), who())), "identity.pinned");
  ASSERT_TRUE(t.trust(id_text(agent()))) << "on any machine after all";
  ASSERT_TRUE(t.trust(id_text(agent()) + "@" + id_text(machine(1))));
  EXPECT_TRUE(t.judge(machine(4), who()));
}

TEST(Trust, is_of_no_use_to_who_is_revoked) {
  for (const std::string& entry : {id_text(machine()), id_text(agent()), id_text(user())}) {
    Trust t;
    ASSERT_TRUE(t.trust(id_text(machine())));
    ASSERT_TRUE(t.trust(id_text(agent())));
    ASSERT_TRUE(t.revoke(entry));
    EXPECT_EQ(id_of(t.judge(machine(), who())), "identity.revoked") << entry;
    EXPECT_EQ(t.asks(), entry != id_text(machine()));
    EXPECT_EQ(t.revoked(machine()), entry == id_text(machine()));
  }
}

TEST(Trust, refuses_what_is_no_entry_and_one_entry_too_many) {
  Trust t;
  for (const std::string& bad : {std::string("agent:x"), std::string("user:"), std::string(), std::string("machine"),
                                 id_text(agent()) + "@", id_text(agent()) + "@" + id_text(user())})
    EXPECT_EQ(id_of(t.trust(bad)), "identity.id") << bad;
  EXPECT_EQ(id_of(t.revoke(id_text(agent()) + "@" + id_text(machine()))), "identity.id");
  MachineId one;
  for (std::size_t i = 0; i < kEntriesMax; ++i) {
    store_be(one.data.data(), static_cast<std::uint64_t>(i));
    ASSERT_TRUE(t.trust(one));
    ASSERT_TRUE(t.revoke(id_text(one)));
  }
  store_be(one.data.data(), std::uint64_t{kEntriesMax});
  EXPECT_EQ(id_of(t.trust(id_text(one))), "identity.limit");
  EXPECT_EQ(id_of(t.trust(id_text(agent()))), "identity.limit");
  EXPECT_EQ(id_of(t.revoke(id_text(one))), "identity.limit");
}

}  // namespace
}  // namespace hanse::identity

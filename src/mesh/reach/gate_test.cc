// The gate before Reach: what is told of a peer, and when.
#include "mesh/reach/detail/gate.h"

#include <gtest/gtest.h>

#include "base/crypto/test_key.h"

namespace hanse::reach::detail {
namespace {

using Type = PeerEvent::Type;
constexpr std::int64_t kNow = 1'790'000'000'000, kDay = 86'400'000, kMsNs = 1'000'000;

PeerId machine(std::uint8_t n) { return crypto::account_id(crypto::test_key(n).public_key()); }
identity::AgentId agent() { return identity::agent_id(crypto::test_key(10).public_key()); }
identity::Papers papers(std::uint8_t of, std::int64_t until_ms = kNow + kDay) {
  return {.agent = *identity::sign_cert(identity::AgentCert{.subject = machine(of),
                                                            .not_before_ms = kNow - kDay,
                                                            .not_after_ms = until_ms,
                                                            .caps = identity::kConnectCap},
                                        crypto::test_key(10)),
          .user = {}};
}

PeerEvent event(Type type, std::uint8_t n = 1) { return {.type = type, .peer = machine(n)}; }
PeerEvent hello(std::uint64_t caps, std::uint8_t n = 1) {
  PeerEvent out = event(Type::kHello, n);
  out.hello.emplace().facts.caps = caps;
  return out;
}
PeerEvent said(std::uint8_t what) {
  PeerEvent out = event(Type::kFrame);
  out.protocol = 0x40;
  out.body = {what};
  return out;
}
PeerEvent shown(Bytes body) {
  PeerEvent out = event(Type::kFrame);
  out.protocol = kPapersProtocol;
  out.frame_type = kPapersFrame;
  out.body = std::move(body);
  return out;
}
PeerEvent down() {
  PeerEvent out = event(Type::kDown);
  out.error = Error(Kind::kUnavailable, "transport.closed", "closed");
  return out;
}
std::vector<Type> types(const std::vector<PeerEvent>& events) {
  std::vector<Type> out;
  for (const PeerEvent& e : events) out.push_back(e.type);
  return out;
}
using Types = std::vector<Type>;

struct Door {
  explicit Door(bool trusted, bool has_papers = false) {
    if (trusted) trust.admission = identity::Admission::kTrusted;
    (void)trust.trust(identity::id_text(agent()));
    gate.emplace(trust, has_papers, clock);
  }
  Types tell(PeerEvent e) { return types(gate->handle(std::move(e), clock.mono_ns())); }
  // The end of a peer that was refused, as Reach brings it about.
  std::string end_of_refused() {
    EXPECT_EQ(gate->take_refused(), std::vector{machine(1)});
    const auto out = gate->handle(down(), clock.mono_ns());
    if (out.size() != 1 || !out[0].error) return "";
    end_type = out[0].type;
    return std::string(out[0].error->id());
  }
  identity::Trust trust;
  ManualClock clock{kNow};
  std::optional<Gate> gate;
  Type end_type = Type::kUp;
};

TEST(Gate, that_asks_for_nothing_lets_pass_at_once_and_looks_at_papers_all_the_same) {
  Door d(false);
  EXPECT_EQ(d.tell(event(Type::kUp)), Types{Type::kUp});
  EXPECT_EQ(d.tell(said(1)), Types{Type::kFrame});
  EXPECT_EQ(d.tell(shown(encode(papers(1)))), Types{});
  EXPECT_EQ(d.gate->take_consumed().size(), 1u) << "nobody above has to give back its window";
  ASSERT_NE(d.gate->who(machine(1)), nullptr);
  EXPECT_EQ(d.gate->who(machine(1))->agent, agent());
  EXPECT_EQ(d.tell(shown(encode(papers(2)))), Types{});
  EXPECT_EQ(d.gate->who(machine(1)), nullptr);
  EXPECT_EQ(d.gate->papers_error(machine(1)), "identity.machine");
  EXPECT_TRUE(d.gate->take_refused().empty());
  EXPECT_EQ(d.tell(down()), Types{Type::kDown});
  EXPECT_EQ(d.gate->papers_error(machine(1)), "");
}

TEST(Gate, that_asks_tells_of_nobody_before_papers_were_proved_and_then_everything_in_order) {
  Door d(true);
  EXPECT_EQ(d.tell(event(Type::kUp)), Types{});
  EXPECT_EQ(d.tell(said(1)), Types{});
  EXPECT_EQ(d.tell(hello(kPapersCap)), Types{});
  EXPECT_EQ(d.tell(said(2)), Types{});
  EXPECT_EQ(d.tell(shown(encode(papers(1)))), (Types{Type::kUp, Type::kFrame, Type::kHello, Type::kFrame}));
  EXPECT_EQ(d.tell(said(3)), Types{Type::kFrame});
  EXPECT_EQ(d.tell(down()), Types{Type::kDown});
}

TEST(Gate, refuses_who_has_no_papers_when_its_hello_says_so) {
  Door d(true);
  (void)d.tell(event(Type::kUp));
  EXPECT_EQ(d.tell(hello(0)), Types{});
  EXPECT_EQ(d.tell(said(1)), Types{}) << "what it says until it is closed is thrown away";
  EXPECT_EQ(d.end_of_refused(), "identity.not_trusted");
  EXPECT_EQ(d.end_type, Type::kFailed) << "nobody above heard of it";
}

TEST(Gate, refuses_papers_that_prove_nothing) {
  for (const auto& [body, id] : {std::pair{encode(papers(2)), "identity.machine"},
                                 std::pair{encode(papers(1, kNow - kDay + 1)), "identity.expired"},
                                 std::pair{Bytes{1, 2, 3}, "identity.papers"}}) {
    Door d(true);
    (void)d.tell(event(Type::kUp));
    (void)d.tell(hello(kPapersCap));
    EXPECT_EQ(d.tell(shown(body)), Types{});
    EXPECT_EQ(d.end_of_refused(), id);
  }
}

TEST(Gate, waits_for_papers_so_long_and_no_longer) {
  Door d(true);
  (void)d.tell(event(Type::kUp));
  (void)d.tell(hello(kPapersCap));
  EXPECT_EQ(d.gate->next_ns(), kPapersNs);
  d.gate->on_deadline(kPapersNs - 1);
  EXPECT_TRUE(d.gate->take_refused().empty());
  d.gate->on_deadline(kPapersNs);
  EXPECT_EQ(d.end_of_refused(), "identity.no_papers");
}

TEST(Gate, holds_so_much_for_a_peer_and_no_more) {
  Door d(true);
  (void)d.tell(event(Type::kUp));
  for (std::size_t i = 1; i < kHeldMax; ++i) (void)d.tell(said(1));
  EXPECT_TRUE(d.gate->take_refused().empty());
  (void)d.tell(said(1));
  EXPECT_EQ(d.end_of_refused(), "identity.no_papers");
}

TEST(Gate, looks_at_so_many_papers_of_one_connection) {
  Door d(false);
  (void)d.tell(event(Type::kUp));
  for (unsigned i = 1; i < kPapersPerPeer; ++i) (void)d.tell(shown(encode(papers(2))));
  (void)d.tell(shown(encode(papers(1))));
  EXPECT_NE(d.gate->who(machine(1)), nullptr);
  (void)d.tell(shown(encode(papers(2))));
  EXPECT_NE(d.gate->who(machine(1)), nullptr) << "one more is not looked at";
  (void)d.tell(event(Type::kMoved));
  (void)d.tell(shown(encode(papers(2))));
  EXPECT_EQ(d.gate->who(machine(1)), nullptr) << "another connection counts";
}

TEST(Gate, shows_own_papers_to_everybody_and_on_every_connection) {
  Door d(false, true), bare(false);
  (void)d.tell(event(Type::kUp));
  (void)bare.tell(event(Type::kUp));
  EXPECT_EQ(d.gate->take_greeted(), std::vector{machine(1)});
  EXPECT_TRUE(bare.gate->take_greeted().empty());
  (void)d.tell(event(Type::kMoved));
  EXPECT_EQ(d.gate->take_greeted(), std::vector{machine(1)});
}

TEST(Gate, sends_away_whose_papers_end_where_they_are_needed) {
  for (const bool trusted : {true, false}) {
    Door d(trusted);
    (void)d.tell(event(Type::kUp));
    (void)d.tell(hello(kPapersCap));
    (void)d.tell(shown(encode(papers(1, kNow + 90'000))));
    ASSERT_NE(d.gate->who(machine(1)), nullptr);
    EXPECT_EQ(d.gate->next_ns(), 60'000 * kMsNs);
    while (d.clock.wall_ms() <= kNow + 90'000 + identity::kSkewMs) {
      d.clock.advance_ns(d.gate->next_ns() - d.clock.mono_ns());
      if (d.clock.wall_ms() <= kNow + 90'000 + identity::kSkewMs) d.gate->on_deadline(d.clock.mono_ns());
    }
    EXPECT_NE(d.gate->who(machine(1)), nullptr);
    d.gate->on_deadline(d.clock.mono_ns());
    EXPECT_EQ(d.gate->who(machine(1)), nullptr);
    EXPECT_EQ(d.gate->papers_error(machine(1)), "identity.expired");
    if (!trusted) {
      EXPECT_TRUE(d.gate->take_refused().empty());
      continue;
    }
    EXPECT_EQ(d.end_of_refused(), "identity.expired");
    EXPECT_EQ(d.end_type, Type::kDown) << "those above know of it";
  }
}

TEST(Gate, passes_on_that_a_peer_was_not_reached_and_nothing_else_of_strangers) {
  Door d(true);
  EXPECT_EQ(d.tell(event(Type::kFailed)), Types{Type::kFailed});
  EXPECT_EQ(d.tell(said(1)), Types{});
  (void)d.tell(event(Type::kUp));
  EXPECT_EQ(d.tell(down()), Types{Type::kFailed}) << "the other side refused us before we knew it";
}

}  // namespace
}  // namespace hanse::reach::detail

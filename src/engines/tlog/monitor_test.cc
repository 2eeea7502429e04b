#include "engines/tlog/monitor.h"

#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

struct Followed {
  MemLog log;
  Monitor monitor = Monitor::create(log.origin, {log.signer.key()}).value();
  std::vector<NoteKey> keys = {log.signer.key()};

  Result<Observation> look(Audit audit = Audit::kEntries) { return monitor.observe(log.note(), log.fetch(), audit); }
};

TEST(Monitor, follows_a_log_that_grows) {
  Followed f;
  EXPECT_EQ(f.look().value().seen, Seen::kFirst);
  EXPECT_EQ(f.look().value().seen, Seen::kSame);
  std::uint64_t size = 0;
  for (const std::uint64_t next : {1u, 2u, 255u, 256u, 700u, 70'000u}) {
    f.log.grow(next);
    const Observation seen = f.look().value();
    EXPECT_EQ(seen.seen, Seen::kGrown);
    EXPECT_EQ(seen.entries, next - size);
    EXPECT_EQ(seen.head, f.log.head());
    size = next;
  }
  Monitor again = Monitor::create(f.log.origin, f.keys, f.monitor.last()).value();
  EXPECT_EQ(again.observe(f.log.note(), f.log.fetch(), Audit::kTiles).value().seen, Seen::kSame);
}

TEST(Monitor, an_older_checkpoint_is_no_news) {
  Followed f;
  f.log.grow(500);
  ASSERT_TRUE(f.look());
  EXPECT_EQ(f.monitor.observe(f.log.note(f.log.head(300)), f.log.fetch(), Audit::kTiles).value().seen, Seen::kOlder);
  EXPECT_EQ(parse_checkpoint(parse_note(f.monitor.last()).value().text).value().head.size, 500u);
}

TEST(Monitor, two_roots_of_one_size_are_a_fork_with_evidence) {
  Followed f;
  f.log.grow(300);
  ASSERT_TRUE(f.look());
  MemLog other;
  other.grow(300, "other");
  const Observation seen = f.monitor.observe(other.note(), other.fetch(), Audit::kTiles).value();
  ASSERT_EQ(seen.seen, Seen::kFork);
  EXPECT_TRUE(check_evidence(*seen.fork, f.log.origin, f.keys));
  EXPECT_EQ(f.look().value().seen, Seen::kSame) << "the first one is remembered";
}

TEST(Monitor, a_larger_tree_with_another_past_is_a_fork_with_evidence) {
  for (const std::uint64_t changed : {0u, 200u, 299u}) {
    for (const std::uint64_t size : {301u, 512u, 1000u}) {
      Followed f;
      f.log.grow(300);
      ASSERT_TRUE(f.look());
      MemLog other;
      other.grow(changed);
      other.add(as_bytes("changed"));
      other.grow(size);
      const Observation seen = f.monitor.observe(other.note(), other.fetch(), Audit::kTiles).value();
      ASSERT_EQ(seen.seen, Seen::kFork);
      const std::string json = evidence_json(*seen.fork).dump();
      const ForkEvidence read = parse_evidence(json).value();
      EXPECT_TRUE(check_evidence(read, f.log.origin, f.keys));
      // Evidence of nothing is none.
      ForkEvidence bad = read;
      bad.other_root = f.log.head(300).root;
      EXPECT_EQ(error_of(check_evidence(bad, f.log.origin, f.keys)), "tlog.evidence");
      bad = read;
      bad.other_root.data[3] ^= 1;
      EXPECT_EQ(error_of(check_evidence(bad, f.log.origin, f.keys)), "tlog.evidence");
      bad = read;
      std::swap(bad.smaller, bad.larger);
      EXPECT_EQ(error_of(check_evidence(bad, f.log.origin, f.keys)), "tlog.evidence");
      const std::vector<NoteKey> strangers = {test_signer(f.log.origin, SignatureType::kEd25519, 66).key()};
      EXPECT_EQ(error_of(check_evidence(read, f.log.origin, strangers)), "tlog.unsigned");
    }
  }
}

TEST(Monitor, an_older_checkpoint_of_another_past_is_a_fork_too) {
  Followed f;
  f.log.grow(300);
  ASSERT_TRUE(f.look());
  MemLog other;
  other.grow(200, "other");
  const Observation seen = f.monitor.observe(other.note(), f.log.fetch(), Audit::kTiles).value();
  ASSERT_EQ(seen.seen, Seen::kFork);
  EXPECT_TRUE(check_evidence(*seen.fork, f.log.origin, f.keys));
}

TEST(Monitor, honest_growth_is_no_evidence) {
  Followed f;
  f.log.grow(300);
  const std::string small = f.log.note();
  f.log.grow(400);
  const ForkEvidence none{small, f.log.note(), f.log.head(300).root,
                          crypto::log_prove_consistency(f.log.tree, {300, 400}).value()};
  EXPECT_EQ(error_of(check_evidence(none, f.log.origin, f.keys)), "tlog.evidence");
}

TEST(Monitor, tiles_or_entries_that_do_not_lead_to_the_root_are_an_error_and_no_evidence) {
  Followed f;
  f.log.grow(300);
  ASSERT_TRUE(f.look());
  f.log.grow(900);
  const auto altered = [&](const char* path, std::size_t at) -> Fetch {
    return [&f, path, at](const std::string& asked) -> Result<Bytes> {
      TRY(Bytes bytes, f.log.resource(asked));
      if (asked == path) bytes[at] ^= 1;
      return bytes;
    };
  };
  EXPECT_EQ(error_of(f.monitor.observe(f.log.note(), altered("tile/0/001", 44 * 32), Audit::kTiles)), "tlog.tiles");
  EXPECT_EQ(error_of(f.monitor.observe(f.log.note(), altered("tile/1/000.p/3", 64), Audit::kTiles)), "tlog.tiles");
  EXPECT_EQ(error_of(f.monitor.observe(f.log.note(), altered("tile/entries/002", 5), Audit::kEntries)), "tlog.tiles");
  EXPECT_EQ(f.look().value().entries, 600u) << "nothing of it was remembered";
}

TEST(Monitor, an_audit_has_a_limit_and_checkpoints_of_others_are_refused) {
  Followed f;
  f.log.grow(20);
  EXPECT_EQ(error_of(f.monitor.observe(f.log.note(), f.log.fetch(), Audit::kEntries, 19)), "tlog.audit_limit");
  EXPECT_EQ(f.monitor.observe(f.log.note(), f.log.fetch(), Audit::kEntries, 20).value().entries, 20u);
  MemLog other("log.example/other");
  EXPECT_EQ(error_of(f.monitor.observe(other.note(), other.fetch(), Audit::kTiles)), "tlog.wrong_origin");
  EXPECT_EQ(error_of(Monitor::create(f.log.origin, f.keys, other.note())), "tlog.wrong_origin");
  EXPECT_EQ(seen_name(Seen::kFork), "fork");
}

TEST(Evidence, other_forms_are_refused) {
  for (const char* bad :
       {"", "[]", "{}", R"({"smaller":"a"})", R"({"smaller":"a","larger":"b","other_root":"AAAA","proof":[]})",
        R"({"smaller":1,"larger":"b"})"})
    EXPECT_EQ(error_of(parse_evidence(bad)), "tlog.evidence") << bad;
  Followed f;
  ForkEvidence e{f.log.note(), f.log.note(), Hash32{}, crypto::Proof(crypto::kProofMax)};
  EXPECT_TRUE(parse_evidence(evidence_json(e).dump()));
  e.proof.emplace_back();
  EXPECT_EQ(error_of(parse_evidence(evidence_json(e).dump())), "tlog.evidence");
}

}  // namespace
}  // namespace hanse::tlog

#include "mesh/rendezvous/record.h"

#include "mesh/rendezvous/test_records.h"

namespace hanse::rendezvous {
namespace {

Expected expected(std::int64_t now_ms = kNow) { return {.network = test_network(), .now_ms = now_ms}; }
std::string error_of(ByteView bytes, const Expected& e) {
  const auto opened = open_record(bytes, e);
  return opened ? "" : std::string(opened.error().id());
}

TEST(Record, is_proved_by_whoever_reads_it) {
  const SignedRecord record = made({.seq = 7});
  const auto opened = open_record(record.bytes, {test_network(), kNow, agent_of(10)});
  ASSERT_TRUE(opened) << opened.error().str();
  EXPECT_EQ(opened->record, record.record);
  EXPECT_EQ(opened->record.machine, machine_of(1));
  EXPECT_EQ(opened->record.agent, agent_of(10));
  EXPECT_EQ(opened->record.certified_ms, kNow);
  EXPECT_LE(opened->bytes.size(), kRecordBytesMax);
}

TEST(Record, of_the_largest_keys_fits) {
  const auto agent = std::move(*crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa87, Bytes(32, 1)));
  const auto machine = std::move(*crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa87, Bytes(32, 2)));
  const Bytes cert = *identity::sign_cert(
      identity::AgentCert{
          .subject = crypto::account_id(machine.public_key()), .not_before_ms = kNow, .not_after_ms = kNow + 1},
      agent);
  const auto record =
      sign_record({.network = test_network(), .seq = UINT64_MAX, .not_after_ms = kNow + 1, .cert = cert}, machine);
  ASSERT_TRUE(record);
  EXPECT_LE(record->bytes.size(), kRecordBytesMax);
  EXPECT_EQ(error_of(record->bytes, expected()), "");
}

TEST(Record, is_refused_when_one_of_its_bits_is_another) {
  const Bytes good = made({}).bytes;
  for (std::size_t at = 0; at < good.size(); at += 97) {
    Bytes bad = good;
    bad[at] ^= 1;
    EXPECT_NE(error_of(bad, expected()), "") << "byte " << at;
  }
  Bytes last = good;
  last.back() ^= 1;
  EXPECT_EQ(error_of(last, expected()), "rendezvous.signature");
  EXPECT_EQ(error_of(ByteView(good).first(good.size() - 1), expected()), "rendezvous.record");
  EXPECT_EQ(error_of(Bytes(kRecordBytesMax + 1, 0x40), expected()), "rendezvous.record");
}

TEST(Record, of_a_machine_that_the_agent_did_not_certify_is_refused) {
  const auto other = sign_record(
      {.network = test_network(), .seq = 1, .not_after_ms = kNow + 1, .cert = cert_of(10, 2)}, crypto::test_key(1));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().id(), "rendezvous.agent");
  // A certificate that the agent's key did not sign.
  SignedRecord record = made({});
  Bytes forged = cert_of(10, 1);
  forged.back() ^= 1;
  const auto signed_anyway =
      sign_record({.network = test_network(), .seq = 1, .not_after_ms = kNow + 1, .cert = forged}, crypto::test_key(1));
  ASSERT_TRUE(signed_anyway);
  EXPECT_EQ(error_of(signed_anyway->bytes, expected()), "identity.signature");
}

TEST(Record, is_of_one_network_and_of_the_agent_that_was_asked_for) {
  const Bytes bytes = made({}).bytes;
  EXPECT_EQ(error_of(bytes, {NetworkId{}, kNow, {}}), "rendezvous.network");
  EXPECT_EQ(error_of(bytes, {test_network(), kNow, agent_of(11)}), "rendezvous.agent");
}

TEST(Record, ends_at_its_end_and_lives_no_longer_than_allowed) {
  const Bytes bytes = made({.end_ms = kNow + 1'000}).bytes;
  EXPECT_EQ(error_of(bytes, expected(kNow + 1'000 + kSkewMs)), "");
  EXPECT_EQ(error_of(bytes, expected(kNow + 1'001 + kSkewMs)), "rendezvous.expired");
  EXPECT_EQ(error_of(made({.end_ms = kNow + kLifeMsMax + kSkewMs}).bytes, expected()), "");
  EXPECT_EQ(error_of(made({.end_ms = kNow + kLifeMsMax + kSkewMs + 1}).bytes, expected()), "rendezvous.expired");
}

TEST(Record, is_worth_no_more_than_its_certificate) {
  const std::int64_t certified = kNow - 86'400'000 - identity::kSkewMs;
  EXPECT_EQ(error_of(made({.certified_ms = certified}).bytes, expected()), "");
  EXPECT_EQ(error_of(made({.certified_ms = certified - 1}).bytes, expected()), "identity.expired");
}

TEST(Record, of_a_higher_sequence_replaces_and_two_of_one_are_a_lie) {
  const Record one = made({.seq = 5}).record;
  EXPECT_EQ(succession(one, made({.seq = 6}).record), Succession::kNewer);
  EXPECT_EQ(succession(one, made({.seq = 4}).record), Succession::kOlder);
  EXPECT_EQ(succession(one, made({.seq = 5}).record), Succession::kSame) << "signed twice is no lie";
  EXPECT_EQ(succession(one, made({.seq = 5, .here = false}).record), Succession::kEquivocation);
}

TEST(Record, of_the_machine_that_was_certified_last_stands_first) {
  const Record before = made({.machine = 1, .seq = 9, .certified_ms = kNow - 1}).record;
  const Record after = made({.machine = 2, .seq = 1, .certified_ms = kNow}).record;
  EXPECT_TRUE(stands_before(after, before));
  EXPECT_FALSE(stands_before(before, after));
  EXPECT_FALSE(stands_before(after, after));
}

}  // namespace
}  // namespace hanse::rendezvous

#include "mesh/discovery/record.h"

#include <gtest/gtest.h>

#include "base/codec/cbor.h"
#include "base/core/mem_fs.h"
#include "mesh/discovery/peer_cache.h"

namespace hanse::discovery {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;

NetworkId network_of(std::uint8_t n) {
  NetworkId id;
  id.data.fill(n);
  return id;
}

crypto::SecretKey key_of(std::uint8_t n) {
  return std::move(*crypto::SecretKey::from_seed(crypto::SigAlg::kMlDsa65, Bytes(32, n)));
}

Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port = 12'000) {
  return {.kind = AddressKind::kHost, .ip = {a, b, c, d}, .port = port};
}

Address v6(std::initializer_list<std::uint8_t> head, std::initializer_list<std::uint8_t> tail = {}) {
  Address a{.kind = AddressKind::kHost, .ip = Bytes(16, 0), .port = 12'000};
  std::copy(head.begin(), head.end(), a.ip.begin());
  std::copy(tail.begin(), tail.end(), a.ip.end() - static_cast<std::ptrdiff_t>(tail.size()));
  return a;
}

PeerRecord a_record(std::uint64_t seq = 1) {
  return {.seq = seq,
          .not_after_ms = kNow + kLifeMsMax,
          .network = network_of(1),
          .addresses = {v4(203, 0, 113, 7), v6({0x20, 0x01, 0x0d, 0xb8}, {7})},
          .roles = 5,
          .nat = Nat::kEasy};
}

constexpr Expected kExpected{.network = {}, .now_ms = kNow};
Expected expected(std::int64_t now_ms = kNow) { return {.network = network_of(1), .now_ms = now_ms}; }

TEST(Address, what_is_never_dialled) {
  for (const Address& a :
       {v4(127, 0, 0, 1), v4(0, 0, 0, 0), v4(224, 0, 0, 251), v4(255, 255, 255, 255), v4(240, 0, 0, 1),
        v4(203, 0, 113, 7, 0), v6({}), v6({}, {1}), v6({0xff, 0x02}, {0xfb}), v6({}, {0xff, 0xff, 127, 0, 0, 1}),
        v6({}, {203, 0, 113, 7}), v6({0xfe, 0xc0}, {1}), Address{.ip = Bytes(5), .port = 1}})
    EXPECT_EQ(reach_of(a), Reach::kNever) << address_text(a);
}

TEST(Address, what_stays_at_home) {
  for (const Address& a : {v4(10, 0, 0, 1), v4(172, 16, 0, 1), v4(172, 31, 255, 1), v4(192, 168, 1, 1),
                           v4(100, 64, 0, 1), v4(100, 127, 0, 1), v4(169, 254, 0, 1), v6({0xfd, 0x57}, {1}),
                           v6({0xfe, 0x80}, {1}), v6({}, {0xff, 0xff, 10, 0, 0, 1})})
    EXPECT_EQ(reach_of(a), Reach::kPrivate) << address_text(a);
  for (const Address& a : {v4(172, 15, 0, 1), v4(172, 32, 0, 1), v4(100, 63, 0, 1), v4(100, 128, 0, 1),
                           v4(223, 255, 0, 1), v6({0x20, 0x01, 0x0d, 0xb8}, {1}), v6({}, {0xff, 0xff, 8, 8, 8, 8})})
    EXPECT_EQ(reach_of(a), Reach::kPublic) << address_text(a);
}

TEST(Record, comes_back_as_it_was_signed) {
  const auto key = key_of(1);
  const auto made = sign_record(a_record(), key);
  ASSERT_TRUE(made);
  EXPECT_LE(made->bytes.size(), 3'700u);  // 5.11: about 3.6 KB
  const auto opened = open_record(made->bytes, key.public_key(), expected());
  ASSERT_TRUE(opened) << opened.error().str();
  EXPECT_EQ(opened->record, made->record);
  EXPECT_EQ(opened->record.peer, crypto::account_id(key.public_key()));
}

TEST(Record, private_addresses_are_left_out_of_the_public_one_only) {
  const auto key = key_of(1);
  PeerRecord r = a_record();
  r.addresses.push_back(v4(192, 168, 1, 5));
  EXPECT_EQ(sign_record(r, key)->record.addresses.size(), 2u);
  r.scope = Scope::kLocal;
  EXPECT_EQ(sign_record(r, key)->record.addresses.size(), 3u);
  r.addresses.push_back(v4(127, 0, 0, 1));
  EXPECT_EQ(sign_record(r, key).error().id(), "discovery.address");
  r = a_record();
  for (std::uint8_t i = 0; i < 14; ++i) r.addresses.push_back(v4(203, 0, 114, i));
  EXPECT_TRUE(sign_record(r, key));  // 16
  r.addresses.push_back(v4(203, 0, 115, 1));
  EXPECT_EQ(sign_record(r, key).error().id(), "discovery.address");
}

TEST(Record, every_flipped_bit_is_noticed) {
  const auto key = key_of(1);
  const auto made = *sign_record(a_record(), key);
  for (std::size_t i = 0; i < made.bytes.size(); i += i < 400 ? 1 : 37) {
    Bytes other = made.bytes;
    other[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
    EXPECT_FALSE(open_record(other, key.public_key(), expected())) << "byte " << i;
  }
}

TEST(Record, belongs_to_its_key_network_and_time) {
  const auto key = key_of(1);
  const auto made = *sign_record(a_record(), key);
  const auto id = [&](const crypto::PublicKey& k, const Expected& e) {
    const auto opened = open_record(made.bytes, k, e);
    return opened ? std::string() : std::string(opened.error().id());
  };
  EXPECT_EQ(id(key.public_key(), expected()), "");
  EXPECT_EQ(id(key_of(2).public_key(), expected()), "discovery.signature");
  EXPECT_EQ(id(key.public_key(), kExpected), "discovery.network");
  const std::int64_t end = kNow + kLifeMsMax;
  EXPECT_EQ(id(key.public_key(), expected(end + kSkewMs)), "");
  EXPECT_EQ(id(key.public_key(), expected(end + kSkewMs + 1)), "discovery.expired");
  EXPECT_EQ(id(key.public_key(), expected(kNow - kSkewMs)), "");
  EXPECT_EQ(id(key.public_key(), expected(kNow - kSkewMs - 1)), "discovery.expired");
}

TEST(Record, signed_by_its_owner_and_still_against_the_rules) {
  const auto key = key_of(1);
  // What an owner that does not keep to the rules can sign: the body of a good record with other bytes in it.
  const auto resigned = [&](Bytes body) {
    codec::CborWriter w;
    w.array(2);
    w.bytes(body);
    w.bytes(key.sign(kRecordContext, body));
    const auto opened = open_record(w.take(), key.public_key(), expected());
    return opened ? std::string() : std::string(opened.error().id());
  };
  const auto made = *sign_record(a_record(), key);
  const Bytes body = to_bytes(decode_record(made.bytes)->body);
  EXPECT_EQ(resigned(body), "");
  const Bytes ip = {203, 0, 113, 7};
  const auto at = std::search(body.begin(), body.end(), ip.begin(), ip.end()) - body.begin();
  for (const std::uint8_t first : {127, 10, 224, 0}) {  // loopback, private in a public record, multicast, nothing
    Bytes other = body;
    other[static_cast<std::size_t>(at)] = first;
    EXPECT_EQ(resigned(other), "discovery.record") << int(first);
  }
  Bytes version = body;
  ASSERT_EQ(version[2], 1);
  version[2] = 0;
  EXPECT_EQ(resigned(version), "discovery.record");
  Bytes longer = body;
  longer.push_back(0);
  EXPECT_EQ(resigned(longer), "discovery.record");
}

TEST(Record, two_of_one_sequence_that_differ_are_evidence) {
  const auto key = key_of(1);
  const auto one = *sign_record(a_record(4), key), again = *sign_record(a_record(4), key);
  PeerRecord changed = a_record(4);
  changed.roles = 6;
  const auto other = *sign_record(changed, key), newer = *sign_record(a_record(5), key);
  EXPECT_EQ(succession(one, again), Succession::kSame);
  EXPECT_EQ(succession(one, other), Succession::kEquivocation);
  EXPECT_EQ(succession(one, newer), Succession::kNewer);
  EXPECT_EQ(succession(newer, one), Succession::kOlder);
  PeerCache cache;
  EXPECT_TRUE(cache.take(kNow, key.public_key(), one));
  EXPECT_FALSE(cache.take(kNow, key.public_key(), again));
  EXPECT_TRUE(cache.evidence().empty());
  EXPECT_FALSE(cache.take(kNow, key.public_key(), other));
  ASSERT_EQ(cache.evidence().size(), 1u);
  EXPECT_EQ(cache.evidence()[0].first, one.bytes);
  EXPECT_EQ(cache.evidence()[0].second, other.bytes);
  SeededRandom random(1);
  EXPECT_FALSE(cache.choose(random, {}));  // not offered any more
}

// Cheap records: a cache takes what was proved and does not look again.
SignedRecord record_of(std::uint32_t n, std::uint64_t seq = 1) {
  SignedRecord r{.record = a_record(seq), .bytes = {}};
  store_be(r.record.peer.data.data(), n);
  return r;
}

TEST(PeerCache, is_bounded_and_the_least_worth_goes_first) {
  PeerCache cache;
  for (std::uint32_t n = 1; n <= kCachedPeersMax; ++n) cache.take(kNow + n, {}, record_of(n));
  cache.dialled(kNow, record_of(700).record.peer, false);
  for (std::uint32_t n = 5'000; n < 5'100; ++n) {
    cache.take(kNow + n, {}, record_of(n));
    ASSERT_EQ(cache.size(), kCachedPeersMax);
  }
  EXPECT_EQ(cache.find(record_of(700).record.peer), nullptr);
  EXPECT_EQ(cache.find(record_of(1).record.peer), nullptr);  // the one seen longest ago
  EXPECT_NE(cache.find(record_of(1'000).record.peer), nullptr);
}

TEST(PeerCache, offers_the_best_and_now_and_then_another) {
  constexpr std::uint64_t kSeed = 5;
  PeerCache cache;
  for (std::uint32_t n = 1; n <= 50; ++n) cache.take(kNow, {}, record_of(n));
  const PeerId best = record_of(9).record.peer;
  for (int i = 0; i < 10; ++i) cache.dialled(kNow, best, true);
  EXPECT_GT(cache.find(best)->success, 800u);
  SeededRandom random(kSeed);
  int others = 0;
  for (int i = 0; i < 10'000; ++i) others += cache.choose(random, {}) != best;
  EXPECT_NEAR(others, 980, 150) << "seed " << kSeed;
  for (int i = 0; i < 100; ++i) EXPECT_NE(cache.choose(random, {best}), best);
}

TEST(PeerCache, tells_of_some_whose_public_record_holds_drawn_and_none_twice) {
  PeerCache cache;
  for (std::uint32_t n = 1; n <= 20; ++n) cache.take(kNow, {}, record_of(n));
  SignedRecord local = record_of(21), ended = record_of(22), lied = record_of(23);
  local.record.scope = Scope::kLocal;
  ended.record.not_after_ms = kNow;
  lied.record.roles += 1;
  for (const SignedRecord& r : {local, ended, record_of(23), lied}) cache.take(kNow, {}, r);
  SeededRandom random(1);
  std::set<PeerId> told;
  for (int i = 0; i < 50; ++i) {
    const auto some = cache.some(random, 16, record_of(1).record.peer, kNow);
    ASSERT_EQ(some.size(), 16u);
    EXPECT_EQ(std::set<PeerId>(some.begin(), some.end()).size(), 16u);
    told.insert(some.begin(), some.end());
  }
  EXPECT_EQ(told.size(), 19u) << "all but the one left out, the ended, the local and the equivocated";
  EXPECT_EQ(cache.some(random, 30, {}, kNow).size(), 20u);
}

TEST(PeerCache, survives_a_restart_and_leaves_out_what_ended) {
  MemFs fs;
  const auto one = key_of(1), two = key_of(2);
  PeerCache cache;
  cache.take(kNow, one.public_key(), *sign_record(a_record(), one));
  PeerRecord shorter = a_record();
  shorter.not_after_ms = kNow + 1'000;
  cache.take(kNow, two.public_key(), *sign_record(shorter, two));
  cache.dialled(kNow + 5, crypto::account_id(one.public_key()), true);
  ASSERT_TRUE(cache.save(fs, "peers"));
  fs.crash(1);
  const auto back = PeerCache::load(fs, "peers", expected());
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(back->size(), 2u);
  const auto* e = back->find(crypto::account_id(one.public_key()));
  ASSERT_NE(e, nullptr);
  EXPECT_EQ(e->success, 563u);
  EXPECT_EQ(e->seen_ms, kNow + 5);
  EXPECT_EQ(PeerCache::load(fs, "peers", expected(kNow + 2'000 + kSkewMs))->size(), 1u);
  cache.expire(kNow + 2'000 + kSkewMs);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(PeerCache, where_a_peer_was_reached_outlives_its_records_for_a_month) {
  MemFs fs;
  const auto key = key_of(1);
  const PeerId peer = crypto::account_id(key.public_key());
  const Address there{.ip = {127, 0, 0, 1}, .port = 12'000};
  PeerCache cache;
  cache.reached(kNow, peer, there);  // of nobody
  EXPECT_EQ(cache.size(), 0u);
  cache.take(kNow, key.public_key(), *sign_record(a_record(), key));
  cache.reached(kNow, peer, there);
  ASSERT_TRUE(cache.save(fs, "peers"));
  const auto back = PeerCache::load(fs, "peers", expected(kNow + kReachedMsMax));
  ASSERT_TRUE(back) << back.error().str();
  ASSERT_NE(back->find(peer), nullptr);
  EXPECT_FALSE(back->find(peer)->of_public);
  EXPECT_EQ(back->find(peer)->reached, there);
  EXPECT_EQ(back->find(peer)->success, 563u);
  EXPECT_EQ(PeerCache::load(fs, "peers", expected(kNow + kReachedMsMax + 1))->size(), 0u);
  cache.expire(kNow + kReachedMsMax);
  EXPECT_EQ(cache.size(), 1u);
  cache.expire(kNow + kReachedMsMax + 1);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(PeerCache, a_damaged_file_is_an_error_and_a_forged_record_is_none_of_it) {
  MemFs fs;
  const auto key = key_of(1);
  PeerCache cache;
  cache.take(kNow, key.public_key(), *sign_record(a_record(), key));
  ASSERT_TRUE(cache.save(fs, "peers"));
  Bytes bytes = *read_file(fs, "peers", kCacheFileBytesMax);
  EXPECT_EQ(decode_cache(ByteView(bytes).first(bytes.size() - 1), expected()).error().id(), "discovery.cache");
  EXPECT_EQ(decode_cache(Bytes{0x82, 0x02, 0x80}, expected()).error().id(), "discovery.cache");
  bytes[bytes.size() - 100] ^= 1;  // in the signature
  const auto left = decode_cache(bytes, expected());
  ASSERT_TRUE(left) << left.error().str();
  EXPECT_EQ(left->size(), 0u);
}

TEST(PeerCache, a_crash_while_saving_leaves_the_old_file_or_the_new_one) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    MemFs fs;
    const auto one = key_of(1), two = key_of(2);
    PeerCache cache;
    cache.take(kNow, one.public_key(), *sign_record(a_record(), one));
    ASSERT_TRUE(cache.save(fs, "peers"));
    cache.take(kNow, two.public_key(), *sign_record(a_record(), two));
    if (seed % 2 == 0) fs.fail_at(seed / 2, MemFs::Fault::kIo);
    const bool saved = cache.save(fs, "peers").has_value();
    fs.crash(seed);
    const auto back = PeerCache::load(fs, "peers", expected());
    ASSERT_TRUE(back) << "seed " << seed;
    EXPECT_GE(back->size(), saved ? 2u : 1u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hanse::discovery

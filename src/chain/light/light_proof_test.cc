// Proofs as a light client checks them: grades at their exact thresholds, links through the history, handovers, trust,
// sizes, and that no changed byte is believed.
#include <gtest/gtest.h>

#include "base/core/random.h"
#include "base/core/text.h"
#include "chain/light/light_net_test.h"

namespace hanse::light {
namespace {

constexpr Demand kEconomic{.grade = Grade::kEconomic};

LightProof proof_of(const Net& net, const TwoKeys& t, const std::vector<std::uint16_t>& signers) {
  LightProof proof{.block = {.header = header_of(net), .link = {}, .certificate = {}, .handovers = {}},
                   .key = t.keys[0],
                   .value = t.values[0],
                   .path = {.other = {}, .siblings = t.siblings[0]}};
  proof.block.header.state_root = t.root;
  proof.block.certificate = net.certify(proof.block.header, signers);
  return proof;
}

TEST(LightProof, verifies_with_the_genesis_alone_and_says_the_grade) {
  const Net net({2'500, 2'500, 2'500, 2'500});
  const TwoKeys t;
  const auto shown = verify(proof_of(net, t, {0, 1, 2}), trust(net.genesis), {});
  ASSERT_TRUE(shown) << shown.error().str();
  EXPECT_EQ(shown->grade, Grade::kFast);
  EXPECT_EQ(shown->height.value, 9u);
  EXPECT_EQ(verify(proof_of(net, t, {0, 1, 2, 3}), trust(net.genesis), {})->grade, Grade::kEconomic);
  EXPECT_EQ(verify(proof_of(net, t, {0, 1}), trust(net.genesis), {}).error().id(), "light.cert_weight");
  const Net other({2'500, 7'500});
  EXPECT_EQ(verify(proof_of(net, t, {0, 1, 2}), trust(other.genesis), {}).error().id(), "light.network");
  LightProof later = proof_of(net, t, {0, 1, 2});
  later.block.header.epoch = 1;
  later.block.certificate = net.certify(later.block.header, {0, 1, 2});
  EXPECT_TRUE(verify(later, trust(net.genesis), {}));  // an epoch with the same set
  Trusted after = trust(net.genesis);
  after.epoch = 2;
  EXPECT_EQ(verify(later, after, {}).error().id(), "light.epoch");
  LightProof wrong = proof_of(net, t, {0, 1, 2});
  wrong.value = to_bytes("3");
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.sparse");
}

TEST(LightProof, accepts_6700_and_8000_basis_points_and_not_one_less) {
  const Net net({6'699, 1, 1'299, 1, 2'000});
  const TwoKeys t;
  const auto bp = [&](const std::vector<std::uint16_t>& signers, const Demand& demand) {
    const auto shown = verify(proof_of(net, t, signers), trust(net.genesis), demand);
    return shown ? text("{} {}", shown->power_bp, grade_name(shown->grade))
                 : text("{} {}", shown.error().id(), shown.error().message());
  };
  EXPECT_EQ(bp({0}, {}), "light.cert_weight found signatures of 6699 bp at height 9, expected at least 6700");
  EXPECT_EQ(bp({0, 1}, {}), "6700 fast");
  EXPECT_EQ(bp({0, 1, 2}, {}), "7999 fast");
  EXPECT_EQ(bp({0, 1, 2}, kEconomic),
            "light.cert_weight found signatures of 7999 bp at height 9, expected at least 8000");
  EXPECT_EQ(bp({0, 1, 2, 3}, kEconomic), "8000 economic");
  EXPECT_EQ(bp({0, 1, 2, 3}, {}), "8000 economic");
}

TEST(LightProof, refuses_missing_repeated_unordered_and_foreign_signatures) {
  const Net net({2'500, 2'500, 2'500, 2'500}), other({2'500, 2'500, 2'500, 2'500}, 40);
  const TwoKeys t;
  const auto after = [&](const auto& change) {
    LightProof proof = proof_of(net, t, {0, 1, 2});
    change(proof.block.certificate.attests);
    const auto decoded = decode_light_proof(encode(proof));
    if (!decoded) return std::string(decoded.error().id());
    const auto shown = verify(*decoded, trust(net.genesis), {});
    return shown ? "fine" : std::string(shown.error().id());
  };
  using Attests = std::vector<Attest>;
  EXPECT_EQ(after([](Attests&) {}), "fine");
  EXPECT_EQ(after([](Attests& a) { a.pop_back(); }), "light.cert_weight");
  EXPECT_EQ(after([](Attests& a) { a[1].signature.clear(); }), "light.cert_signature");
  EXPECT_EQ(after([](Attests& a) { a[1].signature.pop_back(); }), "light.cert_signature");
  EXPECT_EQ(after([](Attests& a) { a.push_back(a.back()); }), "light.cert_signer");
  EXPECT_EQ(after([](Attests& a) { std::swap(a[0], a[1]); }), "light.cert_signer");
  EXPECT_EQ(after([](Attests& a) { a.push_back({.validator = 4, .signature = a[0].signature}); }), "light.cert_signer");
  EXPECT_EQ(after([](Attests& a) { a.push_back({.validator = 3, .signature = a[0].signature}); }),
            "light.cert_signature");
  EXPECT_EQ(after([](Attests& a) { a.push_back({.validator = 128, .signature = {}}); }), "codec.type");
  LightProof foreign = proof_of(net, t, {});
  foreign.block.certificate = other.certify(foreign.block.header, {0, 1, 2, 3});
  EXPECT_EQ(verify(foreign, trust(net.genesis), {}).error().id(), "light.cert_signature");
}

TEST(Certificate, trim_keeps_the_fewest_signatures_that_suffice) {
  const Net net({1'000, 3'000, 1'000, 4'000, 1'000});
  const BlockHeader header = header_of(net);
  const auto places = [&](const std::vector<std::uint16_t>& signers, std::uint32_t bp) {
    std::string out;
    Certificate fake;
    for (const std::uint16_t s : signers) fake.attests.push_back({.validator = s, .signature = {}});
    for (const Attest& a : trim(fake, net.genesis.validators, bp).attests) out += text("{} ", a.validator);
    return out;
  };
  EXPECT_EQ(places({0, 1, 2, 3, 4}, 6'700), "1 3 ");
  EXPECT_EQ(places({0, 1, 2, 3, 4}, 7'000), "1 3 ");
  EXPECT_EQ(places({0, 1, 2, 3, 4}, 7'001), "0 1 3 ");
  EXPECT_EQ(places({0, 2, 3, 4}, 6'700), "0 2 3 4 ");
  EXPECT_EQ(places({0, 2}, 6'700), "0 2 ");
  const Certificate small = trim(net.certify(header, {0, 1, 2, 3, 4}), net.genesis.validators, 8'000);
  EXPECT_EQ(*verify_certificate(header, small, net.genesis.validators, 8'000), 8'000u);
}

// Fifteen blocks, five an epoch; each epoch has validators of its own.
struct Story {
  std::vector<Net> nets;
  std::vector<BlockHeader> headers;
  std::map<std::pair<std::uint8_t, std::uint64_t>, Hash32> nodes;
  HistoryGet get = [this](HistoryPlace p) -> Result<std::optional<Hash32>> {
    const auto it = nodes.find({p.level, p.index});
    return it == nodes.end() ? std::nullopt : std::optional(it->second);
  };
  TwoKeys keys;

  explicit Story(const std::vector<std::uint16_t>& powers) {
    for (const std::uint8_t first : {1, 50, 100}) nets.emplace_back(powers, first);
    History history;
    for (std::uint64_t h = 0; h < 15; ++h) {
      BlockHeader header = header_of(nets[0]);
      header.epoch = h / 5;
      header.height = Height{h};
      header.state_root = keys.root;
      header.time_ms = 1'000 + static_cast<std::int64_t>(h);
      header.history_root = history_root(history);
      header.valset_hash = set_hash(nets[h / 5].genesis.validators);
      header.next_valset_hash = set_hash(nets[std::min<std::uint64_t>((h + 1) / 5, 2)].genesis.validators);
      headers.push_back(header);
      for (const HistoryNode& n : append(history, header_hash(header))) nodes[{n.place.level, n.place.index}] = n.hash;
    }
  }
  Trusted start() const { return trust(nets[0].genesis); }
  // Block `shown` by a certificate of block `by`, all of whose validators sign but for `missing`.
  CertifiedHeader prove(std::uint64_t shown, std::uint64_t by, std::size_t missing = 0) const {
    const auto sign = [&](std::uint64_t h) {
      std::vector<std::uint16_t> all;
      for (std::uint16_t i = 0; i + missing < nets[0].keys.size(); ++i) all.push_back(i);
      return nets[h / 5].certify(headers[h], all);
    };
    CertifiedHeader out{.header = headers[shown], .link = {}, .certificate = sign(by), .handovers = {}};
    if (shown != by)
      out.link = HistoryLink{.certified = headers[by], .path = *history_path(get, {.index = shown, .count = by})};
    for (std::uint64_t end = 4; end < by; end += 5)
      out.handovers.push_back(
          {.header = headers[end], .certificate = sign(end), .next = nets[(end + 1) / 5].genesis.validators});
    return out;
  }
  std::string verdict(const CertifiedHeader& block, const Demand& demand = {}) const {
    const auto shown = verify(block, start(), demand);
    return shown ? text("{} of epoch {}", shown->height.value, shown->trusted.epoch) : std::string(shown.error().id());
  }
};

TEST(CertifiedHeader, any_block_is_believed_through_history_and_handovers) {
  const Story s({10'000});
  for (std::uint64_t by = 0; by < 15; ++by)
    for (std::uint64_t shown = 0; shown <= by; ++shown)
      ASSERT_EQ(s.verdict(s.prove(shown, by)), text("{} of epoch {}", shown, by / 5)) << by;
}

TEST(CertifiedHeader, refuses_links_that_do_not_close) {
  const Story s({10'000});
  CertifiedHeader bad = s.prove(3, 12);
  bad.header.time_ms += 1;
  EXPECT_EQ(s.verdict(bad), "light.list");
  bad = s.prove(3, 12);
  bad.link->path.pop_back();
  EXPECT_EQ(s.verdict(bad), "light.list");
  bad = s.prove(3, 12);
  bad.link->certified = s.headers[13];
  EXPECT_EQ(s.verdict(bad), "light.list");
  bad = s.prove(3, 12);
  bad.header = s.headers[4];  // another block at its place
  EXPECT_EQ(s.verdict(bad), "light.list");
  bad = s.prove(12, 12);
  bad.link = HistoryLink{.certified = s.headers[12], .path = {}};  // no block is in its own history
  EXPECT_EQ(s.verdict(bad), "light.list");
}

TEST(CertifiedHeader, refuses_handovers_that_are_missing_doubled_out_of_order_or_of_others) {
  const Story s({10'000});
  CertifiedHeader bad = s.prove(3, 12);
  bad.handovers.pop_back();
  EXPECT_EQ(s.verdict(bad), "light.valset");
  bad = s.prove(3, 12);
  bad.handovers.erase(bad.handovers.begin());
  EXPECT_EQ(s.verdict(bad), "light.valset");
  bad = s.prove(3, 12);
  bad.handovers.push_back(bad.handovers.back());
  EXPECT_EQ(s.verdict(bad), "light.epoch");
  bad = s.prove(3, 12);
  std::swap(bad.handovers[0], bad.handovers[1]);
  EXPECT_EQ(s.verdict(bad), "light.valset");
  bad = s.prove(3, 12);
  bad.handovers[0].next = s.nets[2].genesis.validators;
  EXPECT_EQ(s.verdict(bad), "light.valset");
  bad = s.prove(3, 12);
  bad.handovers[1].certificate.attests[0].signature[9] ^= 1;
  EXPECT_EQ(s.verdict(bad), "light.cert_signature");
  // A set of the forger's own, and a block that it certifies.
  const Net forger({10'000}, 150);
  bad = s.prove(7, 7);
  bad.handovers[0].next = forger.genesis.validators;
  bad.header.valset_hash = set_hash(forger.genesis.validators);
  bad.certificate = forger.certify(bad.header, {0});
  EXPECT_EQ(s.verdict(bad), "light.valset");
  // Signed by the right set, and yet no handover: the set stays.
  bad = s.prove(3, 3);
  bad.handovers.push_back({.header = s.headers[1],
                           .certificate = s.nets[0].certify(s.headers[1], {0}),
                           .next = s.nets[0].genesis.validators});
  EXPECT_EQ(s.verdict(bad), "light.handover");
  // A block from before the handover, as the set after it would have signed it.
  bad = s.prove(12, 12);
  bad.header.height = Height{9};
  bad.certificate = s.nets[2].certify(bad.header, {0});
  EXPECT_EQ(s.verdict(bad), "light.handover");
  bad = s.prove(12, 12);
  bad.header.epoch = 1;
  bad.certificate = s.nets[2].certify(bad.header, {0});
  EXPECT_EQ(s.verdict(bad), "light.epoch");
}

TEST(CertifiedHeader, the_grade_is_demanded_of_every_handover) {
  const Story s({2'500, 2'500, 2'500, 2'500});
  EXPECT_EQ(s.verdict(s.prove(3, 12, 1)), "3 of epoch 2");
  EXPECT_EQ(s.verdict(s.prove(3, 12, 1), kEconomic), "light.cert_weight");
  EXPECT_EQ(s.verdict(s.prove(3, 12), kEconomic), "3 of epoch 2");
  CertifiedHeader mixed = s.prove(3, 12);
  mixed.handovers[0].certificate.attests.pop_back();
  EXPECT_EQ(s.verdict(mixed, kEconomic), "light.cert_weight");
  EXPECT_EQ(s.verdict(mixed), "3 of epoch 2");
  mixed.handovers[0].certificate.attests.pop_back();
  EXPECT_EQ(s.verdict(mixed), "light.cert_weight");
}

TEST(CertifiedHeader, a_verifier_goes_on_from_the_set_it_was_led_to) {
  const Story s({10'000});
  const auto shown = verify(s.prove(3, 7), s.start(), {});
  ASSERT_TRUE(shown);
  CertifiedHeader later = s.prove(3, 12);
  EXPECT_EQ(verify(later, shown->trusted, {}).error().id(), "light.epoch");
  later.handovers.erase(later.handovers.begin());
  const auto again = verify(later, shown->trusted, {});
  ASSERT_TRUE(again) << again.error().str();
  EXPECT_EQ(again->trusted.epoch, 2u);
  EXPECT_EQ(again->trusted.time_ms, 1'012);
}

TEST(CertifiedHeader, a_start_older_than_the_trusting_period_is_refused) {
  const Story s({10'000});
  const auto at = [&](std::int64_t now_ms) {
    return s.verdict(s.prove(3, 7), {.age = Demand::Age{.now_ms = now_ms, .trusting_ms = 500}});
  };
  const std::int64_t start_ms = s.start().time_ms;
  EXPECT_EQ(at(start_ms + 500), "3 of epoch 1");
  EXPECT_EQ(at(start_ms + 501), "light.trust_expired");
}

// A proof with everything in it: a link, a handover, a path.
LightProof whole_proof(const Story& s) {
  return {.block = s.prove(3, 7),
          .key = s.keys.keys[0],
          .value = s.keys.values[0],
          .path = {.other = {}, .siblings = s.keys.siblings[0]}};
}

TEST(LightProof, survives_encoding_and_no_changed_byte_is_believed) {
  const Story s({10'000});
  const Bytes bytes = encode(whole_proof(s));
  const auto back = decode_light_proof(bytes);
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(encode(*back), bytes);
  ASSERT_TRUE(verify(*back, s.start(), {}));
  std::size_t decoded = 0;
  SeededRandom random(3);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= static_cast<std::uint8_t>(1u << random.below(8));
    const auto proof = decode_light_proof(changed);
    decoded += proof ? 1 : 0;
    ASSERT_FALSE(proof && verify(*proof, s.start(), {})) << "seed 3, byte " << i;
  }
  EXPECT_GT(decoded, bytes.size() * 9 / 10);
  for (std::size_t n = 0; n < bytes.size(); n += 61) ASSERT_FALSE(decode_light_proof(ByteView(bytes).first(n)));
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(decode_light_proof(longer).error().id(), "codec.trailing");
  EXPECT_EQ(decode_tx_proof(bytes).error().id(), "codec.type");
  EXPECT_TRUE(std::holds_alternative<LightProof>(*decode_proof(bytes)));
}

TEST(LightProof, refuses_more_handovers_or_siblings_than_there_may_be) {
  const Story s({10'000});
  LightProof proof = whole_proof(s);
  proof.block.certificate = {};
  proof.block.handovers.assign(kHandoversMax, {.header = s.headers[0], .certificate = {}, .next = {}});
  EXPECT_TRUE(decode_light_proof(encode(proof)));
  proof.block.handovers.push_back(proof.block.handovers.back());
  EXPECT_EQ(decode_light_proof(encode(proof)).error().id(), "codec.too_large");
  proof = whole_proof(s);
  proof.block.link->path.assign(kHistoryPathMax, {});
  EXPECT_TRUE(decode_light_proof(encode(proof)));
  proof.block.link->path.emplace_back();
  EXPECT_EQ(decode_light_proof(encode(proof)).error().id(), "codec.too_large");
}

// Sizes of fast proofs in a network of a million keys, blocks and, in a block, a thousand transactions.
struct Sizes {
  std::size_t state = 0, tx = 0, signers = 0;
};
Sizes sizes_of(std::size_t validators) {
  const Net net(equal_powers(validators));
  const LightProof state = deep_proof(net, 20);
  EXPECT_TRUE(verify(state, trust(net.genesis), {}));
  TxProof tx{.block = state.block, .tx_id = {}, .result = Bytes(40), .place = {}, .tx_path = {}, .receipt_path = {}};
  tx.block.link = HistoryLink{.certified = state.block.header, .path = std::vector<Hash32>(20, hash_of(200))};
  tx.tx_path = tx.receipt_path = std::vector<Hash32>(10, hash_of(200));
  return {.state = encode(state).size(), .tx = encode(tx).size(), .signers = state.block.certificate.attests.size()};
}

TEST(LightProof, stays_within_the_sizes_of_the_design) {
  const Sizes four = sizes_of(4), many = sizes_of(31);
  EXPECT_EQ(four.signers, 3u);
  EXPECT_EQ(many.signers, 21u);
  EXPECT_LE(four.state, 12'000u);
  EXPECT_LE(four.tx, 12'288u);
  EXPECT_LE(many.state, 75'000u);
  EXPECT_LE(many.tx, 75'000u);
  RecordProperty("bytes", text("{} {} {} {}", four.state, four.tx, many.state, many.tx));
}

TEST(TxProof, verifies_place_result_and_certificate) {
  const Net net({10'000});
  const auto ids = items_of(5);
  std::vector<Bytes> results;
  std::vector<Hash32> result_hashes;
  for (std::uint8_t n = 0; n < 5; ++n) {
    results.push_back(Bytes(n, n));
    result_hashes.push_back(result_hash(results.back()));
  }
  TxProof proof{.block = {.header = header_of(net), .link = {}, .certificate = {}, .handovers = {}},
                .tx_id = ids[3],
                .result = results[3],
                .place = {3, 5},
                .tx_path = *list_path(ids, 3),
                .receipt_path = *list_path(result_hashes, 3)};
  proof.block.header.tx_root = list_root(ids);
  proof.block.header.receipt_root = list_root(result_hashes);
  proof.block.certificate = net.certify(proof.block.header, {0});
  const auto back = decode_tx_proof(encode(proof));
  ASSERT_TRUE(back) << back.error().str();
  EXPECT_EQ(verify(*back, trust(net.genesis), {})->grade, Grade::kEconomic);
  EXPECT_TRUE(std::holds_alternative<TxProof>(*decode_proof(encode(proof))));
  EXPECT_EQ(decode_proof(as_bytes("?")).error().id(), "codec.type");
  TxProof wrong = proof;
  wrong.result = results[2];
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.list");
  wrong = proof;
  wrong.tx_id = ids[2];
  EXPECT_EQ(verify(wrong, trust(net.genesis), {}).error().id(), "light.list");
}

}  // namespace
}  // namespace hanse::light

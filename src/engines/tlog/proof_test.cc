#include "engines/tlog/proof.h"

#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

struct Proven {
  MemLog log;
  NoteSigner w1 = test_signer("w1.example", SignatureType::kCosignature, 11);
  NoteSigner w2 = test_signer("w2.example", SignatureType::kSubtree, 12);
  Trust trust;
  LogProof proof;

  Proven() {
    log.grow(300);
    trust = {log.origin, {log.signer.key()}, {w1.key(), w2.key()}, 2};
    Note note = parse_note(log.note()).value();
    for (const NoteSigner* w : {&w1, &w2}) note.signatures.push_back(w->sign(note.text, 1234).value());
    proof = {std::nullopt, 77, crypto::log_prove_inclusion(log.tree, {77, 300}).value(), format_note(note)};
  }
  Hash32 leaf(std::size_t n = 77) const { return crypto::log_leaf_hash(log.entries[n]); }
};

TEST(LogProof, is_written_as_the_specification_says_and_read_back) {
  Proven p;
  const std::string file = format_proof(p.proof);
  EXPECT_TRUE(file.starts_with("c2sp.org/tlog-proof@v1\nindex 77\n"));
  EXPECT_EQ(std::ranges::count(file.substr(0, file.find("\n\n")), '\n'), 1 + static_cast<int>(p.proof.hashes.size()));
  EXPECT_EQ(format_proof(parse_proof(file).value()), file);
  p.proof.extra = to_bytes(std::string_view("age"));
  const std::string extra = format_proof(p.proof);
  EXPECT_TRUE(extra.starts_with("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 77\n"));
  EXPECT_EQ(format_proof(parse_proof(extra).value()), extra);
}

TEST(LogProof, verifies_for_its_entry_index_keys_and_witnesses) {
  const Proven p;
  const ProofVerdict verdict = verify_proof(p.proof, p.leaf(), p.trust).value();
  EXPECT_EQ(verdict.index, 77u);
  EXPECT_EQ(verdict.head, p.log.head());
  EXPECT_EQ(verdict.witnesses, (std::vector<std::string>{"w1.example", "w2.example"}));
  EXPECT_EQ(error_of(verify_proof(p.proof, p.leaf(78), p.trust)), "tlog.proof");
  LogProof other = p.proof;
  other.index = 78;
  EXPECT_EQ(error_of(verify_proof(other, p.leaf(), p.trust)), "tlog.proof");
  other.index = 300;
  EXPECT_EQ(error_of(verify_proof(other, p.leaf(), p.trust)), "tlog.proof");
  Trust trust = p.trust;
  trust.origin = "log.example/other";
  EXPECT_EQ(error_of(verify_proof(p.proof, p.leaf(), trust)), "tlog.wrong_origin");
  trust = p.trust;
  trust.log_keys = {test_signer(p.log.origin, SignatureType::kEd25519, 99).key()};
  EXPECT_EQ(error_of(verify_proof(p.proof, p.leaf(), trust)), "tlog.unsigned");
}

TEST(LogProof, needs_as_many_witnesses_as_the_reader_wants) {
  Proven p;
  Note note = parse_note(p.proof.checkpoint).value();
  note.signatures.pop_back();
  p.proof.checkpoint = format_note(note);
  EXPECT_EQ(error_of(verify_proof(p.proof, p.leaf(), p.trust)), "tlog.witnesses");
  p.trust.witnesses_min = 1;
  EXPECT_EQ(verify_proof(p.proof, p.leaf(), p.trust).value().witnesses.size(), 1u);
  // One witness with two keys is one witness.
  const auto again = test_signer("w1.example", SignatureType::kSubtree, 11);
  note.signatures.push_back(again.sign(note.text, 5).value());
  p.proof.checkpoint = format_note(note);
  p.trust.witnesses.push_back(again.key());
  p.trust.witnesses_min = 2;
  EXPECT_EQ(error_of(verify_proof(p.proof, p.leaf(), p.trust)), "tlog.witnesses");
  p.trust.witnesses = {};
  p.trust.witnesses_min = 0;
  EXPECT_TRUE(verify_proof(p.proof, p.leaf(), p.trust));
}

TEST(LogProof, every_flipped_byte_is_refused) {
  const Proven p;
  const std::string file = format_proof(p.proof);
  std::size_t parsed = 0;
  for (std::size_t at = 0; at < file.size(); at += 1 + at / 400) {  // each of the first, then some of the signatures
    std::string other = file;
    other[at] = static_cast<char>(other[at] ^ 1);
    const auto proof = parse_proof(other);
    if (!proof) continue;
    ++parsed;
    EXPECT_EQ(format_proof(*proof), other) << at;
    EXPECT_FALSE(verify_proof(*proof, p.leaf(), p.trust)) << at;
  }
  EXPECT_GT(parsed, 50u);
}

TEST(LogProof, other_forms_truncations_and_one_hash_too_many_are_refused) {
  Proven p;
  const std::string file = format_proof(p.proof);
  for (std::size_t size = 0; size < file.size(); size += 7)
    EXPECT_FALSE(parse_proof(std::string_view(file).substr(0, size))) << size;
  const auto bad = [&](std::string_view from, std::string_view to) {
    std::string other = file;
    other.replace(other.find(from), from.size(), to);
    return error_of(parse_proof(other));
  };
  EXPECT_EQ(bad("@v1", "@v2"), "tlog.proof");
  EXPECT_EQ(bad("index 77", "index 077"), "tlog.proof");
  EXPECT_EQ(bad("index 77", "index  77"), "tlog.proof");
  EXPECT_EQ(bad("index 77\n", "extra \nextra \nindex 77\n"), "tlog.proof");
  EXPECT_EQ(bad("index 77\n", "extra Z\nindex 77\n"), "tlog.proof");
  EXPECT_EQ(bad("index 77\n", "index 77\nAAAA\n"), "tlog.proof");
  EXPECT_EQ(bad("\n300\n", "\n0300\n"), "tlog.checkpoint");
  p.proof.hashes.resize(crypto::kProofMax);
  EXPECT_TRUE(parse_proof(format_proof(p.proof)));
  p.proof.hashes.emplace_back();
  EXPECT_EQ(error_of(parse_proof(format_proof(p.proof))), "tlog.proof");
  p.proof.hashes.clear();
  p.proof.extra = Bytes(kExtraMax);
  EXPECT_TRUE(parse_proof(format_proof(p.proof)));
  p.proof.extra->push_back(0);
  EXPECT_EQ(error_of(parse_proof(format_proof(p.proof))), "tlog.proof");
  EXPECT_EQ(error_of(parse_proof(std::string(kProofFileMax + 1, 'x'))), "tlog.proof");
}

}  // namespace
}  // namespace hanse::tlog

#include "engines/tlog/witness.h"

#include <fstream>
#include <thread>

#include "base/codec/base64.h"
#include "base/codec/json.h"
#include "base/core/mem_fs.h"
#include "base/core/random.h"
#include "base/crypto/hash.h"
#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

struct Watched {
  MemFs fs;
  ManualClock clock{1'700'000'000'000};
  MemLog log;
  std::unique_ptr<Witness> witness;

  Watched() {
    log.grow(1000);
    open();
  }
  void open() {
    Witness::Parts parts{
        .dir = "w", .signers = {}, .logs = {{log.origin, {log.signer.key()}}}, .fs = &fs, .clock = &clock};
    parts.signers.push_back(test_signer("w.example/1", SignatureType::kCosignature, 21));
    parts.signers.push_back(test_signer("w.example/1", SignatureType::kSubtree, 21));
    witness = Witness::open(std::move(parts)).value();
  }
  std::string request(std::uint64_t old_size, std::uint64_t size) const {
    crypto::Proof proof;
    if (old_size > 0 && old_size < size) proof = crypto::log_prove_consistency(log.tree, {old_size, size}).value();
    return format_add_checkpoint({old_size, proof, log.note(log.head(size))});
  }
  WitnessAnswer ask(const std::string& body) { return witness->add_checkpoint(body).value(); }
};

TEST(Witness, cosigns_growth_with_both_kinds_of_keys) {
  Watched w;
  std::uint64_t seen = 0;
  for (const std::uint64_t size : {0u, 0u, 5u, 5u, 256u, 1000u}) {
    const WitnessAnswer answer = w.ask(w.request(seen, size));
    ASSERT_EQ(answer.status, 200u) << size << ": " << answer.body;
    const NoteKey keys[] = {test_signer("w.example/1", SignatureType::kCosignature, 21).key(),
                            test_signer("w.example/1", SignatureType::kSubtree, 21).key()};
    // As the specification says: the note with the answer's lines after it.
    const Note note = parse_note(w.log.note(w.log.head(size)) + answer.body).value();
    const Verified verified = verify_note(note, keys).value();
    EXPECT_EQ(verified.times_s, (std::vector<std::uint64_t>{1'700'000'000, 1'700'000'000}));
    EXPECT_EQ(w.witness->latest_head(w.log.origin), w.log.head(size));
    const Note kept = parse_note(w.witness->latest(w.log.origin).value()).value();
    EXPECT_EQ(kept.signatures.size(), 3u) << "the log's and ours";
    seen = size;
  }
}

TEST(Witness, answers_as_the_specification_numbers_it) {
  Watched w;
  ASSERT_EQ(w.ask(w.request(0, 10)).status, 200u);
  MemLog stranger("log.example/other");
  stranger.grow(3);
  EXPECT_EQ(w.ask(format_add_checkpoint({0, {}, stranger.note()})).status, 404u);
  MemLog liar;  // the same origin under another key
  liar.signer = test_signer(liar.origin, SignatureType::kEd25519, 9);
  EXPECT_EQ(w.ask(format_add_checkpoint({10, {}, liar.note(w.log.head(10))})).status, 403u);
  std::string spoilt = w.log.note(w.log.head(10));
  spoilt[spoilt.size() - 4] ^= 1;
  EXPECT_EQ(w.ask(format_add_checkpoint({10, {}, spoilt})).status, 403u);
  EXPECT_EQ(w.ask(w.request(11, 10)).status, 400u);
  const WitnessAnswer conflict = w.ask(w.request(9, 20));
  EXPECT_EQ(conflict.status, 409u);
  EXPECT_EQ(conflict.body, "10\n");
  EXPECT_EQ(conflict.content_type, "text/x.tlog.size");
  EXPECT_EQ(w.ask(w.request(0, 20)).status, 409u);
  EXPECT_EQ(w.ask(w.request(0, 5)).body, "10\n");
  AddCheckpoint wrong = parse_add_checkpoint(w.request(10, 20)).value();
  wrong.proof[0].data[0] ^= 1;
  EXPECT_EQ(w.ask(format_add_checkpoint(wrong)).status, 422u);
  MemLog fork;
  fork.grow(10, "fork");
  EXPECT_EQ(w.ask(format_add_checkpoint({10, {}, fork.note()})).status, 422u) << "another root of the same size";
  EXPECT_EQ(w.ask(format_add_checkpoint({10, {Hash32{}}, w.log.note(w.log.head(10))})).status, 422u);
  EXPECT_EQ(w.witness->latest_head(w.log.origin), w.log.head(10)) << "none of it changed anything";
  EXPECT_EQ(w.ask(w.request(10, 20)).status, 200u);
}

TEST(Witness, an_empty_tree_has_the_root_of_rfc6962_and_needs_no_proof) {
  Watched w;
  EXPECT_EQ(w.ask(format_add_checkpoint({0, {}, w.log.note({0, Hash32{}})})).status, 422u);
  EXPECT_EQ(w.ask(format_add_checkpoint({0, {Hash32{}}, w.log.note(w.log.head(4))})).status, 422u);
  EXPECT_EQ(w.ask(w.request(0, 4)).status, 200u);
}

TEST(Witness, other_forms_are_bad_requests) {
  Watched w;
  const std::string good = w.request(0, 10), note = w.log.note(w.log.head(10));
  for (const std::string& bad :
       {std::string(), std::string("old 0\n"), "old 00\n\n" + note, "old\n\n" + note, "Old 0\n\n" + note,
        "old 0\nAAAA\n\n" + note, "old 0\n" + note, std::string("old 0\n\nno note"), good.substr(0, good.size() - 1),
        std::string("old 0\n\no\nx\n\n\xE2\x80\x94 a AAAAAAAA\n"), std::string(kRequestMax + 1, 'x')})
    EXPECT_EQ(w.ask(bad).status, 400u) << bad.substr(0, 60);
  EXPECT_EQ(
      parse_add_checkpoint(format_add_checkpoint({1, crypto::Proof(kRequestHashesMax), note})).value().proof.size(),
      kRequestHashesMax);
  EXPECT_EQ(error_of(parse_add_checkpoint(format_add_checkpoint({1, crypto::Proof(kRequestHashesMax + 1), note}))),
            "tlog.request");
  EXPECT_EQ(w.ask(good).status, 200u);
}

TEST(Witness, remembers_over_a_crash_whatever_it_answered) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(text("seed {}", seed));
    Watched w;
    ASSERT_EQ(w.ask(w.request(0, 10)).status, 200u);
    w.fs.fail_at(1 + seed % 6, MemFs::Fault::kIo);
    const auto answer = w.witness->add_checkpoint(w.request(10, 20));
    w.witness.reset();
    w.fs.crash(seed);
    w.open();
    const std::uint64_t size = w.witness->latest_head(w.log.origin).size;
    const bool cosigned = answer && answer->status == 200;
    EXPECT_TRUE(size == 20 || (size == 10 && !cosigned)) << size;
    EXPECT_EQ(w.ask(w.request(size, 30)).status, 200u);
  }
}

TEST(Witness, what_it_kept_must_be_signed_when_it_opens) {
  Watched w;
  ASSERT_EQ(w.ask(w.request(0, 10)).status, 200u);
  const std::string path = "w/" + origin_hash(w.log.origin) + "/checkpoint";
  ASSERT_TRUE(w.fs.flip(path, w.log.origin.size() + 1, 0));  // the size: 10 becomes 00
  EXPECT_THROW(w.open(), std::bad_expected_access<Error>);
}

TEST(Witness, two_requests_at_once_cannot_take_it_back) {
  Watched w;
  ASSERT_EQ(w.ask(w.request(0, 10)).status, 200u);
  std::atomic<int> cosigned{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t size = 11 + static_cast<std::uint64_t>(t); size < 100; ++size)
        cosigned += w.ask(w.request(10, size)).status == 200 ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cosigned, 1);
  EXPECT_GT(w.witness->latest_head(w.log.origin).size, 10u);
}

TEST(Witness, needs_cosignature_keys_and_takes_so_many_logs) {
  MemFs fs;
  Witness::Parts none{.dir = "w", .signers = {}, .logs = {}, .fs = &fs};
  EXPECT_EQ(error_of(Witness::open(std::move(none))), "tlog.cosigner");
  Witness::Parts plain{.dir = "w", .signers = {}, .logs = {}, .fs = &fs};
  plain.signers.push_back(test_signer("w", SignatureType::kEd25519));
  EXPECT_EQ(error_of(Witness::open(std::move(plain))), "tlog.cosigner");
  for (const std::size_t count : {kWitnessLogsMax, kWitnessLogsMax + 1}) {
    Witness::Parts many{.dir = "w", .signers = {}, .logs = {}, .fs = &fs};
    many.signers.push_back(test_signer("w", SignatureType::kCosignature));
    for (std::size_t i = 0; i < count; ++i) many.logs.push_back({text("log {}", i), {}});
    EXPECT_EQ(error_of(Witness::open(std::move(many))), count > kWitnessLogsMax ? "tlog.logs_limit" : "none");
  }
  Watched w;
  EXPECT_EQ(error_of(w.witness->latest(w.log.origin)), "tlog.path");
  EXPECT_EQ(origin_hash("a"), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
}

// transparency-dev/merkle's consistency probes, asked as a log would ask a witness.
TEST(WitnessVectors, rfc6962_consistency_probes) {
  const char* set = std::getenv("HANSE_VECTORS");
  const std::filesystem::path root =
      std::filesystem::path(set != nullptr ? set : "../shared/vectors") / "rfc6962/consistency";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no vectors in " << root;
  const auto signer = test_signer("log.example/probe", SignatureType::kEd25519);
  std::vector<NoteSigner> cosigners;
  cosigners.push_back(test_signer("w", SignatureType::kCosignature));
  std::size_t good = 0, refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    std::ifstream in(entry.path());
    const codec::Json probe = codec::parse_json(std::string{std::istreambuf_iterator<char>(in), {}}).value();
    const auto number = [&](const char* name) { return probe.find(name)->as_u64(name).value(); };
    // Roots that are no hashes stand for any: a digest of each.
    const auto hash = [](const codec::Json* value) {
      const std::string shown(value == nullptr || value->is_null() ? "" : value->as_text("hash").value());
      Hash32 out;
      return parse_hash(shown, out) ? out : crypto::sha256({as_bytes("no hash: " + shown)});
    };
    AddCheckpoint request{number("size1"), {}, {}};
    if (const codec::Json* proof = probe.find("proof"); proof != nullptr)
      for (const codec::Json& item : proof->items()) request.proof.push_back(hash(&item));
    Note note{format_checkpoint({"log.example/probe", {number("size2"), hash(probe.find("root2"))}, {}}), {}};
    note.signatures.push_back(signer.sign(note.text, 0).value());
    request.note = format_note(note);
    // A witness has no proof from or to the empty tree; the probes leave that open.
    if (request.old_size == 0 || number("size2") == 0) continue;
    const WitnessStep step = witness_step({"log.example/probe", {signer.key()}},
                                          {request.old_size, hash(probe.find("root1"))}, request, cosigners, 1);
    const bool wanted = !probe.find("wantErr")->as_bool("wantErr").value();
    EXPECT_EQ(step.answer.status == 200, wanted) << step.answer.status << " " << step.answer.body;
    EXPECT_EQ(step.keep.has_value(), wanted);
    ++(wanted ? good : refused);
  }
  EXPECT_GT(good, 3u);
  EXPECT_GT(refused, 80u);
}

}  // namespace
}  // namespace hanse::tlog

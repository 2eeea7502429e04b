#include "engines/tlog/note.h"

#include "base/codec/base64.h"
#include "base/core/random.h"
#include "base/crypto/hash.h"
#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

// The example of c2sp.org/signed-note.
constexpr std::string_view kVkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
constexpr std::string_view kNote =
    "This is an example message.\n\n\xE2\x80\x94 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
    "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
constexpr std::string_view kCheckpointText = "log.example/a\n5\nTju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=\n";

TEST(Note, the_published_example_verifies_and_is_written_back) {
  const NoteKey key = parse_vkey(kVkey).value();
  EXPECT_EQ(format_vkey(key), kVkey);
  const Note note = parse_note(kNote).value();
  EXPECT_EQ(note.text, "This is an example message.\n");
  EXPECT_EQ(format_note(note), kNote);
  const NoteKey keys[] = {key};
  EXPECT_EQ(verify_note(note, keys).value().signatures.size(), 1u);
}

TEST(Note, every_flipped_bit_is_refused_or_unsigned) {
  const NoteKey keys[] = {parse_vkey(kVkey).value()};
  for (std::size_t bit = 0; bit < kNote.size() * 8; ++bit) {
    std::string other(kNote);
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    const auto note = parse_note(other);
    if (!note) continue;
    EXPECT_EQ(format_note(*note), other) << bit;
    EXPECT_FALSE(verify_note(*note, keys)) << bit;
  }
}

TEST(Note, every_truncation_and_extension_is_refused) {
  for (std::size_t size = 0; size < kNote.size(); ++size) EXPECT_FALSE(parse_note(kNote.substr(0, size))) << size;
  for (const char* more : {"\n", "x", "\xE2\x80\x94 a ", "\xE2\x80\x94 a AAAA\n"})
    EXPECT_EQ(error_of(parse_note(std::string(kNote) + more)), "tlog.note") << more;
}

TEST(Note, other_forms_are_refused) {
  const auto parse = [](std::string_view shown) {  // $ stands for the good signature line, # for a dash and a blank
    std::string in;
    for (const char c : shown)
      in += c == '$'   ? std::string(kNote.substr(kNote.find("\xE2\x80\x94")))
            : c == '#' ? "\xE2\x80\x94 "
                       : std::string(1, c);
    return error_of(parse_note(in));
  };
  for (const char* bad : {"text\n$", "text\n\n", "te\rxt\n\n$", "te\xFFxt\n\n$", "text\n\n- example.com/foo AAAAAAAA\n",
                          "text\n\n# AAAAAAAA\n", "text\n\n#a+b AAAAAAAA\n", "text\n\n#a\xE3\x80\x80z AAAAAAAA\n",
                          "text\n\n#a AAAA AAAA\n", "text\n\n#a AAAAAA==\n", "text\n\n#a\n", "text\n\n$\n"})
    EXPECT_EQ(parse(bad), "tlog.note") << bad;
  EXPECT_EQ(parse("text\n\n$"), "none");
}

TEST(Note, its_text_may_have_empty_lines) {
  const auto signer = test_signer("a", SignatureType::kEd25519);
  Note note{"one\n\ntwo\n\n", {}};
  note.signatures.push_back(signer.sign(note.text, 0).value());
  const Note read = parse_note(format_note(note)).value();
  EXPECT_EQ(read.text, note.text);
}

TEST(Note, limits_hold_and_one_past_them_is_refused) {
  const auto signer = test_signer(std::string(kNameMax, 'n'), SignatureType::kEd25519);
  Note note{"text\n", {}};
  const NoteSignature one = signer.sign(note.text, 0).value();
  note.signatures.assign(kSignaturesMax, one);
  EXPECT_TRUE(parse_note(format_note(note)));
  note.signatures.push_back(one);
  EXPECT_EQ(error_of(parse_note(format_note(note))), "tlog.note_limit");
  note.signatures = {{"a", 1, Bytes(kSignatureMax - 4)}};
  EXPECT_TRUE(parse_note(format_note(note)));
  note.signatures[0].bytes.push_back(0);
  EXPECT_EQ(error_of(parse_note(format_note(note))), "tlog.note_limit");
  note.signatures = {one};
  note.text = std::string(kNoteMax - format_note(note).size() + 4, 'x') + "\n";
  ASSERT_EQ(format_note(note).size(), kNoteMax);
  EXPECT_TRUE(parse_note(format_note(note)));
  note.text = "x" + note.text;
  EXPECT_EQ(error_of(parse_note(format_note(note))), "tlog.note_limit");
  EXPECT_EQ(error_of(check_key_name(std::string(kNameMax + 1, 'n'))), "tlog.key");
}

TEST(NoteKey, names_and_vkeys_of_other_forms_are_refused) {
  for (const char* bad : {"", "a b", "a+b", "a\tb",
                          "a\xC2\xA0"
                          "b",
                          "a\xE2\x80\x8A"
                          "b",
                          "\xFF"})
    EXPECT_EQ(error_of(check_key_name(bad)), "tlog.key") << bad;
  const std::string good(kVkey);
  for (const std::string& bad : {std::string("example.com/foo"), good + "A", good.substr(0, good.size() - 4),
                                 "example.com/fop" + good.substr(15), "example.com/foo+530D903A" + good.substr(24),
                                 "example.com/foo+530d903b" + good.substr(24), std::string("a+00000000+"),
                                 "a+00000000+" + codec::to_base64(Bytes(33, 2))})
    EXPECT_EQ(error_of(parse_vkey(bad)), "tlog.key") << bad;
}

TEST(NoteKey, the_key_id_is_the_hash_the_specification_names) {
  for (const SignatureType type : {SignatureType::kEd25519, SignatureType::kCosignature, SignatureType::kSubtree}) {
    const NoteKey key = test_signer("w.example/1", type).key();
    Bytes in = to_bytes(std::string_view("w.example/1\n"));
    in.push_back(static_cast<std::uint8_t>(type));
    append(in, key.public_key);
    EXPECT_EQ(key.key_id, load_be<std::uint32_t>(crypto::sha256({ByteView(in)}).data.data()));
    EXPECT_EQ(parse_vkey(format_vkey(key)).value(), key);
    EXPECT_EQ(key.public_key.size(), type == SignatureType::kSubtree ? 1312u : 32u);
  }
}

// The messages of c2sp.org/tlog-cosignature, written out here once more.
TEST(Cosignature, of_ed25519_signs_header_time_and_text) {
  const auto signer = test_signer("w.example/1", SignatureType::kCosignature);
  const NoteSignature made = signer.sign(kCheckpointText, 1679315147).value();
  ASSERT_EQ(made.bytes.size(), 72u);
  EXPECT_EQ(load_be<std::uint64_t>(made.bytes.data()), 1679315147u);
  const std::string message = "cosignature/v1\ntime 1679315147\n" + std::string(kCheckpointText);
  EXPECT_TRUE(crypto::verify({crypto::SigAlg::kEd25519, signer.key().public_key}, {}, as_bytes(message),
                             ByteView(made.bytes).subspan(8)));
}

TEST(Cosignature, of_mldsa_signs_the_subtree_structure) {
  const auto signer = test_signer("w.example/1", SignatureType::kSubtree);
  const NoteSignature made = signer.sign(kCheckpointText, 1679315147).value();
  ASSERT_EQ(made.bytes.size(), 8u + 2420u);
  const std::string time("\0\0\0\0\x64\x18\x50\xcb", 8), zero(8, '\0'), five("\0\0\0\0\0\0\0\5", 8);
  const Bytes root = codec::from_base64("Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=").value();
  const std::string message = std::string("subtree/v1\n\0", 12) + "\x0bw.example/1" + time + "\x0dlog.example/a" +
                              zero + five + std::string(as_text(root));
  EXPECT_TRUE(crypto::verify({crypto::SigAlg::kMlDsa44, signer.key().public_key}, {}, as_bytes(message),
                             ByteView(made.bytes).subspan(8)));
}

TEST(Cosignature, names_its_time_and_is_bound_to_text_time_and_name) {
  for (const SignatureType type : {SignatureType::kCosignature, SignatureType::kSubtree}) {
    const auto signer = test_signer("w.example/1", type);
    const NoteKey keys[] = {signer.key()};
    Note note{std::string(kCheckpointText), {signer.sign(kCheckpointText, 99).value()}};
    EXPECT_EQ(verify_note(note, keys).value().times_s, std::vector<std::uint64_t>{99});
    Note later = note;
    later.signatures[0].bytes[7] ^= 1;
    EXPECT_EQ(error_of(verify_note(later, keys)), "tlog.bad_signature");
    Note other = note;
    other.text[other.text.find("\n5\n") + 1] = '6';
    EXPECT_EQ(error_of(verify_note(other, keys)), "tlog.bad_signature");
    Note never = note;
    never.signatures[0].bytes[0] |= 0x80;
    EXPECT_EQ(error_of(verify_note(never, keys)), "tlog.bad_signature");
    Note no_checkpoint{"hello\n", {note.signatures[0]}};
    EXPECT_EQ(error_of(verify_note(no_checkpoint, keys)), "tlog.bad_signature");
    EXPECT_EQ(error_of(signer.sign("hello\n", 1)), "tlog.checkpoint");
    const std::string long_origin = std::string(kNameMax + 1, 'o') + std::string(kCheckpointText.substr(13));
    EXPECT_EQ(error_of(signer.sign(long_origin, 1)), type == SignatureType::kSubtree ? "tlog.checkpoint" : "none");
  }
}

TEST(Note, signatures_of_strangers_are_ignored_and_a_bad_one_of_a_known_key_spoils_the_note) {
  const auto known = test_signer("a", SignatureType::kEd25519, 1),
             stranger = test_signer("a", SignatureType::kEd25519, 2);
  const NoteKey keys[] = {known.key()};
  Note note{"text\n", {stranger.sign("text\n", 0).value()}};
  EXPECT_EQ(error_of(verify_note(note, keys)), "tlog.unsigned");
  note.signatures.push_back(known.sign("text\n", 0).value());
  EXPECT_EQ(verify_note(note, keys).value().signatures.size(), 1u);
  note.signatures.push_back(note.signatures[1]);
  EXPECT_EQ(verify_note(note, keys).value().signatures.size(), 1u) << "a key counts once";
  note.signatures[2].bytes[5] ^= 1;
  EXPECT_EQ(error_of(verify_note(note, keys)), "tlog.bad_signature");
}

TEST(NoteSigner, a_seed_of_another_length_is_refused) {
  EXPECT_EQ(error_of(NoteSigner::create("a", SignatureType::kEd25519, Bytes(31))), "crypto.bad_seed");
  EXPECT_EQ(error_of(make_note_key("a", SignatureType::kSubtree, Bytes(32))), "tlog.key");
}

}  // namespace
}  // namespace hanse::tlog

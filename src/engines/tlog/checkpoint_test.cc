#include "engines/tlog/checkpoint.h"

#include "engines/tlog/log_world_test.h"

namespace hanse::tlog {
namespace {

constexpr std::string_view kText =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

TEST(Checkpoint, the_published_example_is_read_and_written_back) {
  const Checkpoint read = parse_checkpoint(kText).value();
  EXPECT_EQ(read.origin, "example.com/behind-the-sofa");
  EXPECT_EQ(read.head.size, 20852163u);
  EXPECT_EQ(format_checkpoint(read), kText);
  const std::string extended = std::string(kText) + "more\nand more\n";
  EXPECT_EQ(parse_checkpoint(extended).value().extensions.size(), 2u);
  EXPECT_EQ(format_checkpoint(parse_checkpoint(extended).value()), extended);
}

TEST(Checkpoint, other_forms_are_refused) {
  const auto parse = [](std::string_view shown) {  // $ stands for a root
    std::string in;
    for (const char c : shown) in += c == '$' ? "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=" : std::string(1, c);
    return error_of(parse_checkpoint(in));
  };
  for (const char* bad :
       {"", "\n1\n$\n", "o\n\n$\n", "o\n01\n$\n", "o\n+1\n$\n", "o\n-1\n$\n", "o\n1 \n$\n", "o\n0x1\n$\n",
        "o\n18446744073709551616\n$\n", "o\n1\n", "o\n1\nCsUY\n", "o\n1\n$", "o\n1\n$\n\n", "o\n1\n$\nmore",
        "o\n1\n$\na\n\nb\n", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"})
    EXPECT_EQ(parse(bad), "tlog.checkpoint") << bad;
  EXPECT_EQ(parse("o\n18446744073709551615\n$\n"), "none");
  EXPECT_EQ(parse("o\n0\n$\n"), "none");
}

TEST(Checkpoint, is_opened_for_its_origin_and_its_keys_only) {
  MemLog log;
  log.grow(3);
  const NoteKey keys[] = {log.signer.key()}, others[] = {test_signer(log.origin, SignatureType::kEd25519, 8).key()};
  EXPECT_EQ(open_checkpoint(log.note(), log.origin, keys).value().checkpoint.head, log.head());
  EXPECT_EQ(error_of(open_checkpoint(log.note(), "log.example/other", keys)), "tlog.wrong_origin");
  EXPECT_EQ(error_of(open_checkpoint(log.note(), log.origin, others)), "tlog.unsigned");
  EXPECT_EQ(error_of(open_checkpoint("no note", log.origin, keys)), "tlog.note");
}

}  // namespace
}  // namespace hanse::tlog

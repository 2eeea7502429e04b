#include "store/archive/xml.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace hanse::archive {
namespace {

std::string events(std::string_view xml) {
  std::string out;
  const Status done = read_xml(xml, [&](std::string_view path, std::string_view found) -> Status {
    out += text("{}={};", path, found);
    return {};
  });
  return done ? out : std::string(done.error().id());
}

TEST(Xml, paths_and_texts_in_the_order_of_ends) {
  EXPECT_EQ(events("<?xml version=\"1.0\"?>\n<a x='1' y=\"2\"> <b>one</b><c/><n:b>two</n:b ></a>\n"),
            "a/b=one;a/c=;a/b=two;a= ;");
}

TEST(Xml, entities_and_numbers_are_characters) {
  EXPECT_EQ(events("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#xe4;&#x20AC;&#x1F600;</a>"),
            "a=<&>\"'AB\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80;");
}

TEST(Xml, refuses_what_could_expand_or_is_cut) {
  for (const char* bad : {"",
                          "text",
                          "<a>",
                          "<a></b>",
                          "<a><b></a></b>",
                          "<!DOCTYPE a><a/>",
                          "<a><!-- c --></a>",
                          "<a><![CDATA[x]]></a>",
                          "<a><?p?></a>",
                          "<a>&unknown;</a>",
                          "<a>&lt</a>",
                          "<a>&#0;</a>",
                          "<a>&#xD800;</a>",
                          "<a>&#x110000;</a>",
                          "<a>&#;</a>",
                          "<a>&#x;</a>",
                          "<a>&#12a;</a>",
                          "<a x></a>",
                          "<a x=1/>",
                          "<a x='1/>",
                          "<a x='<'/>",
                          "<a/><b/>",
                          "<a/>x",
                          "<?xml",
                          "<>",
                          "</a>",
                          "<a / >",
                          "<a:/>",
                          "<:></:>",
                          "<a"})
    EXPECT_EQ(events(bad), "archive.reply") << bad;
}

TEST(Xml, depth_and_size_have_limits) {
  std::string open, end;
  for (std::size_t i = 0; i < kXmlDepthMax; ++i) {
    open += "<a>";
    end += "</a>";
  }
  EXPECT_NE(events(open + end), "archive.reply");
  EXPECT_EQ(events("<a>" + open + end + "</a>"), "archive.reply");
  const std::string most = "<a>" + std::string(kXmlBytesMax - 7, 'x') + "</a>";
  EXPECT_NE(events(most), "archive.reply");
  EXPECT_EQ(events(most + " "), "archive.reply");
}

}  // namespace
}  // namespace hanse::archive

#include "mesh/nat/demux.h"

#include <gtest/gtest.h>

namespace hanse::nat {
namespace {

TEST(Demux, the_first_byte_and_the_source_decide) {
  const Bytes stun = encode_stun({}), probe = seal_probe({}, {});
  for (const Source source : {Source::kAnybody, Source::kTurnServer}) {
    EXPECT_EQ(kind_of(stun, source), DatagramKind::kStun);
    EXPECT_EQ(kind_of(probe, source), DatagramKind::kProbe);
    EXPECT_EQ(kind_of({}, source), DatagramKind::kOther);
    Bytes no_cookie = stun;
    no_cookie[4] ^= 1;
    EXPECT_EQ(kind_of(no_cookie, source), DatagramKind::kOther);
    EXPECT_EQ(kind_of(ByteView(probe).first(64), source), DatagramKind::kOther);
    for (int first = 4; first < 256; ++first) {
      if (first == kProbeByte) continue;
      const Bytes b(30, static_cast<std::uint8_t>(first));
      const bool channel = first >= 0x40 && first <= 0x4f && source == Source::kTurnServer;
      const bool quic = (first & 0x40) != 0;  // the fixed bit, which Hanse never greases
      EXPECT_EQ(kind_of(b, source), channel ? DatagramKind::kChannelData
                                    : quic  ? DatagramKind::kQuic
                                            : DatagramKind::kOther);
    }
  }
}

}  // namespace
}  // namespace hanse::nat

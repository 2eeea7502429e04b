// Archives from strangers, as a tar inside a frame and as the frame itself: they stay in their folder and their limits.
#include "base/core/check.h"
#include "base/core/mem_fs.h"
#include "store/archive/pack.h"

namespace {

constexpr hanse::archive::UnpackLimits kLimits{.files_max = 8, .bytes_max = 64 << 10};

void unpack(hanse::ByteView bytes) {
  hanse::MemFs fs;
  hanse::check(fs.mkdir("out").has_value() && fs.mkdir("other").has_value(), "folders");
  hanse::archive::Unpacker to(fs, "out", kLimits);
  if (to.feed(bytes)) (void)to.finish();
  const auto files = fs.list("out");
  hanse::check(files && files->size() <= kLimits.files_max, "at most files_max");
  const auto other = fs.list("other");
  hanse::check(other && other->empty(), "nothing elsewhere");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const hanse::ByteView input{data, size};
  unpack(input);
  unpack(hanse::archive::compress(input));
  (void)hanse::archive::decompress(input, 64 << 10);
  return 0;
}

// Bytes that decode re-encode to themselves, and the two ways through the reader (getters and raw) agree.
#include "base/codec/cbor.h"
#include "base/core/check.h"

namespace {

using hanse::ByteView;
using hanse::Result;
using hanse::Status;
using hanse::codec::CborReader;
using hanse::codec::CborWriter;

Status copy(CborReader& r, CborWriter& w, ByteView in) {
  const std::uint8_t first = r.offset() < in.size() ? in[r.offset()] : 0;
  switch (first >> 5) {
    case 0: {
      TRY(const auto v, r.u64("u"));
      w.u64(v);
      return {};
    }
    case 1: {
      TRY(const auto v, r.i64("i"));
      w.i64(v);
      return {};
    }
    case 2: {
      TRY(const auto v, r.bytes("b", in.size()));
      w.bytes(v);
      return {};
    }
    case 3: {
      TRY(const auto v, r.text("t", in.size()));
      w.text(v);
      return {};
    }
    case 4:
      TRY_OK(r.enter_array("a", in.size()));
      w.array(r.left());
      while (r.more()) TRY_OK(copy(r, w, in));
      return r.leave();
    case 5:
      TRY_OK(r.enter_map("m", in.size()));
      w.map(r.left());
      while (r.more()) {
        TRY(const auto k, r.key());
        w.key(k);
        TRY_OK(copy(r, w, in));
      }
      return r.leave();
    default: {
      TRY(const bool v, r.boolean("f"));
      w.boolean(v);
      return {};
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView in(data, size);
  CborReader r(in);
  CborWriter w;
  Status read = copy(r, w, in);
  if (read) read = r.finish();
  hanse::check(read.has_value() == hanse::codec::check_canonical(in).has_value(), "getters and raw agree");
  if (read) hanse::check(hanse::equal(w.take(), in), "what decodes re-encodes to itself");
  if (!read) hanse::check(!read.error().id().empty(), "an error has an id");
  return 0;
}

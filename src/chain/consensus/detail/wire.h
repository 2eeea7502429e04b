// Bodies of frames, in the fixed layouts of base/codec/fixed.h.
#pragma once

#include "base/codec/fixed.h"
#include "base/core/result.h"

namespace hanse::consensus::detail {

using Writer = codec::FixedWriter;

class Reader : public codec::FixedReader {
 public:
  using FixedReader::FixedReader;
  Status finish(std::string_view what) {
    if (FixedReader::finish()) return {};
    return fail(Kind::kCorrupt, "consensus.frame", text("{}: {}", what, why()));
  }
};

}  // namespace hanse::consensus::detail

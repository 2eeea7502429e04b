// SHAKE128 and SHAKE256 (FIPS 202) as small copyable states: a shared prefix is absorbed once, and nothing is
// allocated. Constant time, portable; checked against OpenSSL.
#pragma once

#include "base/core/bytes.h"

namespace hanse::crypto::detail {

template <std::size_t Rate>
class Shake {
 public:
  void absorb(ByteView data);
  // The first call ends the input; later calls go on with the output.
  void squeeze(ByteSpan out);

 private:
  void pad();

  std::array<std::uint64_t, 25> state_{};
  std::size_t at_ = 0;
  bool squeezing_ = false;
};

using Shake128 = Shake<168>;
using Shake256 = Shake<136>;
extern template class Shake<168>;
extern template class Shake<136>;

}  // namespace hanse::crypto::detail

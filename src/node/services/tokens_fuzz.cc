// The file of tokens, as an editor may leave it: what is read is written and read again the same.
#include "base/core/check.h"
#include "node/services/tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tokens = hanse::services::decode_tokens(hanse::as_text({data, size}));
  if (!tokens) return 0;
  const std::string once = hanse::services::encode_tokens(*tokens);
  const auto again = hanse::services::decode_tokens(once);
  hanse::check(again.has_value() && hanse::services::encode_tokens(*again) == once, "a token file has one form");
  return 0;
}

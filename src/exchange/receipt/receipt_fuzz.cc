// Foreign bytes as a bundle, a signed receipt, an envelope and claims: they are refused or re-encode to themselves.
#include "base/core/check.h"
#include "exchange/receipt/bundle.h"
#include "exchange/receipt/receipt.h"

namespace {

template <class T, class Encode>
void same_again(const hanse::Result<T>& decoded, hanse::ByteView input, Encode encode) {
  if (decoded) hanse::check(hanse::equal(encode(*decoded), input), "what decodes has one encoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace rc = hanse::receipt;
  const hanse::ByteView input(data, size);
  same_again(rc::decode_bundle(input), input, [](const auto& v) { return rc::encode(v); });
  same_again(rc::decode_signed_receipt(input), input, [](const auto& v) { return rc::encode(v); });
  same_again(rc::decode_envelope(input), input, [](const auto& v) { return rc::encode(v); });
  same_again(rc::decode_body(input), input, [](const auto& v) { return rc::encode_body(v); });
  same_again(rc::decode_claims(input), input, [](const auto& v) { return rc::encode_claims(v); });
  same_again(hanse::market::decode_job(input), input, [](const auto& v) { return hanse::market::encode_job(v); });
  if (const auto bundle = rc::decode_bundle(input)) {
    if (const auto receipt = rc::decode_signed_receipt(bundle->signed_receipt)) (void)rc::open_receipt(*receipt);
  }
  return 0;
}

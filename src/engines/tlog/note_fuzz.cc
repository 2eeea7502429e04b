// Notes, keys and checkpoints that parse are written back as the same bytes, and nobody's signature is believed.
#include "base/core/check.h"
#include "engines/tlog/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace tlog = hanse::tlog;
  const std::string_view in = hanse::as_text({data, size});
  if (const auto note = tlog::parse_note(in)) {
    hanse::check(tlog::format_note(*note) == in, "a note has one form");
    static const std::vector<tlog::NoteKey> keys = {
        tlog::NoteSigner::create("a", tlog::SignatureType::kCosignature, hanse::Bytes(32, 1)).value().key()};
    hanse::check(!tlog::verify_note(*note, keys), "nobody signs for us");
  }
  if (const auto key = tlog::parse_vkey(in)) hanse::check(tlog::format_vkey(*key) == in, "a vkey has one form");
  if (const auto checkpoint = tlog::parse_checkpoint(in))
    hanse::check(tlog::format_checkpoint(*checkpoint) == in, "a checkpoint has one form");
  (void)tlog::parse_signature_lines(in);
  return 0;
}

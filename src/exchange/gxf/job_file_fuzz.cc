// Any text is a draft or a gxf.job_file error; a draft finishes into a job that has one encoding.
#include "exchange/gxf/job_file.h"

#include "base/core/check.h"

namespace {

void finish_and_encode(const hanse::Result<hanse::gxf::JobDraft>& draft) {
  if (!draft) {
    hanse::check(draft.error().id() == "gxf.job_file", "every refusal has the one id");
    return;
  }
  hanse::check(draft->output_names.size() == draft->job.outputs.size(), "every output has a name");
  const std::vector<hanse::gxf::UploadedBlob> blobs(draft->uploads.size(), {.id = {.data = {1}}, .size_bytes = 2});
  const auto job = hanse::gxf::finish(*draft, blobs, {.network = {}, .nonce = 1, .height = hanse::Height{1}});
  hanse::check(job.has_value(), "a draft finishes at a low height");
  const auto decoded = hanse::gxf::decode(hanse::gxf::encode(*job));
  hanse::check(!decoded && decoded.error().code() != 0, "an unsigned job is refused with a code");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = hanse::as_text({data, size});
  finish_and_encode(hanse::gxf::parse_job_file(text, "folder"));
  finish_and_encode(hanse::gxf::import_v3(
      text, {.model_file = {}, .engine_kind = "a/v1", .limit_total = hanse::Amount{1}, .limits = {}}));
  return 0;
}

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "cli/trade/private_job.h"
#include "cli/verbs/job_result.h"
#include "cli/verbs/render.h"
#include "cli/verbs/verbs.h"
#include "cli/verbs/wallet.h"
#include "exchange/receipt/bundle.h"

namespace hanse::cli {

namespace {

Result<std::vector<std::string>> get_outputs(Session& session, const plugin::VerbArgs& args, const market::Job& job) {
  std::optional<payload::JobSecret> secret;
  if (job.bid.is_private) {
    TRY(const auto wallet, open_wallet(args, wallet_path(args, session.dir.empty() ? network_dir(args) : session.dir)));
    TRY(const gxf::Job ordered, trade::ordered_job(*session.client, job));
    secret = trade::secret_of(wallet, ordered.network, ordered.nonce);
  }
  return fetch_outputs(
      session, job, {.names = {}, .folder = std::string(args.get("outputs")), .secret = secret ? &*secret : nullptr});
}

Result<plugin::Answer> get(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Way way, asking_way(args));
  TRY(Session session, open_session(args, way));
  TRY(const JobId id, parse_job_id(args.get("JOB")));
  TRY(const market::Job job, read_job(session, id));
  TRY(const FetchedReceipt fetched, fetch_receipt(session, job, {}));
  const std::string path = args.has("out") ? std::string(args.get("out")) : text("{}{}", id, receipt::kBundleSuffix);
  TRY_OK(replace_file(real_fs(), path, fetched.bundle));
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(id.view()))
      .set("receipt", path)
      .set("level", receipt::level_name(fetched.report.level));
  if (args.has("outputs")) {
    TRY(const auto outputs, get_outputs(session, args, job));
    codec::Json list = codec::Json::array();
    for (const std::string& output : outputs) list.push(output);
    json.set("outputs", std::move(list));
  }
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}: {}", path, receipt::level_name(fetched.report.level))};
}

codec::Json receipt_json(const receipt::Receipt& r) {
  codec::Json json = codec::Json::object();
  json.set("job_id", codec::to_hex(r.job_id.view())).set("provider", codec::encode_id(r.provider.view()));
  json.set("status", market::run_status_name(r.status)).set("gas", r.gas).set("price_ut", r.price.value);
  json.set("detail", r.detail).set("kernel_class", r.kernel_class).set("cpu_class", r.cpu_class);
  json.set("started_height", r.started.value).set("finished_height", r.finished.value);
  for (const auto& [name, list] : {std::pair{"inputs", &r.inputs}, std::pair{"outputs", &r.outputs}}) {
    codec::Json refs = codec::Json::array();
    for (const auto& ref : *list) {
      codec::Json one = codec::Json::object();
      one.set("hash", codec::to_hex(ref.id.view())).set("size_bytes", ref.size_bytes);
      refs.push(std::move(one));
    }
    json.set(name, std::move(refs));
  }
  return json;
}

Result<plugin::Answer> show(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const Bytes bytes, read_file(real_fs(), std::string(args.get("FILE")), receipt::kBundleBytesMax));
  TRY(const receipt::ReceiptBundle bundle, receipt::decode_bundle(bytes));
  TRY(const receipt::SignedReceipt signed_receipt, receipt::decode_signed_receipt(bundle.signed_receipt));
  TRY(const receipt::Opened opened, receipt::open_receipt(signed_receipt));
  const receipt::Receipt& r = opened.receipt;
  codec::Json json = receipt_json(r);
  json.set("network", codec::to_hex(opened.network.view())).set("issued_ms", opened.issued_ms);
  std::string out =
      text("job       {}\nprovider  {}\nnetwork   {}\nstatus    {}\ngas       {}\nprice     {} ut\nkernel    {}",
           r.job_id, codec::encode_id(r.provider.view()), opened.network, market::run_status_name(r.status), r.gas,
           r.price.value, r.kernel_class);
  if (!r.detail.empty()) out += "\ndetail    " + r.detail;
  for (const auto& ref : r.inputs) out += text("\ninput     {} ({} bytes)", ref.id, ref.size_bytes);
  for (const auto& ref : r.outputs) out += text("\noutput    {} ({} bytes)", ref.id, ref.size_bytes);
  out += "\nboth signatures hold; hanse-verify also checks the ledger's proof";
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

}  // namespace

plugin::Verb receipt_get_verb() {
  return {
      .name = "receipt get",
      .summary = "fetch a settled job's receipt with the ledger's proof",
      .details = "Example:\n  hanse receipt get 4f2a… --dir net --out job.receipt",
      .options = {{.name = "JOB", .value = "JOB", .help = "job id", .fallback = {}, .required = true},
                  {.name = "--out", .value = "FILE", .help = "where to write it (default JOB.receipt)", .fallback = {}},
                  {.name = "--outputs",
                   .value = "FOLDER",
                   .help = "write the outputs there, too; those of a private job are opened with the wallet",
                   .fallback = {}},
                  dir_option(),
                  node_option(),
                  wallet_option(),
                  passphrase_option(),
                  lane_option(),
                  mix_option()},
      .run = get};
}

plugin::Verb receipt_show_verb() {
  return {.name = "receipt show",
          .summary = "what a receipt says, after checking its two signatures",
          .details = "For the whole check, against a genesis file, use hanse-verify.",
          .options = {{.name = "FILE", .value = "FILE", .help = "a .receipt file", .fallback = {}, .required = true}},
          .run = show};
}

}  // namespace hanse::cli

#include "base/codec/hex.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "chain/consensus/describe.h"
#include "cli/inspect/inspect.h"
#include "store/journal/journal.h"

namespace hanse::inspect {

namespace {

constexpr std::uint64_t kRecordsShownMax = 100'000;
constexpr std::string_view kRecordsShown = "100";

Result<plugin::Answer> check(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string dir(args.get("DIR"));
  TRY(const journal::Recovered found, journal::check_journal(real_fs(), dir));
  codec::Json json = codec::Json::object();
  json.set("first_seq", found.first_seq).set("last_seq", found.last_seq);
  json.set("repaired_blocks", found.repaired_blocks).set("torn_bytes", found.torn_bytes);
  std::string out = text("records  {} to {}", found.first_seq, found.last_seq);
  if (found.last_seq < found.first_seq) out = "records  none";
  out += text("\nrepairs  {} blocks from the other mirror\ntail     {} bytes torn, never acknowledged",
              found.repaired_blocks, found.torn_bytes);
  return plugin::Answer{.json = std::move(json), .text = std::move(out)};
}

template <class T>
std::string cell(const std::optional<T>& value) {
  return value ? text("{}", *value) : "";
}

std::string line(const auto&... cells) { return text("\n{:>8}  {:<11}  {:>6}  {:>8}  {:<16}  {:>7}  {}", cells...); }

// One record as a line and an object; false when its bytes cannot be read.
bool show(const journal::Record& record, codec::Json& list, std::string& lines) {
  codec::Json one = codec::Json::object();
  one.set("seq", record.seq);
  const auto info = consensus::describe_record(record.type, record.payload);
  if (!info) {
    one.set("type", std::uint64_t{record.type}).set("bytes", std::uint64_t{record.payload.size()});
    one.set("error", info.error().message());
    lines += line(record.seq, text("type {}", record.type), "", "", "", record.payload.size(), info.error().message());
    list.push(std::move(one));
    return false;
  }
  one.set("type", consensus::record_type_name(info->type));
  if (info->epoch) one.set("epoch", *info->epoch);
  if (info->view) one.set("view", *info->view);
  if (info->slot) one.set("slot", *info->slot);
  if (info->replica) one.set("replica", std::uint64_t{*info->replica});
  if (info->height) one.set("lane_height", *info->height);
  if (info->digest) one.set("digest", codec::to_hex(info->digest->view()));
  one.set("bytes", std::uint64_t{info->payload_bytes}).set("note", info->note);
  lines += line(record.seq, consensus::record_type_name(info->type), cell(info->view), cell(info->slot),
                info->digest ? codec::to_hex(info->digest->view()).substr(0, 16) : "", info->payload_bytes, info->note);
  list.push(std::move(one));
  return true;
}

Result<plugin::Answer> dump(const plugin::VerbArgs& args, plugin::Talk&) {
  TRY(const std::uint64_t from, args.number("from", 0));
  TRY(const std::uint64_t limit, args.number("limit", 100, kRecordsShownMax));
  codec::Json list = codec::Json::array();
  std::size_t shown = 0;
  std::string lines = "  record  type           view      slot  digest              bytes  note";
  bool readable = true;
  TRY_OK(journal::dump_journal(real_fs(), std::string(args.get("DIR")), [&](const journal::Record& record) -> Status {
    if (record.seq < from || shown == limit) return {};
    ++shown;
    readable = show(record, list, lines) && readable;
    return {};
  }));
  codec::Json json = codec::Json::object();
  json.set("records", std::move(list));
  return plugin::Answer{.json = std::move(json), .text = std::move(lines), .exit = readable ? 0 : 1};
}

}  // namespace

plugin::Verb journal_check_verb() {
  return {
      .name = "journal check",
      .summary = "whether a validator's vote journal is whole, without changing it",
      .details =
          "Exit codes: 0 whole, 1 there is none, 5 damaged beyond what a crash can leave. A tail that is torn while\n"
          "the node writes is no damage.\nExample:\n  hanse journal check net/validator-0/data/chain/journal",
      .options = {{.name = "DIR", .value = "DIR", .help = "the journal's folder", .fallback = {}, .required = true}},
      .run = check};
}

plugin::Verb journal_dump_verb() {
  return {
      .name = "journal dump",
      .summary = "the records of a vote journal, oldest first",
      .details =
          "Exit code 1 when a record cannot be read.\n"
          "Example:\n  hanse journal dump net/validator-0/data/chain/journal --from 1000 --limit 20",
      .options = {{.name = "DIR", .value = "DIR", .help = "the journal's folder", .fallback = {}, .required = true},
                  {.name = "--from", .value = "SEQ", .help = "the first record to show", .fallback = "0"},
                  {.name = "--limit", .value = "N", .help = "records to show", .fallback = std::string(kRecordsShown)}},
      .run = dump};
}

}  // namespace hanse::inspect

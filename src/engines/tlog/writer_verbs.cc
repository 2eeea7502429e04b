// init and append: what writes a log.
#include <sys/stat.h>

#include <algorithm>

#include "base/core/fs.h"
#include "base/core/text.h"
#include "engines/tlog/log_verbs.h"
#include "engines/tlog/mirror.h"
#include "engines/tlog/sequencer.h"
#include "engines/tlog/verb_files.h"

namespace hanse::tlog {
namespace {

constexpr std::size_t kLinesFileMax = std::size_t{256} << 20;
constexpr std::size_t kInFlightMax = 2048;  // below the sequencer's queue, so that nothing is refused

std::string key_path(const std::string& dir) { return dir + "/key"; }

// Static files are for a web server, which runs as somebody else.
void open_to_all(const std::string& path) {
  struct stat found = {};
  if (::stat(path.c_str(), &found) == 0) (void)::chmod(path.c_str(), S_ISDIR(found.st_mode) ? 0755 : 0644);
}

Result<Mirror> open_mirror(const std::string& dir, std::string origin, std::vector<NoteKey> keys) {
  return Mirror::open({.dir = www_dir(dir), .origin = std::move(origin), .keys = std::move(keys), .made = open_to_all});
}

struct Log {
  std::unique_ptr<Sequencer> sequencer;
  std::vector<NoteKey> keys;
};
Result<Log> open_log(const plugin::VerbArgs& args, const std::string& dir) {
  Log out;
  TRY(out.keys, read_vkeys(vkeys_path(dir)));
  TRY(const crypto::KeySeeds seeds, open_seeds(args, key_path(dir)));
  if (out.keys.empty()) return fail(Kind::kInvalid, "tlog.no_source", text("found no key in {}", vkeys_path(dir)));
  Sequencer::Parts parts{.dir = dir, .origin = out.keys[0].name, .signers = {}, .limits = {}, .on_published = {}};
  for (const NoteKey& key : out.keys) {
    TRY(auto signers, make_signers(seeds, parts.origin, {key.type}));
    parts.signers.push_back(std::move(signers[0]));
  }
  parts.limits.group_wait_ns = 0;  // nobody else comes
  TRY(out.sequencer, Sequencer::open(std::move(parts)));
  return out;
}

codec::Json head_json(std::string_view origin, const TreeHead& head) {
  codec::Json out = codec::Json::object();
  out.set("origin", origin).set("size", head.size).set("root", text("{}", head.root));
  return out;
}

// Bodies to add, and what to call each in the answer.
struct Input {
  std::vector<std::string> names;
  std::vector<Bytes> bodies;
};
Result<Input> read_input(const plugin::VerbArgs& args) {
  Input out;
  for (const std::string& path : args.all("FILE")) {
    auto body = read_file(real_fs(), path, kEntryMax);
    if (!body && body.error().id() == "core.fs_full")
      return fail(Kind::kInvalid, "tlog.entry_size",
                  text("found more than {} bytes in {}: log a hash of it instead", kEntryMax, path));
    if (!body) return std::unexpected(std::move(body).error());
    out.names.push_back(path);
    out.bodies.push_back(std::move(*body));
  }
  if (args.has("lines")) {
    TRY(const Bytes file, read_file(real_fs(), std::string(args.get("lines")), kLinesFileMax));
    std::string_view rest = as_text(file), line;
    while (take_line(rest, line)) {
      out.names.push_back(text("line {}", out.bodies.size() + 1));
      out.bodies.push_back(to_bytes(line));
    }
  }
  if (out.bodies.empty()) return fail(Kind::kInvalid, "cli.usage", "found nothing to add, expected FILE or --lines");
  return out;
}

// All of them, a few thousand under way at a time.
Result<std::vector<Added>> add_all(Sequencer& log, std::vector<Bytes> bodies) {
  std::vector<Added> out(bodies.size());
  std::mutex mutex;
  std::condition_variable ready;
  std::size_t under_way = 0;
  std::unique_ptr<Error> failed;
  const auto wait_until = [&](std::size_t most) {
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return under_way <= most; });
    return failed == nullptr;
  };
  Status taken;
  for (std::size_t i = 0; i < bodies.size() && taken && wait_until(kInFlightMax - 1); ++i) {
    {
      const std::lock_guard lock(mutex);
      ++under_way;
    }
    const Hash32 id = crypto::log_leaf_hash(bodies[i]);
    taken = log.add({id, std::move(bodies[i])}, [&, i](const Result<Added>& added) {
      const std::lock_guard lock(mutex);
      if (added) out[i] = *added;
      if (!added && !failed) failed = std::make_unique<Error>(added.error().clone());
      --under_way;
      ready.notify_one();
    });
    if (!taken) {
      const std::lock_guard lock(mutex);
      --under_way;
    }
  }
  (void)wait_until(0);
  if (failed) return std::unexpected(std::move(*failed));
  TRY_OK(std::move(taken));
  return out;
}

}  // namespace

Result<plugin::Answer> run_init(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string dir(args.get("dir")), origin(args.get("origin"));
  TRY_OK(check_key_name(origin));
  TRY_OK(real_fs().mkdir(dir));
  TRY(const bool there, real_fs().exists(vkeys_path(dir)));
  if (there) return fail(Kind::kConflict, "tlog.exists", text("found a log in {}", dir));
  TRY(const crypto::KeySeeds seeds, make_seeds(args, key_path(dir)));
  Sequencer::Parts parts{.dir = dir, .origin = origin, .signers = {}, .limits = {}, .on_published = {}};
  TRY(parts.signers, args.has("ed25519-only")
                         ? make_signers(seeds, origin, {SignatureType::kEd25519})
                         : make_signers(seeds, origin, {SignatureType::kEd25519, SignatureType::kSubtree}));
  TRY_OK(Sequencer::create(parts));
  TRY(const SignedFile file, SignedFile::open(real_fs(), dir + "/signed"));
  std::vector<NoteKey> keys;
  std::string lines;
  codec::Json json = head_json(origin, empty_head()), vkeys = codec::Json::array();
  for (const NoteSigner& signer : parts.signers) {
    keys.push_back(signer.key());
    lines += format_vkey(signer.key()) + "\n";
    vkeys.push(format_vkey(signer.key()));
  }
  TRY(Mirror mirror, open_mirror(dir, origin, keys));
  TRY_OK(mirror.update(file.last(), [](const std::string&) -> Result<Bytes> { return Bytes(); }));
  TRY_OK(replace_file(real_fs(), vkeys_path(dir), as_bytes(lines)));
  json.set("vkeys", std::move(vkeys));
  return plugin::Answer{.json = std::move(json),
                        .text = text("{}: an empty log in {}. Readers trust these keys:\n{}", origin, dir,
                                     lines.substr(0, lines.size() - 1))};
}

Result<plugin::Answer> run_append(const plugin::VerbArgs& args, plugin::Talk&) {
  const std::string dir(args.get("dir"));
  TRY(Input input, read_input(args));
  TRY(Log log, open_log(args, dir));
  TRY(Mirror mirror, open_mirror(dir, log.keys[0].name, log.keys));
  TRY(const std::vector<Added> added, add_all(*log.sequencer, std::move(input.bodies)));
  const TreeHead head = log.sequencer->published();
  TRY_OK(mirror.update(log.sequencer->checkpoint(), log.sequencer->store().fetch(head.size)));
  codec::Json json = head_json(log.keys[0].name, head), list = codec::Json::array();
  std::string shown;
  for (std::size_t i = 0; i < added.size(); ++i) {
    codec::Json one = codec::Json::object();
    one.set("name", input.names[i]).set("index", added[i].index).set("known", added[i].known);
    list.push(std::move(one));
    if (!args.has("lines"))
      shown += text("{:>8}  {}{}\n", added[i].index, input.names[i], added[i].known ? " (was there)" : "");
  }
  json.set("entries", std::move(list));
  return plugin::Answer{.json = std::move(json),
                        .text = shown + text("{} entries added, the log has {} with root {}",
                                             std::ranges::count(added, false, &Added::known), head.size, head.root)};
}

}  // namespace hanse::tlog

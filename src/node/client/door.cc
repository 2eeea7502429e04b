#include <sys/stat.h>
#include <unistd.h>

#include "base/codec/hex.h"
#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "node/client/exchange.h"

namespace hanse::client {
namespace {

using codec::Json;

std::unexpected<Error> bad(std::string_view what) { return fail(Kind::kInvalid, "client.door", what); }

Result<std::string> word(const Json& from, std::string_view name) {
  const Json* found = from.find(name);
  if (found == nullptr) return std::string();
  TRY(const std::string_view out, found->as_text(name));
  return std::string(out);
}

Result<DoorFile> decode(std::string_view given) {
  TRY(const Json json, codec::parse_json(given));
  for (const auto& [name, value] : json.members()) {
    constexpr std::string_view kKnown[] = {"format", "server",   "router",          "auction", "execution",
                                           "token",  "key_file", "passphrase_file", "orders"};
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) return bad(text("found an unknown field \"{}\"", name));
  }
  const Json* format = json.find("format");
  if (format == nullptr || format->as_u64("format").value_or(0) != 1) return bad("found no format 1");
  DoorFile out;
  TRY(const std::string server, word(json, "server"));
  const auto id = codec::decode_id(server);
  if (!id || !AccountId::from(*id, out.server)) return bad(text("found server \"{}\", expected hanse1...", server));
  constexpr std::string_view kServices[] = {"router", "auction", "execution"};
  for (std::size_t i = 0; i < out.addresses.size(); ++i) {
    TRY(out.addresses[i], word(json, kServices[i]));
    if (out.addresses[i].empty()) return bad(text("found no address of the {} service", kServices[i]));
  }
  TRY(out.token, word(json, "token"));
  TRY(out.key_file, word(json, "key_file"));
  TRY(out.passphrase_file, word(json, "passphrase_file"));
  TRY(const std::string orders, word(json, "orders"));
  if (!orders.empty() && orders != "auction" && orders != "router")
    return bad(text("found orders \"{}\", expected auction or router", orders));
  out.by_router = orders == "router";
  return out;
}

}  // namespace

std::string encode_door(const DoorFile& door) {
  Json out = Json::object();
  out.set("format", 1).set("server", codec::encode_id(door.server.view()));
  out.set("router", door.addresses[0]).set("auction", door.addresses[1]).set("execution", door.addresses[2]);
  if (!door.token.empty()) out.set("token", door.token);
  if (!door.key_file.empty()) out.set("key_file", door.key_file);
  if (!door.passphrase_file.empty()) out.set("passphrase_file", door.passphrase_file);
  if (door.by_router) out.set("orders", "router");
  return out.dump_pretty() + "\n";
}

Result<DoorFile> decode_door(std::string_view json) {
  auto out = decode(json);
  if (out || out.error().id() == "client.door") return out;
  return bad(out.error().str());
}

Result<DoorFile> read_door(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && ((st.st_mode & 077) != 0 || st.st_uid != ::geteuid()))
    return fail(Kind::kDenied, "client.door",
                text("found {} with mode {:o} and owner {}, expected mode 600 and owner {}: it opens a node", path,
                     unsigned{st.st_mode & 07777}, unsigned{st.st_uid}, unsigned{::geteuid()}));
  TRY(const Bytes bytes, read_file(real_fs(), path, kDoorFileMax));
  return with_context(decode_door(as_text(bytes)), text("read {}", path));
}

}  // namespace hanse::client

#include "store/archive/target.h"

#include <chrono>
#include <cstdlib>
#include <map>
#include <sys/stat.h>
#include <thread>

#include "base/core/text.h"
#include "store/archive/detail/remote.h"

namespace hanse::archive {
namespace {

constexpr std::size_t kCredentialsBytesMax = 64 * 1024;

bool plain_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

struct Url {
  std::string scheme, place;  // place: what stands between "://" (or ":") and "?"
  std::map<std::string, std::string> options;
};

Result<Url> parse_url(const std::string& url) {
  Url out;
  const auto scheme = url.find("://");
  if (url.starts_with("dir:")) return Url{.scheme = "dir", .place = url.substr(4), .options = {}};
  if (scheme == url.npos) return Url{.scheme = "dir", .place = url, .options = {}};
  out.scheme = url.substr(0, scheme);
  const auto mark = url.find('?');
  out.place = url.substr(scheme + 3, mark == url.npos ? url.npos : mark - scheme - 3);
  std::string_view rest = mark == url.npos ? std::string_view() : std::string_view(url).substr(mark + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto equals = one.find('=');
    const std::string key(one.substr(0, equals));
    if (key != "endpoint" && key != "region" && key != "path_style" && key != "credentials")
      return fail(Kind::kInvalid, "archive.url",
                  text("found option '{}', expected endpoint, region, path_style or credentials", key));
    if (equals == one.npos || !out.options.emplace(key, one.substr(equals + 1)).second)
      return fail(Kind::kInvalid, "archive.url",
                  text("found option '{}' without value or twice, expected {}=VALUE", key, key));
  }
  return out;
}

// Values come from the file when one is named, else from the environment.
class Credentials {
 public:
  static Result<Credentials> load(const Url& url, const Context& context, Fs& fs) {
    Credentials out;
    const auto file = url.options.find("credentials");
    if (file == url.options.end()) {
      out.environment_ = context.environment ? context.environment : [](const std::string& name) {
        const char* const value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "" : value);
      };
      return out;
    }
    struct stat st;
    if (::stat(file->second.c_str(), &st) == 0 && (st.st_mode & 077) != 0)
      return fail(Kind::kDenied, "archive.credentials",
                  text("found {} open to others (mode {:o}), expected 600", file->second, st.st_mode & 0777));
    TRY(const Bytes bytes, read_file(fs, file->second, kCredentialsBytesMax));
    TRY_OK(out.parse(as_text(bytes), file->second));
    return out;
  }

  Result<std::string> need(const std::string& name) const {
    std::string value = optional(name);
    if (value.empty())
      return fail(Kind::kDenied, "archive.credentials",
                  text("found no {} in {}, expected one", name, environment_ ? "the environment" : file_));
    return value;
  }
  std::string optional(const std::string& name) const {
    if (environment_) return environment_(name);
    const auto it = values_.find(name);
    return it == values_.end() ? std::string() : it->second;
  }

 private:
  Status parse(std::string_view all, const std::string& file) {
    file_ = file;
    for (std::size_t number = 1; !all.empty(); ++number) {
      const auto end = std::min(all.find('\n'), all.size());
      std::string_view line = trim(all.substr(0, end));
      all.remove_prefix(std::min(end + 1, all.size()));
      if (line.empty() || line.starts_with('#') || line.starts_with('[')) continue;
      const auto equals = line.find('=');
      if (equals == line.npos)
        return fail(Kind::kDenied, "archive.credentials",
                    text("{} line {}: found no '=', expected KEY = VALUE", file, number));
      std::string key(trim(line.substr(0, equals)));
      for (char& c : key)  // Amazon's own file has them in lower case
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      values_[key] = std::string(trim(line.substr(equals + 1)));
    }
    return {};
  }
  static std::string_view trim(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
    return s;
  }
  std::function<std::string(const std::string&)> environment_;
  std::map<std::string, std::string> values_;
  std::string file_;
};

std::string option(const Url& url, const std::string& name, std::string fallback) {
  const auto it = url.options.find(name);
  return it == url.options.end() ? std::move(fallback) : it->second;
}

// "a/b" -> "a", "b"; "a" -> "a", "". The first must be a plain word.
Result<std::pair<std::string, std::string>> first_folder(const std::string& place, std::string_view what) {
  const auto slash = place.find('/');
  std::string first = place.substr(0, slash);
  bool plain = !first.empty() && first[0] != '.';
  for (const char c : first) plain = plain && plain_char(c);
  if (!plain)
    return fail(Kind::kInvalid, "archive.url",
                text("found {} '{}', expected letters, digits, '-' and '.'", what, first));
  return std::pair(first, slash == place.npos ? std::string() : place.substr(slash + 1));
}

Result<std::string> prefix_of(std::string rest) {
  while (rest.ends_with('/')) rest.pop_back();
  if (rest.size() > kNameMax || rest.starts_with('/') || rest.contains("//"))
    return fail(Kind::kInvalid, "archive.url", text("found prefix '{}', expected at most {} bytes", rest, kNameMax));
  for (const char c : rest)
    if (!plain_char(c) && c != '/')
      return fail(Kind::kInvalid, "archive.url", text("found '{}' in a prefix, expected letters, digits, . _ - /", c));
  return rest.empty() ? rest : rest + "/";
}

Result<RemotePlace> s3_place(const Url& url, const Credentials& credentials) {
  const bool google = url.scheme == "gs";
  RemotePlace out;
  TRY(const auto split, first_folder(url.place, "bucket"));
  const auto& [bucket, rest] = split;
  TRY(out.prefix, prefix_of(rest));
  out.region = option(url, "region", google ? "auto" : "us-east-1");
  out.shown = text("{}://{}/{}", url.scheme, bucket, out.prefix);
  const bool own = url.options.contains("endpoint");
  const std::string style = option(url, "path_style", own || google ? "1" : "0");
  if (style != "0" && style != "1")
    return fail(Kind::kInvalid, "archive.url", text("found path_style '{}', expected 0 or 1", style));
  std::string endpoint = option(
      url, "endpoint", google ? "https://storage.googleapis.com" : text("https://s3.{}.amazonaws.com", out.region));
  if (style == "0") {
    const auto host = endpoint.find("://");
    if (host != endpoint.npos) endpoint.insert(host + 3, bucket + ".");
  } else {
    out.root = "/" + bucket;
  }
  TRY(out.endpoint, parse_endpoint(endpoint));
  out.checksums = !google;
  const std::string before = google ? "GS" : "AWS";
  TRY(out.keys.id, credentials.need(before + "_ACCESS_KEY_ID"));
  TRY(out.keys.secret, credentials.need(before + "_SECRET_ACCESS_KEY"));
  if (!google) out.keys.session_token = credentials.optional("AWS_SESSION_TOKEN");
  return out;
}

Result<RemotePlace> azure_place(const Url& url, const Credentials& credentials) {
  RemotePlace out;
  TRY(const auto account, first_folder(url.place, "account"));
  TRY(const auto container, first_folder(account.second, "container"));
  TRY(out.prefix, prefix_of(container.second));
  out.keys.id = account.first;
  out.shown = text("az://{}/{}/{}", account.first, container.first, out.prefix);
  const bool own = url.options.contains("endpoint");
  TRY(out.endpoint, parse_endpoint(option(url, "endpoint", text("https://{}.blob.core.windows.net", account.first))));
  // An emulator's path begins with the account; the service has it in its host name.
  out.root = own ? text("/{}/{}", account.first, container.first) : "/" + container.first;
  TRY(out.keys.secret, credentials.need("AZURE_STORAGE_KEY"));
  TRY_OK(key_bytes(out.keys.secret));
  return out;
}

// Keeps the libcurl that a target uses when the caller brought none.
class OwningTarget final : public Target {
 public:
  OwningTarget(std::unique_ptr<Http> http, std::unique_ptr<Target> inner)
      : http_(std::move(http)), inner_(std::move(inner)) {}
  Status put(const std::string& name, const Source& source) override { return inner_->put(name, source); }
  Status get(const std::string& name, std::uint64_t size_max, const Sink& sink) override {
    return inner_->get(name, size_max, sink);
  }
  Result<Entry> head(const std::string& name) override { return inner_->head(name); }
  Result<std::vector<Entry>> list(const std::string& prefix) override { return inner_->list(prefix); }
  Status erase(const std::string& name) override { return inner_->erase(name); }
  std::string shown() const override { return inner_->shown(); }

 private:
  std::unique_ptr<Http> http_;
  std::unique_ptr<Target> inner_;
};

}  // namespace

Source bytes_source(ByteView bytes) {
  return {.size_bytes = bytes.size(), .read = [bytes](std::uint64_t offset, ByteSpan out) -> Status {
            if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
            return {};
          }};
}

Result<Source> file_source(Fs& fs, const std::string& path) {
  TRY(auto opened, fs.open(path, OpenMode::kRead));
  const std::shared_ptr<File> file = std::move(opened);  // shared: a Source is copied
  TRY(const std::uint64_t size, file->size());
  return Source{.size_bytes = size, .read = [file, path](std::uint64_t offset, ByteSpan out) -> Status {
                  TRY(const std::size_t got, file->read_at(offset, out));
                  if (got == out.size()) return {};
                  return fail(
                      Kind::kUnavailable, "core.fs_io",
                      text("found {} bytes at {} of {}, expected {}: it shrank", got, offset, path, out.size()));
                }};
}

Result<Bytes> Target::get_bytes(const std::string& name, std::uint64_t size_max) {
  Bytes out;
  TRY_OK(get(name, size_max, [&](ByteView bytes) -> Status {
    append(out, bytes);
    return {};
  }));
  return out;
}

Status check_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= kNameMax;
  int folders = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool first = i == 0 || name[i - 1] == '/';
    if (name[i] == '/') {
      good = good && !first && i + 1 < name.size() && ++folders == 1;
    } else {
      good = good && plain_char(name[i]) && !(first && name[i] == '.');
    }
  }
  if (good) return {};
  return fail(
      Kind::kInvalid, "archive.name",
      text("found name '{}', expected FILE or FOLDER/FILE of letters, digits, . _ - in {} bytes", name, kNameMax));
}

Result<std::unique_ptr<Target>> open_target(const std::string& url, const Context& context) {
  Fs& fs = context.fs != nullptr ? *context.fs : real_fs();
  TRY(const Url parsed, parse_url(url));
  if (parsed.scheme == "dir") {
    std::string dir = parsed.place;
    while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
    if (dir.empty()) return fail(Kind::kInvalid, "archive.url", "found no folder, expected dir:/PATH");
    return make_dir(fs, std::move(dir));
  }
  const bool azure = parsed.scheme == "az";
  if (!azure && parsed.scheme != "s3" && parsed.scheme != "gs")
    return fail(Kind::kInvalid, "archive.url",
                text("found '{}://', expected dir:, s3://, gs:// or az://", parsed.scheme));
  TRY(const Credentials credentials, Credentials::load(parsed, context, fs));
  TRY(RemotePlace place, azure ? azure_place(parsed, credentials) : s3_place(parsed, credentials));
  std::unique_ptr<Http> own = context.http != nullptr ? nullptr : make_http();
  RemotePorts ports{.clock = context.clock != nullptr ? *context.clock : system_clock(),
                    .random = context.random != nullptr ? *context.random : system_random(),
                    .http = own ? *own : *context.http,
                    .wait_ms = context.wait_ms ? context.wait_ms : [](std::int64_t ms) {
                      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
                    }};
  auto made = azure ? make_azure(std::move(ports), std::move(place)) : make_s3(std::move(ports), std::move(place));
  return std::make_unique<OwningTarget>(std::move(own), std::move(made));
}

}  // namespace hanse::archive

#include "store/archive/detail/remote.h"

#include "base/core/text.h"
#include "store/archive/xml.h"

namespace hanse::archive {
namespace {

constexpr std::int64_t kWaitFirstMs = 200;
constexpr std::int64_t kWaitMostMs = 10'000;

// "SignatureDoesNotMatch: ..." from the error document, or nothing.
std::string words_of(const HttpAnswer& answer) {
  std::string code, message;
  (void)read_xml(as_text(answer.body), [&](std::string_view path, std::string_view found) -> Status {
    if (path == "Error/Code") code = found;
    if (path == "Error/Message") message = found.substr(0, found.find('\n'));
    return {};
  });
  if (code.empty()) code = answer.header("x-ms-error-code");
  constexpr std::size_t kWordsMax = 300;
  std::string words = message.empty() ? code : code + ": " + message;
  words.resize(std::min(words.size(), kWordsMax));
  return words.empty() ? std::string("no words") : words;
}

std::unexpected<Error> answer_error(const HttpAnswer& answer, std::string_view what) {
  const std::string message = text("{}: found HTTP {} ({}), expected 2xx", what, answer.status, words_of(answer));
  if (answer.status == 404) return fail(Kind::kNotFound, "archive.not_found", message);
  if (answer.status == 401 || answer.status == 403) return fail(Kind::kDenied, "archive.denied", message);
  if (answer.status >= 500 || answer.status == 429 || answer.status == 408)
    return fail(Kind::kUnavailable, "archive.unavailable", message);
  return fail(Kind::kInvalid, "archive.refused", message);
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view url) {
  const bool plain = url.starts_with("http://");
  if (!plain && !url.starts_with("https://"))
    return fail(Kind::kInvalid, "archive.url", text("found endpoint '{}', expected https://HOST", url));
  std::string_view authority = url.substr(plain ? 7 : 8);
  while (authority.ends_with('/')) authority.remove_suffix(1);
  for (const char c : authority)
    if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
        std::string_view(".-:[]_").find(c) == std::string_view::npos)
      return fail(Kind::kInvalid, "archive.url",
                  text("found '{}' in endpoint '{}', expected a host and a port", c, url));
  if (authority.empty()) return fail(Kind::kInvalid, "archive.url", text("found no host in endpoint '{}'", url));
  const auto colon = authority.rfind(':');
  const bool has_port = colon != authority.npos && !authority.substr(colon).contains(']');
  const std::string_view name = authority.substr(0, has_port ? colon : authority.npos);
  const bool loopback = name == "localhost" || name == "[::1]" || name == "127.0.0.1";
  if (plain && !loopback)
    return fail(
        Kind::kDenied, "archive.plain_http",
        text("found endpoint '{}', expected https, or a loopback address: http is neither secret nor sure", url));
  if (has_port && authority.substr(colon) == (plain ? ":80" : ":443")) authority = name;
  return Endpoint{.origin = text("{}{}", plain ? "http://" : "https://", authority),
                  .host = std::string(authority),
                  .loopback = loopback};
}

bool worth_retrying(const Error& error) {
  return (error.kind() == Kind::kUnavailable || error.kind() == Kind::kTimeout) && error.id().starts_with("archive.");
}

Result<HttpAnswer> Remote::attempt(Call call, std::string_view what) {
  TRY_OK(sign_(call));
  const std::string query = query_text(call.request);
  const HttpRequest request{.method = call.request.method,
                            .url = text("{}{}{}{}", origin_, call.request.path, query.empty() ? "" : "?", query),
                            .headers = call.request.headers,
                            .body = call.body,
                            .answer_max = call.answer_max,
                            .sink = call.sink};
  TRY(HttpAnswer answer, with_context(ports_.http.send(request), what));
  if (answer.status / 100 != 2) return answer_error(answer, what);
  return answer;
}

Result<HttpAnswer> Remote::send(const Call& call, std::string_view what) {
  std::int64_t ceiling_ms = kWaitFirstMs;
  for (int n = 1;; ++n) {
    auto answer = attempt(call, what);
    if (answer || n == kAttemptsMax || !worth_retrying(answer.error())) return answer;
    // Full jitter, as in base/exec/backoff.h.
    ports_.wait_ms(1 + static_cast<std::int64_t>(ports_.random.below(static_cast<std::uint64_t>(ceiling_ms))));
    ceiling_ms = std::min(ceiling_ms * 2, kWaitMostMs);
  }
}

Status Remote::download(Call call, std::string_view what, std::uint64_t size_max, const Sink& sink) {
  std::uint64_t got = 0;
  bool sink_failed = false;  // not worth another attempt
  const Sink counting = [&](ByteView bytes) -> Status {
    Status taken = sink(bytes);
    if (taken) got += bytes.size();
    sink_failed = !taken;
    return taken;
  };
  call.request.method = "GET";
  call.sink = &counting;
  const Headers headers = call.request.headers;
  std::int64_t ceiling_ms = kWaitFirstMs;
  for (int n = 1;; ++n) {
    call.request.headers = headers;
    if (got > 0) call.request.headers.emplace_back("range", text("bytes={}-", got));
    call.answer_max = size_max - got;
    const std::uint64_t before = got;
    auto answer = attempt(call, what);
    if (answer && before > 0 && answer->status != 206)
      return fail(Kind::kCorrupt, "archive.reply",
                  text("{}: found HTTP {} for a range, expected 206", what, answer->status));
    if (answer) return {};
    if (n == kAttemptsMax || sink_failed || !worth_retrying(answer.error()))
      return std::unexpected(std::move(answer).error());
    ports_.wait_ms(1 + static_cast<std::int64_t>(ports_.random.below(static_cast<std::uint64_t>(ceiling_ms))));
    ceiling_ms = std::min(ceiling_ms * 2, kWaitMostMs);
  }
}

Result<std::uint64_t> parse_size(std::string_view digits, std::string_view what) {
  std::uint64_t value = 0;
  const bool fits = !digits.empty() && digits.size() <= 18;
  for (std::size_t i = 0; fits && i < digits.size(); ++i) {
    if (digits[i] < '0' || digits[i] > '9') {
      value = ~std::uint64_t{0};
      break;
    }
    value = value * 10 + static_cast<std::uint64_t>(digits[i] - '0');
  }
  if (!fits || value == ~std::uint64_t{0})
    return fail(Kind::kCorrupt, "archive.reply", text("{}: found size '{}', expected a number", what, digits));
  return value;
}

std::uint64_t part_bytes(std::uint64_t size_bytes, std::uint64_t part_min) {
  return std::max(part_min, (size_bytes + kPartsMax - 1) / kPartsMax);
}

Result<Bytes> read_part(const Source& source, std::uint64_t offset, std::uint64_t size_bytes) {
  Bytes out(size_bytes);
  TRY_OK(source.read(offset, out));
  return out;
}

}  // namespace hanse::archive

#include "store/archive/sign.h"

#include <algorithm>

#include "base/codec/base64.h"
#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/crypto/hash.h"

namespace hanse::archive {
namespace {

struct Civil {
  std::int64_t year;
  unsigned month, day, hour, minute, second, weekday;  // month 1 to 12, weekday 0 = Sunday
};

// Days to a date of the Gregorian calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
Civil civil(std::int64_t wall_ms) {
  const std::int64_t seconds = wall_ms / 1000;
  const std::int64_t days = seconds / 86'400;
  const std::int64_t z = days + 719'468;
  const std::int64_t era = z / 146'097;
  const auto doe = static_cast<unsigned>(z - era * 146'097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  const auto rest = static_cast<unsigned>(seconds % 86'400);
  return {.year = static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = doy - (153 * mp + 2) / 5 + 1,
          .hour = rest / 3600,
          .minute = rest / 60 % 60,
          .second = rest % 60,
          .weekday = static_cast<unsigned>((days + 4) % 7)};
}

Headers sorted(Headers headers) {
  std::ranges::sort(headers);
  return headers;
}

std::string signed_names(const Headers& headers) {
  std::string out;
  for (const auto& header : headers) out += (out.empty() ? "" : ";") + header.first;
  return out;
}

std::string_view value_of(const Headers& headers, std::string_view name) {
  for (const auto& header : headers)
    if (header.first == name) return header.second;
  return {};
}

Hash32 hmac(ByteView key, std::string_view message) { return crypto::hmac_sha256(key, {as_bytes(message)}); }

}  // namespace

std::string percent_encode(std::string_view s, Slash slash) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : s) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (c == '/' && slash == Slash::kKeep);
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string query_text(const SignedRequest& request) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [key, value] : request.query) encoded.emplace_back(percent_encode(key), percent_encode(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [key, value] : encoded) out += (out.empty() ? "" : "&") + key + "=" + value;
  return out;
}

std::string amz_date(std::int64_t wall_ms) {
  const Civil c = civil(wall_ms);
  return text("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string http_date(std::int64_t wall_ms) {
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil c = civil(wall_ms);
  return text("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[c.weekday], c.day, kMonths[c.month - 1], c.year, c.hour,
              c.minute, c.second);
}

Result<Bytes> key_bytes(std::string_view secret) {
  auto bytes = codec::from_base64(secret);
  if (!bytes) return fail(Kind::kDenied, "archive.credentials", bytes.error().message());
  return bytes;
}

std::string v4_canonical_request(const SignedRequest& request) {
  const Headers headers = sorted(request.headers);
  std::string out = text("{}\n{}\n{}\n", request.method, request.path, query_text(request));
  for (const auto& [name, value] : headers) out += text("{}:{}\n", name, value);
  return out + text("\n{}\n{}", signed_names(headers), value_of(headers, "x-amz-content-sha256"));
}

std::string v4_authorization(const SignedRequest& request, const Keys& keys, const V4Scope& scope) {
  const std::string_view date = value_of(request.headers, "x-amz-date");
  const std::string_view day = date.substr(0, 8);
  const std::string credential = text("{}/{}/{}/aws4_request", day, scope.region, scope.service);
  const Hash32 canonical = crypto::sha256({as_bytes(v4_canonical_request(request))});
  const std::string to_sign = text("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, credential, canonical);
  const Hash32 by_day = hmac(as_bytes(text("AWS4{}", keys.secret)), day);
  const Hash32 by_region = hmac(by_day.view(), scope.region);
  const Hash32 by_service = hmac(by_region.view(), scope.service);
  const Hash32 key = hmac(by_service.view(), "aws4_request");
  return text("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}", keys.id, credential,
              signed_names(sorted(request.headers)), hmac(key.view(), to_sign));
}

std::string shared_key_string(const SignedRequest& request, std::string_view account) {
  std::string out = request.method + "\n";
  for (const std::string_view name :
       {"content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
        "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"}) {
    const std::string_view value = value_of(request.headers, name);
    if (name != "content-length" || value != "0") out += value;  // since 2015-02-21 a length of 0 is the empty text
    out += "\n";
  }
  for (const auto& [name, value] : sorted(request.headers))
    if (name.starts_with("x-ms-")) out += text("{}:{}\n", name, value);
  out += text("/{}{}", account, request.path);
  auto query = request.query;
  std::ranges::sort(query);
  for (std::size_t i = 0; i < query.size(); ++i) {
    const bool again = i > 0 && query[i].first == query[i - 1].first;
    out += again ? text(",{}", query[i].second) : text("\n{}:{}", query[i].first, query[i].second);
  }
  return out;
}

Result<std::string> shared_key_authorization(const SignedRequest& request, const Keys& keys) {
  TRY(const Bytes key, key_bytes(keys.secret));
  const Hash32 mac = hmac(key, shared_key_string(request, keys.id));
  return text("SharedKey {}:{}", keys.id, codec::to_base64(mac.view()));
}

}  // namespace hanse::archive

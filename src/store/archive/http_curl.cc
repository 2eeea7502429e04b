#include <curl/curl.h>

#include <algorithm>
#include <mutex>

#include "base/core/text.h"
#include "store/archive/http.h"

namespace hanse::archive {
namespace {

// What one transfer carries through libcurl's callbacks.
struct Transfer {
  const HttpRequest& request;
  HttpAnswer answer;
  std::size_t sent = 0;
  std::uint64_t received = 0;
  Status failed;
};

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\r' || s.back() == '\n')) s.remove_suffix(1);
  return s;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::string_view line = trim({data, size * count});
  if (line.starts_with("HTTP/")) {  // a new answer: after "100 Continue" comes the real one
    t.answer.headers.clear();
    const auto space = line.find(' ');
    t.answer.status = 0;
    for (std::size_t i = space + 1; space != line.npos && i < line.size() && i < space + 4; ++i)
      if (line[i] >= '0' && line[i] <= '9') t.answer.status = t.answer.status * 10 + (line[i] - '0');
  } else if (const auto colon = line.find(':'); colon != line.npos && t.answer.headers.size() < kHeadersMax) {
    t.answer.headers.emplace_back(lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const ByteView bytes{reinterpret_cast<const std::uint8_t*>(data), size * count};
  t.received += bytes.size();
  const bool to_sink = t.request.sink != nullptr && t.answer.status / 100 == 2;
  // An error page is kept for its words, and is small.
  const std::uint64_t most = to_sink ? t.request.answer_max : std::max<std::uint64_t>(t.request.answer_max, 64 << 10);
  if (t.received > most) {
    t.failed = fail(Kind::kExhausted, "archive.too_large",
                    text("found more than {} bytes in the answer, expected at most that", most));
    return 0;
  }
  if (!to_sink) {
    append(t.answer.body, bytes);
    return bytes.size();
  }
  t.failed = (*t.request.sink)(bytes);
  return t.failed ? bytes.size() : 0;
}

std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::size_t n = std::min(size * count, t.request.body.size() - t.sent);
  if (n > 0) std::memcpy(out, t.request.body.data() + t.sent, n);
  t.sent += n;
  return n;
}

int on_seek(void* user, curl_off_t offset, int origin) {
  auto& t = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::uint64_t>(offset) > t.request.body.size())
    return CURL_SEEKFUNC_FAIL;
  t.sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::unexpected<Error> transfer_error(CURLcode code, const char* words, const std::string& url) {
  const std::string host = url.substr(0, url.find('?'));
  const std::string message = text("{}: {}", host, words[0] != '\0' ? words : curl_easy_strerror(code));
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return fail(Kind::kDenied, "archive.tls", message);
    case CURLE_OPERATION_TIMEDOUT: return fail(Kind::kTimeout, "archive.timeout", message);
    default: return fail(Kind::kUnavailable, "archive.unavailable", message);
  }
}

class CurlHttp final : public Http {
 public:
  CurlHttp() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl_ = curl_easy_init();
  }
  CurlHttp(const CurlHttp&) = delete;
  ~CurlHttp() override {
    if (curl_ != nullptr) curl_easy_cleanup(curl_);
  }

  Result<HttpAnswer> send(const HttpRequest& request) override {
    if (curl_ == nullptr) return fail(Kind::kUnavailable, "archive.unavailable", "libcurl did not start");
    Transfer t{.request = request, .answer = {}, .failed = {}};
    curl_easy_reset(curl_);  // keeps the connection
    char words[CURL_ERROR_SIZE] = "";
    curl_slist* lines = nullptr;
    for (const auto& [name, value] : request.headers) lines = curl_slist_append(lines, line(name, value).c_str());
    lines = curl_slist_append(lines, "Expect:");
    set_common(request, t, words);
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, lines);
    const CURLcode code = curl_easy_perform(curl_);
    curl_slist_free_all(lines);
    if (!t.failed) return std::unexpected(std::move(t.failed).error());
    if (code != CURLE_OK) return transfer_error(code, words, request.url);
    return std::move(t.answer);
  }

 private:
  // libcurl drops a header without a value unless it ends with a semicolon.
  static std::string line(const std::string& name, const std::string& value) {
    return value.empty() ? name + ";" : name + ": " + value;
  }

  void set_common(const HttpRequest& request, Transfer& t, char* words) {
    const auto set = [this](CURLoption option, auto value) { (void)curl_easy_setopt(curl_, option, value); };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_ERRORBUFFER, words);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROTOCOLS_STR, request.url.starts_with("http://") ? "http" : "https");
    if (request.url.starts_with("http://")) set(CURLOPT_PROXY, "");  // loopback: never through a proxy
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!request.ca_file.empty()) {
      set(CURLOPT_CAINFO, request.ca_file.c_str());
      set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // these and no others
    }
    set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(kConnectSeconds));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.ms_max));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(kStallSeconds));
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&t));
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&t));
    if (request.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (request.method == "PUT" || request.method == "POST") {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_READFUNCTION, on_read);
      set(CURLOPT_READDATA, static_cast<void*>(&t));
      set(CURLOPT_SEEKFUNCTION, on_seek);
      set(CURLOPT_SEEKDATA, static_cast<void*>(&t));
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    if (request.method != "HEAD" && request.method != "GET") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  CURL* curl_ = nullptr;
};

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

std::unique_ptr<Http> make_http() { return std::make_unique<CurlHttp>(); }

}  // namespace hanse::archive

// Signatures of requests to object stores, as pure functions of the request, the key and the time.
//   SigV4       Amazon's "Signature Version 4" (Authenticating Requests: Using the Authorization Header), HMAC-SHA256
//   SharedKey   Azure Storage's "Authorize with Shared Key", Blob service, version 2015-02-21 and later
// Pure; any thread. Errors: archive.credentials (denied: a key that is not base64).
#pragma once

#include <string>
#include <string_view>

#include "base/core/ids.h"
#include "store/archive/http.h"

namespace hanse::archive {

struct Keys {
  std::string id;      // access key id, or the account
  std::string secret;  // for Azure: base64
  std::string session_token;
};

// What is signed. Headers have lower-case names and trimmed values; all of them are signed.
struct SignedRequest {
  std::string method;
  std::string path = "/";                                  // encoded as it goes over the wire
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  Headers headers;
};

// RFC 3986 as both services want it: all but A-Za-z0-9-._~ in upper-case hex; slashes stay when asked for.
enum class Slash : bool { kEncode, kKeep };
std::string percent_encode(std::string_view s, Slash slash = Slash::kEncode);
std::string query_text(const SignedRequest& request);  // "a=b&c=", in the order in which SigV4 wants it

std::string amz_date(std::int64_t wall_ms);   // 20130524T000000Z
std::string http_date(std::int64_t wall_ms);  // Fri, 24 May 2013 00:00:00 GMT

Result<Bytes> key_bytes(std::string_view secret);  // an Azure key, which is base64

// The request must carry host, x-amz-date and x-amz-content-sha256. Gives the value of Authorization.
struct V4Scope {
  std::string region, service = "s3";
};
std::string v4_canonical_request(const SignedRequest& request);
std::string v4_authorization(const SignedRequest& request, const Keys& keys, const V4Scope& scope);

// path as it goes over the wire; content-length and the other standard headers are taken from the headers.
std::string shared_key_string(const SignedRequest& request, std::string_view account);
Result<std::string> shared_key_authorization(const SignedRequest& request, const Keys& keys);

}  // namespace hanse::archive

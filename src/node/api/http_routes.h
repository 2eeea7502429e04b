// The HTTP routes as a pure function of method and target: what a person, a probe or a scraper reads. Nothing here
// changes state.
//   GET /health/live         200, or 503: consensus does not move or has halted, and a restart is needed
//   GET /health/ready        200, or 503 with the error
//   GET /metrics             Prometheus text
//   GET /api/v1/info         GET /api/v1/jobs/{32 hex}         GET /api/v1/blocks/{height}
//   GET /api/v1/consensus/status           GET /api/v1/consensus/finality/{64 hex or height}
//   GET /api/v1/cert/{height}              GET /api/v1/valset/{epoch}          GET /api/v1/tx/{64 hex}/proof
//   GET /api/v1/evidence
// An error is {"error": {"kind", "id", "message", "code", "path"}} under the status that its kind means.
// Errors: api.no_route (not_found), api.bad_method (unsupported), api.bad_request (invalid), and the backend's.
#pragma once

#include <string>
#include <string_view>

#include "node/api/backend.h"

namespace hanse::api {

struct HttpReply {
  unsigned status = 200;
  std::string type = "application/json";
  std::string body;
};

// Without a backend the routes under /api do not exist.
HttpReply http_reply(Probe& probe, Backend* backend, std::string_view method, std::string_view target);
HttpReply http_error(const Error& error);
unsigned http_status(Kind kind);

}  // namespace hanse::api

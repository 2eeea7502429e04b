#include "node/api/http_routes.h"

#include <charconv>

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/telemetry/metrics.h"

namespace hanse::api {
namespace {

using codec::Json;

HttpReply json_reply(const Json& json) { return {.status = 200, .body = json.dump() + "\n"}; }

HttpReply answer(const Result<Json>& json) { return json ? json_reply(*json) : http_error(json.error()); }

Result<Json> info_document(Backend& backend) {
  TRY(const auto info, backend.info());
  Json roles = Json::array();
  for (const auto& role : info.roles) roles.push(role);
  Json out = Json::object();
  out.set("version", info.version)
      .set("network", codec::to_hex(info.network.view()))
      .set("node_id", info.node_id)
      .set("roles", std::move(roles))
      .set("height", info.height.value);
  return out;
}

Result<Json> block_document(Backend& backend, std::string_view given) {
  Height height;
  const auto [end, ec] = std::from_chars(given.data(), given.data() + given.size(), height.value);
  if (ec != std::errc{} || end != given.data() + given.size())
    return fail(Kind::kInvalid, "api.bad_request",
                text("found height \"{}\", expected a whole number", given.substr(0, 40)));
  return backend.block_document(height);
}

Result<Json> job_document(Backend& backend, std::string_view given) {
  const auto id = codec::fixed_from_hex<JobId>(given);
  if (!id)
    return fail(Kind::kInvalid, "api.bad_request",
                text("found job id \"{}\", expected {} hex digits", given.substr(0, 40), 2 * JobId::kSize));
  return backend.job_document(*id);
}

HttpReply ready_reply(Probe& probe) {
  const Status ready = probe.ready();
  if (ready) return {.status = 200, .type = "text/plain; charset=utf-8", .body = "ready\n"};
  HttpReply reply = http_error(ready.error());
  reply.status = 503;
  return reply;
}

HttpReply route(Probe& probe, Backend* backend, std::string_view method, std::string_view target) {
  constexpr std::string_view kJobs = "/api/v1/jobs/", kBlocks = "/api/v1/blocks/";
  if (method != "GET") {
    HttpReply reply = http_error(
        Error(Kind::kUnsupported, "api.bad_method", text("found method {}, expected GET", method.substr(0, 40))));
    reply.status = 405;
    return reply;
  }
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/health/live") return {.status = 200, .type = "text/plain; charset=utf-8", .body = "live\n"};
  if (path == "/health/ready") return ready_reply(probe);
  if (path == "/metrics")
    return {.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8", .body = probe.metrics()};
  if (backend != nullptr) {
    if (path == "/api/v1/info") return answer(info_document(*backend));
    if (path.starts_with(kJobs)) return answer(job_document(*backend, path.substr(kJobs.size())));
    if (path.starts_with(kBlocks)) return answer(block_document(*backend, path.substr(kBlocks.size())));
  }
  return http_error(Error(Kind::kNotFound, "api.no_route", text("found no route {}", path.substr(0, 80))));
}

}  // namespace

unsigned http_status(Kind kind) {
  switch (kind) {
    case Kind::kInvalid: return 400;
    case Kind::kNotFound: return 404;
    case Kind::kConflict: return 409;
    case Kind::kDenied: return 403;
    case Kind::kUnavailable: return 503;
    case Kind::kTimeout: return 504;
    case Kind::kExhausted: return 429;
    case Kind::kUnsupported: return 501;
    case Kind::kCorrupt:
    case Kind::kInternal: break;
  }
  return 500;
}

HttpReply http_error(const Error& error) {
  Json inner = Json::object();
  inner.set("kind", kind_name(error.kind())).set("id", error.id()).set("message", error.message());
  if (error.code() != 0) inner.set("code", error.code());
  if (!error.path().empty()) inner.set("path", error.path());
  Json out = Json::object();
  out.set("error", std::move(inner));
  return {.status = http_status(error.kind()), .body = out.dump() + "\n"};
}

HttpReply http_reply(Probe& probe, Backend* backend, std::string_view method, std::string_view target) {
  HttpReply reply = route(probe, backend, method, target);
  telemetry::registry().counter(telemetry::Metric::kApiRequests, {"http", text("{}", reply.status)}).add();
  return reply;
}

}  // namespace hanse::api

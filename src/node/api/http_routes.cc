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

Result<std::uint64_t> number(std::string_view given, std::string_view what) {
  std::uint64_t out = 0;
  const auto [end, ec] = std::from_chars(given.data(), given.data() + given.size(), out);
  if (ec != std::errc{} || end != given.data() + given.size())
    return fail(Kind::kInvalid, "api.bad_request",
                text("found {} \"{}\", expected a whole number", what, given.substr(0, 40)));
  return out;
}

Result<Hash32> hash(std::string_view given, std::string_view what) {
  const auto out = codec::fixed_from_hex<Hash32>(given);
  if (!out)
    return fail(Kind::kInvalid, "api.bad_request",
                text("found {} \"{}\", expected {} hex digits", what, given.substr(0, 80), 2 * Hash32::kSize));
  return *out;
}

Result<Json> block_document(Backend& backend, std::string_view given) {
  TRY(const auto height, number(given, "height"));
  return backend.block_document(Height{height});
}

Result<Json> consensus_document(Backend& backend) {
  TRY(const auto info, backend.consensus());
  Json out = Json::object();
  out.set("height", info.height.value)
      .set("finalized", info.finalized.value)
      .set("economic", info.economic.value)
      .set("view", info.view)
      .set("leader", info.leader)
      .set("stable", info.stable)
      .set("lag", info.lag)
      .set("abstaining", info.abstaining)
      .set("validators", std::uint64_t{info.validators})
      .set("quorum_bp", std::uint64_t{info.quorum_bp})
      .set("economic_bp", std::uint64_t{info.economic_bp});
  return out;
}

// A hash has 64 digits and a height at most 20.
Result<Json> finality_document(Backend& backend, std::string_view given) {
  if (given.size() > 20) {
    TRY(const Hash32 block, hash(given, "block hash"));
    return backend.finality_document(block);
  }
  TRY(const auto height, number(given, "block"));
  return backend.finality_document(Height{height});
}

Result<Json> certificate_document(Backend& backend, std::string_view given) {
  TRY(const auto height, number(given, "height"));
  return backend.certificate_document(Height{height});
}

Result<Json> valset_document(Backend& backend, std::string_view given) {
  TRY(const auto epoch, number(given, "epoch"));
  return backend.valset_document(epoch);
}

Result<Json> tx_proof_document(Backend& backend, std::string_view given) {
  TRY(const Hash32 id, hash(given, "transaction id"));
  return backend.tx_proof_document(id);
}

Result<Json> job_document(Backend& backend, std::string_view given) {
  const auto id = codec::fixed_from_hex<JobId>(given);
  if (!id)
    return fail(Kind::kInvalid, "api.bad_request",
                text("found job id \"{}\", expected {} hex digits", given.substr(0, 40), 2 * JobId::kSize));
  return backend.job_document(*id);
}

HttpReply probe_reply(const Status& status, std::string_view good) {
  if (status) return {.status = 200, .type = "text/plain; charset=utf-8", .body = text("{}\n", good)};
  HttpReply reply = http_error(status.error());
  reply.status = 503;
  return reply;
}

struct Route {
  std::string_view prefix, suffix;  // around the one variable part
  Result<Json> (*document)(Backend& backend, std::string_view given);
};
constexpr Route kRoutes[] = {
    {"/api/v1/jobs/", "", job_document},
    {"/api/v1/blocks/", "", block_document},
    {"/api/v1/consensus/finality/", "", finality_document},
    {"/api/v1/cert/", "", certificate_document},
    {"/api/v1/valset/", "", valset_document},
    {"/api/v1/tx/", "/proof", tx_proof_document},
};

HttpReply route(Probe& probe, Backend* backend, std::string_view method, std::string_view target) {
  if (method != "GET") {
    HttpReply reply = http_error(
        Error(Kind::kUnsupported, "api.bad_method", text("found method {}, expected GET", method.substr(0, 40))));
    reply.status = 405;
    return reply;
  }
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/health/live") return probe_reply(probe.live(), "live");
  if (path == "/health/ready") return probe_reply(probe.ready(), "ready");
  if (path == "/metrics")
    return {.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8", .body = probe.metrics()};
  if (backend != nullptr) {
    if (path == "/api/v1/info") return answer(info_document(*backend));
    if (path == "/api/v1/consensus/status") return answer(consensus_document(*backend));
    if (path == "/api/v1/evidence") return answer(backend->evidence_document());
    for (const Route& route : kRoutes) {
      const std::size_t around = route.prefix.size() + route.suffix.size();
      if (path.size() >= around && path.starts_with(route.prefix) && path.ends_with(route.suffix))
        return answer(route.document(*backend, path.substr(route.prefix.size(), path.size() - around)));
    }
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

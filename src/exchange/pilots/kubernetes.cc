#include <algorithm>

#include "base/codec/json.h"
#include "base/core/fs.h"
#include "base/core/text.h"
#include "exchange/pilots/cluster.h"
#include "exchange/pilots/wire.h"
#include "store/archive/http.h"

namespace hanse::pilots {
namespace {

using codec::Json;

constexpr std::size_t kTokenMax = 64 * 1024;
constexpr std::int64_t kRequestMsMax = 30'000;
constexpr std::uint64_t kPageSize = 250;
constexpr std::uint64_t kKeptSeconds = 300;  // a Job that is over, for people to look at
constexpr std::string_view kGroupLabel = "hanse.dev/provider";

Json object(std::initializer_list<std::pair<std::string_view, Json>> members) {
  Json out = Json::object();
  for (const auto& [key, value] : members) out.append_member(key, value);
  return out;
}

Json list_of(std::initializer_list<Json> items) {
  Json out = Json::array();
  for (const Json& one : items) out.push(one);
  return out;
}

Json labels_of(const KubernetesOptions& o) {
  return object({{"app.kubernetes.io/name", "hanse-pilot"},
                 {"app.kubernetes.io/managed-by", "hansed"},
                 {kGroupLabel, o.shape.group}});
}

// The text at the end of a path of members, or "".
std::string_view text_at(const Json& json, std::initializer_list<std::string_view> path) {
  const Json* at = &json;
  for (const auto key : path)
    if (at = at->type() == Json::Type::kObject ? at->find(key) : nullptr; at == nullptr) return {};
  return at->type() == Json::Type::kText ? *at->as_text("") : std::string_view();
}

std::unexpected<Error> not_understood(std::string_view what) {
  return fail(Kind::kUnavailable, "pilots.cluster", text("the API answered {}", what));
}

std::string escaped(std::string_view value) {  // for a query, RFC 3986
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

// Over, or about to be: it was deleted, or has a condition Complete or Failed that is true (JobStatus).
Result<bool> is_over(const Json& job) {
  if (!text_at(job, {"metadata", "deletionTimestamp"}).empty()) return true;
  const Json* status = job.find("status");
  const Json* conditions = status == nullptr ? nullptr : status->find("conditions");
  if (conditions == nullptr || conditions->is_null()) return false;
  if (conditions->type() != Json::Type::kArray) return not_understood("conditions that are no array");
  return std::ranges::any_of(conditions->items(), [](const Json& one) {
    const auto type = text_at(one, {"type"});
    return (type == "Complete" || type == "Failed" || type == "FailureTarget") && text_at(one, {"status"}) == "True";
  });
}

class Kubernetes final : public Cluster {
 public:
  Kubernetes(KubernetesOptions options, std::unique_ptr<archive::Http> http)
      : options_(std::move(options)), http_(std::move(http)) {}

  // The Job first, whose uid the Secret names as its owner; the pod waits for the Secret meanwhile.
  Result<std::string> start(const std::string& name, const std::string& ticket) override {
    TRY(const Json made, ask("POST", jobs(), job_manifest(options_, name), "create job " + name));
    const auto uid = text_at(made, {"metadata", "uid"});
    if (uid.empty()) return not_understood("a job without a uid");
    const auto kept = ask("POST", "/api/v1/namespaces/" + options_.space + "/secrets",
                          secret_manifest(options_, name, std::string(uid), ticket), "create secret " + name);
    if (!kept) {
      (void)cancel(name);  // what is left is an orphan, found by the next list
      return std::unexpected(kept.error().clone());
    }
    return name;
  }

  Result<std::vector<Listed>> list() override {
    std::vector<Listed> out;
    std::string next;
    for (std::size_t page = 0; page < kPagesMax; ++page) {
      const std::string path =
          text("{}?labelSelector={}&limit={}{}", jobs(), escaped(text("{}={}", kGroupLabel, options_.shape.group)),
               kPageSize, next.empty() ? "" : "&continue=" + escaped(next));
      TRY(const std::string body, fetch("GET", path, {}, "list jobs"));
      TRY(JobPage got, parse_jobs(body));
      out.insert(out.end(), got.jobs.begin(), got.jobs.end());
      if (out.size() > kListedMax) break;
      next = std::move(got.next);
      if (next.empty()) return out;
    }
    return not_understood(text("more than {} jobs or {} pages", kListedMax, kPagesMax));
  }

  Status cancel(const std::string& id) override {
    if (!is_pilot_name(id)) return not_understood("a job of the name " + id);
    const auto done = fetch("DELETE", text("{}/{}?propagationPolicy=Background", jobs(), id), {}, "delete job " + id);
    if (!done && last_status_ != 404) return std::unexpected(done.error().clone());
    return {};
  }

 private:
  std::string jobs() const { return "/apis/batch/v1/namespaces/" + options_.space + "/jobs"; }

  Result<Json> ask(const std::string& method, const std::string& path, const std::string& body,
                   const std::string& what) {
    TRY(const std::string answer, fetch(method, path, body, what));
    auto json = codec::parse_json(answer);
    if (!json || json->type() != Json::Type::kObject) return not_understood("no JSON object to " + what);
    return std::move(*json);
  }

  Result<std::string> fetch(const std::string& method, const std::string& path, const std::string& body,
                            const std::string& what) {
    last_status_ = 0;
    archive::HttpRequest request;
    request.method = method;
    request.url = options_.url + path;
    request.headers = {{"accept", "application/json"}};
    if (!options_.token_file.empty()) {
      auto token = read_file(real_fs(), options_.token_file, kTokenMax);
      if (!token) return fail(Kind::kDenied, "pilots.cluster_denied", token.error().str());
      std::string_view word = as_text(*token);
      while (!word.empty() && (word.back() == '\n' || word.back() == '\r')) word.remove_suffix(1);
      request.headers.emplace_back("authorization", text("Bearer {}", word));
    }
    if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
    request.body = as_bytes(body);
    request.answer_max = kAnswerMax;
    request.ms_max = kRequestMsMax;
    request.ca_file = options_.ca_file;
    auto answer = http_->send(request);
    if (!answer) {
      const bool denied = answer.error().kind() == Kind::kDenied;
      return fail(denied ? Kind::kDenied : Kind::kUnavailable, denied ? "pilots.cluster_denied" : "pilots.cluster",
                  text("{}: {}", what, answer.error().message()));
    }
    last_status_ = answer->status;
    if (answer->status / 100 != 2) return std::unexpected(api_error(answer->status, as_text(answer->body), what));
    return std::string(as_text(answer->body));
  }

  const KubernetesOptions options_;
  const std::unique_ptr<archive::Http> http_;
  int last_status_ = 0;
};

}  // namespace

std::unique_ptr<Cluster> make_kubernetes(KubernetesOptions options, std::unique_ptr<archive::Http> http) {
  return std::make_unique<Kubernetes>(std::move(options), std::move(http));
}

std::string job_manifest(const KubernetesOptions& o, const std::string& name) {
  Json command = Json::array();
  for (const auto& word : o.shape.argv) command.push(word);
  const Json amount = object({{"cpu", text("{}", o.shape.cpus)}, {"memory", text("{}Mi", o.shape.memory_mib)}});
  const Json ticket = object({{"name", kTicketVariable},
                              {"valueFrom", object({{"secretKeyRef", object({{"name", name}, {"key", "ticket"}})}})}});
  const Json container = object({{"name", "pilot"},
                                 {"image", o.image},
                                 {"command", command},
                                 {"env", list_of({ticket})},
                                 {"resources", object({{"requests", amount}, {"limits", amount}})},
                                 {"securityContext", object({{"allowPrivilegeEscalation", false},
                                                             {"privileged", false},
                                                             {"readOnlyRootFilesystem", true},
                                                             {"capabilities", object({{"drop", list_of({"ALL"})}})}})},
                                 {"volumeMounts", list_of({object({{"name", "scratch"}, {"mountPath", "/tmp"}})})}});
  const Json pod =
      object({{"restartPolicy", "Never"},
              {"serviceAccountName", o.service_account},
              {"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"terminationGracePeriodSeconds", 10},
              {"securityContext", object({{"runAsNonRoot", true},
                                          {"runAsUser", o.user_id},
                                          {"runAsGroup", o.user_id},
                                          {"seccompProfile", object({{"type", "RuntimeDefault"}})}})},
              {"containers", list_of({container})},
              {"volumes", list_of({object({{"name", "scratch"}, {"emptyDir", object({{"sizeLimit", "1Gi"}})}})})}});
  return object({{"apiVersion", "batch/v1"},
                 {"kind", "Job"},
                 {"metadata", object({{"name", name}, {"namespace", o.space}, {"labels", labels_of(o)}})},
                 {"spec",
                  object({{"backoffLimit", 0},
                          {"completions", 1},
                          {"parallelism", 1},
                          {"activeDeadlineSeconds", std::uint64_t{o.shape.minutes} * 60},
                          {"ttlSecondsAfterFinished", kKeptSeconds},
                          {"template", object({{"metadata", object({{"labels", labels_of(o)}})}, {"spec", pod}})}})}})
      .dump();
}

std::string secret_manifest(const KubernetesOptions& o, const std::string& name, const std::string& job_uid,
                            const std::string& ticket) {
  const Json owner = object({{"apiVersion", "batch/v1"}, {"kind", "Job"}, {"name", name}, {"uid", job_uid}});
  return object({{"apiVersion", "v1"},
                 {"kind", "Secret"},
                 {"metadata", object({{"name", name},
                                      {"namespace", o.space},
                                      {"labels", labels_of(o)},
                                      {"ownerReferences", list_of({owner})}})},
                 {"type", "Opaque"},
                 {"immutable", true},
                 {"stringData", object({{"ticket", ticket}})}})
      .dump();
}

Result<JobPage> parse_jobs(std::string_view body) {
  const auto json = codec::parse_json(body);
  if (!json || text_at(*json, {"kind"}) != "JobList" || text_at(*json, {"apiVersion"}) != "batch/v1")
    return not_understood("no JobList of batch/v1");
  JobPage out{.jobs = {}, .next = std::string(text_at(*json, {"metadata", "continue"}))};
  const Json* items = json->find("items");
  if (items == nullptr || items->is_null()) return out;  // Go writes an empty list as null
  if (items->type() != Json::Type::kArray) return not_understood("items that are no array");
  if (items->items().size() > kListedMax) return not_understood(text("more than {} jobs", kListedMax));
  for (const Json& one : items->items()) {
    const auto name = text_at(one, {"metadata", "name"});
    if (!is_pilot_name(name)) return not_understood(text("a job of the name '{}'", name.substr(0, 100)));
    TRY(const bool over, is_over(one));
    if (!over) out.jobs.push_back({std::string(name), std::string(name)});
  }
  return out;
}

Error api_error(int status, std::string_view body, std::string_view what) {
  std::string why = "no Status";
  if (const auto json = codec::parse_json(body); json && text_at(*json, {"kind"}) == "Status")
    why = text("{}: {}", text_at(*json, {"reason"}), text_at(*json, {"message"}).substr(0, 300));
  const bool denied = status == 401 || status == 403;
  return Error(denied ? Kind::kDenied : Kind::kUnavailable, denied ? "pilots.cluster_denied" : "pilots.cluster",
               text("{}: HTTP {} ({})", what, status, why));
}

}  // namespace hanse::pilots

// The port to a machine park that already exists: it starts, lists and cancels pilots, and knows nothing of jobs.
//   Slurm        by its commands sbatch, squeue and scancel, without a shell; the ticket goes through the environment
//                (sbatch --export=HANSE_PILOT_TICKET), never a command line
//   Kubernetes   by its REST API (batch/v1 Jobs, v1 Secrets; kubernetes.io/docs/reference/kubernetes-api): a Job whose
//                pod is not root, has no capabilities and no token of its own, and a Secret with the ticket that the
//                Job owns, so that both go together
// What belongs to a provider carries its group ("hanse-" and 16 hex digits of the account) as job name or label, so
// that pilots of a process that was killed are found again.
// Limits: kListedMax pilots in a list, kPagesMax pages of it; answers of at most kAnswerMax bytes.
// Errors: pilots.cluster (unavailable: commands or API failed, or said what is not understood; the message has its
// words), pilots.cluster_denied (denied). A cancel of what is gone is fine.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace hanse::archive {
class Http;
}

namespace hanse::pilots {

constexpr std::size_t kListedMax = 4096;
constexpr std::size_t kPagesMax = 16;
constexpr std::size_t kAnswerMax = 4u << 20;
constexpr const char* kTicketVariable = "HANSE_PILOT_TICKET";

struct Listed {
  std::string id;    // Slurm's job id; the Job's name
  std::string name;  // of the pilot; "" when it has none, which is nobody's
  friend bool operator==(const Listed&, const Listed&) = default;
};

class Cluster {
 public:
  virtual ~Cluster() = default;
  virtual Result<std::string> start(const std::string& name, const std::string& ticket) = 0;  // its id
  virtual Result<std::vector<Listed>> list() = 0;  // those of the group that are not over
  virtual Status cancel(const std::string& id) = 0;
};

// What both are told of a pilot.
struct PilotShape {
  std::string group;
  std::vector<std::string> argv;  // hanse-pilot and its flags, as the node of the cluster finds it
  std::uint32_t cpus = 1;
  std::uint32_t memory_mib = 2048;
  std::uint32_t minutes = 60;  // then the cluster ends it
};

struct SlurmOptions {
  PilotShape shape;
  std::string folder = {};     // of the commands; "" = PATH
  std::string partition = {};  // "" = the cluster's default
  std::string account = {};    // "" = the user's default
  std::string output = "/dev/null";
  std::int64_t command_ms_max = 30'000;
};
std::unique_ptr<Cluster> make_slurm(SlurmOptions options);
std::string slurm_script(const std::vector<std::string>& argv);  // words quoted for sh
// The output of squeue --noheader --format=%i|%T|%k; jobs that are over are left out.
Result<std::vector<Listed>> parse_squeue(std::string_view output);
Result<std::string> parse_sbatch(std::string_view output);  // "ID" or "ID;CLUSTER"

struct KubernetesOptions {
  PilotShape shape;
  std::string url;  // https://HOST:PORT
  std::string space = "default";
  std::string token_file;  // read at each request: tokens are renewed
  std::string ca_file;
  std::string image;
  std::string service_account = "default";
  std::int64_t user_id = 65532;  // the pod's; not 0
};
std::unique_ptr<Cluster> make_kubernetes(KubernetesOptions options, std::unique_ptr<archive::Http> http);
std::string job_manifest(const KubernetesOptions& options, const std::string& name);
std::string secret_manifest(const KubernetesOptions& options, const std::string& name, const std::string& job_uid,
                            const std::string& ticket);
// A page of a JobList: pilots that are not over, and the token of the next page, "" when this is the last.
struct JobPage {
  std::vector<Listed> jobs;
  std::string next;
};
Result<JobPage> parse_jobs(std::string_view json);
// What an answer other than 2xx says, for `what` that was tried.
Error api_error(int status, std::string_view json, std::string_view what);

}  // namespace hanse::pilots

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/core/text.h"
#include "base/exec/command.h"
#include "exchange/pilots/cluster.h"
#include "exchange/pilots/wire.h"

namespace hanse::pilots {
namespace {

// squeue(1), JOB STATE CODES. Those that are over, or on the way there after a cancel.
constexpr std::string_view kOver[] = {"BOOT_FAIL", "CANCELLED",     "COMPLETED",    "COMPLETING", "DEADLINE",
                                      "FAILED",    "LAUNCH_FAILED", "NODE_FAIL",    "PREEMPTED",  "OUT_OF_MEMORY",
                                      "REVOKED",   "TIMEOUT",       "RECONFIG_FAIL"};
constexpr std::string_view kAlive[] = {"CONFIGURING", "PENDING",      "POWER_UP_NODE", "REQUEUED",
                                       "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING",      "RESV_DEL_HOLD",
                                       "RUNNING",     "SIGNALING",    "SPECIAL_EXIT",  "STAGE_OUT",
                                       "STOPPED",     "SUSPENDED",    "UPDATE_DB",     "EXPEDITING"};

std::unexpected<Error> not_understood(std::string_view what, std::string_view line) {
  return fail(Kind::kUnavailable, "pilots.cluster", text("{} answered '{}'", what, line.substr(0, 200)));
}

bool is_job_id(std::string_view id) {
  return !id.empty() && id.size() <= 10 && id.front() != '0' &&
         std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; });
}

class Slurm final : public Cluster {
 public:
  explicit Slurm(SlurmOptions options) : options_(std::move(options)) {}

  Result<std::string> start(const std::string& name, const std::string& ticket) override {
    const PilotShape& shape = options_.shape;
    std::vector<std::string> words = {"--parsable",
                                      "--no-requeue",
                                      "--job-name=" + shape.group,
                                      "--comment=" + name,
                                      "--nodes=1",
                                      "--ntasks=1",
                                      text("--cpus-per-task={}", shape.cpus),
                                      text("--mem={}M", shape.memory_mib),
                                      text("--time={}", shape.minutes),
                                      "--chdir=/",
                                      "--output=" + options_.output,
                                      text("--export={}", kTicketVariable)};
    if (!options_.partition.empty()) words.push_back("--partition=" + options_.partition);
    if (!options_.account.empty()) words.push_back("--account=" + options_.account);
    TRY(const std::string said, run("sbatch", std::move(words), {{kTicketVariable, ticket}}, slurm_script(shape.argv)));
    return parse_sbatch(said);
  }

  Result<std::vector<Listed>> list() override {
    TRY(const std::string said,
        run("squeue", {"--me", "--noheader", "--name=" + options_.shape.group, "--format=%i|%T|%k"}, {}, {}));
    return parse_squeue(said);
  }

  Status cancel(const std::string& id) override {
    if (!is_job_id(id)) return not_understood("the list", id);
    const auto said = run("scancel", {id}, {}, {});
    if (!said && said.error().message().find("Invalid job id") == std::string_view::npos)
      return std::unexpected(said.error().clone());
    return {};
  }

 private:
  Result<std::string> run(const std::string& program, std::vector<std::string> words,
                          std::vector<std::pair<std::string, std::string>> environment, std::string input) {
    words.insert(words.begin(), options_.folder.empty() ? program : options_.folder + "/" + program);
    auto end = exec::run_command({.argv = std::move(words),
                                  .environment = std::move(environment),
                                  .input = std::move(input),
                                  .output_max = kAnswerMax,
                                  .ms_max = options_.command_ms_max});
    if (!end) return fail(Kind::kUnavailable, "pilots.cluster", end.error().str());
    if (end->status == 0) return std::move(end->out);
    const std::string said = end->err.substr(0, 300);
    const bool denied = said.find("ermission denied") != said.npos || said.find("nvalid account") != said.npos;
    return fail(denied ? Kind::kDenied : Kind::kUnavailable, denied ? "pilots.cluster_denied" : "pilots.cluster",
                text("{} ended with status {} and said '{}'", program, end->status, said));
  }

  const SlurmOptions options_;
};

}  // namespace

std::unique_ptr<Cluster> make_slurm(SlurmOptions options) { return std::make_unique<Slurm>(std::move(options)); }

std::string slurm_script(const std::vector<std::string>& argv) {
  std::string out = "#!/bin/sh\nexec";
  for (const std::string& word : argv) {
    out += " '";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out + "\n";
}

Result<std::string> parse_sbatch(std::string_view output) {
  const std::string_view line = output.substr(0, output.find('\n'));
  const std::string_view id = line.substr(0, line.find(';'));
  if (!is_job_id(id) || output.size() > line.size() + 1) return not_understood("sbatch", output);
  return std::string(id);
}

Result<std::vector<Listed>> parse_squeue(std::string_view output) {
  std::vector<Listed> out;
  while (!output.empty()) {
    const auto end = output.find('\n');
    const std::string_view line = output.substr(0, end);
    const auto first = line.find('|'), second = line.find('|', first + 1);
    if (end == output.npos || first == line.npos || second == line.npos) return not_understood("squeue", line);
    output.remove_prefix(end + 1);
    const std::string_view id = line.substr(0, first), state = line.substr(first + 1, second - first - 1);
    const std::string_view name = line.substr(second + 1);
    if (!is_job_id(id)) return not_understood("squeue", line);
    if (std::ranges::find(kOver, state) != std::end(kOver)) continue;
    if (std::ranges::find(kAlive, state) == std::end(kAlive)) return not_understood("squeue", line);
    if (out.size() >= kListedMax)
      return fail(Kind::kUnavailable, "pilots.cluster", text("squeue lists more than {} jobs", kListedMax));
    out.push_back({std::string(id), is_pilot_name(name) ? std::string(name) : std::string()});
  }
  return out;
}

}  // namespace hanse::pilots

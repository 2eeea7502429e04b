#include "node/daemon/pilot_settings.h"

#include <filesystem>

#include "base/core/text.h"
#include "exchange/pilots/wire.h"
#include "exchange/runtime/isolation.h"

namespace hanse::daemon {
namespace {

using config::Key;
using enum config::Type;

constexpr Key kKeys[] = {
    {.path = "pilots.cluster",
     .type = kChoice,
     .fallback = "none",
     .help = "where a provider's jobs run: none is this machine's own sandbox; the others start pilots there",
     .choices = "none|slurm|kubernetes"},
    {.path = "pilots.listen",
     .fallback = "127.0.0.1:0",
     .help = "address that pilots dial in to, IP:PORT; TLS 1.3, and nobody is let in without a ticket"},
    {.path = "pilots.address",
     .fallback = "",
     .help =
         "the same as the cluster's nodes reach it, HOST:PORT; port 0: that of pilots.listen; empty: pilots.listen"},
    {.path = "pilots.isolation",
     .type = kNumber,
     .fallback = "3",
     .help = "isolation level that every pilot's sandbox must hold; no more is offered",
     .unit = "",
     .max = runtime::kIsolationMax},
    {.path = "pilots.min",
     .type = kNumber,
     .fallback = "0",
     .help = "pilots kept without work",
     .unit = "pilots",
     .max = pilots::kPilotsMax},
    {.path = "pilots.max",
     .type = kNumber,
     .fallback = "4",
     .help = "most pilots at a time",
     .unit = "pilots",
     .min = 1,
     .max = pilots::kPilotsMax},
    {.path = "pilots.slots",
     .type = kNumber,
     .fallback = "1",
     .help = "jobs that a pilot runs at a time",
     .unit = "jobs",
     .min = 1,
     .max = pilots::kSlotsMax},
    {.path = "pilots.idle_ms",
     .type = kNumber,
     .fallback = "60000",
     .help = "how long a pilot may be idle before it is let go",
     .unit = "ms",
     .min = 100,
     .max = 86400000},
    {.path = "pilots.start_ms",
     .type = kNumber,
     .fallback = "600000",
     .help = "how long a pilot may wait in the cluster's queue before it is given up",
     .unit = "ms",
     .min = 1000,
     .max = 86400000},
    {.path = "pilots.wait_ms",
     .type = kNumber,
     .fallback = "600000",
     .help = "how long a job may wait for a pilot before it is given back",
     .unit = "ms",
     .min = 1000,
     .max = 86400000},
    {.path = "pilots.list_ms",
     .type = kNumber,
     .fallback = "10000",
     .help = "how often the cluster is asked which pilots it has; those that nobody knows are cancelled",
     .unit = "ms",
     .min = 200,
     .max = 3600000},
    {.path = "pilots.program",
     .fallback = "",
     .help = "path of hanse-pilot on the cluster; empty: beside hansed (Slurm), in the image's PATH (Kubernetes)"},
    {.path = "pilots.worker", .fallback = "", .help = "path of hanse-worker on the cluster; empty: beside hanse-pilot"},
    {.path = "pilots.plugin_dir",
     .fallback = "",
     .help = "folder of job kinds on the cluster; empty: lib/hanse of the installation there"},
    {.path = "pilots.scratch", .fallback = "/tmp", .help = "folder for workers' scratch files on the cluster"},
    {.path = "pilots.cpus",
     .type = kNumber,
     .fallback = "1",
     .help = "processors of a pilot",
     .unit = "",
     .min = 1,
     .max = 1024},
    {.path = "pilots.memory_mib",
     .type = kNumber,
     .fallback = "2048",
     .help = "memory of a pilot",
     .unit = "MiB",
     .min = 64,
     .max = 1 << 24},
    {.path = "pilots.minutes",
     .type = kNumber,
     .fallback = "60",
     .help = "how long a pilot lives at most; the cluster ends it then, and its jobs go to another",
     .unit = "min",
     .min = 1,
     .max = 44640},
    {.path = "pilots.slurm_folder", .fallback = "", .help = "folder of sbatch, squeue and scancel; empty: PATH"},
    {.path = "pilots.slurm_partition", .fallback = "", .help = "partition; empty: the cluster's default"},
    {.path = "pilots.slurm_account", .fallback = "", .help = "account that is charged; empty: the user's default"},
    {.path = "pilots.slurm_output",
     .fallback = "/dev/null",
     .help = "file for a pilot's words on the cluster's node; %j is the job's number"},
    {.path = "pilots.kubernetes_url", .fallback = "", .help = "the API server, https://HOST:PORT"},
    {.path = "pilots.kubernetes_namespace", .fallback = "default", .help = "namespace of Jobs and Secrets"},
    {.path = "pilots.kubernetes_token_file",
     .fallback = "",
     .help = "file with the bearer token, read at each request"},
    {.path = "pilots.kubernetes_ca_file",
     .fallback = "",
     .help = "certificates to trust for the API server; empty: those of this machine"},
    {.path = "pilots.kubernetes_image", .fallback = "", .help = "container image with hanse-pilot"},
    {.path = "pilots.kubernetes_service_account", .fallback = "default", .help = "service account of the pod"},
    {.path = "pilots.kubernetes_user_id",
     .type = kNumber,
     .fallback = "65532",
     .help = "user and group id of the pod",
     .unit = "",
     .min = 1,
     .max = 2147483647},
};

std::vector<std::string> argv_of(const config::Config& c, ClusterKind cluster) {
  std::error_code ignored;
  const std::string beside =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string() + "/hanse-pilot";
  const std::string program(c.text("pilots.program"));
  std::vector<std::string> out = {!program.empty() ? program : cluster == ClusterKind::kSlurm ? beside : "hanse-pilot"};
  const auto add = [&](std::string_view flag, std::string_view value) {
    if (!value.empty()) out.insert(out.end(), {std::string(flag), std::string(value)});
  };
  add("--slots", text("{}", c.number("pilots.slots")));
  add("--worker", c.text("pilots.worker"));
  add("--plugins", c.text("pilots.plugin_dir"));
  add("--scratch", c.text("pilots.scratch"));
  return out;
}

std::string from_base(std::string_view path, const std::string& base) {
  return path.empty() || path.front() == '/' || base.empty() ? std::string(path) : base + "/" + std::string(path);
}

Status check_kubernetes(const config::Config& c, const pilots::KubernetesOptions& o) {
  if (!o.url.starts_with("https://") || o.url.ends_with('/') || o.url.find_first_of("?#@ ") != o.url.npos)
    return c.refuse("pilots.kubernetes_url", "https://HOST:PORT without a slash at the end");
  if (!pilots::is_pilot_name(o.space)) return c.refuse("pilots.kubernetes_namespace", "a label of DNS");
  if (o.image.empty()) return c.refuse("pilots.kubernetes_image", "the image that has hanse-pilot");
  return {};
}

}  // namespace

std::span<const Key> pilot_keys() { return kKeys; }

Result<PilotSettings> read_pilots(const config::Config& c, const std::string& base_dir) {
  const auto u32 = [&](std::string_view key) { return static_cast<std::uint32_t>(c.number(key)); };
  const auto ms = [&](std::string_view key) { return static_cast<std::int64_t>(c.number(key)); };
  PilotSettings out;
  const std::string_view cluster = c.text("pilots.cluster");
  out.cluster = cluster == "slurm"        ? ClusterKind::kSlurm
                : cluster == "kubernetes" ? ClusterKind::kKubernetes
                                          : ClusterKind::kNone;
  out.runner.listen = c.text("pilots.listen");
  out.runner.address = c.text("pilots.address");
  out.runner.isolation = static_cast<std::uint8_t>(c.number("pilots.isolation"));
  out.runner.wait_ms_max = ms("pilots.wait_ms");
  out.limits.min = u32("pilots.min");
  out.limits.max = u32("pilots.max");
  out.limits.slots = u32("pilots.slots");
  out.limits.idle_ms = ms("pilots.idle_ms");
  out.limits.start_ms_max = ms("pilots.start_ms");
  out.limits.list_ms = ms("pilots.list_ms");
  if (out.limits.min > out.limits.max) return c.refuse("pilots.min", text("at most pilots.max, {}", out.limits.max));
  const pilots::PilotShape shape{.group = {},
                                 .argv = argv_of(c, out.cluster),
                                 .cpus = u32("pilots.cpus"),
                                 .memory_mib = u32("pilots.memory_mib"),
                                 .minutes = u32("pilots.minutes")};
  out.slurm.shape = out.kubernetes.shape = shape;
  out.slurm.folder = from_base(c.text("pilots.slurm_folder"), base_dir);
  out.slurm.partition = c.text("pilots.slurm_partition");
  out.slurm.account = c.text("pilots.slurm_account");
  out.slurm.output = c.text("pilots.slurm_output");
  out.kubernetes.url = c.text("pilots.kubernetes_url");
  out.kubernetes.space = c.text("pilots.kubernetes_namespace");
  out.kubernetes.token_file = from_base(c.text("pilots.kubernetes_token_file"), base_dir);
  out.kubernetes.ca_file = from_base(c.text("pilots.kubernetes_ca_file"), base_dir);
  out.kubernetes.image = c.text("pilots.kubernetes_image");
  out.kubernetes.service_account = c.text("pilots.kubernetes_service_account");
  out.kubernetes.user_id = ms("pilots.kubernetes_user_id");
  if (out.cluster == ClusterKind::kKubernetes) TRY_OK(check_kubernetes(c, out.kubernetes));
  return out;
}

}  // namespace hanse::daemon

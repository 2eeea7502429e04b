// The section [pilots] of the configuration: whether a provider's jobs run elsewhere, and how pilots come to be there.
// Errors: config.bad_value (invalid).
#pragma once

#include <span>
#include <string>

#include "base/config/config.h"
#include "exchange/pilots/cluster.h"
#include "exchange/pilots/controller.h"

namespace hanse::daemon {

enum class ClusterKind : std::uint8_t { kNone, kSlurm, kKubernetes };

struct PilotSettings {
  ClusterKind cluster = ClusterKind::kNone;
  pilots::RunnerOptions runner;     // without the kinds
  pilots::ControllerLimits limits;  // without the prefix of names
  pilots::SlurmOptions slurm;       // with the shape, without its group
  pilots::KubernetesOptions kubernetes;
};

std::span<const config::Key> pilot_keys();
Result<PilotSettings> read_pilots(const config::Config& config, const std::string& base_dir);

}  // namespace hanse::daemon

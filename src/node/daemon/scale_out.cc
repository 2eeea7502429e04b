#include "node/daemon/scale_out.h"

#include "base/codec/hex.h"
#include "base/core/text.h"
#include "base/logging/log.h"
#include "store/archive/http.h"

namespace hanse::daemon {

Result<std::unique_ptr<ScaleOut>> ScaleOut::start(PilotSettings settings, const AccountId& account,
                                                  std::vector<std::string> kinds) {
  std::unique_ptr<ScaleOut> out(new ScaleOut);
  const std::string group = "hanse-" + codec::to_hex(account.view().first(8));
  settings.runner.kinds = std::move(kinds);
  TRY(out->runner_, pilots::PilotRunner::start(settings.runner));
  settings.slurm.shape.group = settings.kubernetes.shape.group = group;
  out->cluster_ = settings.cluster == ClusterKind::kSlurm
                      ? pilots::make_slurm(std::move(settings.slurm))
                      : pilots::make_kubernetes(std::move(settings.kubernetes), archive::make_http());
  std::uint8_t run[4];  // apart from the pilots of an earlier process
  system_random().fill(run);
  settings.limits.name_prefix = text("{}-{}", group, codec::to_hex(run));
  out->scaler_ = std::make_unique<pilots::Scaler>(*out->runner_, *out->cluster_, settings.limits);
  logging::log_info("jobs run in pilots", {{"group", group}, {"pilots_max", settings.limits.max}});
  return out;
}

}  // namespace hanse::daemon

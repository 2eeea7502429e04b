#include "node/daemon/services_role.h"

#include "base/core/clock.h"
#include "base/core/fs.h"
#include "node/client/carried.h"
#include "node/daemon/mix_ledger.h"
#include "node/peering/control.h"

namespace hanse::daemon {
namespace {

constexpr std::int64_t kGraceMs = 2'000, kDeadlineMs = 30'000;

class Role final : public ServicesRole {
 public:
  explicit Role(ServicesSettings settings)
      : node_([address = settings.node] { return client::Client::connect(address, {.deadline_ms = kDeadlineMs}); }),
        access_(settings.access, system_clock()) {
    if (settings.mix.empty()) return;
    for (const router::Lane lane : {router::Lane::kFlash, router::Lane::kDeep})
      mix_[lane == router::Lane::kDeep ? 1 : 0] = client::make_carried(
          [socket = settings.mix, lane](Bytes question) { return peering::carry(socket, lane, std::move(question)); });
  }
  ~Role() override { stop(); }

  Status begin(const crypto::Identity& identity, api::ExchangeOptions options, const std::string& certificates_file) {
    services::Desk::Ways ways{.direct = [this] { return node_.get(); }, .mix = {}};
    if (mix_[0])
      ways.mix = [this](gxf::Lane lane) -> Result<client::Client*> { return mix_[services::lane_number(lane)].get(); };
    desk_ = std::make_unique<services::Desk>(std::move(ways));
    TRY(server_, api::ExchangeServer::start(*desk_, access_, identity, std::move(options)));
    return replace_file(real_fs(), certificates_file, as_bytes(server_->certificates()));
  }

  std::array<std::uint16_t, api::kExchangeServices> ports() const override { return server_->ports(); }
  void refresh_metrics() override { server_->refresh_metrics(); }
  void stop() override {
    if (server_) server_->stop(kGraceMs);
    if (desk_) desk_->stop();
  }

 private:
  NodeLink node_;
  std::array<std::unique_ptr<client::Client>, services::kLanes> mix_;
  services::Access access_;
  std::unique_ptr<services::Desk> desk_;
  std::unique_ptr<api::ExchangeServer> server_;
};

}  // namespace

Result<std::unique_ptr<ServicesRole>> ServicesRole::start(ServicesSettings settings, const crypto::Identity& identity,
                                                          const std::string& certificates_file) {
  api::ExchangeOptions options = settings.server;
  auto role = std::make_unique<Role>(std::move(settings));
  TRY_OK(role->begin(identity, std::move(options), certificates_file));
  return role;
}

}  // namespace hanse::daemon

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>

#include "base/core/text.h"
#include "mesh/portmap/detail/routers.h"

namespace hanse::portmap {
namespace {

constexpr int kDiscoverMs = 2'000;
constexpr unsigned char kTtl = 2;  // UPnP Device Architecture 1.1, 1.3.2
constexpr int kConflict = 718, kOnlyPermanent = 725, kNoSuchEntry = 714;
constexpr int kOtherPortsMax = 3;
constexpr char kDescription[] = "hanse";

std::string upnp_reason(int code) {
  const char* known = ::strupnperror(code);
  return text("{} ({})", code, known != nullptr ? known : "unknown");
}

struct Igd {  // what the library allocates
  UPNPDev* devices = nullptr;
  UPNPUrls urls{};
  IGDdatas data{};
  bool found = false;
  char inner_ip[INET6_ADDRSTRLEN] = {};

  Igd() = default;
  Igd(const Igd&) = delete;
  ~Igd() {
    if (found) ::FreeUPNPUrls(&urls);
    ::freeUPNPDevlist(devices);
  }
  const char* url() const { return urls.controlURL; }
  const char* service() const { return data.first.servicetype; }
};

class UpnpRouter final : public Router {
 public:
  Protocol protocol() const override { return Protocol::kUpnp; }

  Result<Mapping> map(const Wanted& wanted, const Budget& budget) override {
    Igd igd;
    TRY_OK(find(igd));
    std::uint16_t outside = port_ != 0 ? port_ : wanted.port;
    std::uint32_t lifetime_s = wanted.lifetime_s;
    int code = 0;
    for (int others = 0; !detail::spent(budget);) {
      code = add(igd, outside, wanted.port, lifetime_s);
      if (code == kOnlyPermanent && lifetime_s != 0) {
        lifetime_s = 0;
      } else if (code == kConflict && others++ < kOtherPortsMax) {
        outside = static_cast<std::uint16_t>(1024 + system_random().below(64512));
      } else {
        break;
      }
    }
    if (code != UPNPCOMMAND_SUCCESS)
      return fail(code > 0 ? Kind::kDenied : Kind::kUnavailable, code > 0 ? "portmap.refused" : "portmap.no_router",
                  text("upnp: found {} adding a mapping", upnp_reason(code)));
    port_ = outside;
    char ip[INET6_ADDRSTRLEN] = {};
    if (::UPNP_GetExternalIPAddress(igd.url(), igd.service(), ip) != UPNPCOMMAND_SUCCESS) ip[0] = 0;
    // A permanent mapping is looked after as often as one that ends: routers forget it when they start anew.
    return Mapping{Protocol::kUpnp, ip, outside, wanted.lifetime_s};
  }

  Status release(const Wanted&, const Mapping& mapping, const Budget&) override {
    Igd igd;
    TRY_OK(find(igd));
    const int code =
        ::UPNP_DeletePortMapping(igd.url(), igd.service(), text("{}", mapping.port).c_str(), "UDP", nullptr);
    if (code == UPNPCOMMAND_SUCCESS || code == kNoSuchEntry) return {};
    return fail(Kind::kDenied, "portmap.refused", text("upnp: found {} removing a mapping", upnp_reason(code)));
  }

 private:
  // The description that was good the last time spares the search.
  Status find(Igd& igd) {
    if (!description_.empty() &&
        ::UPNP_GetIGDFromUrl(description_.c_str(), &igd.urls, &igd.data, igd.inner_ip, sizeof igd.inner_ip) == 1) {
      igd.found = true;
      if (::UPNPIGD_IsConnected(&igd.urls, &igd.data) != 0) return {};
      ::FreeUPNPUrls(&igd.urls);
      igd.found = false;
    }
    int error = 0;
    igd.devices = ::upnpDiscover(kDiscoverMs, nullptr, nullptr, UPNP_LOCAL_PORT_ANY, 0, kTtl, &error);
    if (igd.devices == nullptr)
      return fail(Kind::kUnavailable, "portmap.no_router", text("upnp: found no device in {} ms", kDiscoverMs));
#if MINIUPNPC_API_VERSION >= 18
    const int kind =
        ::UPNP_GetValidIGD(igd.devices, &igd.urls, &igd.data, igd.inner_ip, sizeof igd.inner_ip, nullptr, 0);
    const bool connected = kind == 1 || kind == 2;  // 2: behind another NAT; others see what that is worth
#else
    const int kind = ::UPNP_GetValidIGD(igd.devices, &igd.urls, &igd.data, igd.inner_ip, sizeof igd.inner_ip);
    const bool connected = kind == 1;
#endif
    igd.found = kind != 0;
    if (!connected)
      return fail(Kind::kUnavailable, "portmap.no_router",
                  text("upnp: found a device of kind {}, expected a router", kind));
    description_ = igd.urls.rootdescURL != nullptr ? igd.urls.rootdescURL : "";
    return {};
  }

  static int add(const Igd& igd, std::uint16_t outside, std::uint16_t inside, std::uint32_t lifetime_s) {
    return ::UPNP_AddPortMapping(igd.url(), igd.service(), text("{}", outside).c_str(), text("{}", inside).c_str(),
                                 igd.inner_ip, kDescription, "UDP", nullptr, text("{}", lifetime_s).c_str());
  }

  std::string description_;
  std::uint16_t port_ = 0;
};

}  // namespace

std::unique_ptr<Router> detail::upnp_router() { return std::make_unique<UpnpRouter>(); }

}  // namespace hanse::portmap

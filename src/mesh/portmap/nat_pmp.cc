#include <natpmp.h>

#include <algorithm>
#include <cstring>

#include "base/core/text.h"
#include "mesh/portmap/detail/routers.h"

namespace hanse::portmap {
namespace {

// RFC 6886 3.5, as libnatpmp numbers its answers.
std::string_view reason(int code) {
  switch (code) {
    case NATPMP_ERR_NOTAUTHORIZED: return "not authorized";
    case NATPMP_ERR_NETWORKFAILURE: return "network failure";
    case NATPMP_ERR_OUTOFRESOURCES: return "out of resources";
    case NATPMP_ERR_UNSUPPORTEDVERSION: return "unsupported version";
    case NATPMP_ERR_UNSUPPORTEDOPCODE: return "unsupported opcode";
    default: return "no answer";
  }
}

class Session {
 public:
  ~Session() {
    if (open_) ::closenatpmp(&natpmp_);
  }
  Status open(const std::string& gateway) {
    TRY(const in_addr_t address, detail::gateway_address(gateway));
    if (const int code = ::initnatpmp(&natpmp_, 1, address); code < 0)
      return fail(Kind::kUnavailable, "portmap.no_router", text("nat-pmp: found error {} opening a socket", code));
    open_ = true;
    return {};
  }
  Result<natpmpresp_t> answer(const Budget& budget) {
    natpmpresp_t out{};
    for (;;) {
      const int code = ::readnatpmpresponseorretry(&natpmp_, &out);
      if (code == 0) return out;
      if (code != NATPMP_TRYAGAIN) {
        const bool refused = code <= NATPMP_ERR_UNDEFINEDERROR;
        return fail(refused ? Kind::kDenied : Kind::kUnavailable, refused ? "portmap.refused" : "portmap.no_router",
                    text("nat-pmp: found result {} ({})", code, reason(code)));
      }
      timeval wait{};
      ::getnatpmprequesttimeout(&natpmp_, &wait);
      const std::int64_t wait_ns = std::max<std::int64_t>(wait.tv_sec * 1'000'000'000 + wait.tv_usec * 1'000, 0);
      detail::wait_readable(natpmp_.s, system_clock().mono_ns() + wait_ns, budget);
      if (detail::spent(budget))
        return fail(Kind::kUnavailable, "portmap.no_router", "nat-pmp: found no answer in time");
    }
  }
  Result<natpmpresp_t> ask(const Wanted& wanted, std::uint16_t outside, std::uint32_t lifetime_s,
                           const Budget& budget) {
    ::sendnewportmappingrequest(&natpmp_, NATPMP_PROTOCOL_UDP, wanted.port, outside, lifetime_s);
    for (;;) {
      TRY(const natpmpresp_t got, answer(budget));
      if (got.type == NATPMP_RESPTYPE_UDPPORTMAPPING && got.pnu.newportmapping.privateport == wanted.port) return got;
    }
  }
  Result<std::string> outside(const Budget& budget) {
    ::sendpublicaddressrequest(&natpmp_);
    TRY(const natpmpresp_t got, answer(budget));
    char ip[INET_ADDRSTRLEN] = {};
    if (got.type == NATPMP_RESPTYPE_PUBLICADDRESS) ::inet_ntop(AF_INET, &got.pnu.publicaddress.addr, ip, sizeof ip);
    return std::string(ip);
  }

 private:
  natpmp_t natpmp_{};
  bool open_ = false;
};

// A silent router is not waited for as long as the RFC allows (127 s): the next protocol may be the one it speaks.
constexpr std::int64_t kPatienceNs = 3'000'000'000;
Budget patience(const Budget& budget) {
  return {std::min(budget.end_ns, system_clock().mono_ns() + kPatienceNs), budget.stop_fd};
}

class NatPmpRouter final : public Router {
 public:
  explicit NatPmpRouter(std::string gateway) : gateway_(std::move(gateway)) {}
  Protocol protocol() const override { return Protocol::kNatPmp; }
  Result<Mapping> map(const Wanted& wanted, const Budget& budget) override {
    Session session;
    TRY_OK(session.open(gateway_));
    const Budget patient = patience(budget);
    TRY(std::string ip, session.outside(patient));
    TRY(const natpmpresp_t got, session.ask(wanted, wanted.port, wanted.lifetime_s, patient));
    const auto& m = got.pnu.newportmapping;
    if (m.mappedpublicport == 0 || m.lifetime == 0)
      return fail(Kind::kCorrupt, "portmap.reply", "nat-pmp: found a mapping of port or lifetime 0");
    return Mapping{Protocol::kNatPmp, std::move(ip), m.mappedpublicport, m.lifetime};
  }
  Status release(const Wanted& wanted, const Mapping&, const Budget& budget) override {
    Session session;
    TRY_OK(session.open(gateway_));
    TRY_OK(session.ask(wanted, 0, 0, patience(budget)));
    return {};
  }

 private:
  std::string gateway_;
};

}  // namespace

namespace detail {

std::unique_ptr<Router> nat_pmp_router(const std::string& gateway) { return std::make_unique<NatPmpRouter>(gateway); }

Result<in_addr_t> gateway_address(const std::string& given) {
  in_addr address{};
  if (!given.empty()) {
    if (::inet_pton(AF_INET, given.c_str(), &address) == 1) return address.s_addr;
    return fail(Kind::kUnavailable, "portmap.no_router", text("found gateway '{}', expected an IPv4 address", given));
  }
  natpmp_t natpmp{};
  if (const int code = ::initnatpmp(&natpmp, 0, 0); code < 0)
    return fail(Kind::kUnavailable, "portmap.no_router", "found no default route over IPv4");
  const in_addr_t found = natpmp.gateway;
  ::closenatpmp(&natpmp);
  return found;
}

}  // namespace detail
}  // namespace hanse::portmap

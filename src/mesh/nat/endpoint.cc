#include "mesh/nat/endpoint.h"

#include <arpa/inet.h>

#include <charconv>

#include "base/core/text.h"

namespace hanse::nat {

Address Address::v4(std::uint32_t host_order) {
  Address out;
  store_be(out.bytes.data(), host_order);
  return out;
}

std::string to_text(const Endpoint& endpoint) {
  char ip[INET6_ADDRSTRLEN] = {};
  inet_ntop(endpoint.ip.v6 ? AF_INET6 : AF_INET, endpoint.ip.bytes.data(), ip, sizeof ip);
  return text(endpoint.ip.v6 ? "[{}]:{}" : "{}:{}", static_cast<const char*>(ip), endpoint.port);
}

Result<Endpoint> parse_endpoint(std::string_view shown) {
  const auto refuse = [&] {
    return fail(Kind::kInvalid, "nat.endpoint",
                text("found '{}', expected an address and port such as 192.0.2.7:12000 or [2001:db8::7]:12000", shown));
  };
  const std::size_t colon = shown.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse();
  std::string_view ip = shown.substr(0, colon);
  const std::string_view port = shown.substr(colon + 1);
  Endpoint out;
  out.ip.v6 = ip.front() == '[' && ip.back() == ']';
  if (out.ip.v6) ip = ip.substr(1, ip.size() - 2);
  if (inet_pton(out.ip.v6 ? AF_INET6 : AF_INET, std::string(ip).c_str(), out.ip.bytes.data()) != 1) return refuse();
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (code != std::errc{} || end != port.data() + port.size()) return refuse();
  return out;
}

bool answerable(const Endpoint& endpoint) {
  if (endpoint.port == 0) return false;
  const auto& b = endpoint.ip.bytes;
  if (endpoint.ip.v6) return endpoint.ip != Address{true, {}} && b[0] != 0xff;
  return b[0] != 0 && b[0] < 224;
}

}  // namespace hanse::nat

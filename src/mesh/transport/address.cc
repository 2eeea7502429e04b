#include "mesh/transport/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/core/text.h"

namespace hanse::transport {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> bad(std::string_view text_given) {
  return fail(Kind::kInvalid, "transport.address",
              text("found address '{}', expected 192.0.2.7:12000 or [2001:db8::7]:12000", text_given));
}

}  // namespace

bool Address::is_v4() const { return std::memcmp(ip.data(), kV4Prefix.data(), kV4Prefix.size()) == 0; }

Result<Address> parse_address(std::string_view given) {
  const std::size_t colon = given.rfind(':');
  if (colon == std::string_view::npos || given.size() > 64) return bad(given);
  std::string_view host = given.substr(0, colon);
  const std::string_view port = given.substr(colon + 1);
  Address out;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size()) return bad(given);
  if (host.starts_with('[') && host.ends_with(']')) {
    if (inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), out.ip.data()) != 1)
      return bad(given);
    return out;
  }
  std::memcpy(out.ip.data(), kV4Prefix.data(), kV4Prefix.size());
  if (inet_pton(AF_INET, std::string(host).c_str(), out.ip.data() + kV4Prefix.size()) != 1) return bad(given);
  return out;
}

std::string address_text(const Address& address) {
  char out[INET6_ADDRSTRLEN] = {};
  if (address.is_v4()) {
    inet_ntop(AF_INET, address.ip.data() + kV4Prefix.size(), out, sizeof out);
    return text("{}:{}", std::string_view(out), address.port);
  }
  inet_ntop(AF_INET6, address.ip.data(), out, sizeof out);
  return text("[{}]:{}", std::string_view(out), address.port);
}

}  // namespace hanse::transport

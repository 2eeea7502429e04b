// What the protocols share. Private to this room.
#pragma once

#include <arpa/inet.h>

#include "mesh/portmap/portmap.h"

namespace hanse::portmap::detail {

std::unique_ptr<Router> pcp_router(const std::string& gateway);
std::unique_ptr<Router> nat_pmp_router(const std::string& gateway);
std::unique_ptr<Router> upnp_router();

// The IPv4 address to ask: the one given, or that of the default route; in network order. portmap.no_router.
Result<in_addr_t> gateway_address(const std::string& given);

// Waits until `fd` is readable (true), or until `until_ns`, the budget's end or its descriptor (false).
bool wait_readable(int fd, std::int64_t until_ns, const Budget& budget);
bool spent(const Budget& budget);  // its end has come, or its descriptor is readable

}  // namespace hanse::portmap::detail

#include "node/peering/surroundings.h"

#include "base/core/text.h"

namespace hanse::peering {
namespace {

std::optional<transport::Address> address_of(const discovery::Address& given) {
  transport::Address out{.ip = {}, .port = given.port};
  if (given.ip.size() == 16) {
    std::ranges::copy(given.ip, out.ip.begin());
    if (out.ip[0] == 0xfe && (out.ip[1] & 0xc0) == 0x80) return std::nullopt;  // needs its interface
    return out;
  }
  if (given.ip.size() != 4) return std::nullopt;
  out.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::ranges::copy(given.ip, out.ip.begin() + 12);
  return out;
}

}  // namespace

Surroundings::Surroundings(const SurroundingsOptions& options, reach::Reach& reach, transport::Sockets& sockets)
    : options_(options), reach_(reach), sockets_(sockets) {
  if (options_.lan) {
    auto driver = lan::Driver::open({.lan = {.peer = reach.id(), .network = options_.network, .port = options_.port},
                                     .on_hints = [this](const std::vector<lan::Hint>& hints) { on_hints(hints); }});
    if (driver && sockets_.watch((*driver)->fd(), [this] { (void)lan_->turn(0); })) lan_ = std::move(*driver);
  }
  if (!options_.port_mapping) return;
  const auto on_change = [this](const std::optional<portmap::Mapping>& mapping) {
    std::optional<transport::Address> outside;
    if (mapping && !mapping->ip.empty())
      if (const auto parsed = transport::parse_address(text("{}:{}", mapping->ip, mapping->port))) outside = *parsed;
    (void)sockets_.post([this, outside] { reach_.mapped(outside); });
  };
  auto mapper = portmap::PortMapper::start({.wanted = {.port = options_.port}, .on_change = on_change},
                                           portmap::gateway_routers({}));
  if (mapper) mapper_ = std::move(*mapper);
}

Surroundings::~Surroundings() { leave(); }

void Surroundings::turn(std::int64_t now_ns) {
  if (lan_ && lan_->next_ns() <= now_ns) (void)lan_->turn(0);
}

void Surroundings::leave() {
  if (lan_) lan_->leave();
  if (mapper_) (void)mapper_->stop();
  mapper_.reset();
}

std::string Surroundings::mapping() const {
  if (!mapper_) return "off";
  if (const auto m = mapper_->mapping()) return text("{} {}:{}", portmap::protocol_name(m->protocol), m->ip, m->port);
  const auto why = mapper_->failure();
  return why ? text("none: {}", why->message()) : "none yet";
}

void Surroundings::on_hints(const std::vector<lan::Hint>& hints) {
  neighbours_ = 0;
  for (const lan::Hint& hint : hints) {
    if (!std::ranges::equal(hint.network, options_.network.view().first(hint.network.size()))) continue;
    ++neighbours_;
    std::vector<transport::Address> addresses;
    for (const auto& given : hint.addresses)
      if (const auto address = address_of(given)) addresses.push_back(*address);
    reach_.hint(hint.peer, std::move(addresses), sockets_.now_ns());
  }
}

}  // namespace hanse::peering

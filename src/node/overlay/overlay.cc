#include "node/overlay/overlay.h"

namespace hanse::overlay {

std::vector<transport::Protocol> protocols() {
  using transport::Priority;
  return {{.id = kRecordProtocol, .frame_bytes_max = kGiveBytesMax, .priority = Priority::kDirect}};
}

Overlay::Overlay(reach::Reach& reach, const OverlayOptions& options, Book book)
    : random_(options.random != nullptr ? *options.random : system_random()),
      book_(std::move(book)),
      holds_(reach),
      company_(reach, holds_, book_, random_) {}

Result<std::unique_ptr<Overlay>> Overlay::create(reach::Reach& reach, const OverlayOptions& options) {
  TRY(Book book, Book::open(reach, options));
  return std::unique_ptr<Overlay>(new Overlay(reach, options, std::move(book)));
}

void Overlay::handle(const reach::PeerEvent& event, std::int64_t now_ns) {
  book_.handle(event, now_ns);
  company_.handle(event, now_ns);
}

void Overlay::pump(std::int64_t now_ns) {
  book_.pump(now_ns);
  company_.pump(now_ns);
  book_.take_learned();
}

std::int64_t Overlay::next_ns() const { return std::min(book_.next_ns(), company_.next_ns()); }

void Overlay::stop() { book_.stop(); }

Status Overlay::want(const PeerId& peer, Places places, std::int64_t now_ns) {
  const Places known = book_.places_of(peer);
  if (places.addresses.empty()) places.addresses = known.addresses;
  if (places.relays.empty()) places.relays = known.relays;
  return holds_.hold(peer, Hold::kOperator, places, now_ns);
}

}  // namespace hanse::overlay

#include "base/core/text.h"
#include "mesh/transport/detail/test_world.h"

namespace hanse::transport::detail {

const crypto::SecretKey& test_key(int number, crypto::SigAlg alg) {
  static std::map<std::pair<int, crypto::SigAlg>, std::unique_ptr<crypto::SecretKey>> keys;
  auto& key = keys[{number, alg}];
  if (key == nullptr) {
    FixedBytes<32> seed;
    seed.data[0] = static_cast<std::uint8_t>(number);
    key = std::make_unique<crypto::SecretKey>(std::move(*crypto::SecretKey::from_seed(alg, seed.view())));
  }
  return *key;
}

Options test_options(int number, crypto::SigAlg alg) {
  Options o;
  o.network.data[0] = 7;
  o.key = &test_key(number, alg);
  o.protocols = {{.id = kEcho, .frame_bytes_max = kEchoMax, .priority = Priority::kDirect, .early = true},
                 {.id = kBulkProtocol, .frame_bytes_max = kFrameBodyMax, .priority = Priority::kBulk}};
  return o;
}

const Event* Node::first(Event::Type type) const {
  for (const Event& e : events)
    if (e.type == type) return &e;
  return nullptr;
}

std::size_t Node::count(Event::Type type) const {
  std::size_t n = 0;
  for (const Event& e : events) n += e.type == type ? 1 : 0;
  return n;
}

std::string Node::story() const {
  std::string out;
  for (const Event& e : events) {
    out += text(" {}", static_cast<int>(e.type));
    if (e.error) out += "(" + e.error->str() + ")";
  }
  return out;
}

std::size_t World::add(Options options, const TlsProfile* profile) {
  randoms_.push_back(std::make_unique<SeededRandom>(seed_, text("node {}", nodes.size())));
  if (options.random == nullptr) options.random = randoms_.back().get();
  auto made = Endpoint::create(std::move(options), profile);
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().str().c_str());
    std::abort();
  }
  Node node{.endpoint = std::move(*made)};
  node.address = *parse_address(text("10.0.0.{}:12000", nodes.size() + 1));
  nodes.push_back(std::move(node));
  sent_bytes.push_back(0);
  sent_packets.push_back(0);
  return nodes.size() - 1;
}

ConnectionId World::dial(std::size_t from, std::size_t to, std::optional<PeerId> peer) {
  return nodes[from].endpoint->dial(path(from, to), peer.value_or(nodes[to].endpoint->id()), now_ns).value();
}

// A receiver may answer an address freely once that has proved, by a Handshake packet, that it reads what is sent
// there.
void World::account(const Datagram& d) {
  Debt& debt = debts_[{d.to, d.path.remote}];
  debt.got += d.bytes.size();
  const bool long_header = (d.bytes[0] & 0x80) != 0;
  if (!long_header || ((d.bytes[0] >> 4) & 3) == 2) debt.valid = true;
}

void World::travel(std::size_t from, const Batch& batch) {
  for (std::size_t at = 0; at < batch.size; at += batch.segment) {
    const std::size_t size = std::min(batch.segment, batch.size - at);
    Datagram d{.at_ns = now_ns + delay_ns, .from = from};
    const auto to = std::ranges::find_if(nodes, [&](const Node& n) {
      return n.address == batch.path.remote || std::ranges::find(n.others, batch.path.remote) != n.others.end();
    });
    d.to = static_cast<std::size_t>(to - nodes.begin());
    d.path = {.local = batch.path.remote, .remote = batch.path.local};
    d.bytes.assign(batch.buffer.begin() + static_cast<std::ptrdiff_t>(at),
                   batch.buffer.begin() + static_cast<std::ptrdiff_t>(at + size));
    sent_bytes[from] += size;
    ++sent_packets[from];
    Debt& debt = debts_[{from, batch.path.remote}];
    debt.dialed |= debt.got == 0;
    debt.gave += size;
    if (!debt.dialed && !debt.valid)
      amplification = std::max(amplification, static_cast<double>(debt.gave) / static_cast<double>(debt.got));
    if (to == nodes.end() || (filter && !filter(d))) continue;
    if (loss_percent > 0 && dice.below(100) < static_cast<std::uint64_t>(loss_percent)) continue;
    flying_.emplace(d.at_ns, std::move(d));
  }
}

void World::take_events(Node& node) {
  Event event;
  while (node.takes_events && node.endpoint->next_event(event)) {
    if (event.credit > 0 && node.gives_credit) node.endpoint->consumed(event.connection, event.stream, event.credit);
    node.events.push_back(std::move(event));
  }
}

void World::send_all() {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    take_events(nodes[i]);
    while (nodes[i].endpoint->transmit(batch_, now_ns)) travel(i, batch_);
    take_events(nodes[i]);
  }
}

bool World::run(std::int64_t most_ns, const std::function<bool()>& done) {
  const std::int64_t until = now_ns + most_ns;
  while (true) {
    send_all();
    if (done && done()) return true;
    std::int64_t next = flying_.empty() ? INT64_MAX : flying_.begin()->first;
    for (const Node& node : nodes) next = std::min(next, node.endpoint->next_deadline_ns());
    if (next > until) {
      now_ns = until;
      return !done || done();
    }
    now_ns = std::max(now_ns, next);
    while (!flying_.empty() && flying_.begin()->first <= now_ns) {
      const Datagram d = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      account(d);
      nodes[d.to].endpoint->receive(d.path, d.bytes, 0, now_ns);
    }
    for (Node& node : nodes)
      if (node.endpoint->next_deadline_ns() <= now_ns) node.endpoint->on_deadline(now_ns);
  }
}

}  // namespace hanse::transport::detail

// Frames of records (protocol 0x02), of finding peers (0x03) and of finding agents (0x07), and where an address may be
// dialed from.
// Bodies are deterministic CBOR (layouts in proto/records/overlay.md); bytes that decode encode to themselves.
// Pure; any thread. Limits: kGiveBytesMax, kFindBytesMax, discovery::kAnswerMax contacts, kToldBytesMax,
// discovery::kToldMax gives,
// kThereBytesMax, rendezvous::kGivenMax records and rendezvous::kHolders names.
// Errors: overlay.frame (corrupt: which frame, what was found, what was expected).
#pragma once

#include <optional>

#include "mesh/discovery/exchange.h"
#include "mesh/discovery/record.h"
#include "mesh/discovery/routing.h"
#include "mesh/rendezvous/shelf.h"
#include "mesh/transport/address.h"

namespace hanse::overlay {

using transport::Address;
using PeerId = AccountId;

constexpr std::uint64_t kRecordProtocol = 0x02, kFindProtocol = 0x03, kAgentProtocol = 0x07;
constexpr std::uint64_t kGossipCap = 1;  // bit of HELLO's caps and of records: topics.h
constexpr std::size_t kGiveBytesMax = 16u << 10, kFindBytesMax = 16u << 10;
constexpr std::size_t kToldBytesMax = discovery::kToldMax * (9u << 10);  // a key and a public record each
constexpr std::size_t kThereBytesMax = rendezvous::kGivenMax * rendezvous::kRecordBytesMax + (1u << 10);

// ---- where an address leads ----------------------------------------------------------------------------------------

enum class Zone : std::uint8_t { kNone, kLoopback, kPrivate, kPublic };
Zone zone_of(const Address& address);  // kNone: never dialed; circuits too
// Whether what somebody over there says may be dialed: public ones always, others only from a path as near.
bool may_dial(const Address& told, const Address& teller);
std::uint64_t group_of(const Address& address, unsigned v4_bits, unsigned v6_bits);  // 0: not public, no group

discovery::Address to_record(const Address& address);
Address to_transport(const discovery::Address& address);

// ---- protocol 0x02 -------------------------------------------------------------------------------------------------

// kAsk: 32 bytes, whose; kAskOthers: empty.
enum RecordFrame : std::uint8_t { kAsk = 1, kGive = 2, kAskOthers = 3, kOthers = 4 };

// A key with what is known of its owner: the bytes of signed records, none where empty. Nothing is proved here.
struct Give {
  crypto::PublicKey key;
  Bytes of_public, of_local;
  friend bool operator==(const Give&, const Give&) = default;
};
Bytes encode(const Give& give);
Result<Give> decode_give(ByteView body);

// Of peers that somebody knows, with their public records alone.
struct Others {
  std::vector<Give> gives = {};
  friend bool operator==(const Others&, const Others&) = default;
};
Bytes encode(const Others& others);
Result<Others> decode_others(ByteView body);

// ---- protocol 0x03 -------------------------------------------------------------------------------------------------

enum FindFrame : std::uint8_t { kFind = 1, kFound = 2, kPut = 3, kTry = 4, kTried = 5 };  // kPut: a Give

struct Find {  // who is near this key, or this peer's; and what is known of the peer
  std::uint32_t request = 0;
  bool of_peer = false;
  Hash32 target = {};  // a key, or a peer's id
  friend bool operator==(const Find&, const Find&) = default;
};
struct Contact {
  PeerId peer = {};
  Address address = {};
  friend bool operator==(const Contact&, const Contact&) = default;
};
struct Found {
  std::uint32_t request = 0;
  std::vector<Contact> contacts = {};  // the nearest first
  std::optional<Give> value = {};
  friend bool operator==(const Found&, const Found&) = default;
};
struct Try {  // dial it there and say whether it answers
  std::uint32_t request = 0;
  Contact contact = {};
  friend bool operator==(const Try&, const Try&) = default;
};
struct Tried {
  std::uint32_t request = 0;
  bool reached = false;
  friend bool operator==(const Tried&, const Tried&) = default;
};
Bytes encode(const Find& find);
Bytes encode(const Found& found);
Bytes encode(const Try& wanted);
Bytes encode(const Tried& tried);
Result<Find> decode_find(ByteView body);
Result<Found> decode_found(ByteView body);
Result<Try> decode_try(ByteView body);
Result<Tried> decode_tried(ByteView body);

// ---- protocol 0x07 -------------------------------------------------------------------------------------------------

enum AgentFrame : std::uint8_t { kPublish = 1, kPublished = 2, kWhere = 3, kThere = 4 };

struct Publish {  // keep this; request 0: no answer is read
  std::uint32_t request = 0;
  Bytes record = {};  // not proved here
  friend bool operator==(const Publish&, const Publish&) = default;
};
struct Published {
  std::uint32_t request = 0;
  rendezvous::Taken taken = rendezvous::Taken::kKept;
  std::vector<PeerId> holders = {};  // of the agent's shard, as the sender sees them
  friend bool operator==(const Published&, const Published&) = default;
};
struct Where {
  std::uint32_t request = 0;
  rendezvous::AgentId agent = {};
  friend bool operator==(const Where&, const Where&) = default;
};
struct There {
  std::uint32_t request = 0;
  std::vector<Bytes> records = {};  // not proved here
  std::vector<PeerId> holders = {};
  friend bool operator==(const There&, const There&) = default;
};
Bytes encode(const Publish& publish);
Bytes encode(const Published& published);
Bytes encode(const Where& where);
Bytes encode(const There& there);
Result<Publish> decode_publish(ByteView body);
Result<Published> decode_published(ByteView body);
Result<Where> decode_where(ByteView body);
Result<There> decode_there(ByteView body);

}  // namespace hanse::overlay

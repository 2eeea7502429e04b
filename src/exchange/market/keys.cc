#include "exchange/market/keys.h"

namespace hanse::market {
namespace {

Bytes key(std::string_view prefix, std::initializer_list<ByteView> parts) {
  Bytes out = to_bytes(prefix);
  for (const ByteView part : parts) append(out, part);
  return out;
}

std::array<std::uint8_t, 8> be8(std::uint64_t v) {
  std::array<std::uint8_t, 8> out;
  store_be(out.data(), v);
  return out;
}

}  // namespace

Bytes provider_key(const AccountId& account) { return key(kProviderPrefix, {account.view()}); }

Bytes payload_key_key(const AccountId& account) { return key(kPayloadKeyPrefix, {account.view()}); }

Bytes ask_key(const AccountId& provider, const AskId& id) { return key(kAskPrefix, {provider.view(), id.view()}); }

Bytes asks_of_key(const AccountId& provider) { return key(kAskPrefix, {provider.view()}); }

Bytes ask_list_key(gxf::Precision precision, std::uint16_t region) {
  const std::uint8_t list[2] = {static_cast<std::uint8_t>(precision), static_cast<std::uint8_t>(region)};
  return key(kAskIndexPrefix, {list});
}

Bytes ask_index_key(gxf::Precision precision, const Ask& ask) {
  Bytes out = ask_list_key(precision, ask.region);
  append(out, be8(ask.base_price.value));
  append(out, ask.provider.view());
  append(out, ask.id.view());
  return out;
}

Bytes job_key(const JobId& id) { return key(kJobPrefix, {id.view()}); }
Bytes gxf_key(const JobId& id) { return key(kGxfPrefix, {id.view()}); }

Bytes audit_key(const JobId& id) { return key(kAuditPrefix, {id.view()}); }

Bytes payer_job_key(const AccountId& payer, Height submitted, const JobId& id) {
  return key(kPayerJobPrefix, {payer.view(), be8(submitted.value), id.view()});
}

Bytes provider_job_key(const AccountId& provider, Height submitted, const JobId& id) {
  return key(kProviderJobPrefix, {provider.view(), be8(submitted.value), id.view()});
}

Bytes unit_price_key(const Ask& ask) {
  return key(kUnitPricePrefix, {be8(ask.unit_price.value), ask.provider.view(), ask.id.view()});
}

Bytes round_key(std::uint64_t number) { return key(kRoundPrefix, {be8(number)}); }
Bytes sealed_of_key(std::uint64_t round) { return key(kSealedPrefix, {be8(round)}); }
Bytes sealed_key(std::uint64_t round, std::uint64_t seq) { return key(kSealedPrefix, {be8(round), be8(seq)}); }
Bytes round_part_key(std::uint64_t round, std::uint64_t part) { return key(kRoundPartPrefix, {be8(round), be8(part)}); }

Bytes deadline_key(Height deadline, const JobId& id) { return key(kDeadlinePrefix, {be8(deadline.value), id.view()}); }

}  // namespace hanse::market

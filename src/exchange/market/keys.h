// State keys of the market application, shared by the application and by whoever proves or reads its records.
// Numbers are big-endian so that byte order is numeric order. Layout: proto/records/market.md.
#pragma once

#include "base/core/ids.h"
#include "base/core/units.h"
#include "exchange/market/records.h"

namespace hanse::market {

inline constexpr std::string_view kParamsKey = "market/params";
inline constexpr std::string_view kTotalsKey = "market/totals";
inline constexpr std::string_view kProviderPrefix = "market/p/";      // account
inline constexpr std::string_view kPayloadKeyPrefix = "market/pk/";   // account; bytes of its ML-KEM-1024 key
inline constexpr std::string_view kAskPrefix = "market/a/";           // provider, ask id
inline constexpr std::string_view kAskIndexPrefix = "market/i/";      // precision, region, base price, provider, ask
inline constexpr std::string_view kJobPrefix = "market/j/";           // job id
inline constexpr std::string_view kGxfPrefix = "market/x/";           // job id; while the job lives
inline constexpr std::string_view kPayerJobPrefix = "market/jp/";     // payer, height submitted, job id
inline constexpr std::string_view kProviderJobPrefix = "market/jv/";  // provider, height submitted, job id
inline constexpr std::string_view kDeadlinePrefix = "market/d/";      // height, job id
inline constexpr std::string_view kAuditPrefix = "market/au/";        // job id; while it is audited
inline constexpr std::string_view kUnitPricePrefix = "market/u/";     // unit price, provider, ask id
inline constexpr std::string_view kRoundsKey = "market/rounds";
inline constexpr std::string_view kRoundPrefix = "market/r/";       // round number
inline constexpr std::string_view kSealedPrefix = "market/s/";      // round number, seq
inline constexpr std::string_view kRoundPartPrefix = "market/rr/";  // round number, part

Bytes provider_key(const AccountId& account);
Bytes payload_key_key(const AccountId& account);
Bytes ask_key(const AccountId& provider, const AskId& id);
Bytes asks_of_key(const AccountId& provider);
Bytes ask_list_key(gxf::Precision precision, std::uint16_t region);
Bytes ask_index_key(gxf::Precision precision, const Ask& ask);
Bytes job_key(const JobId& id);
Bytes gxf_key(const JobId& id);
Bytes payer_job_key(const AccountId& payer, Height submitted, const JobId& id);
Bytes provider_job_key(const AccountId& provider, Height submitted, const JobId& id);
Bytes deadline_key(Height deadline, const JobId& id);
Bytes audit_key(const JobId& id);
Bytes unit_price_key(const Ask& ask);
Bytes round_key(std::uint64_t number);
Bytes sealed_of_key(std::uint64_t round);
Bytes sealed_key(std::uint64_t round, std::uint64_t seq);
Bytes round_part_key(std::uint64_t round, std::uint64_t part);

}  // namespace hanse::market

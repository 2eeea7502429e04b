// Bytes of the stake application that nobody outside needs. Private to the room. Errors: stake.key, ledger.genesis and
// the codec's.
#pragma once

#include "base/codec/cbor.h"
#include "chain/stake/stake.h"

namespace hanse::stake {

void write(codec::CborWriter& w, const Member& member);
Result<Member> read_member(codec::CborReader& r);
void write(codec::CborWriter& w, const StakeParams& params);
Result<StakeParams> read_params(codec::CborReader& r);
Result<std::pair<StakeParams, std::vector<Member>>> decode_stake_genesis(ByteView section);
Bytes encode_members(const std::vector<Member>& members);
Status check_key(const crypto::PublicKey& key, ByteView proof, const NetworkId& network, const AccountId& owner);

}  // namespace hanse::stake

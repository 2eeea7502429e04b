// SignedCall: one method of one application, called by an account. Most transactions are one; a job is not (a GXF
// carries its own payer, nonce and signature).
// Signed bytes: the canonical CBOR of fields 0-7 under ML-DSA with context "hanse/call/1".
// Layout: proto/records/call.md. Errors: ledger.call_network, ledger.call_expired, ledger.call_key, ledger.call_signature,
// plus the codec's.
#pragma once

#include "base/core/ids.h"
#include "base/core/units.h"
#include "base/crypto/sign.h"
#include "chain/ledger/app.h"

namespace hanse::ledger {

struct SignedCall {
  NetworkId network;
  AccountId sender;
  std::uint64_t nonce = 0;      // strictly increasing per account, shared with the jobs the account pays
  Height expires;               // last height at which it may be applied
  std::uint16_t method = 0;     // meaning belongs to the application
  Bytes args;                   // canonical CBOR, layout belongs to the method
  crypto::PublicKey key;        // must hash to sender
  Bytes signature;
};

Bytes encode_call(const SignedCall& call);
Result<SignedCall> decode_call(ByteView bytes);
void sign_call(SignedCall& call, const crypto::SecretKey& key);                // fills sender, key and signature
Status check_call(const SignedCall& call, const BlockContext& context);        // everything but the nonce

}  // namespace hanse::ledger

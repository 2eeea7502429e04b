// Identity: who stands behind a machine of the mesh (mesh.md 5.3; layouts in proto/records/identity.md).
//   machine   the key of its connections, which TLS has proved; its id is crypto::account_id
//   agent     a key of its own, kept when machines change; it certifies the machines that it runs on
//   user      a key of its own; it certifies agents
// Papers are what a machine shows: the agent's certificate and, perhaps, the user's. verify() goes up the chain; a
// certificate holds from its begin to its end, both with kSkewMs for wrong clocks, for kLifeMsMax at most; nobody
// passes on a capability that it was not given. An agent without a user has what it gives.
// Ids: BLAKE3 in derive-key mode, "hanse.agent.v1" and "hanse.user.v1", over algorithm u8 and public key. As text
// "agent:" or "user:" and codec::encode_id.
// Pure but for the key; any thread.
// Errors: identity.papers (corrupt: a layout or size), identity.suite (unsupported: no ML-DSA-65 or ML-DSA-87),
// identity.life (invalid: ends before it begins, or lasts too long), identity.machine (denied: another machine),
// identity.agent (denied: the user's certificate is of another agent), identity.not_yet, identity.expired (denied),
// identity.caps (denied: more than the user gave, or less than is needed), identity.signature (denied), identity.id
// (invalid: no id as text).
#pragma once

#include <optional>
#include <string>

#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"

namespace hanse::identity {

using MachineId = AccountId;
using AgentId = FixedBytes<32, struct AgentTag>;
using UserId = FixedBytes<32, struct UserTag>;

constexpr std::string_view kAgentIdContext = "hanse.agent.v1", kUserIdContext = "hanse.user.v1";
constexpr std::string_view kAgentCertContext = "hanse/agent-cert/1", kUserCertContext = "hanse/user-cert/1";
constexpr std::size_t kCertBytesMax = 8u << 10, kPapersBytesMax = 2 * kCertBytesMax + 16;
constexpr std::int64_t kLifeMsMax = 400ll * 86'400'000, kSkewMs = 5 * 60'000;
constexpr std::uint64_t kConnectCap = 1;  // to be let in where trust is asked for; other bits are the applications'

AgentId agent_id(const crypto::PublicKey& key);
UserId user_id(const crypto::PublicKey& key);
std::string id_text(const MachineId& id);
std::string id_text(const AgentId& id);
std::string id_text(const UserId& id);
Result<MachineId> parse_machine(std::string_view shown);
Result<AgentId> parse_agent(std::string_view shown);
Result<UserId> parse_user(std::string_view shown);

// The holder of the key says that the subject is its own.
template <class Subject>
struct Cert {
  crypto::PublicKey key = {};
  Subject subject = {};
  std::int64_t not_before_ms = 0, not_after_ms = 0;  // Unix time
  std::uint64_t caps = 0;                            // bits
  friend bool operator==(const Cert&, const Cert&) = default;
};
using AgentCert = Cert<MachineId>;
using UserCert = Cert<AgentId>;

Result<Bytes> sign_cert(AgentCert cert, const crypto::SecretKey& key);  // fills in the key
Result<Bytes> sign_cert(UserCert cert, const crypto::SecretKey& key);
// Layout and the rules that need no time. Proves nothing.
Result<AgentCert> decode_agent_cert(ByteView bytes);
Result<UserCert> decode_user_cert(ByteView bytes);

struct Papers {
  Bytes agent, user;  // signed certificates; the user's may be empty
  friend bool operator==(const Papers&, const Papers&) = default;
};
Bytes encode(const Papers& papers);
Result<Papers> decode_papers(ByteView bytes);  // the certificates themselves are not looked into

struct Who {  // of papers that were proved
  AgentId agent;
  std::optional<UserId> user;
  std::uint64_t caps = 0;
  std::int64_t not_before_ms = 0, not_after_ms = 0;  // of both certificates together
  friend bool operator==(const Who&, const Who&) = default;
};
struct Shown {
  MachineId by;
  std::int64_t now_ms = 0;
  std::uint64_t caps_needed = 0;
};
Result<Who> verify(const Papers& papers, const Shown& shown);

}  // namespace hanse::identity

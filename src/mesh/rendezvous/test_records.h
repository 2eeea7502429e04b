// Records of agents on machines, for the tests of this room. Threads: one.
#pragma once

#include <gtest/gtest.h>

#include "base/crypto/test_key.h"
#include "mesh/rendezvous/record.h"

namespace hanse::rendezvous {

constexpr std::int64_t kNow = 1'800'000'000'000;

inline NetworkId test_network() {
  NetworkId id;
  id.data.fill(1);
  return id;
}
inline AgentId agent_of(std::uint8_t key) { return identity::agent_id(crypto::test_key(key).public_key()); }
inline MachineId machine_of(std::uint8_t key) { return crypto::account_id(crypto::test_key(key).public_key()); }

// Made once: another signature of the same makes another certificate.
inline Bytes cert_of(std::uint8_t agent, std::uint8_t machine, std::int64_t begin_ms = kNow) {
  static std::map<std::tuple<std::uint8_t, std::uint8_t, std::int64_t>, Bytes> certs;
  Bytes& cert = certs[{agent, machine, begin_ms}];
  if (cert.empty())
    cert = *identity::sign_cert(
        identity::AgentCert{
            .subject = machine_of(machine), .not_before_ms = begin_ms, .not_after_ms = begin_ms + 86'400'000},
        crypto::test_key(agent));
  return cert;
}

struct Made {
  std::uint8_t agent = 10, machine = 1;
  std::uint64_t seq = 1;
  std::int64_t end_ms = kNow + kLifeMsMax, certified_ms = kNow;
  bool here = true;
};
inline SignedRecord made(const Made& m) {
  auto out = sign_record({.network = test_network(),
                          .seq = m.seq,
                          .not_after_ms = m.end_ms,
                          .here = m.here,
                          .cert = cert_of(m.agent, m.machine, m.certified_ms)},
                         crypto::test_key(m.machine));
  EXPECT_TRUE(out) << out.error().str();
  return std::move(*out);
}

// Without signatures, for what looks at none: `number` makes agents and machines that nobody has.
inline SignedRecord unsigned_record(std::uint32_t agent, std::uint32_t machine, std::uint64_t seq = 1) {
  SignedRecord out;
  Record& r = out.record;
  for (int i = 0; i < 4; ++i) {
    r.agent.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(agent >> (8 * i));
    r.machine.data[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(machine >> (8 * i));
  }
  r.seq = seq;
  r.not_after_ms = kNow + kLifeMsMax;
  out.bytes = {1};
  return out;
}

}  // namespace hanse::rendezvous

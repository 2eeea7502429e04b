// What both ends of a gate share of OpenSSL: contexts with self-signed certificates, and Relay, which moves bytes
// between a TLS connection and a plain descriptor. Private to this room.
// Threads: one at a time. Errors: gate.system (internal).
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/core/fd.h"
#include "base/core/ids.h"
#include "base/core/result.h"
#include "base/crypto/sign.h"

namespace hanse::gate::detail {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;

// Appends the certificates, as PEM, to `pem`.
Result<ContextPtr> server_context(const crypto::Identity& identity, std::string& pem);
Result<ContextPtr> client_context(const crypto::SecretKey* key);
Result<SslPtr> session(SSL_CTX& context, int net);  // over a non-blocking socket, which it does not own
std::string openssl_reason();
std::optional<AccountId> shown_by_peer(const SSL& ssl);

struct Pair {
  Fd ours, theirs;
};
Result<Pair> plain_pair();  // non-blocking, closed on exec
std::unexpected<Error> system_error(std::string_view what);

class Relay {
 public:
  Relay(SslPtr ssl, Fd net) : ssl_(std::move(ssl)), net_(std::move(net)) {}

  enum class Shake : std::uint8_t { kGoing, kDone, kFailed };
  Shake shake(bool server);  // until kDone; then open() and move()
  void open(Fd plain) {
    plain_ = std::move(plain);
    wants_read_ = true;
  }
  bool move();  // false: one side has ended and all it said was passed on, or the connection broke

  bool has_more() const { return more_; }  // move() gave others a turn: call it again without waiting
  SSL& ssl() { return *ssl_; }
  int net() const { return net_.get(); }
  int plain() const { return plain_.get(); }
  short net_events() const;  // of poll(), that it waits for
  short plain_events() const;

 private:
  struct Piece {
    std::unique_ptr<std::array<std::uint8_t, 32u << 10>> bytes =
        std::make_unique<std::array<std::uint8_t, 32u << 10>>();
    std::size_t begin = 0, end = 0;
    bool empty() const { return begin == end; }
  };
  enum class Moved : std::uint8_t { kSome, kNone, kEnd };
  Moved read_net();
  Moved write_plain();
  Moved read_plain();
  Moved write_net();
  Moved want(int rc);

  SslPtr ssl_;
  Fd net_, plain_;
  Piece in_, out_;  // from the net, to the net
  bool net_ended_ = false, plain_ended_ = false;
  bool wants_read_ = true, wants_write_ = false, more_ = false;
};

}  // namespace hanse::gate::detail

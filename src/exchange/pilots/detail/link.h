// One TCP connection with TLS 1.3 (X25519MLKEM768, ML-DSA-65 raw public key of the daemon; the pilot has none) that
// carries frames (wire.h). Never blocks but in turn(); OpenSSL is behind link.cc.
// Errors: pilots.tls (denied: the other is not who it should be or does not speak this), pilots.closed (unavailable),
// pilots.bad_frame (corrupt), pilots.address (unavailable: does not resolve, connect or listen).
// Threads: a Link one, which must have called ignore_sigpipe; a Credentials any.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/fd.h"
#include "base/crypto/sign.h"
#include "exchange/pilots/wire.h"

namespace hanse::pilots {

struct Frame {
  FrameHead head;
  Bytes payload;
};

class Credentials {
 public:
  static Result<std::shared_ptr<Credentials>> daemon(const crypto::SecretKey& key);
  static Result<std::shared_ptr<Credentials>> pilot(const AccountId& pin);
  struct Impl;
  explicit Credentials(std::unique_ptr<Impl> impl);
  ~Credentials();
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

class Link {
 public:
  // Takes the socket; `credentials` says which side this is.
  static Result<std::unique_ptr<Link>> open(std::shared_ptr<Credentials> credentials, Fd socket, Clock& clock);
  ~Link();

  // Waits for at most timeout_ms, or until wake_fd (an eventfd, read empty here) has something, and moves what there
  // is to move. An Error ends the link.
  Status turn(int wake_fd, int timeout_ms);
  std::optional<Frame> take();
  void send(FrameType type, std::uint64_t call, ByteView a = {}, ByteView b = {});
  std::size_t unsent() const;
  void set_frame_max(std::size_t bytes) { frame_max_ = bytes; }
  std::int64_t heard_ns() const { return heard_ns_; }  // when bytes last came

 private:
  struct Impl;
  Link(std::unique_ptr<Impl> impl, Clock& clock);
  Status read_some();
  Status write_some();
  Status split();

  std::unique_ptr<Impl> impl_;
  Clock& clock_;
  std::size_t frame_max_ = kHelloSizeMax;
  std::int64_t heard_ns_;
  Bytes in_;
  std::deque<Frame> frames_;
  std::deque<Bytes> out_;
  std::size_t sent_ = 0;  // of out_.front()
};

constexpr std::size_t kFramesMax = 8;  // read and not yet taken; no more is read then

Result<Fd> listen_on(const std::string& address);
Result<std::string> local_address(int fd);  // IP:PORT
Result<Fd> dial(const std::string& address, std::int64_t ms_max, Clock& clock);
void ignore_sigpipe();  // for the calling thread: TLS writes to sockets whose far end is gone
Result<Fd> make_wake();
void wake(int fd);
void clear_wake(int fd);

}  // namespace hanse::pilots

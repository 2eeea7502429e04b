#include "exchange/runtime/detail/wire.h"

#include <cerrno>

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/core/text.h"
#include "exchange/runtime/call.h"

namespace hanse::runtime {

namespace {

constexpr std::size_t kControlHeadSize = 16;
constexpr std::size_t kOrderHeadSize = 16;

std::unexpected<Error> control_error(std::string_view what) {
  return fail(Kind::kUnavailable, "runtime.control", what);
}
std::unexpected<Error> frame_error(std::string_view what) { return fail(Kind::kCorrupt, "runtime.frame", what); }

Status write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return frame_error(text("write: errno {}", errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Status read_all(int fd, ByteSpan out) {
  while (!out.empty()) {
    const ssize_t n = read(fd, out.data(), out.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return frame_error(text("read: errno {}", errno));
    if (n == 0) return frame_error("the other end closed");
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Status send_control(int fd, const Control& message) {
  std::uint8_t head[kControlHeadSize];
  store_le(head, static_cast<std::uint32_t>(message.type));
  store_le(head + 4, static_cast<std::uint32_t>(message.number));
  store_le(head + 8, message.id);
  const std::string_view body = std::string_view(message.text).substr(0, kControlTextMax);
  iovec parts[2] = {{.iov_base = head, .iov_len = sizeof head},
                    {.iov_base = const_cast<char*>(body.data()), .iov_len = body.size()}};
  alignas(cmsghdr) char extra[CMSG_SPACE(kControlFdsMax * sizeof(int))] = {};
  msghdr msg{};
  msg.msg_iov = parts;
  msg.msg_iovlen = 2;
  if (!message.fds.empty()) {
    const std::size_t size = message.fds.size() * sizeof(int);
    msg.msg_control = extra;
    msg.msg_controllen = CMSG_SPACE(size);
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(c), message.fds.data(), size);
  }
  ssize_t n = 0;
  do {
    n = sendmsg(fd, &msg, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return control_error(text("sendmsg: errno {}", errno));
  return {};
}

Result<Control> receive_control(int fd) {
  std::uint8_t buffer[kControlHeadSize + kControlTextMax];
  iovec part{.iov_base = buffer, .iov_len = sizeof buffer};
  alignas(cmsghdr) char extra[CMSG_SPACE(kControlFdsMax * sizeof(int))] = {};
  msghdr msg{};
  msg.msg_iov = &part;
  msg.msg_iovlen = 1;
  msg.msg_control = extra;
  msg.msg_controllen = sizeof extra;
  ssize_t n = 0;
  do {
    n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return control_error(text("recvmsg: errno {}", errno));
  if (n == 0) return control_error("the other end closed");
  Control out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const std::size_t before = out.fds.size();
    out.fds.resize(before + count);
    std::memcpy(out.fds.data() + before, CMSG_DATA(c), count * sizeof(int));
  }
  const std::uint32_t type = static_cast<std::size_t>(n) < kControlHeadSize ? 0 : load_le<std::uint32_t>(buffer);
  if (type < 1 || type > 5) {
    for (const int passed : out.fds) close(passed);
    return control_error(text("found a message of {} bytes and type {}", n, type));
  }
  out.type = static_cast<ControlType>(type);
  out.number = static_cast<std::int32_t>(load_le<std::uint32_t>(buffer + 4));
  out.id = load_le<std::uint64_t>(buffer + 8);
  out.text.assign(reinterpret_cast<const char*>(buffer) + kControlHeadSize,
                  static_cast<std::size_t>(n) - kControlHeadSize);
  return out;
}

void write_frame_head(std::uint8_t* out, FrameHead head) {
  store_le(out, static_cast<std::uint32_t>(head.size));
  store_le(out + 4, static_cast<std::uint16_t>(head.type));
  store_le(out + 6, std::uint16_t{0});
}

Result<FrameHead> read_frame_head(const std::uint8_t* in, std::size_t size_max) {
  const std::size_t size = load_le<std::uint32_t>(in);
  const auto type = load_le<std::uint16_t>(in + 4);
  if (type < 1 || type > 6 || load_le<std::uint16_t>(in + 6) != 0)
    return frame_error(text("found frame type {}, expected 1 to 6", type));
  if (size > size_max) return frame_error(text("found a frame of {} bytes, expected at most {}", size, size_max));
  return FrameHead{.type = static_cast<FrameType>(type), .size = size};
}

Status send_frame(int fd, FrameType type, ByteView payload) {
  std::uint8_t head[kFrameHeadSize];
  write_frame_head(head, {.type = type, .size = payload.size()});
  TRY_OK(write_all(fd, head));
  return write_all(fd, payload);
}

Result<Frame> receive_frame(int fd, std::size_t size_max) {
  std::uint8_t head_bytes[kFrameHeadSize];
  TRY_OK(read_all(fd, head_bytes));
  TRY(const auto head, read_frame_head(head_bytes, size_max));
  Frame frame{.type = head.type, .payload = Bytes(head.size)};
  TRY_OK(read_all(fd, frame.payload));
  return frame;
}

Bytes encode_order(const CallOrder& order) {
  Bytes out(kOrderHeadSize);
  store_le(out.data(), order.data_max);
  store_le(out.data() + 8, order.cpu_s_max);
  out[12] = order.prepare ? 1 : 0;
  out[13] = static_cast<std::uint8_t>(order.kind.size());
  append(out, as_bytes(order.kind));
  return out;
}

Result<OrderAndCall> decode_order(ByteView payload) {
  if (payload.size() < kOrderHeadSize || payload.size() - kOrderHeadSize < payload[13])
    return frame_error(text("found a call of {} bytes", payload.size()));
  OrderAndCall out;
  out.order.data_max = load_le<std::uint64_t>(payload.data());
  out.order.cpu_s_max = load_le<std::uint32_t>(payload.data() + 8);
  out.order.prepare = payload[12] != 0;
  const std::size_t kind_size = payload[13];
  out.order.kind = as_text(payload.subspan(kOrderHeadSize, kind_size));
  out.call = payload.subspan(kOrderHeadSize + kind_size);
  return out;
}

}  // namespace hanse::runtime

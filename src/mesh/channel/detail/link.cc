#include "mesh/channel/detail/link.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"

namespace hanse::channel::detail {

Status Link::flush() {
  Bytes& out = tls->out();
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t n = send(fd.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    return fail(Kind::kUnavailable, "channel.closed",
                text("the connection broke while sending: {}", std::string_view(strerror(errno))));
  }
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(sent));
  return {};
}

}  // namespace hanse::channel::detail

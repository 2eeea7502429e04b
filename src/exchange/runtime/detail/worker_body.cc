#include "exchange/runtime/detail/worker_body.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <new>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/core/text.h"
#include "base/plugin/error_wire.h"
#include "exchange/runtime/call.h"
#include "exchange/runtime/detail/wire.h"
#include "exchange/runtime/job_kind.h"

namespace hanse::runtime {

namespace {

constexpr int kSocketFd = 3;
constexpr std::size_t kCallFrameMax = kCallSizeMax + 1024;

// Descriptors 0 nothing, 1 and 2 the captured standard error, 3 the socket; all others closed. Libraries print to
// standard output at will, so it is captured too.
bool arrange_descriptors(const WorkerPipes& pipes) {
  const int none = open("/dev/null", O_RDONLY);
  const int socket = fcntl(pipes.socket, F_DUPFD, 16);
  const int error = fcntl(pipes.standard_error, F_DUPFD, 16);
  if (none < 0 || socket < 0 || error < 0) return false;
  const bool placed =
      dup2(none, 0) == 0 && dup2(error, 1) == 1 && dup2(error, 2) == 2 && dup2(socket, kSocketFd) == kSocketFd;
  return placed && close_range(kSocketFd + 1, ~0u, 0) == 0;
}

std::uint64_t private_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  for (int field = 0; field < 6; ++field) statm >> pages;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void lower_limit(__rlimit_resource_t what, std::uint64_t value) {
  const rlimit next{.rlim_cur = value, .rlim_max = value};
  setrlimit(what, &next);  // fails only where a lower limit is in force already
}

Status send_error(const Error& error) { return send_frame(kSocketFd, FrameType::kFailed, plugin::encode_error(error)); }

Status answer_call(const Frame& frame, const KindTable& kinds, std::uint64_t private_before,
                   const std::atomic<bool>* stop) {
  TRY(const auto ordered, decode_order(frame.payload));
  lower_limit(RLIMIT_DATA, private_before + frame.payload.size() + ordered.order.data_max);
  lower_limit(RLIMIT_CPU, ordered.order.cpu_s_max);
  const auto it = kinds.find(ordered.order.kind);
  if (it == kinds.end())
    return send_error(Error(Kind::kUnsupported, "runtime.no_kind", text("no plug-in runs {}", ordered.order.kind)));
  auto& plugin = *it->second;
  const plugin::CallOptions options{.deadline_ns = 0, .cancelled = stop, .output_max = plugin::kOutputMax};
  Bytes again;
  ByteView call_bytes = ordered.call;
  if (ordered.order.prepare) {
    TRY(auto call, decode_call(ordered.call));
    const auto op = call.op;
    call.op = CallOp::kPrepare;
    auto prepared = plugin.execute(encode_call(call), options);
    if (!prepared) return send_error(prepared.error());
    TRY_OK(send_frame(kSocketFd, FrameType::kPrepared, *prepared));
    call.op = op;
    call.prepared = *prepared;
    again = encode_call(call);
    call_bytes = again;
  }
  const auto answer = plugin.execute(call_bytes, options);
  if (!answer) return send_error(answer.error());
  return send_frame(kSocketFd, FrameType::kDone, *answer);
}

// Asks every kind to check an empty request, which it refuses: what a call touches first is in memory when one comes.
void rehearse(const KindTable& kinds) {
  for (const auto& [name, plugin] : kinds) {
    RunRequest request;
    request.kind = name;
    (void)plugin->execute(
        encode_call({.op = CallOp::kCheck, .request = encode_request(request), .prepared = {}, .claimed = {}}));
  }
}

}  // namespace

int worker_body(const SandboxSpec& spec, const WorkerPipes& pipes, const KindTable& kinds) {
  const void* page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, pipes.stop_page, 0);
  if (page == MAP_FAILED || !arrange_descriptors(pipes)) return 1;
  const auto* stop = static_cast<const std::atomic<bool>*>(page);
  const auto private_before = private_bytes();
  auto walls = enter_sandbox(spec);
  if (walls) walls = finish_sandbox(spec);
  if (walls) walls = verify_sandbox(spec);
  if (!walls) {
    (void)send_error(walls.error());
    return 1;
  }
  try {
    rehearse(kinds);
    if (!send_frame(kSocketFd, FrameType::kReady, {})) return 1;
    const auto frame = receive_frame(kSocketFd, kCallFrameMax);
    if (!frame || frame->type != FrameType::kCall || !send_frame(kSocketFd, FrameType::kTaken, {})) return 1;
    return answer_call(*frame, kinds, private_before, stop) ? 0 : 1;
  } catch (const std::bad_alloc&) {
    return send_error(Error(Kind::kExhausted, "runtime.out_of_memory", "the worker ran out of memory")) ? 0 : 1;
  }
}

}  // namespace hanse::runtime

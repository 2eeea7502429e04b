// What goes between the pool, the zygote and its workers. All of it between processes of one build on one machine.
//
// Control, pool <-> zygote, one SOCK_SEQPACKET message each: u32 type, i32 number, u64 id, then text.
//   kHello    zygote: number = isolation level, id = walls | landlock abi << 32, text = lines "kind NAME", "failed
//   WHY",
//             "missing WHY", "cgroups MODE"
//   kSpawn    pool: id of the new worker; passes [its socket, its standard error, its stop page (memfd)]
//   kSpawned  zygote: id, number = pid; passes [pidfd]        kNotSpawned  zygote: id, text = why
//   kExited   zygote: id, number = wait status
//
// Frames, pool <-> worker, on a stream socket: u32 payload size, u16 type, u16 zero (little-endian), payload.
//   kReady    worker: nothing; it is inside its sandbox
//   kCall     pool: CallOrder, then an encoded Call (call.h)
//   kTaken    worker: nothing; it has the call, and from here on a crash may be the job's doing
//   kPrepared worker: what the kind prepared, sent before it runs
//   kDone     worker: the answer of the call          kFailed  worker: an encoded Error
// Errors: runtime.frame (corrupt): closed, too long, of an unknown type; runtime.control (unavailable).
#pragma once

#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::runtime {

enum class ControlType : std::uint32_t { kHello = 1, kSpawn = 2, kSpawned = 3, kNotSpawned = 4, kExited = 5 };
constexpr std::size_t kControlTextMax = 32 * 1024;
constexpr std::size_t kControlFdsMax = 3;

struct Control {
  ControlType type = ControlType::kHello;
  std::int32_t number = 0;
  std::uint64_t id = 0;
  std::string text;
  std::vector<int> fds;  // received: owned by the receiver; sent: borrowed
};
Status send_control(int fd, const Control& message);
Result<Control> receive_control(int fd);  // waits for one message

enum class FrameType : std::uint16_t { kReady = 1, kCall = 2, kPrepared = 3, kDone = 4, kFailed = 5, kTaken = 6 };
constexpr std::size_t kFrameHeadSize = 8;

struct FrameHead {
  FrameType type = FrameType::kReady;
  std::size_t size = 0;
};
void write_frame_head(std::uint8_t* out, FrameHead head);
Result<FrameHead> read_frame_head(const std::uint8_t* in, std::size_t size_max);

struct Frame {
  FrameType type = FrameType::kReady;
  Bytes payload;
};
Status send_frame(int fd, FrameType type, ByteView payload);  // blocking descriptors only
Result<Frame> receive_frame(int fd, std::size_t size_max);

// The head of a kCall payload: what the worker must know before it looks at the request.
struct CallOrder {
  std::uint64_t data_max = 0;  // bytes of private memory beyond what the worker has when the call arrives
  std::uint32_t cpu_s_max = 0;
  bool prepare = false;  // prepare first, and send what comes of it
  std::string kind;
};
Bytes encode_order(const CallOrder& order);
struct OrderAndCall {
  CallOrder order;
  ByteView call;
};
Result<OrderAndCall> decode_order(ByteView payload);

}  // namespace hanse::runtime

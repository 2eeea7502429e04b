// What the clients of this room share of gRPC: event streams, blobs in pieces, fields of a fixed size. Private to this
// room. Threads: any. Errors: client.bad_reply (corrupt), client.too_large (exhausted).
#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "base/core/text.h"
#include "base/crypto/hash.h"
#include "node/client/client.h"
#include "node/client/rpc_error.h"

#include "hanse/node/v1/node.pb.h"
#include <grpcpp/grpcpp.h>

namespace hanse::client::detail {

inline std::string to_string(ByteView v) { return std::string(as_text(v)); }

template <class Fixed>
Status take_fixed(const std::string& bytes, std::string_view what, Fixed& out) {
  if (Fixed::from(as_bytes(bytes), out)) return {};
  return fail(Kind::kCorrupt, "client.bad_reply",
              text("found {} bytes for the {}, expected {}", bytes.size(), what, Fixed::kSize));
}

// One operation on the queue at a time; while it is pending, `idle` is asked.
struct Watcher {
  grpc::ClientContext& context;
  grpc::CompletionQueue& queue;
  const std::function<bool()>& idle;
  bool ended = false;  // by the caller's wish

  void end() {
    ended = true;
    context.TryCancel();
  }
  bool next();
};

// start(queue) begins the stream, visit takes each reply until it says false.
template <class Reply, class Start, class Visit>
Status follow(grpc::ClientContext& context, std::string_view where, Start&& start, Visit&& visit,
              const std::function<bool()>& idle) {
  grpc::CompletionQueue queue;
  const auto reader = start(queue);
  Watcher watcher{.context = context, .queue = queue, .idle = idle};
  bool open = watcher.next();
  while (open && !watcher.ended) {
    Reply reply;
    reader->Read(&reply, nullptr);
    open = watcher.next();
    if (!open || watcher.ended) break;
    if (!visit(reply)) watcher.end();
  }
  grpc::Status status;
  reader->Finish(&status, nullptr);
  watcher.next();
  queue.Shutdown();
  if (watcher.ended || status.ok()) return {};
  return std::unexpected(from_rpc(status, where));
}

inline LedgerEvent take_event(const hanse::node::v1::WatchReply& reply) {
  return {.height = Height{reply.height()},
          .event = {.topic = reply.event().topic(), .data = to_bytes(reply.event().data())}};
}

inline std::unexpected<Error> blob_too_large(std::size_t found) {
  return fail(Kind::kExhausted, "client.too_large",
              text("found a blob of {} bytes, the most is {}", found, kBlobBytesMax));
}

// call(attempt) makes attempt(context, stub) until it succeeds or the time is over.
template <class Call>
Result<BlobId> put_blob(ByteView data, Call&& call) {
  constexpr std::size_t kPieceBytes = 256 * 1024;
  if (data.size() > kBlobBytesMax) return blob_too_large(data.size());
  hanse::node::v1::PutBlobReply reply;
  TRY_OK(call([&](grpc::ClientContext& c, auto& stub) {
    const auto writer = stub.PutBlob(&c, &reply);
    hanse::node::v1::BlobPiece piece;
    for (std::size_t at = 0; at < data.size(); at += kPieceBytes) {
      piece.set_data(to_string(data.subspan(at, std::min(kPieceBytes, data.size() - at))));
      if (!writer->Write(piece)) break;  // Finish says why
    }
    writer->WritesDone();
    return writer->Finish();
  }));
  BlobId id;
  TRY_OK(take_fixed(reply.id(), "blob id", id));
  if (id != crypto::blob_id(data))
    return fail(Kind::kCorrupt, "client.bad_reply",
                text("found blob id {} for bytes that hash to {}", id, crypto::blob_id(data)));
  return id;
}

template <class Call>
Result<Bytes> get_blob(const BlobId& id, Call&& call) {
  hanse::node::v1::GetBlobRequest request;
  request.set_id(to_string(id.view()));
  Bytes out;
  bool over = false;
  TRY_OK(call([&](grpc::ClientContext& c, auto& stub) {
    out.clear();
    const auto reader = stub.GetBlob(&c, request);
    hanse::node::v1::BlobPiece piece;
    while (!over && reader->Read(&piece)) {
      over = out.size() + piece.data().size() > kBlobBytesMax;
      if (!over) append(out, as_bytes(piece.data()));
    }
    if (over) {
      c.TryCancel();
      (void)reader->Finish();
      return grpc::Status::OK;
    }
    return reader->Finish();
  }));
  if (over) return blob_too_large(kBlobBytesMax + 1);
  if (crypto::blob_id(out) != id)
    return fail(Kind::kCorrupt, "client.bad_reply",
                text("found bytes that hash to {} for blob {}", crypto::blob_id(out), id));
  return out;
}

}  // namespace hanse::client::detail

// Blobs: where the gateway keeps job inputs, artifacts and outputs. Bound to store/blob by the daemon.
// Threads: any. Errors: the store's; not_found for a blob that is not there.
#pragma once

#include "base/core/ids.h"
#include "base/core/result.h"

namespace hanse::roles {

class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual Result<BlobId> put(ByteView data) = 0;
  virtual Result<Bytes> get(const BlobId& id) = 0;
  virtual Result<bool> has(const BlobId& id) = 0;
};

}  // namespace hanse::roles

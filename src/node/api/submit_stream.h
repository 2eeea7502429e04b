// The server's half of Node.SubmitStream: reads transactions while fewer than kStreamOpenMax have no outcome, and sends
// outcomes as the backend gives them, those that come while one message is on its way together in the next.
// Private to the room. Threads: the transport's, and whichever gives outcomes.
#pragma once

#include <memory>

#include "node/api/backend.h"

#include "hanse/node/v1/node.grpc.pb.h"

namespace hanse::api {

// The reactor of one call; it deletes itself and lets go of `place` when the call is over. `refused`: an error ends the
// call at once.
grpc::ServerBidiReactor<node::v1::SubmitStreamRequest, node::v1::SubmitStreamReply>* start_submit_stream(
    Backend& backend, const Status& refused, std::shared_ptr<void> place);

}  // namespace hanse::api

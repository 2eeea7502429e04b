// What must hold before a server listens, nobody else does and the socket's folder is private, and whom it answers.
// Errors: api.port_in_use (conflict), api.bad_socket_dir (denied), api.listen (internal).
#pragma once

#include "base/core/result.h"
#include "node/client/address.h"

namespace hanse::api {

// Makes the folder (mode 0700) when absent; refuses one that others may enter or that is not ours; removes a socket
// that nobody listens on any more.
Status prepare_socket(const std::string& path);

// Finds out by binding: a library that shares ports would join another process's port in silence.
Status port_is_free(const client::Address& address);

// A Host header that names this machine, with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace hanse::api

#include "exchange/market/records.h"
#include "node/daemon/settings.h"

namespace hanse::daemon {
namespace {

using config::Key;
using enum config::Type;

constexpr Key kSchema[] = {
    {.path = "identity.key", .fallback = "key.json", .help = "key file of the node's account"},
    {.path = "identity.passphrase_file", .fallback = "",
     .help = "file whose first line unlocks the key file; mode 0600"},
    {.path = "identity.allow_unencrypted", .type = kBool, .fallback = "false",
     .help = "accept a key file without a passphrase, for networks for development"},

    {.path = "network.genesis", .fallback = "genesis.cbor",
     .help = "genesis file; the data folder and every peer must belong to the same one"},

    {.path = "roles.enabled", .type = kTextList, .fallback = "validator,gateway",
     .help = "any of validator (orders and executes transactions), gateway (serves the API), provider (sells computing)"},

    {.path = "storage.path", .fallback = "data", .help = "folder of everything the node keeps"},
    {.path = "storage.cache_bytes", .type = kNumber, .fallback = "33554432", .help = "block cache of the ledger's store",
     .unit = "bytes", .min = 1 << 20, .max = 1ull << 40},
    {.path = "storage.write_buffer_bytes", .type = kNumber, .fallback = "33554432",
     .help = "memory tables of the ledger's store", .unit = "bytes", .min = 1 << 20, .max = 1ull << 36},
    {.path = "storage.journal_segment_bytes", .type = kNumber, .fallback = "4194304",
     .help = "one segment file of the ledger's journal, fixed when the folder is made; a multiple of 4096",
     .unit = "bytes", .min = 16384, .max = 67108864},
    {.path = "storage.blob_bytes_max", .type = kNumber, .fallback = "10737418240",
     .help = "all blobs together; further ones are refused", .unit = "bytes", .min = 1 << 20, .max = 1ull << 50},

    {.path = "api.socket", .fallback = "api.sock",
     .help = "Unix socket of the gRPC API; its folder must be closed to others (mode 0700)"},
    {.path = "api.grpc", .fallback = "", .help = "loopback address of the gRPC API, e.g. 127.0.0.1:50051; empty for none"},
    {.path = "api.http", .fallback = "", .help = "loopback address of the HTTP API, e.g. 127.0.0.1:8080; empty for none"},
    {.path = "api.calls_max", .type = kNumber, .fallback = "64", .help = "gRPC calls at a time", .unit = "", .min = 1,
     .max = 1024},
    {.path = "api.watches_max", .type = kNumber, .fallback = "16", .help = "event streams at a time", .unit = "", .min = 1,
     .max = 1024},
    {.path = "api.wait_ms_max", .type = kNumber, .fallback = "30000",
     .help = "how long a submission may wait for its block", .unit = "ms", .min = 100, .max = 600000},
    {.path = "api.http_connections_max", .type = kNumber, .fallback = "64", .help = "HTTP connections at a time",
     .unit = "", .min = 1, .max = 1024},

    {.path = "provider.node", .fallback = "unix:api.sock", .help = "address of the node the provider works for"},
    {.path = "provider.region", .fallback = "EU", .help = "where the machine stands: a region's name, or its bit number"},
    {.path = "provider.precisions", .type = kTextList, .fallback = "int8,e5m2,fp8,bf16",
     .help = "precisions offered: int8, e5m2, fp8, bf16"},
    {.path = "provider.isolation_max", .type = kNumber, .fallback = "3",
     .help = "highest isolation level to offer; less when the machine has less", .unit = "", .min = 0,
     .max = market::kIsolationMax},
    {.path = "provider.capacity", .type = kNumber, .fallback = "32",
     .help = "jobs held at a time, those that wait for their settlement included", .unit = "jobs", .min = 1,
     .max = 1024},
    {.path = "provider.parallel", .type = kNumber, .fallback = "4", .help = "jobs run at a time", .unit = "jobs",
     .min = 1, .max = 256},
    {.path = "provider.workers", .type = kNumber, .fallback = "2", .help = "idle sandboxed workers kept ready",
     .unit = "processes", .min = 1, .max = 64},
    {.path = "provider.bond_ut", .type = kNumber, .fallback = "50000000", .help = "bond held by the market", .unit = "ut",
     .max = 1ull << 60},
    {.path = "provider.base_price_ut", .type = kNumber, .fallback = "1000", .help = "enters the price of immediate jobs",
     .unit = "ut", .max = 1ull << 50},
    {.path = "provider.unit_price_ut", .type = kNumber, .fallback = "0",
     .help = "price of 1000 compute units in batch rounds; 0 takes no part", .unit = "ut", .max = 1ull << 50},
    {.path = "provider.capacity_cu", .type = kNumber, .fallback = "1099511627776", .help = "compute units of one ask",
     .unit = "cu", .min = 1, .max = 1ull << 60},
    {.path = "provider.level_max", .type = kNumber, .fallback = "3", .help = "highest shape level of a job's node",
     .unit = "", .min = 0, .max = market::kLevelMax},
    {.path = "provider.max_seq", .type = kNumber, .fallback = "131072", .help = "longest sequence", .unit = "", .min = 1,
     .max = 131072},
    {.path = "provider.max_batch", .type = kNumber, .fallback = "1024", .help = "largest batch", .unit = "", .min = 1,
     .max = 1024},
    {.path = "provider.latency_ms", .type = kNumber, .fallback = "50", .help = "latency promised", .unit = "ms",
     .max = 4294967295},
    {.path = "provider.ask_blocks", .type = kNumber, .fallback = "100000",
     .help = "how long an ask stands; renewed when a quarter is left", .unit = "blocks", .min = 16, .max = 1000000},
    {.path = "provider.recheck_ms", .type = kNumber, .fallback = "15000",
     .help = "how often the ledger is asked for jobs that no event told of", .unit = "ms", .min = 100, .max = 3600000},
    {.path = "provider.drain_ms", .type = kNumber, .fallback = "30000",
     .help = "how long running jobs may go on after a stop; then they are given back", .unit = "ms", .max = 3600000},
    {.path = "provider.worker", .fallback = "", .help = "path of hanse-worker; empty: beside hansed"},
    {.path = "provider.plugin_dir", .fallback = "", .help = "folder of job kinds; empty: lib/hanse of this installation"},

    {.path = "metrics.address", .fallback = "",
     .help = "one more loopback address for /metrics and /health, e.g. 127.0.0.1:9464; empty for none"},

    {.path = "logging.level", .type = kChoice, .fallback = "info", .help = "least level written",
     .choices = "trace|debug|info|warn|error"},
    {.path = "logging.format", .type = kChoice, .fallback = "pretty", .help = "lines for people or JSON",
     .choices = "pretty|json"},
    {.path = "logging.file", .fallback = "", .help = "where to write; empty: standard error"},
    {.path = "logging.file_bytes_max", .type = kNumber, .fallback = "67108864", .help = "size at which a file is rotated",
     .unit = "bytes", .min = 4096, .max = 1ull << 40},
};

}  // namespace

std::span<const config::Key> schema() { return kSchema; }

std::string config_page() {
  return config::reference_page(
      "Configuration of hansed",
      "Made from the table in src/node/daemon/schema.cc. A value comes from the last of these that gives one: the default,\n"
      "the file (`hansed --config node.toml`), the environment (`HANSE_STORAGE__PATH=/srv/hanse`), a flag\n"
      "(`--set storage.path=/srv/hanse`). `hansed --config node.toml --print-config` shows every value and its origin.\n"
      "Unknown keys are errors. Relative paths are taken from the folder of the file.",
      schema());
}

}  // namespace hanse::daemon

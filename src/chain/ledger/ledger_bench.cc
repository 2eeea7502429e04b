// Runs the room's benchmarks. HANSE_BENCH_DIR chooses the folder (default: the current one).
#include <cstdlib>

#include "chain/ledger/test_net.h"

namespace hanse::ledger {

void execute_bench(const std::string& dir);

}  // namespace hanse::ledger

int main() {
  const char* base = std::getenv("HANSE_BENCH_DIR");
  const hanse::ledger::TempDir dir(base != nullptr ? base : ".");
  hanse::ledger::execute_bench(dir.path());
  return 0;
}

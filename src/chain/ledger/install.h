// Installer: makes a state that was fetched and verified elsewhere (chain/sync) the ledger's own, all of it or nothing.
// What comes is kept beside the ledger's own: pairs and tree nodes in the other pair of state families, blocks above
// the tip where nothing looks for them. finish() checks that the tree is whole and that the history leads to the
// header, and changes over in one synced batch. A crash before leaves the ledger as it was and what came in place, to
// go on with or to begin anew; a crash after leaves the new one.
//
// What a ledger needs to go on at a height, and what stands for it here:
//   state and tree       the pairs and nodes of all key ranges under the header's state root
//   what was applied     every transaction id below, as the same bytes are never applied twice: the blocks' id lists,
//                        under the headers that the history root commits to
//   history              the headers' hashes, appended here again
//   validator sets, epoch, certificates     from the certificate and the handovers that lead to it
// Events and results of earlier blocks are not fetched. wants_block begins as no: it is no part of any root.
//
// Threads: begin, put, mark and abandon on one thread beside everything of the ledger; finish on the thread that
// executes and commits, with nothing else of the Installer at the same time.
// Errors: ledger.install (denied: what is there does not make the header, nothing was begun, or the height is not above
// the tip), and those of kv and light.
#pragma once

#include "chain/ledger/ledger.h"

namespace hanse::ledger {

class Installer {
 public:
  explicit Installer(Ledger& ledger) : ledger_(ledger) {}

  // What begin() was given and marks since, of an install that was not finished.
  Result<std::optional<Bytes>> begun() const;
  Result<std::vector<std::pair<Bytes, Bytes>>> marks() const;
  // Forgets what came before. `name` is the caller's, for begun().
  Status begin(ByteView name);
  Status abandon();

  // Written together with a mark of the caller's, so that after a crash it knows what is there.
  struct Mark {
    ByteView key, value;
  };
  Status put(std::span<const light::RangeProof::Pair> pairs, std::span<const light::RangeNode> nodes, Mark mark);
  Status put(std::span<const Block> blocks, Mark mark);

  struct Target {
    light::BlockHeader header;
    light::Certificate certificate;
    std::vector<light::Handover> handovers;  // from the genesis on
  };
  // `extra` is written in the same batch. The ledger's tip is the header afterwards.
  Status finish(const Target& target, kv::Batch extra);
  // Removes what the change left behind; any time later.
  Status sweep();

 private:
  std::uint8_t other() const { return ledger_.side_ ^ 1u; }
  Status check_tree(const light::BlockHeader& header) const;
  Result<light::History> extend_history(const light::BlockHeader& header);
  Status put_sets(const Target& target, kv::Batch& batch) const;
  Result<std::uint32_t> put_certificates(const Target& target, kv::Batch& batch) const;

  Ledger& ledger_;
};

}  // namespace hanse::ledger

// HashedTable: the part of a store that is in memory, for keys without an order worth keeping (hashes). Adding a key
// costs one step whatever there is already, where a sorted list costs a walk through cold memory; a lookup of one key
// costs the same. What wants order, a scan or the write to disk, sorts a copy.
// Private to the room. Threads: one adds at a time (kv.cc keeps concurrent writes off), any number reads meanwhile.
// Errors: none.
#pragma once

#include <memory>

namespace rocksdb {
class MemTableRepFactory;
}

namespace hanse::kv {

std::shared_ptr<rocksdb::MemTableRepFactory> make_hashed_tables();

}  // namespace hanse::kv

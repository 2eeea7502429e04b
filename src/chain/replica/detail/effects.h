// Effects of several events as one. Private to the room.
#pragma once

#include <iterator>

#include "chain/consensus/replica.h"

namespace hanse::replica {

template <class T>
void join(std::vector<T>& all, std::vector<T>& more) {
  if (all.empty()) {
    all.swap(more);
    return;
  }
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

inline void join(consensus::Effects& all, consensus::Effects more) {
  join(all.records, more.records);
  join(all.sends, more.sends);
  join(all.executes, more.executes);
  join(all.signs, more.signs);
  join(all.states, more.states);
  join(all.checks, more.checks);
  join(all.evidence, more.evidence);
  join(all.testimony, more.testimony);
  join(all.certificates, more.certificates);
  join(all.serve_vertices, more.serve_vertices);
  join(all.serve_slots, more.serve_slots);
  join(all.serve_proposals, more.serve_proposals);
  join(all.serve_handovers, more.serve_handovers);
  join(all.notices, more.notices);
  if (more.released) all.released = more.released;
  if (more.epoch_ended) all.epoch_ended = std::move(more.epoch_ended);
}

}  // namespace hanse::replica

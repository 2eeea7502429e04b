// Chain run: one measured tour of a network of kChainValidators validators that it makes, drives and removes, by the
// programs that lie beside this one (hanse, hansed, hanse-bench). Each figure comes with the floor of the same minute.
// Order: floor and raw disk; latency at kChainRate; the highest rate sustained, searched upwards and then held; the
// leader killed under load; the killed validator started again.
// Threads: blocks. Errors: load.program (unavailable: a program failed; its last words), core.fs_*, those of load.h.
#pragma once

#include <functional>
#include <string>

#include "base/codec/json.h"
#include "base/core/result.h"

namespace hanse::load {

constexpr std::size_t kChainValidators = 4;
constexpr double kChainRate = 1'000;
constexpr double kChainRateFirst = 2'000;

struct ChainRunOptions {
  std::string dir = ".";  // a folder is made below it
  double seconds = 10;
  double sustain_seconds = 60;
  double rate_max = 40'000;
  bool keep = false;  // the folder and its logs
};

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  double floor = 0;
  std::string floor_what;
  double ratio() const { return floor > 0 ? value / floor : 0; }
};
codec::Json to_json(const Figure& figure);

// False when a transaction was lost or failed.
Result<bool> run_chain(const ChainRunOptions& options, const std::function<void(const Figure&)>& show);

}  // namespace hanse::load

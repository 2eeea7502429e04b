// The program hanse-worker. Started by Pool with a control socket, it is the zygote: loads the plug-ins it is told to
// load, finds out how far it can shut workers in (isolation.h), and forks one sandboxed worker for each order. A worker
// takes one call, answers and ends. When the control socket closes, the zygote ends, and its workers with it.
//   hanse-worker --probe            prints what isolation this machine has
//   hanse-worker --control-fd N [--plugins DIR] [--level-max N] [--scratch DIR] [PLUGIN.so ...]
#pragma once

namespace hanse::runtime {

int worker_main(int argc, char** argv);

}  // namespace hanse::runtime

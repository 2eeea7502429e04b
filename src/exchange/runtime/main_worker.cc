#include "exchange/runtime/worker_main.h"

int main(int argc, char** argv) { return hanse::runtime::worker_main(argc, argv); }

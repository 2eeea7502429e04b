// Program: the programs beside this one as children, what they print, and a validator that comes back.
// Threads: blocks. Errors: load.program (unavailable: it did not start, or its last words; timeout: no answer).
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/codec/json.h"
#include "base/core/result.h"

namespace hanse::load {

class Child {
 public:
  // Standard output is kept, standard error is ours.
  Status start(const std::string& program, const std::vector<std::string>& args);
  Result<std::string> wait(int code_most = 0);

 private:
  std::unexpected<Error> failed(std::string_view what) const;
  std::string name_;
  pid_t pid_ = -1;
  int out_ = -1;
};

Result<std::string> call(const std::string& program, const std::vector<std::string>& args, int code_most = 0);
Result<double> number(const codec::Json& object, std::string_view key);

// Until a transaction of the load application, given to this validator of the network, is final.
Status wait_for_answer(const std::string& net, const std::string& name, std::int64_t began_ns);

}  // namespace hanse::load

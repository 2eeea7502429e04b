// What a request asks for, decoded and priced before any work.
#pragma once

#include "exchange/runtime/job_kind.h"
#include "exchange/tensor/format.h"
#include "exchange/tensor/matmul.h"

namespace hanse::tensor::detail {

struct Plan {
  // kOk: run it. Otherwise the outcome of the job, which did no work.
  runtime::RunStatus status = runtime::RunStatus::kOk;
  std::uint64_t gas = 0;
  std::string detail;

  bool is_mlp = false, trace = false;
  MatmulShape product;  // matmul
  MatrixView a, b;      // matmul; an MLP's X is a
  ModelView model;      // mlp

  runtime::RunOutcome outcome() const;  // without outputs
};

Status check_request(const runtime::RunRequest& request);
Plan plan_request(const runtime::RunRequest& request);  // of a request that passed check_request

}  // namespace hanse::tensor::detail

// What a job leaves with the person who paid for it: its output files and a receipt that proves itself.
// Errors: cli.no_receipt (not_found) while a job has none, cli.wait (timeout), and those of client, receipt and fs.
#pragma once

#include <string>
#include <vector>

#include "cli/verbs/session.h"
#include "exchange/payload/payload.h"
#include "exchange/receipt/verify.h"

namespace hanse::cli {

// Waits until the job has ended; calls progress with its state now and then.
Result<market::Job> wait_for_job(Session& session, const JobId& id, Height from, std::int64_t wait_ms,
                                 plugin::Talk& talk);

struct FetchedReceipt {
  Bytes bundle;
  receipt::Report report;  // of a verification against the genesis the node gave
};
// The job must be settled. gxf: the bytes that were submitted, empty to ask the node for them.
Result<FetchedReceipt> fetch_receipt(Session& session, const market::Job& job, Bytes gxf);

// Writes every output as folder/<job>.<name> and gives the paths; names beyond the list are numbers. Those of a private
// job are opened with its secret.
struct OutputFiles {
  const std::vector<std::string>& names;
  const std::string& folder;
  const payload::JobSecret* secret = nullptr;
};
Result<std::vector<std::string>> fetch_outputs(Session& session, const market::Job& job, const OutputFiles& files);

}  // namespace hanse::cli

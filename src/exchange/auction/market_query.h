// Answers of the market application to the queries of exchange/market/view.h. Reads only.
// "quote" matches with a zero beacon, so the price is exact and only a tie may fall otherwise.
#pragma once

#include "chain/ledger/state.h"
#include "exchange/gxf/gxf.h"
#include "exchange/market/records.h"

namespace hanse::auction {

Result<Bytes> answer_query(std::string_view path, ByteView argument, const ledger::StateReader& state);
gxf::Params job_params(const market::Params& params, const NetworkId& network);

}  // namespace hanse::auction

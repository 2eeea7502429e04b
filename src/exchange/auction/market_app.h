// The market as an application of the ledger: number 2, name "market". Registered by node/roles.
// Transactions: {0: 1, 1: SignedCall} calls a market::Method; {0: 2, 1: GXF} is an immediate-or-cancel order: job,
// nonce, funds and match are judged in one step, and either escrow and bond are locked or nothing is touched.
// {0: 3, 1: Reveal} opens a bid of a sealed batch round (sealed.h).
// Result data: ask_post gives the ask id (16 bytes), a job its market::Quote, a job without fit its market::Unmatched,
// a commit its market::CommitPlace.
// Genesis section: market::encode_params, or empty for the defaults. Queries: exchange/market/view.h. Events:
// exchange/market/events.h and sealed.h. State and layouts: proto/records/market.md. end() closes what is due, at most
// kDueMax jobs a block, clears the round that is due, checks conservation and asks for another block while a deadline
// or a round is pending.
// Errors: market.unmatched (conflict; the job found no ask), market.unmatched_scan_limit (exhausted), market.job_exists
// (conflict), market.body, market.method (invalid), market.no_query (not_found), market.query (invalid), those of
// escrow.h, sealed.h, supply.h, match.h, gxf and ledger.
#pragma once

#include <memory>

#include "chain/ledger/app.h"

namespace hanse::auction {

constexpr std::size_t kDueMax = 1024;

std::unique_ptr<ledger::App> make_market_app();

}  // namespace hanse::auction

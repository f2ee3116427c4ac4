#pragma once

#include <iosfwd>

#include "app/jobs/plan.h"
#include "app/jobs/render_options.h"

namespace app {

// --dry-run: a row an entry: name/variant, index, the settings that vary, state, estimated memory, outputs.
void PrintPlanTable(const Plan& plan, const EntryStates& states, std::ostream& out);

// --explain: every setting and where it comes from; by job what all of its entries have in common, then each entry's
// own.
void PrintExplanation(const Plan& plan, std::ostream& out);

}  // namespace app

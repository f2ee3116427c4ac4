#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ui/actions.h"

namespace ui {

// The library's part of the table of actions.
const std::vector<Action>& LibraryActions();

// Why nothing can be done with the chosen clips; "" if it can.
std::string WhyNoChosen(const Context& c);
void TrashChosen(Context& c);
// The clip that was chosen last; null: none.
const LibraryItem* LookedAt(const Context& c);
// Keeps or rejects all of them, or takes the mark off where all have it.
void ToggleMark(Context& c, const std::vector<uint64_t>& ids, Mark mark);
void OpenEncodeAgain(Context& c, uint64_t id);

}  // namespace ui

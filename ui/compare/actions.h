#pragma once

#include <span>

#include "ui/actions.h"

namespace ui {

// What the workspace Compare adds to the table of actions.
std::span<const Action> CompareActions();

// The player's actions while Compare is shown: they act on its clock.
std::string WhyNoCompareClock(const Context& c);
void StepCompare(Context& c, int frames);
void PlayCompare(Context& c);

}  // namespace ui

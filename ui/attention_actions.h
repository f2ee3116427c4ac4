#pragma once

#include <span>

#include "ui/actions.h"

namespace ui {

// Those of the sparsity panel: the mode, the maps, the schedule painter.
std::span<const Action> AttentionActions();

}  // namespace ui

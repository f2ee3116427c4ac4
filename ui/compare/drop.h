#pragma once

#include "ui/context.h"

namespace ui {

// What cards of the Library are while they are dragged: an ImGui payload of this type that holds the clip's path in
// UTF-8; of several clips, with a zero byte between them.
inline constexpr const char* kClipPayload = "sparge_clip";

// Takes clips that are dropped into this part of the current window: they join the comparison. It comes to the front
// with the second clip.
void TakeDroppedClips(Context& c, const char* name, const Rect& part);

}  // namespace ui

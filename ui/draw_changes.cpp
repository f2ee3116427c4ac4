#include "ui/draw_changes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

namespace ui {
namespace {

constexpr int kTilePx = 32;
constexpr size_t kMostRects = 32;  // each draws every call that reaches into it

bool Same(const ImVec4& a, const ImVec4& b) { return a.x == b.x && a.y == b.y && a.z == b.z && a.w == b.w; }
bool Same(const ImVec2& a, const ImVec2& b) { return a.x == b.x && a.y == b.y; }

}  // namespace

std::vector<PixelRect> DrawChanges::Next(const ImDrawData& frame,
                                         const std::function<bool(ImTextureID)>& painted_over) {
  const bool same_display = known_ && Same(origin_, frame.DisplayPos) && Same(size_, frame.DisplaySize) &&
                            Same(scale_, frame.FramebufferScale);
  origin_ = frame.DisplayPos;
  size_ = frame.DisplaySize;
  scale_ = frame.FramebufferScale;
  width_ = std::max(0, static_cast<int>(size_.x * scale_.x));
  height_ = std::max(0, static_cast<int>(size_.y * scale_.y));
  tiles_x_ = (width_ + kTilePx - 1) / kTilePx;
  tiles_y_ = (height_ + kTilePx - 1) / kTilePx;
  marks_.assign(static_cast<size_t>(tiles_x_) * static_cast<size_t>(tiles_y_), 0);
  std::vector<List> now;
  for (int i = 0; i < frame.CmdListsCount; ++i) {
    const ImDrawList& list = *frame.CmdLists[i];
    List& taken = now.emplace_back();
    taken.window = list._OwnerName ? list._OwnerName : "";
    for (const ImDrawCmd& command : list.CmdBuffer) {
      if (command.UserCallback != nullptr) continue;
      Call& call = taken.calls.emplace_back();
      call.clip = command.ClipRect;
      call.texture = command.TextureId;
      call.corners.reserve(command.ElemCount);
      const ImDrawIdx* const first = list.IdxBuffer.Data + command.IdxOffset;
      const ImDrawVert* const vertices = list.VtxBuffer.Data + command.VtxOffset;
      for (unsigned corner = 0; corner < command.ElemCount; ++corner) call.corners.push_back(vertices[first[corner]]);
    }
  }
  std::swap(before_, now);
  known_ = true;
  if (!same_display) {
    if (width_ == 0 || height_ == 0) return {};
    return {{0, 0, width_, height_}};
  }
  // Windows in the order of their depth; `now` holds the frame before.
  std::set<std::string> old_names, new_names;
  for (const List& list : now) old_names.insert(list.window);
  for (const List& list : before_) new_names.insert(list.window);
  size_t old_at = 0, new_at = 0;
  while (old_at < now.size() || new_at < before_.size()) {
    const bool both = old_at < now.size() && new_at < before_.size();
    if (both && now[old_at].window == before_[new_at].window) {
      Compare(now[old_at++], before_[new_at++], painted_over);
    } else if (old_at < now.size() && !new_names.count(now[old_at].window)) {
      MarkAll(now[old_at++]);
    } else if (new_at < before_.size() && !old_names.count(before_[new_at].window)) {
      MarkAll(before_[new_at++]);
    } else {  // another order
      if (old_at < now.size()) MarkAll(now[old_at++]);
      if (new_at < before_.size()) MarkAll(before_[new_at++]);
    }
  }
  return Marked();
}

void DrawChanges::Compare(const List& before, const List& now, const std::function<bool(ImTextureID)>& painted_over) {
  // Calls at the beginning and at the end that go together; between those all is another.
  const auto alike = [](const Call& a, const Call& b) { return a.texture == b.texture && Same(a.clip, b.clip); };
  const size_t fewer = std::min(before.calls.size(), now.calls.size());
  size_t head = 0, tail = 0;
  while (head < fewer && alike(before.calls[head], now.calls[head])) ++head;
  while (tail < fewer - head &&
         alike(before.calls[before.calls.size() - 1 - tail], now.calls[now.calls.size() - 1 - tail])) {
    ++tail;
  }
  for (size_t i = 0; i < head; ++i) Compare(before.calls[i], now.calls[i], painted_over(now.calls[i].texture));
  for (size_t i = 1; i <= tail; ++i) {
    const Call& call = now.calls[now.calls.size() - i];
    Compare(before.calls[before.calls.size() - i], call, painted_over(call.texture));
  }
  for (size_t i = head; i < before.calls.size() - tail; ++i) MarkAll(before.calls[i]);
  for (size_t i = head; i < now.calls.size() - tail; ++i) MarkAll(now.calls[i]);
}

void DrawChanges::Compare(const Call& before, const Call& now, bool painted_over) {
  const size_t old_count = before.corners.size() / 3, new_count = now.corners.size() / 3;
  if (painted_over) {
    MarkAll(before);
    return MarkAll(now);
  }
  const auto same = [&](size_t old_one, size_t new_one) {
    return std::memcmp(&before.corners[3 * old_one], &now.corners[3 * new_one], 3 * sizeof(ImDrawVert)) == 0;
  };
  if (old_count == new_count) {
    for (size_t i = 0; i < new_count; ++i) {
      if (same(i, i)) continue;
      Mark(before, i, i + 1);
      Mark(now, i, i + 1);
    }
    return;
  }
  const size_t fewer = std::min(old_count, new_count);
  size_t head = 0, tail = 0;
  while (head < fewer && same(head, head)) ++head;
  while (tail < fewer - head && same(old_count - 1 - tail, new_count - 1 - tail)) ++tail;
  Mark(before, head, old_count - tail);
  Mark(now, head, new_count - tail);
}

void DrawChanges::MarkAll(const List& list) {
  for (const Call& call : list.calls) MarkAll(call);
}

void DrawChanges::Mark(const Call& call, size_t first, size_t end) {
  for (size_t i = first; i < end; ++i) {
    const ImVec2 a = call.corners[3 * i].pos, b = call.corners[3 * i + 1].pos, c = call.corners[3 * i + 2].pos;
    const float x0 = std::max(std::min({a.x, b.x, c.x}), call.clip.x),
                x1 = std::min(std::max({a.x, b.x, c.x}), call.clip.z);
    const float y0 = std::max(std::min({a.y, b.y, c.y}), call.clip.y),
                y1 = std::min(std::max({a.y, b.y, c.y}), call.clip.w);
    if (!(x0 <= x1) || !(y0 <= y1)) continue;
    // A pixel more on each side, for rounding.
    const auto tile = [](float px, int most) {
      return static_cast<int>(std::clamp(std::floor(px / kTilePx), 0.0f, static_cast<float>(std::max(most - 1, 0))));
    };
    const int left = tile((x0 - origin_.x) * scale_.x - 1, tiles_x_),
              right = tile((x1 - origin_.x) * scale_.x + 1, tiles_x_);
    const int top = tile((y0 - origin_.y) * scale_.y - 1, tiles_y_),
              bottom = tile((y1 - origin_.y) * scale_.y + 1, tiles_y_);
    for (int y = top; y <= bottom && y < tiles_y_; ++y) {
      for (int x = left; x <= right && x < tiles_x_; ++x)
        marks_[static_cast<size_t>(y) * static_cast<size_t>(tiles_x_) + static_cast<size_t>(x)] = 1;
    }
  }
}

// Rows' runs of tiles, those of equal ends below each other as one.
std::vector<PixelRect> DrawChanges::Marked() const {
  std::vector<PixelRect> rects;
  const auto marked = [&](int x, int y) {
    return marks_[static_cast<size_t>(y) * static_cast<size_t>(tiles_x_) + static_cast<size_t>(x)] != 0;
  };
  for (int y = 0; y < tiles_y_; ++y) {
    for (int x = 0; x < tiles_x_; ++x) {
      if (!marked(x, y)) continue;
      const int begin = x;
      while (x < tiles_x_ && marked(x, y)) ++x;
      const PixelRect run = {begin * kTilePx, y * kTilePx, std::min(x * kTilePx, width_),
                             std::min((y + 1) * kTilePx, height_)};
      const auto above = std::find_if(rects.begin(), rects.end(), [&](const PixelRect& rect) {
        return rect.x0 == run.x0 && rect.x1 == run.x1 && rect.y1 == run.y0;
      });
      above != rects.end() ? void(above->y1 = run.y1) : rects.push_back(run);
    }
  }
  if (rects.size() <= kMostRects) return rects;
  PixelRect all = rects[0];
  for (const PixelRect& rect : rects) {
    all = {std::min(all.x0, rect.x0), std::min(all.y0, rect.y0), std::max(all.x1, rect.x1), std::max(all.y1, rect.y1)};
  }
  return {all};
}

void LimitTo(const std::vector<PixelRect>& rects, ImDrawData& frame) {
  for (int i = 0; i < frame.CmdListsCount; ++i) {
    ImVector<ImDrawCmd>& commands = frame.CmdLists[i]->CmdBuffer;
    ImVector<ImDrawCmd> limited;
    for (const ImDrawCmd& command : commands) {
      if (command.UserCallback != nullptr) {
        limited.push_back(command);
        continue;
      }
      for (const PixelRect& rect : rects) {
        const auto x = [&](int px) { return static_cast<float>(px) / frame.FramebufferScale.x + frame.DisplayPos.x; };
        const auto y = [&](int px) { return static_cast<float>(px) / frame.FramebufferScale.y + frame.DisplayPos.y; };
        ImDrawCmd part = command;
        part.ClipRect.x = std::max(command.ClipRect.x, x(rect.x0));
        part.ClipRect.y = std::max(command.ClipRect.y, y(rect.y0));
        part.ClipRect.z = std::min(command.ClipRect.z, x(rect.x1));
        part.ClipRect.w = std::min(command.ClipRect.w, y(rect.y1));
        if (part.ClipRect.x < part.ClipRect.z && part.ClipRect.y < part.ClipRect.w) limited.push_back(part);
      }
    }
    commands.swap(limited);
  }
}

}  // namespace ui

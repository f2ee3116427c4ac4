#include "attention/block_map/selector.h"

namespace attention {

// A selector is one file beside this one and one line here.
const std::vector<Selector>& Selectors() {
  static const std::vector<Selector> selectors = {
      {"spargeattn", /*needs_digests=*/true, SelectSpargeAttn},
      {"sliding_window", /*needs_digests=*/false, SelectSlidingWindow},
  };
  return selectors;
}

const Selector* FindSelector(const std::string& name) {
  for (const Selector& selector : Selectors()) {
    if (selector.name == name) return &selector;
  }
  return nullptr;
}

}  // namespace attention

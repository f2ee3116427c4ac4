#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

struct CleanedPrompt {
  std::string text;                // UTF-8
  std::vector<std::string> steps;  // what changed something, in order, each once: "HTML entities", "quotes", …
  bool changed() const { return !steps.empty(); }
};

// The prompt as the diffusers pipelines give it to the tokenizer with ftfy 6.3 installed: ftfy's repairs with its
// defaults, line by line (HTML entities unless a '<' came before, C1 controls, Latin ligatures, character width,
// quotes, line breaks, terminal escapes, control characters, NFC; again until nothing changes), HTML entities twice
// more by Python's rules, then every run of white space one space and none at the ends. Not done: ftfy's repair of
// text that was decoded with a wrong encoding ("mojibake").
// Throws Error{kInvalidInput} with the byte offset when the prompt is not UTF-8.
CleanedPrompt CleanPrompt(std::string_view utf8);

}  // namespace pipeline

#include <gtest/gtest.h>

#include "app/settings/flags.h"
#include "app/settings/table.h"

namespace app {
namespace {

constexpr CommandFlag kCommandFlags[] = {
    {"--from-latents", "FILE", "…"},
    {"--progress", "STYLE", "…", "auto bar plain json off"},
    {"--json", "", "…"},
    {"--audit", "", "…", "", "not built"},
};

struct Result {
  ParsedFlags flags;
  std::vector<std::string> errors;
};

Result Parse(const std::vector<std::string>& args, bool settings = true) {
  Result result;
  ErrorList errors;
  result.flags = ParseFlags(args, kCommandFlags, settings, errors);
  try {
    errors.ThrowIfAny();
  } catch (const InputErrors& all) {
    for (const auto& item : all.items()) result.errors.push_back(item.text);
  }
  return result;
}

TEST(Flags, ValuesInBothForms) {
  const Result r = Parse({"--steps", "8", "--guidance=3.5", "--prompt", "a = b", "--negative-prompt=", "--lambda", "-7",
                          "--out", "a.mp4", "--out=b.png", "--seed", "-5", "--from-latents", "x.safetensors"});
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.flags.settings.at("steps").value, Value(8));
  EXPECT_EQ(r.flags.settings.at("guidance").value, Value(3.5));
  EXPECT_EQ(r.flags.settings.at("prompt").value, Value("a = b"));
  EXPECT_EQ(r.flags.settings.at("negative_prompt").value, Value(""));
  EXPECT_EQ(r.flags.settings.at("seed").value, Value(-5));
  EXPECT_EQ(r.flags.settings.at("out").value, Value({"a.mp4", "b.png"}));
  EXPECT_EQ(r.flags.flags.at("--from-latents"), "x.safetensors");
}

TEST(Flags, OnAndOff) {
  const auto value = [](const std::vector<std::string>& args) {
    const Result r = Parse(args);
    EXPECT_TRUE(r.errors.empty());
    return r.flags.settings.at(args[0].find("metadata") != std::string::npos ? "metadata" : "overwrite").value;
  };
  EXPECT_EQ(value({"--metadata", "off"}), Value(false));
  EXPECT_EQ(value({"--metadata=false"}), Value(false));
  EXPECT_EQ(value({"--no-metadata"}), Value(false));
  EXPECT_EQ(value({"--overwrite"}), Value(true));
  EXPECT_EQ(value({"--overwrite", "--steps", "3"}), Value(true));
  EXPECT_EQ(Parse({"--overwrite", "a.mp4"}).flags.positionals, std::vector<std::string>{"a.mp4"});
  EXPECT_EQ(Parse({"--no-metadata=on"}).errors.size(), 1u);
  EXPECT_EQ(Parse({"--no-steps"}).errors.size(), 1u);
}

TEST(Flags, NullClearsButAPromptIsText) {
  EXPECT_EQ(Parse({"--steps", "null"}).flags.settings.at("steps").value, Value(nullptr));
  EXPECT_EQ(Parse({"--prompt", "null"}).flags.settings.at("prompt").value, Value("null"));
  EXPECT_EQ(Parse({"--prompt", "on"}).flags.settings.at("prompt").value, Value("on"));
}

TEST(Flags, TheLastOneCounts) {
  EXPECT_EQ(Parse({"--steps", "8", "--steps", "9"}).flags.settings.at("steps").value, Value(9));
}

TEST(Flags, AllErrorsAtOnce) {
  const Result r = Parse({"--stpes", "8", "--steps", "x", "--codec", "mpeg", "--frames", "--overwrite", "--prompt"});
  ASSERT_EQ(r.errors.size(), 5u);
  EXPECT_EQ(r.errors[0], "unknown flag '--stpes' (did you mean '--steps'?)");
  EXPECT_EQ(r.errors[1], "--steps: expected whole number, 1 to 1000, got 'x'");
  EXPECT_EQ(r.errors[2].find("--codec: 'mpeg' is not one of"), 0u);
  EXPECT_EQ(r.errors[3].find("--frames needs a value"), 0u);
  EXPECT_EQ(r.errors[4].find("--prompt needs a value"), 0u);
  EXPECT_EQ(r.flags.failed, (std::set<std::string, std::less<>>{"encode.codec", "frames", "prompt", "steps"}));
}

TEST(Flags, WhatIsNotThereYet) {
  EXPECT_EQ(Parse({"--offload", "blocks"}).errors[0].find("--offload: blocks is not there yet; there is: auto"), 0u);
  EXPECT_EQ(Parse({"--vram-budget", "8"}).errors[0].find("--vram-budget: 8 is not there yet"), 0u);
  EXPECT_EQ(Parse({"--audit"}).errors[0], "--audit is not there yet: not built");
  EXPECT_EQ(Parse({"--image", "a.png"}).errors[0].find("--image is not there yet"), 0u);
}

TEST(Flags, Attention) {
  const Result r = Parse({"--attention", "sparge_exact", "--topk", "0.5", "--dense-layers", "0-1,-1", "--sink",
                          "--order", "raster", "--schedule", "[{steps: 0, mode: dense}]"});
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.flags.settings.at("attention.mode").value, Value("sparge_exact"));
  EXPECT_EQ(r.flags.settings.at("attention.dense_layers").value, Value("0-1,-1"));
  EXPECT_EQ(r.flags.settings.at("attention.sink").value, Value(true));
  EXPECT_EQ(r.flags.settings.at("attention.schedule").value, Value::parse(R"([{"steps": "0", "mode": "dense"}])"));
  EXPECT_EQ(Parse({"--schedule", "[{stps: 0, mode: dense}]"})
                .errors[0]
                .find("--schedule: rule 1: unknown key 'stps' (did you mean 'steps'?)"),
            0u);
}

TEST(Flags, YAMLKeysAreSuggested) {
  EXPECT_EQ(Parse({"--attention.mode", "dense"}).errors[0],
            "unknown flag '--attention.mode' (did you mean '--attention'?)");
  EXPECT_EQ(Parse({"--qqqqqqqq"}).errors[0], "unknown flag '--qqqqqqqq'; see --help");
}

TEST(Flags, CommandsWithoutSettings) {
  EXPECT_EQ(Parse({"--steps", "8"}, false).errors.size(), 1u);
  const Result r = Parse({"model", "--json", "--", "--odd"}, false);
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.flags.flags.count("--json"), 1u);
  EXPECT_EQ(r.flags.positionals, (std::vector<std::string>{"model", "--odd"}));
  EXPECT_EQ(Parse({"--json=x"}, false).errors.size(), 1u);
  EXPECT_EQ(Parse({"--progress", "jsn"}).errors[0].find("--progress: 'jsn' is not one of"), 0u);
  EXPECT_TRUE(Parse({"-h"}).flags.help);
}

}  // namespace
}  // namespace app

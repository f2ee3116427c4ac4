#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "app/settings/help.h"
#include "app/settings/layers.h"
#include "app/settings/sha256.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "app/settings/value.h"

namespace app {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(SettingsTable, KeysAndFlagsAreUnique) {
  std::set<std::string> keys, flags;
  for (const Setting& setting : Settings()) {
    EXPECT_TRUE(keys.insert(std::string(setting.key)).second) << setting.key;
    EXPECT_TRUE(flags.insert(FlagName(setting)).second) << FlagName(setting);
    EXPECT_EQ(FindSettingByFlag(FlagName(setting)), &setting);
  }
  EXPECT_EQ(FlagName(*FindSetting("attention.dense_steps")), "--dense-steps");
  EXPECT_EQ(FlagName(*FindSetting("attention.mode")), "--attention");
  EXPECT_EQ(FlagName(*FindSetting("encode.codec")), "--codec");
}

TEST(SettingsTable, EveryEntryIsWhole) {
  std::set<std::string> groups;
  for (const SettingGroup& group : SettingGroups()) groups.insert(std::string(group.name));
  for (const Setting& setting : Settings()) {
    SCOPED_TRACE(setting.key);
    EXPECT_EQ(groups.count(std::string(setting.group)), 1u);
    EXPECT_FALSE(setting.help.empty());
    EXPECT_EQ(setting.help.find('\n'), std::string_view::npos);
    EXPECT_NO_THROW(CheckThere(setting, DefaultValue(setting)));  // a default parses, is in range, and works
    for (const std::string& there : Split(setting.there, ' ')) {
      if (there.empty()) continue;
      EXPECT_NO_THROW(CheckThere(setting, ParseText(setting, there)));
    }
    EXPECT_EQ(setting.type == SettingType::kEnum, !setting.choices.empty());
    EXPECT_TRUE(setting.group != "reserved" || !setting.missing.empty());
  }
}

// The table of docs/interfaces.md names the same settings.
TEST(SettingsTable, AgreesWithInterfaces) {
  const std::string page = ReadFile(std::string(SPARGE_SOURCE_DIR) + "/docs/interfaces.md");
  ASSERT_FALSE(page.empty()) << "docs/interfaces.md";
  const size_t begin = page.find("## One table of settings"), end = page.find("\nDefaults:", begin);
  ASSERT_NE(end, std::string::npos);
  std::stringstream rows(page.substr(begin, end - begin));
  std::set<std::string> documented;
  for (std::string row; std::getline(rows, row);) {
    if (!row.starts_with("| ") || row.starts_with("| group")) continue;
    const std::string first = Trim(row.substr(2, row.find('|', 2) - 2));
    const std::string prefix = first.starts_with("`") ? first.substr(1, first.find('`', 1) - 1) : "";
    // names stand in backquotes; words in brackets and in a row's explanations are no names unless the table has them
    const std::regex name("`([a-z_0-9]+)`");
    const std::string cell = row.substr(row.find('|', 2));
    for (std::sregex_iterator it(cell.begin(), cell.end(), name), none; it != none; ++it) {
      const std::string key = prefix + (*it)[1].str();
      if (FindSetting(key) != nullptr) documented.insert(key);
      const bool said_in_passing = key == "attention.steps" || key == "attention.layers";
      EXPECT_TRUE(FindSetting(key) != nullptr || said_in_passing) << key << " is documented but not in the table";
    }
  }
  for (const Setting& setting : Settings()) {
    EXPECT_EQ(documented.count(std::string(setting.key)), 1u) << setting.key << " is not documented";
  }
}

TEST(SettingsDocs, PageIsCurrent) {
  const std::string path = std::string(SPARGE_SOURCE_DIR) + "/configs/README.md";
  if (std::getenv("SPARGE_UPDATE") != nullptr) std::ofstream(path) << SettingsMarkdown();
  EXPECT_TRUE(ReadFile(path) == SettingsMarkdown())
      << "configs/README.md is not what the table says: run this with SPARGE_UPDATE=1";
}

TEST(SettingsDocs, HelpNamesEveryFlag) {
  const std::string help = CommandHelp("sparge generate", "…", {}, true);
  for (const Setting& setting : Settings()) {
    EXPECT_NE(help.find("\n  " + FlagName(setting) + " "), std::string::npos) << setting.key;
  }
}

// ---- Values
// ----------------------------------------------------------------------------------------------------------

Value Parse(std::string_view key, std::string_view text) { return ParseText(*FindSetting(key), text); }

std::string ErrorOf(std::string_view key, std::string_view text) {
  try {
    Parse(key, text);
    return "";
  } catch (const base::Error& error) {
    return error.what();
  }
}

TEST(SettingValues, Numbers) {
  EXPECT_EQ(Parse("steps", "25"), Value(25));
  EXPECT_EQ(Parse("width", "128px"), Value(128));
  EXPECT_EQ(Parse("guidance", "5"), Value(5.0));
  EXPECT_TRUE(Parse("guidance", "5").is_number_float());
  EXPECT_EQ(Parse("attention.lambda", "-7.5"), Value(-7.5));
  EXPECT_EQ(Parse("vram_budget", "-2 GiB"), Value(-2.0));
  EXPECT_EQ(Parse("vram_budget", "auto"), Value("auto"));
  for (const char* bad : {"", " ", "25 ", " 25", "25.0", "2e1", "0x10", "1_000", "--3", "+-3", "0", "1001", "nan",
                          "ten", "99999999999999999999", "25px"}) {
    EXPECT_NE(ErrorOf("steps", bad), "") << bad;
  }
  for (const char* bad : {"nan", "inf", "-inf", "infinity", "1e999", "1,5", "5 x", "", "0x1p3", "-0.1"}) {
    EXPECT_NE(ErrorOf("guidance", bad), "") << bad;
  }
  EXPECT_EQ(ErrorOf("steps", "ten"), "steps: expected whole number, 1 to 1000, got 'ten'");
  EXPECT_NE(ErrorOf("attention.topk", "0"), "");
  EXPECT_EQ(ErrorOf("attention.topk", "1"), "");
  EXPECT_NE(ErrorOf("fps", "0"), "");
}

TEST(SettingValues, Seeds) {
  EXPECT_EQ(Parse("seed", "-9223372036854775808"), Value(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(Parse("seed", "9223372036854775807"), Value(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(Parse("seed", "random"), Value("random"));
  EXPECT_NE(ErrorOf("seed", "9223372036854775808"), "");
  EXPECT_NE(ErrorOf("seed", "Random"), "");
}

TEST(SettingValues, Words) {
  for (const char* on : {"on", "true", "yes", "ON", "True"}) EXPECT_EQ(Parse("metadata", on), Value(true)) << on;
  for (const char* off : {"off", "false", "no", "Off"}) EXPECT_EQ(Parse("metadata", off), Value(false)) << off;
  EXPECT_NE(ErrorOf("metadata", "1"), "");
  EXPECT_EQ(ErrorOf("encode.codec", "h256"),
            "encode.codec: 'h256' is not one of h264, h265, av1, vp9, prores, ffv1, gif (did you mean 'h265'?)");
  EXPECT_EQ(Parse("device", "cuda:03"), Value("cuda:3"));
  for (const char* bad : {"cuda:", "cuda:-1", "cuda:+1", "gpu", "cuda:1x"})
    EXPECT_NE(ErrorOf("device", bad), "") << bad;
  EXPECT_NE(ErrorOf("prompt", "\xff"), "");
  EXPECT_NE(ErrorOf("prompt", std::string_view("a\0b", 3)), "");
  EXPECT_EQ(Parse("prompt", ""), Value(""));
  EXPECT_NE(ErrorOf("out", ""), "");
}

TEST(SettingValues, IndexLists) {
  EXPECT_EQ(Parse("attention.dense_layers", "0-1, -1"), Value("0-1,-1"));
  EXPECT_EQ(Parse("attention.dense_layers", "-3--1"), Value("-3--1"));
  for (const char* bad : {"", "a", "1-", "-", "3-1", "-1--3", "1,,2", "1.5"}) {
    EXPECT_NE(ErrorOf("attention.dense_layers", bad), "") << bad;
  }
  EXPECT_EQ(ExpandIndices("0-1,-1", 5, "x"), (std::vector<int64_t>{0, 1, 4}));
  EXPECT_EQ(ExpandIndices("-2--1,3", 5, "x"), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(ExpandIndices("1--2", 5, "x"), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_THROW(ExpandIndices("5", 5, "x"), base::Error);
  EXPECT_THROW(ExpandIndices("-6", 5, "x"), base::Error);
}

// ---- Rules of attention.schedule

TEST(ScheduleRules, TextIsYAMLOrJSONAndBecomesTyped) {
  const Value rules = Parse("attention.schedule",
                            "[{steps: 0-1, mode: dense}, {layers: [0, -1], topk: 0.8, sink: on, theta: null}, "
                            "{\"steps\": 3, \"lambda\": -5, \"kernel\": \"generic\", \"dense_as\": \"dense8\"}]");
  EXPECT_EQ(rules, Value::parse(R"([{"steps": "0-1", "mode": "dense"}, {"layers": "0,-1", "topk": 0.8, "sink": true},
                                    {"steps": "3", "lambda": -5.0, "kernel": "generic", "dense_as": "dense8"}])"));
  EXPECT_TRUE(rules[2]["lambda"].is_number_float());
  EXPECT_EQ(ParseTyped(*FindSetting("attention.schedule"), rules), rules);  // from a record
  EXPECT_EQ(Parse("attention.schedule", rules.dump()), rules);
  EXPECT_EQ(Parse("attention.schedule", "[]"), Value::array());
  EXPECT_EQ(Parse("attention.schedule", "[{cdf: 0.9}]"), Value::parse(R"([{"cdf": 0.9}])"));  // everywhere
}

TEST(ScheduleRules, EveryErrorInOneLine) {
  const auto error = [](const char* text) {
    const std::string line = ErrorOf("attention.schedule", text);
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_EQ(line.find("attention.schedule: "), 0u) << line;
    return line;
  };
  EXPECT_NE(error("[{topkk: 0.5}, {steps: 1-, mode: spagre}]")
                .find("rule 1: unknown key 'topkk' (did you mean 'topk'?); a rule has steps, layers, mode"),
            std::string::npos);
  EXPECT_NE(error("[{topk: 0.5}, {steps: 1-, mode: spagre}]")
                .find("rule 2: mode: 'spagre' is not one of dense, dense8, sparge, sparge_exact (did you mean "
                      "'sparge'?); rule 2: steps: expected indices and ranges, got '1-'"),
            std::string::npos);
  EXPECT_NE(error("[{steps: 0}]").find("rule 1: sets nothing"), std::string::npos);
  EXPECT_NE(error("[{order: raster}]").find("'order' holds for the whole clip"), std::string::npos);
  EXPECT_NE(error("[{topk: 2}]").find("topk: expected number, above 0 and up to 1, got '2'"), std::string::npos);
  EXPECT_NE(error("[{topk: [1]}]").find("topk: expected number"), std::string::npos);
  EXPECT_NE(error("[{steps: {a: 1}, topk: 1}]").find("steps: expected indices"), std::string::npos);
  EXPECT_NE(error("[{steps: [[1]], topk: 1}]").find("rule 1"), std::string::npos);
  EXPECT_NE(error("[{topk: 1, topk: 0.5}]").find("duplicate key 'topk'"), std::string::npos);
  EXPECT_NE(error("[3]").find("rule 1: expected {steps, layers, settings}"), std::string::npos);
  EXPECT_NE(error("{steps: 0, topk: 1}").find("expected a list"), std::string::npos);
  EXPECT_NE(error("0-1").find("expected a list"), std::string::npos);
  EXPECT_NE(error("[{").find("neither YAML nor JSON"), std::string::npos);
  EXPECT_THROW(ParseTyped(*FindSetting("attention.schedule"), {{{"topk", 7}}}), base::Error);
  EXPECT_THROW(ParseTyped(*FindSetting("attention.schedule"), {{{"steps", {true}}, {"topk", 1}}}), base::Error);
  EXPECT_THROW(ParseTyped(*FindSetting("attention.schedule"), 5), base::Error);
}

TEST(SettingValues, TypedJSON) {
  const auto typed = [](std::string_view key, const nlohmann::json& value) {
    return ParseTyped(*FindSetting(key), value);
  };
  EXPECT_EQ(typed("guidance", 5), Value(5.0));
  EXPECT_EQ(typed("seed", -3), Value(-3));
  EXPECT_EQ(typed("out", {"a.mp4", "b.png"}), Value({"a.mp4", "b.png"}));
  EXPECT_EQ(typed("steps", nullptr), Value(nullptr));
  EXPECT_THROW(typed("steps", 2.5), base::Error);
  EXPECT_THROW(typed("steps", true), base::Error);
  EXPECT_THROW(typed("prompt", 5), base::Error);
  EXPECT_THROW(typed("out", {1, 2}), base::Error);
  EXPECT_THROW(typed("seed", 18446744073709551615u), base::Error);
}

TEST(SettingValues, WhatIsNotThereYetIsAnErrorThatSaysWhatThereIs) {
  const auto check = [](std::string_view key, std::string_view text) -> std::string {
    try {
      CheckThere(*FindSetting(key), Parse(key, text));
      return "";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kUnsupported);
      return error.what();
    }
  };
  for (const char* mode : {"dense", "dense8", "sparge", "sparge_exact"}) EXPECT_EQ(check("attention.mode", mode), "");
  EXPECT_EQ(check("offload", "blocks").find("offload: blocks is not there yet; there is: auto"), 0u);
  EXPECT_EQ(check("vae_tiling", "on"), "");
  for (const auto& [key, text] : std::map<std::string, std::string>{
           {"offload", "components"}, {"vram_budget", "8"}, {"image", "a.png"}, {"lora", "a.safetensors"}}) {
    EXPECT_NE(check(key, text).find("is not there yet"), std::string::npos) << key;
  }
}

// ---- JSON, hash, layers
// ----------------------------------------------------------------------------------------------

TEST(CanonicalJSONText, OneValueOneText) {
  EXPECT_EQ(CanonicalJSON({{"b", 1.0}, {"a", 0.1}, {"c", {true, nullptr, "x\"é\n", -0.0, 1e-5, 5}}}),
            "{\"a\":0.1,\"b\":1,\"c\":[true,null,\"x\\\"é\\n\",0,1e-05,5]}");
  for (double value : {0.1, 1.0 / 3, 6.02e23, 5e-324, 1.7976931348623157e308, 123456789.125}) {
    EXPECT_EQ(std::strtod(CanonicalJSON(value).c_str(), nullptr), value);
  }
  EXPECT_THROW(CanonicalJSON(std::numeric_limits<double>::quiet_NaN()), base::Error);
  const nlohmann::json value = {{"a", std::vector<int>(200, 7)}, {"b", {{"c", std::string(150, 'x')}}}};
  EXPECT_EQ(nlohmann::json::parse(PrettyJSON(value)), value);
}

TEST(Layers, LaterWinsAndNullGoesBack) {
  const Layer family = {{"steps", {50, "family"}}};
  const Layer model = {{"steps", {25, "sparge.yaml"}}, {"flow_shift", {3.0, "sparge.yaml"}}};
  const Layer flags = {
      {"steps", {nullptr, "--steps"}}, {"flow_shift", {nullptr, "--flow-shift"}}, {"seed", {7, "--seed"}}};
  const EffectiveSettings settings = EffectiveSettings::Resolve({family}, {model, flags});
  EXPECT_EQ(settings.Int("steps"), 50);
  EXPECT_FALSE(settings.IsSet("flow_shift"));
  EXPECT_EQ(settings.Int("seed"), 7);
  EXPECT_EQ(settings.where("seed"), "--seed");
  EXPECT_EQ(settings.where("steps"), "family");  // whose value it is
  EXPECT_EQ(EffectiveSettings::Resolve({family}, {model}).Int("steps"), 25);
}

TEST(Layers, JobFromJSON) {
  std::vector<std::string> unknown;
  const Layer layer = LayerFromJSON(
      {{"steps", 8}, {"attention", {{"mode", "dense"}, {"nonsense", 1}}}, {"encode.codec", "av1"}, {"zap", 1}}, "x",
      &unknown);
  EXPECT_EQ(layer.at("steps").value, Value(8));
  EXPECT_EQ(layer.at("attention.mode").value, Value("dense"));
  EXPECT_EQ(layer.at("encode.codec").value, Value("av1"));
  EXPECT_EQ(unknown, (std::vector<std::string>{"attention.nonsense", "zap"}));
  EXPECT_THROW(LayerFromJSON({{"steps", "many"}, {"width", -1}}, "x", nullptr), InputErrors);
  EXPECT_THROW(LayerFromJSON({1, 2}, "x", nullptr), base::Error);
}

TEST(JobHashes, AreOverWhatChangesTheResult) {
  EffectiveSettings settings;
  settings.Set("prompt", "a red ball", "test");
  settings.Set("guidance", 5.0, "test");
  const std::string hash = JobHash(settings, "m");
  EXPECT_EQ(hash.size(), 64u);
  // What the contract leaves out, and where the model lies, change nothing.
  settings.Set("model", "/somewhere/else", "test");
  settings.Set("out", Value({"b.mp4"}), "test");
  settings.Set("keep_latents", false, "test");
  settings.Set("sidecar", false, "test");
  settings.Set("overwrite", true, "test");
  settings.Set("threads", 3, "test");
  settings.Set("checkpoint_minutes", 1.0, "test");
  settings.Set("guidance", 5, "a whole number is the same number");
  EXPECT_EQ(JobHash(settings, "m"), hash);
  EXPECT_NE(JobHash(settings, "n"), hash);
  // Files that are part of the job count by what is in them.
  settings.Set("attention.profile", "/a/p.yaml", "test");
  const std::string with_profile = JobHash(settings, "m", {{"attention.profile", "1234"}});
  EXPECT_NE(with_profile, hash);
  settings.Set("attention.profile", "/b/p.yaml", "test");
  EXPECT_EQ(JobHash(settings, "m", {{"attention.profile", "1234"}}), with_profile);
  EXPECT_NE(JobHash(settings, "m", {{"attention.profile", "1235"}}), with_profile);
  settings.Set("attention.profile", nullptr, "test");
  for (const auto& [key, value] : std::map<std::string, Value>{{"seed", 1},
                                                               {"attention.topk", 0.4},
                                                               {"attention.order", "raster"},
                                                               {"prompt", "a Red ball"},
                                                               {"encode.crf", 20.0},
                                                               {"metadata", false},
                                                               {"device", "cpu"}}) {
    EffectiveSettings other = settings;
    other.Set(key, value, "test");
    EXPECT_NE(JobHash(other, "m"), hash) << key;
  }
}

TEST(JobHashes, SHA256OfAKnownText) {  // FIPS 180-4, example of "abc"
  EXPECT_EQ(SHA256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace app

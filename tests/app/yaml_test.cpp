#include "app/settings/yaml.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/settings/text.h"

namespace app {
namespace {

struct Result {
  Layer layer;
  std::vector<std::string> errors;
};

Result Read(const std::string& text) {
  Result result;
  ErrorList errors;
  YAMLFile file("f.yaml", text, errors);
  if (file.root().IsMap()) ReadSettings(file, file.root(), {"vocabulary", "notes"}, {"model"}, result.layer);
  try {
    errors.ThrowIfAny();
  } catch (const InputErrors& all) {
    for (const auto& item : all.items()) {
      EXPECT_TRUE(item.located);
      result.errors.push_back(item.text);
    }
  }
  return result;
}

TEST(SettingsYAML, NestedAndDottedMeanTheSame) {
  const Result r =
      Read("steps: 8\nattention: {mode: dense}\nencode.codec: av1\nprompt: 12\nguidance: \"3.5\"\nseed: ~\n");
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.layer.at("steps").value, Value(8));
  EXPECT_EQ(r.layer.at("steps").where, "f.yaml:1:8");
  EXPECT_EQ(r.layer.at("attention.mode").value, Value("dense"));
  EXPECT_EQ(r.layer.at("encode.codec").value, Value("av1"));
  EXPECT_EQ(r.layer.at("prompt").value, Value("12"));  // prompts are always text
  EXPECT_EQ(r.layer.at("guidance").value, Value(3.5));
  EXPECT_EQ(r.layer.at("seed").value, Value(nullptr));
}

TEST(SettingsYAML, EveryErrorWithItsPlace) {
  const Result r = Read(
      "stpes: 8\n"
      "steps: many\n"
      "attention:\n"
      "  topk: 1.5\n"
      "  mode: spagre\n"
      "attention.mode: dense\n"
      "width: [1, 2]\n"
      "topk: 1\n"
      "model: x\n"
      "steps: 9\n"
      "<<: {a: 1}\n");
  ASSERT_EQ(r.errors.size(), 10u);
  EXPECT_EQ(r.errors[0], "f.yaml:1:1: unknown key 'stpes' (did you mean 'steps'?)\nstpes: 8\n^");
  EXPECT_EQ(r.errors[1], "f.yaml:2:8: steps: expected whole number, 1 to 1000, got 'many'\nsteps: many\n       ^");
  EXPECT_EQ(r.errors[2].find("f.yaml:4:9: attention.topk: expected number, above 0 and up to 1, got '1.5'"), 0u);
  EXPECT_EQ(r.errors[3].find("f.yaml:5:9: attention.mode: 'spagre' is not one of"), 0u);
  EXPECT_EQ(r.errors[4].find("f.yaml:6:1: duplicate key 'attention.mode'"), 0u);
  EXPECT_EQ(r.errors[5].find("f.yaml:7:8: width: expected whole number, 1 to 16384 px, got a list"), 0u);
  EXPECT_EQ(r.errors[6].find("f.yaml:8:1: unknown key 'topk' (did you mean 'attention.topk'?)"), 0u);
  EXPECT_EQ(r.errors[7].find("f.yaml:9:1: model does not belong"), 0u);
  EXPECT_EQ(r.errors[8].find("f.yaml:10:1: duplicate key 'steps'"), 0u);
  EXPECT_EQ(r.errors[9].find("f.yaml:11:1: merge keys are not supported"), 0u);
}

TEST(SettingsYAML, ScheduleAndPathsOfAttention) {
  const Result r = Read(
      "attention:\n"
      "  schedule:\n"
      "    - {steps: 0-1, mode: dense}\n"
      "    - layers: [0, -1]\n"
      "      topk: 0.8\n"
      "  profile: tuned/p.yaml\n"
      "  block_maps: /maps/m.safetensors\n");
  EXPECT_TRUE(r.errors.empty());
  EXPECT_EQ(r.layer.at("attention.schedule").value,
            Value::parse(R"([{"steps": "0-1", "mode": "dense"}, {"layers": "0,-1", "topk": 0.8}])"));
  // Relative to the file.
  EXPECT_EQ(r.layer.at("attention.profile").value, Value((std::filesystem::current_path() / "tuned/p.yaml").string()));
  EXPECT_EQ(r.layer.at("attention.block_maps").value, Value("/maps/m.safetensors"));
}

TEST(SettingsYAML, EveryErrorOfAScheduleWithItsPlace) {
  const Result r = Read(
      "attention:\n"
      "  schedule:\n"
      "    - {steps: 0-1, mod: dense}\n"
      "    - {steps: x, topk: 0.8}\n"
      "    - 3\n");
  ASSERT_EQ(r.errors.size(), 3u);
  EXPECT_EQ(r.errors[0].find("f.yaml:3:7: attention.schedule: unknown key 'mod' (did you mean 'mode'?)"), 0u)
      << r.errors[0];
  EXPECT_EQ(r.errors[1].find("f.yaml:4:15: attention.schedule: steps: expected indices and ranges, got 'x'"), 0u)
      << r.errors[1];
  EXPECT_EQ(r.errors[2].find("f.yaml:5:7: attention.schedule: expected {steps, layers, settings}"), 0u) << r.errors[2];
}

TEST(SettingsYAML, MergeKeysSyntaxDocumentsEncoding) {
  EXPECT_EQ(Read("<<: {steps: 1}\n").errors[0].find("f.yaml:1:1: merge keys"), 0u);
  EXPECT_EQ(Read("steps: [1\nwidth: 2\n").errors.size(), 1u);
  EXPECT_EQ(Read("steps: 1\n---\nsteps: 2\n").errors.size(), 1u);
  EXPECT_EQ(Read("steps: 1\nprompt: \xff\n").errors[0].find("f.yaml:2:1: not valid UTF-8"), 0u);
  EXPECT_EQ(Read(std::string("steps: 1\0", 9)).errors.size(), 1u);
  EXPECT_TRUE(Read("").errors.empty());
  EXPECT_TRUE(Read("\xEF\xBB\xBFsteps: 1\r\nwidth: 16\r\n").errors.empty());
  EXPECT_EQ(Read("attention: dense\n").errors[0].find("f.yaml:1:12: attention: expected a mapping"), 0u);
}

TEST(SettingsYAML, ColumnsCountCharacters) {
  const Result r = Read("{prompt: \"ëé\", stepz: 2}\n");
  ASSERT_EQ(r.errors.size(), 1u);
  EXPECT_EQ(r.errors[0],
            "f.yaml:1:16: unknown key 'stepz' (did you mean 'steps'?)\n{prompt: \"ëé\", stepz: 2}\n               ^");
}

TEST(SettingsYAML, AliasesCannotExplode) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string(i ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  const Result r = Read(bomb);
  ASSERT_EQ(r.errors.size(), 1u);
  EXPECT_NE(r.errors[0].find("more than 100000 nodes"), std::string::npos);
  EXPECT_EQ(Read("a: " + std::string(200, '[') + std::string(200, ']')).errors.size(), 1u);
}

class ModelNotesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "notes_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  ModelNotes Notes(const std::string& text) {
    std::ofstream(folder_ + "/sparge.yaml") << text;
    return ReadModelNotes(folder_, errors_);
  }
  std::string folder_;
  ErrorList errors_;
};

TEST_F(ModelNotesTest, VocabularyAndUnknownWords) {
  const ModelNotes notes =
      Notes("steps: 12\nnotes: small\nvocabulary:\n  shapes: [Sphere, cube]\n  words: [a, on, the, sea green, it's]\n");
  EXPECT_TRUE(errors_.empty());
  EXPECT_EQ(notes.settings.at("steps").value, Value(12));
  EXPECT_EQ(notes.notes, "small");
  ASSERT_EQ(notes.vocabulary.size(), 2u);
  EXPECT_EQ(notes.vocabulary[0].first, "shapes");
  EXPECT_TRUE(UnknownWords(notes, "A SPHERE, on the Sea; it's a cube!").empty());
  EXPECT_EQ(UnknownWords(notes, "a dragon on a Dragon, été cube"), (std::vector<std::string>{"dragon", "été"}));
  EXPECT_TRUE(UnknownWords(notes, "").empty());
}

TEST_F(ModelNotesTest, FlatVocabularyAndNone) {
  EXPECT_EQ(UnknownWords(Notes("vocabulary: [ÉTÉ]\n"), "été x"), std::vector<std::string>{"x"});
  EXPECT_TRUE(UnknownWords(Notes("steps: 3\n"), "anything").empty());
  EXPECT_TRUE(errors_.empty());
}

TEST_F(ModelNotesTest, AModelDoesNotSayWhereFilesGo) {
  Notes("out: x.mp4\noverwrite: on\nvocabulary: 3\nnotes: [1]\n");
  EXPECT_THROW(
      {
        try {
          errors_.ThrowIfAny();
        } catch (const InputErrors& all) {
          EXPECT_EQ(all.items().size(), 4u);
          EXPECT_EQ(all.items()[0].text.find(folder_ + "/sparge.yaml:1:1: out does not belong"), 0u);
          throw;
        }
      },
      InputErrors);
}

}  // namespace
}  // namespace app

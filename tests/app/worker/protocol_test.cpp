#include "app/worker/protocol.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

std::string ErrorOf(const std::string& line) {
  json id;
  try {
    ParseCommand(line, id);
    return "";
  } catch (const base::Error& error) {
    return error.what();
  }
}

TEST(Protocol, Render) {
  json id;
  const WorkerCommand command = ParseCommand(
      R"({"id":"x","cmd":"render","name":"n","index":3,"hash":"h","replace":true,"preview":true,"maps":"m","outputs":["/a.mp4"],"write":["/a.mp4"],
      "settings":{"model":"toybox","attention":{"topk":0.5},"attention.mode":"sparge","out":["a.mp4"]},
      "prompts_ahead":[["a red ball",512]]})",
      id);
  EXPECT_EQ(id, "x");
  EXPECT_EQ(command.cmd, "render");
  EXPECT_EQ(command.render.settings.at("attention.topk").value, 0.5);
  EXPECT_EQ(command.render.settings.at("attention.mode").value, "sparge");
  EXPECT_EQ(command.render.index, 3);
  EXPECT_TRUE(command.render.replace);
  EXPECT_FALSE(command.render.fresh);
  EXPECT_TRUE(command.render.preview);
  EXPECT_EQ(command.render.maps, "m");
  EXPECT_EQ(command.render.write.size(), 1u);
  EXPECT_EQ(command.render.prompts_ahead[0].second, 512);
}

TEST(Protocol, SetIsARule) {
  json id;
  const WorkerCommand command = ParseCommand(
      R"({"id":7,"cmd":"set","layers":"0-3","settings":{"attention.topk":0.3,"attention":{"mode":"sparge"}}})", id);
  EXPECT_EQ(command.rule, json::parse(R"({"layers":"0-3","topk":0.3,"mode":"sparge"})"));
  EXPECT_NE(ErrorOf(R"({"id":7,"cmd":"set","settings":{"steps":9}})").find("'steps' cannot change on the way"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":7,"cmd":"set","settings":{"attention.order":"raster"}})").find("whole clip"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":7,"cmd":"set","settings":{"attention.topk":2}})").find("topk"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":7,"cmd":"set"})"), "");
}

TEST(Protocol, BadLines) {
  EXPECT_NE(ErrorOf("hello").find("not JSON: 'hello'"), std::string::npos);
  EXPECT_NE(ErrorOf("\xff\xfe{"), "");
  EXPECT_NE(ErrorOf("[1]").find("expected {"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":1})").find("\"cmd\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":1,"cmd":"rendr"})").find("did you mean 'render'?"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"cmd":"render","settings":{}})").find("needs an \"id\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":[1],"cmd":"cancel"})").find("needs an \"id\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":1,"cmd":"render"})").find("no settings"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":1,"cmd":"render","settings":{"stpes":3}})").find("did you mean 'steps'?"),
            std::string::npos);
  const std::string all =
      ErrorOf(R"({"id":1,"cmd":"render","setings":{},"index":"x","write":3,"settings":{"steps":-1}})");
  for (const char* part : {"'setings'", "index: expected", "write: expected", "steps"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in " << all;
  }
  EXPECT_EQ(ErrorOf(R"({"cmd":"quit"})"), "");
  EXPECT_EQ(ErrorOf(R"({"id":1,"cmd":"audit"})"), "");
  EXPECT_NE(ErrorOf(R"({"id":1,"cmd":"audit","steps":[1]})").find("unknown key 'steps'"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"id":1,"cmd":"render","settings":{},"maps":true})").find("maps: expected a folder"),
            std::string::npos);
}

TEST(Protocol, LinesInPieces) {
  LineSplitter lines(10);
  lines.Add("ab", 2);
  EXPECT_FALSE(lines.Next());
  lines.Add("c\n\nlonger than ten\nx", 20);
  EXPECT_EQ(lines.Next()->text, "abc");
  EXPECT_EQ(lines.Next()->text, "");
  const auto cut = lines.Next();
  EXPECT_TRUE(cut->cut);
  EXPECT_EQ(cut->text, "longer tha");
  EXPECT_FALSE(lines.Next());
  EXPECT_EQ(lines.Rest()->text, "x");
  EXPECT_FALSE(lines.Rest());
}

}  // namespace
}  // namespace app

#include "app/jobs/schema.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/settings/table.h"

namespace app {
namespace {

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(JobsSchemaTest, FileIsCurrent) {
  const std::string path = SPARGE_SOURCE_DIR "/configs/jobs.schema.json";
  if (std::getenv("SPARGE_UPDATE") != nullptr) std::ofstream(path) << JobsSchema();
  EXPECT_TRUE(ReadFile(path) == JobsSchema())
      << "configs/jobs.schema.json is not what the table says: run this with SPARGE_UPDATE=1";
}

TEST(JobsSchemaTest, EveryReferenceIsThereAndEverySettingIsDescribed) {
  const auto schema = nlohmann::json::parse(JobsSchema());
  const std::function<void(const nlohmann::json&)> check = [&](const nlohmann::json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string name = node["$ref"].get<std::string>().substr(std::string("#/$defs/").size());
      EXPECT_TRUE(schema["$defs"].contains(name)) << name;
    }
    if (!node.is_structured()) return;
    for (const auto& item : node) check(item);
  };
  check(schema);
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    EXPECT_NE(schema["$defs"]["setting." + key]["description"].get<std::string>().find(setting.help),
              std::string::npos);
    for (const char* where : {"job", "settings", "axes", "include", "variant"}) {
      EXPECT_TRUE(schema["$defs"][where]["properties"].contains(key)) << where << " " << key;
    }
  }
}

}  // namespace
}  // namespace app

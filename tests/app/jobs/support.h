#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "app/jobs/plan.h"
#include "tests/app/fake_pipeline.h"

namespace app {

// A folder with models that are looked at as MakeFakeModel describes them: `model` and `other` (the same but for a
// byte).
class PlanTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    AddModel("model");
    AddModel("other");
    std::ofstream(Path("other/model_index.json")) << "{ }";
  }

  void AddModel(const std::string& name) { models_[Path(name)] = MakeFakeModel(Path(name)); }

  InspectModelFolder Inspector() {
    return [this](const std::string& folder) {
      const auto it = models_.find(folder);
      base::Check(it != models_.end(), base::ErrorCode::kInvalidInput, folder, ": no model_index.json");
      ++inspected_;
      return it->second;
    };
  }

  Plan ReadYAML(const std::string& text, const SetFlags& sets = {}) {
    return ReadJobs(Path("jobs.yaml"), text, sets, Inspector());
  }

  std::map<std::string, pipeline::ModelInfo> models_;
  int inspected_ = 0;
};

// "balls/half 3"
inline std::string TitleOf(const PlanEntry& entry) {
  return entry.name + "/" + entry.variant + " " + std::to_string(entry.index);
}

inline std::vector<std::string> TitlesOf(const Plan& plan) {
  std::vector<std::string> titles;
  for (const PlanEntry& entry : plan.entries) titles.push_back(TitleOf(entry));
  return titles;
}

}  // namespace app

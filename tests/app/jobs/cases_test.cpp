#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/settings/text.h"
#include "tests/app/jobs/support.h"

// Runs the cases of cases/*.txt: a JOBS.yaml each, with the plan or the errors that it leads to. A file is
//
//   === title of a case
//   --- env NAME=value
//   --- set key=value
//   --- file NAME
//   content (\r, \0 and \xHH are escapes)
//   --- yaml
//   content; without a `version` line "version: 1" is put before it on the same line as nothing: line numbers are kept
//   --- plan
//   name/variant index key=value | key=value …   one line an entry; values as ToText shows them, FOLDER is the folder
//   --- errors
//   line:column: the message's beginning         one line an error; or the beginning of one without a place
//
// `model: model` stands in `defaults` unless the case says `defaults` itself.
namespace app {
namespace {

struct Case {
  std::string title, file;
  int line = 0;
  std::string yaml;
  std::vector<std::pair<std::string, std::string>> environment, files;
  SetFlags sets;
  std::vector<std::string> plan, errors;
  bool wants_plan = false, wants_errors = false;
};

std::string Unescaped(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      result += text[i];
    } else if (text[i + 1] == 'r') {
      result += '\r';
      ++i;
    } else if (text[i + 1] == '0') {
      result += '\0';
      ++i;
    } else if (text[i + 1] == 'x' && i + 3 < text.size()) {
      result += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::vector<Case> ReadCases(const std::string& path) {
  std::ifstream in(path);
  std::vector<Case> cases;
  std::string section, line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("=== ")) {
      cases.push_back({});
      cases.back().title = line.substr(4);
      cases.back().file = std::filesystem::path(path).filename().string();
      cases.back().line = number;
      section.clear();
      continue;
    }
    if (cases.empty()) continue;
    Case& one = cases.back();
    const auto pair = [](const std::string& text) {
      return std::pair(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
    };
    if (line.starts_with("--- ")) {
      const std::string what = line.substr(4);
      section = what.substr(0, what.find(' '));
      const std::string rest = what.size() > section.size() ? what.substr(section.size() + 1) : "";
      if (section == "env") one.environment.push_back(pair(rest));
      if (section == "set") one.sets.push_back(pair(rest));
      if (section == "file") one.files.emplace_back(rest, "");
      one.wants_plan |= section == "plan";
      one.wants_errors |= section == "errors";
    } else if (section == "file") {
      one.files.back().second += Unescaped(line) + "\n";
    } else if (section == "yaml") {
      one.yaml += Unescaped(line) + "\n";
    } else if (!line.empty() && section == "plan") {
      one.plan.push_back(line);
    } else if (!line.empty() && section == "errors") {
      one.errors.push_back(line);
    }
  }
  return cases;
}

class CasesTest : public PlanTest, public testing::WithParamInterface<std::string> {
 protected:
  std::string Localised(std::string text) const {
    for (size_t at; (at = text.find("FOLDER")) != std::string::npos;) text.replace(at, 6, folder_);
    return text;
  }

  // Whether the entry is what the line says.
  void ExpectEntry(const std::string& line, const PlanEntry& entry) {
    const size_t title = line.find(' ', line.find(' ') + 1);
    EXPECT_EQ(TitleOf(entry), line.substr(0, title));
    if (title == std::string::npos) return;
    for (const std::string& part : Split(line.substr(title), '|')) {
      const std::string text = Trim(part);
      const std::string key = text.substr(0, text.find('=')), value = Localised(text.substr(text.find('=') + 1));
      if (key == "outputs") {
        EXPECT_EQ(Join(entry.files.outputs, " "), value);
      } else if (key == "sidecar") {
        EXPECT_EQ(entry.files.sidecar, value);
      } else {
        ASSERT_NE(FindSetting(key), nullptr) << key;
        EXPECT_EQ(Trim(ToText(entry.At(key).value)), value) << key << ", from " << entry.At(key).where;
      }
    }
  }

  void ExpectErrors(std::vector<std::string> wanted, const InputErrors& all) {
    for (const auto& item : all.items()) {
      const std::string& text = item.text;
      const auto is = [&](const std::string& begin) {
        const bool located = !begin.empty() && begin[0] >= '0' && begin[0] <= '9';
        return text.starts_with((located ? Path("jobs.yaml") + ":" : "") + Localised(begin));
      };
      const auto it = std::find_if(wanted.begin(), wanted.end(), is);
      if (it != wanted.end())
        wanted.erase(it);
      else
        ADD_FAILURE() << "not expected: " << text;
      if (!item.located) continue;
      // file:line:column: message, the line, and a caret under the column.
      const std::vector<std::string> lines = Split(text, '\n');
      if (lines.size() == 3 && lines[1].find('\t') == std::string::npos) {
        const std::string place = lines[0].substr(lines[0].find(".yaml:") + 6);
        const int column = std::stoi(place.substr(place.find(':') + 1));
        EXPECT_EQ(lines[2], std::string(static_cast<size_t>(column - 1), ' ') + "^") << text;
      }
    }
    for (const std::string& missing : wanted) ADD_FAILURE() << "not said: " << missing;
  }

  void RunCase(const Case& one) {
    for (const auto& [name, value] : one.environment) setenv(name.c_str(), value.c_str(), 1);
    for (const auto& [name, content] : one.files) {
      std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
      std::ofstream(Path(name), std::ios::binary) << content;
    }
    std::string yaml = one.yaml;
    const auto has = [&](const std::string& key) {
      return yaml.starts_with(key) || yaml.find("\n" + key) != std::string::npos;
    };
    if (!has("raw")) {  // put after it: line numbers stay
      if (!has("version")) yaml += "version: 1\n";
      if (!has("defaults")) yaml += "defaults: {model: model, prompt: p}\n";
    } else {
      yaml.erase(0, yaml.find('\n') + 1);
    }
    ASSERT_NE(one.wants_plan, one.wants_errors) << "a case has a plan or errors";
    try {
      const Plan plan = ReadYAML(yaml, one.sets);
      EXPECT_TRUE(one.wants_plan) << "errors were expected, not a plan of " << plan.entries.size();
      EXPECT_EQ(plan.entries.size(), one.plan.size()) << Join(TitlesOf(plan), ", ");
      for (size_t i = 0; i < std::min(plan.entries.size(), one.plan.size()); ++i)
        ExpectEntry(one.plan[i], plan.entries[i]);
    } catch (const InputErrors& errors) {
      EXPECT_TRUE(one.wants_errors) << errors.what();
      if (one.wants_errors) ExpectErrors(one.errors, errors);
    }
    for (const auto& [name, value] : one.environment) unsetenv(name.c_str());
    for (const auto& [name, content] : one.files) std::filesystem::remove(Path(name));
  }
};

TEST_P(CasesTest, All) {
  const std::vector<Case> cases = ReadCases(GetParam());
  ASSERT_FALSE(cases.empty());
  for (const Case& one : cases) {
    SCOPED_TRACE(one.file + ":" + std::to_string(one.line) + ": " + one.title);
    RunCase(one);
  }
}

std::vector<std::string> CaseFiles() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(SPARGE_SOURCE_DIR "/tests/app/jobs/cases")) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Files, CasesTest, testing::ValuesIn(CaseFiles()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
}  // namespace app

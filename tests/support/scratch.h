#pragma once

#include <filesystem>
#include <string>

namespace test {

// A folder of its own for a test, removed with its contents at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  // A copy of a whole folder under a name, for a test to damage.
  std::string Copy(const std::string& folder, const std::string& name) const;

 private:
  std::filesystem::path path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

}  // namespace test

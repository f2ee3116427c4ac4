#include "app/gui/trash.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;

std::string HomeTrash() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && data[0] == '/')
    return std::string(data) + "/Trash";
  const char* home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.local/share/Trash" : "";
}

dev_t DeviceOf(const fs::path& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_dev : 0;
}

// Of the disk that the file is on: TOP/.Trash-UID.
std::string DiskTrash(const fs::path& file) {
  fs::path top = file.parent_path();
  const dev_t device = DeviceOf(top);
  while (top.has_relative_path() && DeviceOf(top.parent_path()) == device) top = top.parent_path();
  return (top / (".Trash-" + std::to_string(getuid()))).string();
}

// As in a URL, but for '/'.
std::string Escaped(const std::string& path) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '/' || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += std::string("%") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return out;
}

bool MoveInto(const std::string& trash, const fs::path& file, Trashed& trashed) {
  if (trash.empty()) return false;
  std::error_code error;
  fs::create_directories(trash + "/files", error);
  fs::create_directories(trash + "/info", error);
  fs::permissions(trash, fs::perms::owner_all, error);
  std::string name = file.filename().string(), info;
  for (int i = 2;; ++i) {
    info = trash + "/info/" + name + ".trashinfo";
    if (!fs::exists(info, error) && !fs::exists(trash + "/files/" + name, error)) break;
    name = file.stem().string() + "." + std::to_string(i) + file.extension().string();
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char date[40];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
  std::ofstream out(info);
  out << "[Trash Info]\nPath=" << Escaped(file.string()) << "\nDeletionDate=" << date << "\n";
  out.close();
  if (!out) return false;
  const std::string to = trash + "/files/" + name;
  fs::rename(file, to, error);
  if (error) {
    fs::remove(info, error);
    return false;
  }
  trashed.files.emplace_back(file.string(), to);
  trashed.infos.push_back(info);
  return true;
}

}  // namespace

Trashed MoveToTrash(const std::vector<std::string>& paths) {
  Trashed trashed;
  for (const std::string& path : paths) {
    const fs::path file = fs::absolute(path).lexically_normal();
    if (MoveInto(HomeTrash(), file, trashed) || MoveInto(DiskTrash(file), file, trashed)) continue;
    Restore(trashed);
    base::Fail(base::ErrorCode::kIo, file.string(), " cannot be moved to the trash; it stays where it is");
  }
  return trashed;
}

void Restore(const Trashed& trashed) {
  std::string stuck;
  for (size_t i = 0; i < trashed.files.size(); ++i) {
    const auto& [from, to] = trashed.files[i];
    std::error_code error;
    if (fs::exists(from, error)) {
      stuck = from;
      continue;
    }
    fs::create_directories(fs::path(from).parent_path(), error);
    fs::rename(to, from, error);
    if (error) {
      stuck = from;
    } else {
      fs::remove(trashed.infos[i], error);
    }
  }
  base::Check(stuck.empty(), base::ErrorCode::kIo, stuck, " could not be put back; it is still in the trash");
}

}  // namespace app

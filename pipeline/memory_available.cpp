#include "pipeline/memory_available.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace pipeline {
namespace {

// The number in a file such as memory.max; −1 where there is none ("max", no file).
int64_t ReadNumber(const std::string& path) {
  std::ifstream in(path);
  int64_t value = -1;
  return in >> value ? value : -1;
}

// What a cgroup leaves of its limit, if it has one; files in the page cache make room when they must.
int64_t LeftByCgroup(const std::string& folder) {
  const int64_t limit = ReadNumber(folder + "/memory.max"), used = ReadNumber(folder + "/memory.current");
  if (limit < 0 || used < 0) return std::numeric_limits<int64_t>::max();
  int64_t cached = 0;
  std::ifstream stat(folder + "/memory.stat");
  std::string key;
  for (int64_t value = 0; stat >> key >> value;) {
    if (key == "inactive_file" || key == "active_file") cached += value;
  }
  return std::max(limit - used + cached, int64_t{0});
}

// This process's cgroup (v2) and those around it.
std::vector<std::string> Cgroups() {
  const std::string root = "/sys/fs/cgroup";
  std::vector<std::string> folders = {root};
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::/", 0) != 0) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/')))
      folders.push_back(root + path);
  }
  return folders;
}

// What RLIMIT_AS leaves.
int64_t LeftByAddressSpace() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<int64_t>::max();
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto free_in_heap = static_cast<int64_t>(mallinfo2().fordblks);  // mapped, and to be had
  return std::max(static_cast<int64_t>(limit.rlim_cur) - pages * sysconf(_SC_PAGESIZE) + free_in_heap, int64_t{0});
}

}  // namespace

int64_t AvailableMemoryBytes() {
  int64_t available = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key, unit; meminfo >> key;) {
    int64_t kib = 0;
    meminfo >> kib;
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") available = kib * 1024;
  }
  if (available == 0) return 0;
  for (const std::string& folder : Cgroups()) available = std::min(available, LeftByCgroup(folder));
  return std::max(std::min(available, LeftByAddressSpace()), int64_t{1});
}

int64_t ResidentMemoryBytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace pipeline

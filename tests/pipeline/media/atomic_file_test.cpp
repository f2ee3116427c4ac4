#include "attention/base/atomic_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pipeline/media/media_support.h"

namespace media_test {
namespace {

using base::AtomicFile;
using base::AtomicFileSet;
using base::ErrorCode;
using Names = std::vector<std::string>;

TEST(AtomicFile, AppearsWholeOrNotAtAll) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "a.txt");
    file.Write("hello ");
    file.Write("world");
    const Names names = NamesIn(folder.path());
    ASSERT_EQ(names.size(), 1u);
    EXPECT_EQ(names[0].find(".a.txt.partial-"), 0u);
    EXPECT_NE(names[0].find("-" + std::to_string(getpid()) + "-"), std::string::npos);
    EXPECT_EQ(folder / names[0], file.aside_path());
    file.Commit();
    EXPECT_EQ(NamesIn(folder.path()), Names{"a.txt"});
  }
  EXPECT_EQ(ReadFile(folder / "a.txt"), "hello world");
  {
    AtomicFile file(folder / "a.txt");
    file.Write("other");
  }
  EXPECT_EQ(ReadFile(folder / "a.txt"), "hello world");
  EXPECT_EQ(NamesIn(folder.path()), Names{"a.txt"});
  AtomicFile file(folder / "a.txt");
  file.Write("new");
  file.Commit();
  EXPECT_EQ(ReadFile(folder / "a.txt"), "new");
}

TEST(AtomicFile, MakesFoldersAndTakesThemBack) {
  const TempFolder folder;
  { AtomicFile file(folder / "a/b/c.txt"); }
  EXPECT_EQ(NamesIn(folder.path()), Names{});
  {
    AtomicFile file(folder / "a/b/c.txt");
    file.Commit();
  }
  EXPECT_EQ(NamesIn(folder / "a/b"), Names{"c.txt"});
}

TEST(AtomicFile, LongNamesAndLinks) {
  const TempFolder folder;
  const std::string name(255, 'n');
  {
    AtomicFile file(folder / name);
    file.Write("x");
    file.Commit();
  }
  EXPECT_EQ(NamesIn(folder.path()), Names{name});
  unlink((folder / name).c_str());
  ASSERT_EQ(mkdir((folder / "real").c_str(), 0777), 0);
  ASSERT_EQ(symlink("real/target.txt", (folder / "link.txt").c_str()), 0);
  {
    AtomicFile file(folder / "link.txt");
    file.Write("through");
    file.Commit();
  }
  EXPECT_EQ(ReadFile(folder / "real/target.txt"), "through");
  struct stat info;
  ASSERT_EQ(lstat((folder / "link.txt").c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  const TempFolder folder;
  ASSERT_EQ(mkdir((folder / "d").c_str(), 0777), 0);
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0666), 0);
  ASSERT_EQ(symlink("loop", (folder / "loop").c_str()), 0);
  for (const std::string& path :
       {std::string(), folder / "d", folder / "d/", folder / "d/.", folder / "d/..", folder / "pipe",
        std::string("/dev/null"), folder / "loop", folder / std::string(256, 'n')}) {
    EXPECT_EQ(Caught([&] { AtomicFile file(path); }).code(), ErrorCode::kInvalidInput) << path;
    EXPECT_EQ(Caught([&] { base::CheckOutputPath(path); }).code(), ErrorCode::kInvalidInput) << path;
  }
  EXPECT_EQ(NamesIn(folder.path()), (Names{"d", "loop", "pipe"}));
}

// Runs in a child process that has no rights of root; status 0 when `work` returned true.
bool AsNobody(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
    bool good = false;
    try {
      good = work();
    } catch (...) {
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(AtomicFile, AFolderWithoutPermission) {
  const TempFolder folder;
  ASSERT_EQ(mkdir((folder / "locked").c_str(), 0555), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const auto refuses = [](const std::function<void()>& work) {
    try {
      work();
    } catch (const base::Error& error) {
      return error.code() == ErrorCode::kInvalidInput &&
             std::string(error.what()).find("ermission") != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(AsNobody([&] {
    bool good = true;
    for (const std::string& path : {folder / "locked/a.txt", folder / "locked/new/a.txt"}) {
      good = good && refuses([&] { AtomicFile file(path); }) && refuses([&] { base::CheckOutputPath(path); });
    }
    return good;
  }));
  EXPECT_EQ(NamesIn(folder / "locked"), Names{});
}

TEST(AtomicFile, AFolderThatVanishesIsAnIoError) {
  const TempFolder folder;
  ASSERT_EQ(mkdir((folder / "d").c_str(), 0777), 0);
  AtomicFile file(folder / "d/a.txt");
  unlink(file.aside_path().c_str());
  rmdir((folder / "d").c_str());
  EXPECT_EQ(Caught([&] { file.Commit(); }).code(), ErrorCode::kIo);
}

TEST(AtomicFile, AsidesOfDeadProcessesGo) {
  const TempFolder folder;
  std::string dead;
  const pid_t child = fork();
  if (child == 0) {
    new AtomicFile(folder / "a.txt");  // never destroyed: as if killed
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  ASSERT_EQ(NamesIn(folder.path()).size(), 1u);
  WriteFile(folder / ".a.txt.partial-mine", "not ours");
  WriteFile(folder / (".a.txt.partial-00000000-" + std::to_string(child) + "-0"), "of another machine");
  AtomicFile other(folder / "b.txt");
  AtomicFile file(folder / "a.txt");
  other.Commit();
  file.Commit();
  EXPECT_EQ(NamesIn(folder.path()), (Names{".a.txt.partial-00000000-" + std::to_string(child) + "-0",
                                           ".a.txt.partial-mine", "a.txt", "b.txt"}));
}

TEST(AtomicFile, AFatalSignalCanRemoveAllAsides) {
  const TempFolder folder;
  WriteFile(folder / "b.txt", "old");
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile a(folder / "a.txt"), b(folder / "b.txt");
    AtomicFileSet set;
    for (int i = 0; i < 20; ++i) set.Add(folder / (std::to_string(i) + ".txt")).Write("x");
    a.Write("x");
    AtomicFile done(folder / "done.txt");
    done.Commit();
    signal(SIGABRT, [](int) {
      base::RemoveAsidesInSignalHandler();
      _exit(7);
    });
    abort();
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  EXPECT_EQ(NamesIn(folder.path()), (Names{"b.txt", "done.txt"}));
  EXPECT_EQ(ReadFile(folder / "b.txt"), "old");
}

TEST(AtomicFile, AForkedChildDoesNotTouchItsParentsAsides) {
  const TempFolder folder;
  AtomicFile file(folder / "a.txt");
  const pid_t child = fork();
  if (child == 0) {
    base::RemoveAsidesInSignalHandler();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  file.Commit();
  EXPECT_EQ(NamesIn(folder.path()), Names{"a.txt"});
}

TEST(AtomicFileSet, AllAppearOrNone) {
  const TempFolder folder;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {64, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    AtomicFileSet set;
    for (int i = 0; i < 200; ++i) {  // more than may be open at once
      AtomicFile& file = set.Add(folder / ("d/" + std::to_string(i)));
      file.Write(std::to_string(i));
      file.Seal();
    }
    for (const std::string& name : NamesIn(folder / "d")) ASSERT_EQ(name[0], '.');
    set.Commit();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(NamesIn(folder / "d").size(), 200u);
  EXPECT_EQ(ReadFile(folder / "d/123"), "123");
  {
    AtomicFileSet set;
    set.Add(folder / "e/f/a").Write("x");
    set.Add(folder / "e/f/b").Write("x");
  }
  EXPECT_EQ(NamesIn(folder.path()), Names{"d"});
}

TEST(AtomicFileSet, AFailedRenameTakesTheOthersBack) {
  const TempFolder folder;
  {
    AtomicFileSet set;
    for (const char* name : {"a", "b", "c"}) set.Add(folder / name).Write("x");
    ASSERT_EQ(mkdir((folder / "c").c_str(), 0777), 0);  // in the way of the third
    EXPECT_EQ(Caught([&] { set.Commit(); }).code(), ErrorCode::kIo);
  }
  EXPECT_EQ(NamesIn(folder.path()), Names{"c"});
}

}  // namespace
}  // namespace media_test

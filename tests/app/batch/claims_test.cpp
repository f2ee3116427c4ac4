#include "app/batch/claims.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/app/temp_folder.h"

namespace app {
namespace {

using Result = Claims::Result;

class ClaimsTest : public TempFolderTest {};

TEST_F(ClaimsTest, OneOwnerAtATime) {
  Claims first(Path("locks")), second(Path("locks"));
  EXPECT_EQ(first.Claim("k", "a"), Result::kClaimed);
  EXPECT_TRUE(first.Holds("k"));
  EXPECT_EQ(second.Claim("k", "a"), Result::kBusy);
  EXPECT_EQ(second.Claim("other", "b"), Result::kClaimed);
  const Claims::State seen = second.Look("k");
  EXPECT_TRUE(seen.locked && !seen.stale && !seen.mine);
  EXPECT_NE(seen.owner.find("process " + std::to_string(getpid())), std::string::npos);
  second.GiveUp("k");  // is not its own
  EXPECT_TRUE(first.Holds("k"));
  first.GiveUp("k");
  EXPECT_FALSE(first.Holds("k"));
  EXPECT_EQ(second.Claim("k", "a"), Result::kClaimed);
}

TEST_F(ClaimsTest, NothingIsLeft) {
  {
    Claims claims(Path("locks"));
    claims.Claim("a", "");
    claims.Claim("b", "");
    claims.GiveUp("a");
  }
  EXPECT_TRUE(Names().empty());
}

// Many at once: each key goes to one.
TEST_F(ClaimsTest, ARaceHasOneWinner) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<Claims>> all;
    for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<Claims>(Path("locks")));
    std::atomic<int> won = 0, ready = 0;
    std::vector<std::thread> threads;
    for (auto& claims : all) {
      threads.emplace_back([&, key = "k" + std::to_string(round)] {
        ++ready;
        while (ready < 8) std::this_thread::yield();
        won += claims->Claim(key, "") != Result::kBusy;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
  }
}

// A process that is gone has no claims; of several that see it one takes over.
TEST_F(ClaimsTest, TheDeadAreTakenOverFromOnce) {
  const pid_t child = fork();
  if (child == 0) {
    Claims claims(Path("locks"));
    claims.Claim("k", "of the dead");
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  std::vector<std::unique_ptr<Claims>> all;
  for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<Claims>(Path("locks")));
  EXPECT_TRUE(all[0]->Look("k").stale);
  std::atomic<int> won = 0, ready = 0;
  std::vector<std::thread> threads;
  for (auto& claims : all) {
    threads.emplace_back([&] {
      ++ready;
      while (ready < 8) std::this_thread::yield();
      won += claims->Claim("k", "") == Result::kTakenOver;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(won, 1);
  // Who lost the race may try again while nobody holds it.
  int now = won;
  for (auto& claims : all) now += won == 0 && now == 0 && claims->Claim("k", "") == Result::kTakenOver;
  EXPECT_EQ(now, 1);
}

// What the dead began is left alone while a worker of theirs still writes a last checkpoint.
TEST_F(ClaimsTest, AWorkerOutlivesItsOwner) {
  const pid_t child = fork();
  if (child == 0) {
    Claims claims(Path("locks"));
    claims.Claim("k", "of the dead");
    if (fork() == 0) {
      const std::string mark = claims.WorkerMark();
      char* const environment[] = {const_cast<char*>(mark.c_str()), nullptr};
      const char* const arguments[] = {"sleep", "1", nullptr};
      execve("/bin/sleep", const_cast<char* const*>(arguments), environment);
      _exit(1);
    }
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  Claims claims(Path("locks"));
  EXPECT_EQ(claims.Claim("k", ""), Result::kBusy);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(claims.Claim("k", ""), Result::kTakenOver);
}

// Of other machines only the lease is known: it counts from when the lock was last seen to change, by our own watch.
TEST_F(ClaimsTest, ALeaseThatIsNotRenewedRunsOut) {
  std::filesystem::create_directories(Path("locks"));
  const std::string lock = Path("locks/k.lock");
  std::ofstream(lock) << R"({"host":"elsewhere","zone":"x","pid":1,"start":"1","nonce":"n","lease_s":0.4})";
  std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now() - std::chrono::hours(9));
  Claims claims(Path("locks"));
  EXPECT_EQ(claims.Claim("k", ""), Result::kBusy);  // however old the file says it is
  for (int i = 0; i < 4; ++i) {                     // renewed
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now());
    EXPECT_EQ(claims.Claim("k", ""), Result::kBusy);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_EQ(claims.Claim("k", ""), Result::kTakenOver);
  EXPECT_TRUE(claims.Holds("k"));
}

TEST_F(ClaimsTest, AnOwnerRenewsItsLease) {
  Claims owner(Path("locks"), 0.8), other(Path("locks"), 0.8);
  ASSERT_EQ(owner.Claim("k", ""), Result::kClaimed);
  for (int i = 0; i < 12; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_EQ(other.Claim("k", ""), Result::kBusy);
  }
}

// A lock that is garbage is somebody's until its time is over.
TEST_F(ClaimsTest, Garbage) {
  std::filesystem::create_directories(Path("locks"));
  std::ofstream(Path("locks/k.lock")) << "\x01{";
  std::ofstream(Path("locks/l.lock")) << R"({"pid":"x","lease_s":"y","nonce":[]})";
  Claims claims(Path("locks"), 0.3);
  EXPECT_EQ(claims.Claim("k", ""), Result::kBusy);
  EXPECT_EQ(claims.Claim("l", ""), Result::kBusy);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(claims.Claim("k", ""), Result::kTakenOver);
  EXPECT_EQ(claims.Claim("l", ""), Result::kTakenOver);
}

}  // namespace
}  // namespace app

// Workers that die are noticed, told apart, and replaced.
#include "app/worker/session.h"

#include <sys/resource.h>

#include "tests/app/async_process.h"
#include "tests/app/command_fixture.h"

namespace app {
namespace {

using nlohmann::json;

class SessionTest : public CommandTest {
 protected:
  SessionOptions Options() {
    SessionOptions options;
    options.program = std::string(SPARGE_BINARY_DIR) + "/bin/sparge";
    options.alive_s = 1;
    return options;
  }
  json Command(const std::string& id, int steps, const json& more = json::object()) {
    json settings = {{"model", kModel},
                     {"prompt", "dance monkey"},
                     {"width", 32},
                     {"height", 16},
                     {"frames", 5},
                     {"steps", steps},
                     {"max_sequence_length", 16},
                     {"dtype", "float32"},
                     {"device", "cpu"},
                     {"out", Path(id + ".mp4")}};
    settings.update(more);
    return RenderCommandJSON(id, settings);
  }
  // Events until one of this kind, which it returns.
  json Until(Session& session, const std::string& kind, const std::function<void(const json&)>& on_event = {}) {
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::seconds(90)) {
      const auto event = session.Next(0.5);
      if (!event) continue;
      if (on_event) on_event(*event);
      if ((*event)["event"] == kind) return *event;
    }
    ADD_FAILURE() << "no event " << kind;
    return json::object();
  }
  static bool AtStep(const json& event, int step) {
    return event["event"] == "progress" && event["stage"] == "denoise" && event["step"] == step;
  }
};

class SignalledWorker : public SessionTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Signals, SignalledWorker, testing::Values(SIGSEGV, SIGKILL, SIGABRT));

TEST_P(SignalledWorker, IsRecordedAndReplaced) {
  Session session(Options());
  session.Send(Command("a", 300));
  const pid_t first = session.pid();
  const json failed = Until(session, "failed", [&](const json& event) {
    if (AtStep(event, 3)) kill(session.pid(), GetParam());
  });
  EXPECT_EQ(failed["id"], "a");
  EXPECT_EQ(failed["worker_died"], true);
  EXPECT_EQ(failed["error"]["cause"], "signal");
  EXPECT_EQ(failed["error"]["signal"], GetParam());
  EXPECT_EQ(failed["error"]["stage"], "denoise");
  EXPECT_GE(failed["error"]["step"], 3);
  EXPECT_EQ(failed["error"]["total"], 300);
  EXPECT_GT(failed["peak_memory_bytes"], 1 << 20);
  EXPECT_FALSE(session.alive());
  session.Send(Command("b", 2));
  EXPECT_NE(session.pid(), first);
  EXPECT_EQ(Until(session, "done")["id"], "b");
}

TEST_F(SessionTest, AHangIsNoticed) {
  SessionOptions options = Options();
  options.silence_s = 3;
  Session session(options);
  session.Send(Command("a", 300));
  const json failed = Until(session, "failed", [&](const json& event) {
    if (AtStep(event, 2)) kill(session.pid(), SIGSTOP);
  });
  EXPECT_EQ(failed["error"]["cause"], "hang");
  EXPECT_EQ(failed["error"]["stage"], "denoise");
  session.Send(Command("b", 2));
  EXPECT_EQ(Until(session, "done")["id"], "b");
}

TEST_F(SessionTest, EndNamesItsCause) {
  Session session(Options());
  session.Send(Command("a", 300));
  Until(session, "stats");
  session.End("timeout", "too long");
  const json failed = Until(session, "failed");
  EXPECT_EQ(failed["error"]["cause"], "timeout");
  EXPECT_NE(failed["error"]["message"].get<std::string>().find("too long"), std::string::npos);
}

// Within an address space that is too small, the job fails and the worker lives, or it dies; either way a job that fits
// goes on.
TEST_F(SessionTest, OutOfMemory) {
  SessionOptions options = Options();
  long enough = 0;  // for a small job
  {
    Session probe(options);
    probe.Send(Command("probe", 2));
    Until(probe, "done");
    enough = PeakAddressSpace(probe.pid()) + (80 << 20);
  }
  std::ofstream(Path("limited")) << "#!/bin/sh\nulimit -v " << enough / 1024 << "\nexec " << options.program
                                 << " \"$@\"\n";
  std::filesystem::permissions(Path("limited"), std::filesystem::perms::owner_all);
  options.program = Path("limited");
  Session session(options);
  session.Send(Command("big", 1, {{"width", 256}, {"height", 256}, {"frames", 125}}));
  const json failed = Until(session, "failed");
  EXPECT_TRUE(failed["error"]["cause"] == "out_of_memory" || failed["worker_died"] == true) << failed;
  session.Send(Command("small", 2));
  EXPECT_EQ(Until(session, "done")["id"], "small");
}

// Where memory is too short for the whole picture, `auto` decodes in tiles and says so; without tiles the job fails,
// and says what would help.
TEST_F(SessionTest, TilesWhereMemoryIsShort) {
  SessionOptions options = Options();
  const json small = {{"model", std::string(SPARGE_SOURCE_DIR) + "/assets/toybox"},
                      {"dtype", "bfloat16"},
                      {"width", 64},
                      {"height", 64},
                      {"threads", 1}};
  long enough = 0;
  {
    Session probe(options);
    probe.Send(Command("probe", 1, small));
    Until(probe, "done");
    enough = PeakAddressSpace(probe.pid());
  }
  // The whole picture takes 1.2 GB, in tiles 0.6 GB.
  std::ofstream(Path("limited")) << "#!/bin/sh\nulimit -v " << (enough + (650L << 20)) / 1024 << "\nexec "
                                 << options.program << " \"$@\"\n";
  std::filesystem::permissions(Path("limited"), std::filesystem::perms::owner_all);
  options.program = Path("limited");
  Session session(options);
  json large = small;
  large.update({{"width", 384}, {"height", 384}, {"vae_tiling", "off"}});
  session.Send(Command("off", 1, large));
  const json failed = Until(session, "failed");
  EXPECT_EQ(failed["error"]["cause"], "out_of_memory") << failed;
  const std::string message = failed["error"]["message"];
  for (const char* part : {"decoding needs about ", " GB are available: turn vae_tiling on", "vae_tiling: on, or "}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  }
  large["vae_tiling"] = "auto";
  session.Send(Command("auto", 1, large));
  // It is under way in tiles, 2 x 2 of 2 latent frames: the rest takes long.
  bool tiles = false;
  const json ended = Until(session, "failed", [&](const json& event) {
    if (tiles || event["event"] != "progress" || event["stage"] != "decode" || event["step"] == 0) return;
    tiles = event["total"] == 8;
    session.Send({{"id", "auto"}, {"cmd", "cancel"}});
  });
  EXPECT_EQ(ended["status"], "cancelled") << ended;
  EXPECT_TRUE(tiles);
}

TEST_F(SessionTest, AProgramThatIsNotThere) {
  SessionOptions options;
  options.program = Path("nothing");
  Session session(options);
  session.Send(Command("a", 2));
  const json failed = Until(session, "failed");
  EXPECT_EQ(failed["error"]["cause"], "exit");
  EXPECT_EQ(failed["error"]["message"], "the worker ended with status 127");
}

// A worker does not outlive who started it; it leaves a checkpoint.
TEST_F(SessionTest, AnOrphanEnds) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    Session session(Options());
    session.Send(Command("a", 900));
    while (const auto event = session.Next(60)) {
      if (!AtStep(*event, 2)) continue;
      const pid_t worker = session.pid();
      (void)!write(ends[1], &worker, sizeof worker);
      kill(getpid(), SIGKILL);
    }
    _exit(1);
  }
  pid_t worker = 0;
  ASSERT_EQ(read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  waitpid(parent, nullptr, 0);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i) {
    gone = kill(worker, 0) != 0 || !std::filesystem::exists("/proc/" + std::to_string(worker) + "/exe");
    usleep(20'000);
  }
  EXPECT_TRUE(gone);
  EXPECT_TRUE(std::filesystem::exists(Path("a.latents.safetensors")));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace app

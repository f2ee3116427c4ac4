// `sparge worker` as a script runs it: lines in, lines out.
#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <set>

#include "app/worker/protocol.h"
#include "app/worker/session.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/command_fixture.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class WorkerTest : public CommandTest {
 protected:
  // Settings of a small job; `more` wins.
  json Small(const json& more) {
    json settings = {{"model", kModel}, {"prompt", "dance monkey"},
                     {"width", 32},     {"height", 16},
                     {"frames", 5},     {"steps", 4},
                     {"seed", 3},       {"max_sequence_length", 16},
                     {"device", "cpu"}, {"dtype", "float32"}};
    settings.update(more);
    return settings;
  }
  static json RenderLine(const json& id, const json& settings) {
    return {{"id", id}, {"cmd", "render"}, {"settings", settings}};
  }

  // Runs a worker: `lines` first, then what `on_event` sends. Input ends when `on_event` says so (returns false).
  using SendLine = std::function<void(const json&)>;
  int Serve(const std::vector<std::string>& lines,
            const std::function<bool(const json&, const SendLine&)>& on_event = {}) {
    int in[2], out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
    const std::string program = std::string(SPARGE_BINARY_DIR) + "/bin/sparge";
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      if (chdir(folder_.c_str()) == 0) execl(program.c_str(), "sparge", "worker", nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    const auto send = [&](const std::string& line) {
      const std::string whole = line + "\n";
      EXPECT_EQ(write(in[1], whole.data(), whole.size()), static_cast<ssize_t>(whole.size()));
    };
    for (const std::string& line : lines) send(line);
    bool open = static_cast<bool>(on_event);
    if (!open) close(in[1]);
    LineSplitter events(64 << 20);
    char buffer[65536];
    for (ssize_t bytes = 0; (bytes = read(out[0], buffer, sizeof buffer)) > 0;) {
      events.Add(buffer, static_cast<size_t>(bytes));
      while (const auto line = events.Next()) {
        const json event = json::parse(line->text, nullptr, false);
        EXPECT_TRUE(event.is_object() && event.contains("event") && event.contains("id")) << line->text;
        events_.push_back(event);
        if (open && !on_event(event, [&](const json& command) { send(command.dump()); })) {
          close(in[1]);
          open = false;
        }
      }
    }
    if (open) close(in[1]);
    close(out[0]);
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::vector<json> Of(const json& id, const std::string& kind) {
    std::vector<json> found;
    for (const json& event : events_) {
      if (event["id"] == id && (kind.empty() || event["event"] == kind)) found.push_back(event);
    }
    return found;
  }
  std::vector<float> Latents(const std::string& name) {
    return pipeline::SafetensorsFile::Open(Path(name))->ReadFloat("latents").data;
  }

  pid_t pid_ = -1;
  std::vector<json> events_;
};

TEST_F(WorkerTest, RendersWhatIsAskedForAndEnds) {
  EXPECT_EQ(Serve({RenderLine(1, Small({{"out", "a.mp4"}})).dump(),
                   RenderLine("two", Small({{"out", {"b.mp4", "b.safetensors"}}, {"seed", 4}})).dump()}),
            0);
  for (const json& id : {json(1), json("two")}) {
    const std::vector<json> all = Of(id, "");
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all.front()["event"], "started");
    EXPECT_EQ(all.back()["event"], "done");
    EXPECT_EQ(Of(id, "stats").size(), 4u);
    EXPECT_EQ(Of(id, "stats")[3]["step"], 3);
    EXPECT_EQ(Of(id, "stats")[0]["layers"].size(), 4u);  // two layers, with and without the prompt
    EXPECT_FALSE(Of(id, "progress").empty());
    EXPECT_EQ(all.back()["device"], "cpu");
  }
  EXPECT_EQ(Of(1, "output").size(), 3u);
  EXPECT_EQ(ReadJSON("a.json")["hash"], Of(1, "done")[0]["hash"]);
  EXPECT_EQ(Run(Job({"--steps", "4", "--seed", "4", "--out", "c.safetensors"})).status, 0);
  EXPECT_EQ(Latents("b.safetensors"), Latents("c.safetensors"));
  // The weights were loaded once.
  EXPECT_FALSE(Of(1, "progress")[0]["stage"] == "denoise");
  for (const json& event : Of("two", "progress")) EXPECT_NE(event["stage"], "load transformer");
}

// Previews are whole when they are announced, gone at the end, and change nothing.
TEST_F(WorkerTest, PreviewsAndStatsOfEachStep) {
  setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);
  setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  json watched = RenderLine(1, Small({{"out", "a.safetensors"}, {"steps", 6}, {"width", 64}, {"height", 64}}));
  watched["preview"] = true;
  json again = watched;
  again["id"] = 2;
  again["settings"]["out"] = "b.safetensors";
  std::set<std::string> paths;
  EXPECT_EQ(Serve({watched.dump(), again.dump()},
                  [&](const json& event, const SendLine&) {
                    if (event["event"] == "preview") {
                      const std::string path = event["path"];
                      paths.insert(path);
                      std::error_code error;
                      const auto bytes = fs::file_size(path, error);
                      const int64_t expected = event["frames"].get<int64_t>() * event["width"].get<int64_t>() *
                                               event["height"].get<int64_t>() * 3;
                      if (!error) EXPECT_EQ(static_cast<int64_t>(bytes), expected);
                      EXPECT_EQ(event["format"], "rgb24");
                      EXPECT_EQ(event["frames"], 5);
                    }
                    return event["event"] != "done" || event["id"] != 2;
                  }),
            0);
  unsetenv("XDG_CACHE_HOME");
  unsetenv("XDG_RUNTIME_DIR");
  for (const json& id : {json(1), json(2)}) {
    ASSERT_FALSE(Of(id, "preview").empty());
    EXPECT_EQ(Of(id, "preview")[0]["step"], 0);
    EXPECT_TRUE(Of(id, "notice").empty() ||
                Of(id, "notice")[0]["message"].get<std::string>().find("preview") == std::string::npos);
  }
  EXPECT_EQ(paths.size(), 2u) << "one file a job";
  for (const std::string& path : paths) EXPECT_FALSE(fs::exists(fs::path(path).parent_path())) << path;
  EXPECT_FALSE(fs::is_empty(Path("cache/sparge/latent_rgb")));
  EXPECT_EQ(
      Run(Job({"--steps", "6", "--width", "64", "--height", "64", "--seed", "3", "--out", "c.safetensors"})).status, 0);
  EXPECT_EQ(Latents("a.safetensors"), Latents("c.safetensors"));
  EXPECT_EQ(Latents("b.safetensors"), Latents("c.safetensors"));

  const json sidecar = ReadJSON("a.json");
  const std::vector<json> stats = Of(1, "stats");
  ASSERT_EQ(stats.size(), 6u);
  for (size_t i = 0; i < stats.size(); ++i) {
    EXPECT_NEAR(stats[i]["seconds"].get<double>(), sidecar["timings_s"]["steps"][i].get<double>(), 1e-5);
    EXPECT_GT(stats[i]["attention_seconds"], 0.0);
    EXPECT_LE(stats[i]["attention_seconds"], stats[i]["seconds"]);
    EXPECT_TRUE(stats[i]["fallbacks"].is_array());
    EXPECT_FALSE(stats[i]["kernels"].empty());
  }
}

// Audits on request, and the block maps of each step: the bits stay.
TEST_F(WorkerTest, AuditsAndMaps) {
  json watched = RenderLine(1, Small({{"out", "a.safetensors"}, {"steps", 6}, {"width", 128}, {"height", 128}}));
  watched["maps"] = "maps";
  bool sent = false, late = false;
  EXPECT_EQ(Serve({watched.dump()},
                  [&](const json& event, const SendLine& send) {
                    if (event["event"] == "stats") {
                      for (const json& map : event["maps"]) {
                        const auto file = pipeline::SafetensorsFile::Open(Path(map["path"]));
                        const bool dense = file->metadata().at("mode") == "dense";
                        EXPECT_EQ(file->tensors().count("block_map"), dense ? 0u : 1u);
                      }
                    }
                    if (!sent && event["event"] == "stats" && event["step"] == 1) {
                      send({{"id", 1}, {"cmd", "audit"}});
                      sent = true;
                    }
                    if (!late && event["event"] == "stats" && event["step"] == 5) {
                      send({{"id", 1}, {"cmd", "audit"}});
                      late = true;
                    }
                    return event["event"] != "done";
                  }),
            0);
  ASSERT_EQ(Of(1, "audit").size(), 1u);
  const json audit = Of(1, "audit")[0];
  const int step = audit["step"];
  EXPECT_GE(step, 2);
  EXPECT_EQ(audit["calls"].size(), 4u) << "two layers, with and without the prompt";
  for (const json& call : audit["calls"]) EXPECT_EQ(call["step"], step);
  EXPECT_GE(audit["mean"]["total"], 0.0);
  const json sidecar = ReadJSON("a.json");
  EXPECT_EQ(sidecar["audit"]["calls"], audit["calls"]);
  for (const json& stats : Of(1, "stats")) {
    ASSERT_EQ(stats["maps"].size(), 4u);
    EXPECT_EQ(stats["maps"][0]["pass"], "cond");
    EXPECT_EQ(stats["maps"][0]["path"], "maps/s" + stats["step"].dump() + "_l0_cond.safetensors");
  }
  EXPECT_EQ(
      Run(Job({"--steps", "6", "--width", "128", "--height", "128", "--seed", "3", "--out", "c.safetensors"})).status,
      0);
  EXPECT_EQ(Latents("a.safetensors"), Latents("c.safetensors"));
}

// What a killed worker leaves, its client removes.
TEST_F(WorkerTest, PreviewsOfADeadWorkerAreRemoved) {
  setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  setenv("XDG_CACHE_HOME", Path("cache").c_str(), 1);
  SessionOptions options;
  options.program = std::string(SPARGE_BINARY_DIR) + "/bin/sparge";
  fs::path left;
  {
    Session session(options);
    json command = RenderLine(1, Small({{"out", Path("a.mp4")}, {"steps", 300}}));
    command["preview"] = true;
    session.Send(command);
    for (int i = 0; i < 200 && left.empty(); ++i) {
      const auto event = session.Next(0.5);
      if (event && (*event)["event"] == "preview") left = fs::path((*event)["path"].get<std::string>()).parent_path();
    }
    ASSERT_FALSE(left.empty());
    EXPECT_TRUE(fs::exists(left));
    session.End("timeout", "enough");
    EXPECT_FALSE(fs::exists(left));
  }
  unsetenv("XDG_RUNTIME_DIR");
  unsetenv("XDG_CACHE_HOME");
}

TEST_F(WorkerTest, BadLinesHarmNobody) {
  json other = RenderLine(5, Small({{"out", "e.mp4"}, {"width", 33}}));
  EXPECT_EQ(Serve({"garbage", std::string("\x00\xff", 2), "{}", "[]", "", R"({"id":2,"cmd":"render"})",
                   R"({"id":9,"cmd":"cancel"})", RenderLine(1, Small({{"out", "a.mp4"}})).dump(),
                   RenderLine(1, Small({{"out", "b.mp4"}})).dump(), other.dump(),
                   RenderLine(6, Small({{"out", "a.mp4"}, {"seed", 8}})).dump(), std::string(17 << 20, 'x')}),
            0);
  EXPECT_EQ(Of(nullptr, "failed").size(), 5u);
  EXPECT_EQ(Of(2, "failed")[0]["error"]["cause"], "invalid_input");
  EXPECT_EQ(Of(9, "notice").size(), 1u);
  EXPECT_EQ(Of(1, "done").size(), 1u);
  const std::vector<json> notices = Of(1, "notice");
  EXPECT_TRUE(std::any_of(notices.begin(), notices.end(), [](const json& notice) {
    return notice["message"].get<std::string>().find("there is a job with id 1 already") != std::string::npos;
  }));
  EXPECT_NE(Of(5, "failed")[0]["error"]["message"].get<std::string>().find("width: 32 px, not 33"), std::string::npos);
  EXPECT_NE(Of(6, "failed")[0]["error"]["message"].get<std::string>().find("exists already"), std::string::npos);
  EXPECT_FALSE(fs::exists(Path("b.mp4")));
}

// What `set` changes is a rule of the job: the job of the sidecar rendered again gives the same bits.
TEST_F(WorkerTest, SetIsRecordedAndRendersAgain) {
  const json settings =
      Small({{"out", "a.safetensors"}, {"width", 128}, {"height", 128}, {"steps", 32}, {"attention", {{"topk", 0.9}}}});
  bool sent = false;
  EXPECT_EQ(Serve({RenderLine(1, settings).dump()},
                  [&](const json& event, const SendLine& send) {
                    if (!sent && event["event"] == "stats" && event["step"] == 1) {
                      send({{"id", 1}, {"cmd", "set"}, {"settings", {{"attention.topk", 0.2}}}});
                      send({{"id", 1}, {"cmd", "set"}, {"settings", {{"attention.topk", 7}}}});
                      send({{"id", 1}, {"cmd", "set"}, {"settings", {{"seed", 7}}}});
                      sent = true;
                    }
                    return event["event"] != "done";
                  }),
            0);
  ASSERT_EQ(Of(1, "set").size(), 1u);
  EXPECT_EQ(Of(1, "notice").size(), 3u) << "untuned, and two that cannot be set";
  const json record = ReadJSON("a.json");
  const json rules = record["job"]["attention.schedule"];
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_EQ(rules[0]["topk"], 0.2);
  EXPECT_EQ(rules[0]["steps"], Of(1, "set")[0]["rule"]["steps"]);
  EXPECT_EQ(record["hash"], Of(1, "done")[0]["hash"]);
  EXPECT_NE(record["hash"], Of(1, "started")[0]["hash"]);

  json again = record["job"];
  again["out"] = {"b.safetensors"};
  events_.clear();
  EXPECT_EQ(Serve({RenderLine(2, again).dump()}), 0);
  EXPECT_EQ(Of(2, "started")[0]["hash"], record["hash"]);
  EXPECT_EQ(Latents("b.safetensors"), Latents("a.safetensors"));
}

TEST_F(WorkerTest, PauseWritesACheckpointAndWaits) {
  const json settings = Small({{"out", "a.safetensors"}, {"steps", 100}});
  bool sent = false;
  bool there = false;
  EXPECT_EQ(Serve({RenderLine(1, settings).dump()},
                  [&](const json& event, const SendLine& send) {
                    if (!sent && event["event"] == "stats" && event["step"] == 1) {
                      send({{"id", 1}, {"cmd", "pause"}});
                      sent = true;
                    }
                    if (event["event"] == "paused") {
                      there = fs::exists(Path("a.latents.safetensors"));
                      send({{"id", 1}, {"cmd", "resume"}});
                    }
                    return event["event"] != "done";
                  }),
            0);
  EXPECT_TRUE(there);
  EXPECT_EQ(Of(1, "resumed").size(), 1u);
  EXPECT_EQ(Run(Job({"--steps", "100", "--seed", "3", "--out", "b.safetensors"})).status, 0);
  EXPECT_EQ(Latents("a.safetensors"), Latents("b.safetensors"));
}

TEST_F(WorkerTest, CancelIsOfOneJob) {
  bool sent = false;
  EXPECT_EQ(Serve({RenderLine(1, Small({{"out", "a.mp4"}, {"steps", 200}})).dump(),
                   RenderLine(2, Small({{"out", "b.mp4"}})).dump(), RenderLine(3, Small({{"out", "c.mp4"}})).dump(),
                   R"({"id":3,"cmd":"cancel"})"},
                  [&](const json& event, const SendLine& send) {
                    if (!sent && event["event"] == "stats") {
                      send({{"id", 1}, {"cmd", "cancel"}});
                      sent = true;
                    }
                    return event["event"] != "done";
                  }),
            0);
  EXPECT_EQ(Of(1, "failed")[0]["status"], "cancelled");
  EXPECT_EQ(Of(3, "failed")[0]["status"], "cancelled");
  EXPECT_EQ(Of(2, "done").size(), 1u);
  EXPECT_TRUE(fs::exists(Path("a.latents.safetensors")));
  EXPECT_FALSE(fs::exists(Path("a.mp4")));
  EXPECT_FALSE(fs::exists(Path("c.mp4")));
}

TEST_F(WorkerTest, QuitAndSignals) {
  const std::vector<std::string> jobs = {RenderLine(1, Small({{"out", "a.mp4"}, {"steps", 200}})).dump(),
                                         RenderLine(2, Small({{"out", "b.mp4"}})).dump()};
  bool sent = false;
  EXPECT_EQ(Serve(jobs,
                  [&](const json& event, const SendLine& send) {
                    if (!std::exchange(sent, sent || event["event"] == "stats") && sent) send({{"cmd", "quit"}});
                    return true;
                  }),
            0);
  EXPECT_EQ(Of(1, "failed")[0]["status"], "cancelled");
  EXPECT_EQ(Of(2, "failed")[0]["status"], "cancelled");
  events_.clear();
  sent = false;
  EXPECT_EQ(Serve(jobs,
                  [&](const json& event, const SendLine&) {
                    if (!std::exchange(sent, sent || event["event"] == "stats") && sent) kill(pid_, SIGTERM);
                    return true;
                  }),
            130);
  EXPECT_EQ(Of(1, "failed")[0]["status"], "cancelled");
  EXPECT_EQ(Of(2, "failed")[0]["status"], "cancelled");
}

// The example that docs/worker.md points to.
TEST_F(WorkerTest, TheExampleInPython) {
  const std::string script = std::string(SPARGE_SOURCE_DIR) + "/configs/examples/worker.py";
  if (system("python3 -c pass >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no python3";
  const std::string command =
      "cd '" + folder_ + "' && SPARGE='" + SPARGE_BINARY_DIR + "/bin/sparge' python3 '" + script + "' '" + kModel +
      "' 'dance monkey' out.mp4 width=32 height=16 frames=5 steps=2 attention.topk=0.5 >log 2>&1";
  EXPECT_EQ(system(command.c_str()), 0);
  EXPECT_TRUE(fs::exists(Path("out.mp4")));
}

}  // namespace
}  // namespace app

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/layering/rules.h"

namespace layering {
namespace {

namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  EXPECT_TRUE(stream.good()) << path;
  return text.str();
}

std::set<std::string> RulesBroken(const std::string& path, const std::string& text) {
  std::set<std::string> rules;
  for (const Violation& violation : CheckSource(path, text)) rules.insert(violation.rule);
  return rules;
}

TEST(Layering, TheTreeKeepsTheRules) {
  const fs::path root = SPARGE_SOURCE_DIR;
  const std::set<std::string> extensions = {".h", ".cpp", ".cu", ".cuh", ".inc"};
  std::map<std::string, int> files;
  for (const std::string room : {"attention", "pipeline", "app", "ui"}) {
    if (!fs::exists(root / room)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / room)) {
      if (!entry.is_regular_file() || !extensions.count(entry.path().extension().string())) continue;
      ++files[room];
      const std::string path = fs::relative(entry.path(), root).generic_string();
      for (const Violation& violation : CheckSource(path, Read(entry.path()))) {
        ADD_FAILURE() << path << ":" << violation.line << ": never-rule '" << violation.rule << "': " << violation.text;
      }
    }
  }
  // Nothing found because nothing was read is no pass.
  EXPECT_GE(files["attention"], 5);
  EXPECT_GE(files["pipeline"], 20);
  EXPECT_GE(files["app"], 5);
}

// What .gitignore leaves out: folders of builds, outputs, environments and tools.
bool IsOutside(const std::string& name) {
  static const std::set<std::string> kNames = {"out", "build", "venv", "__pycache__"};
  return kNames.count(name) || name.rfind("build-", 0) == 0 || (name[0] == '.' && name != ".ci");
}

TEST(Layering, NothingNamesAMachinesFolders) {
  const fs::path root = SPARGE_SOURCE_DIR;
  const std::set<std::string> extensions = {".h",  ".c",    ".cpp",  ".inc",  ".py",    ".sh",   ".cmake", ".txt",
                                            ".md", ".json", ".yaml", ".supp", ".jsonl", ".toml", ""};
  int files = 0;
  for (auto entry = fs::recursive_directory_iterator(root); entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory()) {
      if (IsOutside(entry->path().filename().string())) entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file() || !extensions.count(entry->path().extension().string())) continue;
    if (entry->file_size() > (1 << 21) || entry->path().filename() == "compile_commands.json") continue;
    ++files;
    for (const Violation& violation : CheckPaths(Read(entry->path()))) {
      ADD_FAILURE() << fs::relative(entry->path(), root) << ":" << violation.line << ": " << violation.text;
    }
  }
  EXPECT_GE(files, 50);
}

TEST(Layering, MachinesFoldersAreFound) {
  for (const std::string bad : {"cd /wo"
                                "rk/main",
                                "\"/ro"
                                "ot/.cache\"",
                                "see ../sh"
                                "ared/design.md",
                                "path=/ho"
                                "me/joe/x"}) {
    EXPECT_EQ(CheckPaths("fine\n" + bad).size(), 1u) << bad;
  }
  for (const std::string good :
       {"~/work/x", "$HOME/root/", "./work/", "docs/work/a", "/usr/lib", "network/root/", "shared/x"}) {
    EXPECT_TRUE(CheckPaths(good).empty()) << good;
  }
}

struct Sample {
  std::string path, text, rule;
};

const Sample kBadSamples[] = {
    {"attention/attend.cpp", "#include \"pipeline/progress.h\"", "rooms"},
    {"attention/attend.h", "  #  include <app/main.h>", "rooms"},
    {"pipeline/vae/vae.cpp", "#include \"ui/panel.h\"", "rooms"},
    {"pipeline/vae/vae.cpp", "#include <imgui.h>", "rooms"},
    {"ui/panels/queue.cpp", "#include \"pipeline/progress.h\"", "rooms"},
    {"ui/panels/queue.cpp", "#include <ATen/ATen.h>", "rooms"},
    {"ui/panels/queue.cpp", "#include <cuda_runtime.h>", "rooms"},
    {"attention/reference/scores.cpp", "#include <torch/torch.h>", "kernels-torch"},
    {"attention/cpu/avx512/map.h", "#include <c10/util/BFloat16.h>", "kernels-torch"},
    {"pipeline/models/ltx_transformer.cpp", "#include \"pipeline/models/flux_block.h\"", "models"},
    {"pipeline/media/av.cpp", "std::cerr << 1;", "output"},
    {"pipeline/media/av.cpp", "  if (bad) exit(1);", "output"},
    {"attention/attend.cpp", "printf(\"%d\", x);", "output"},
    {"attention/attend.cpp", "fprintf(stderr, text);", "output"},
    {"pipeline/layers/block.cpp", "x = at::scaled_dot_product_attention(q, k, v);", "one-door"},
    {"pipeline/encoders/t5.cpp", "x = at::softmax (scores, -1);", "one-door"},
    {"attention/attend.cpp", "int n = lengths.max().item<int>();", "sync"},
    {"attention/attend.cpp", "auto host = map.cpu();", "sync"},
    {"attention/attend.cpp", "cudaStreamSynchronize(stream);", "sync"},
    {"pipeline/runtime.cpp", "static int calls = 0;", "globals"},
    {"pipeline/runtime.cpp", "  static std::map<std::string, int> cache;", "globals"},
    {"app/main.cpp", "thread_local std::string last;", "globals"},
    {"app/main.cpp", "int g_count = 0;", "globals"},
    {"app/job/job.cpp", "if (info.pipeline_class == \"WanPipeline\") return;", "model-names"},
    {"pipeline/samplers/unipc.cpp", "if (is_wan) shift = 3;", "model-names"},
};

const Sample kGoodSamples[] = {
    {"attention/attend.cpp", "#include <ATen/ATen.h>\n#include \"attention/base/error.h\"", ""},
    {"app/main.cpp", "#include \"pipeline/pipeline.h\"\n#include \"ui/panel.h\"", ""},
    {"app/console/signals.cpp", "std::atomic<Job*> g_job{nullptr};", ""},
    {"app/main.cpp", "std::cerr << 1; exit(2);", ""},
    {"attention/example/attend_example.cpp", "std::printf(\"%d\", x);", ""},
    {"pipeline/media/av.cpp", "snprintf(buffer, size, \"%d\", n); on_exit_(); Fail(\"call exit(1) yourself\");", ""},
    {"pipeline/models/wan_transformer.cpp",
     "#include \"pipeline/models/wan_folder.h\"\nconst char* kClass = \"WanPipeline\";", ""},
    {"pipeline/models/wan_transformer.cpp", "#include \"pipeline/models/registry.h\"", ""},
    {"pipeline/runtime.h",
     "static Runtime Make(int threads);\nstatic const int kCount = 3;\nstatic constexpr double kPi = 3.14;", ""},
    {"pipeline/runtime.cpp", "static const std::map<std::string, int> kTable = {{\"a\", 1}};", ""},
    {"pipeline/runtime.cpp", "const int64_t big = 1'000'000; // static int x = 0;", ""},
    {"pipeline/runtime.cpp", "const char* kText = R\"(static int x; \" std::cout)\"; int swan = wanted;", ""},
};

TEST(Layering, BadSamplesAreFound) {
  for (const Sample& sample : kBadSamples) {
    SCOPED_TRACE(sample.path + ": " + sample.text);
    const std::vector<Violation> found = CheckSource(sample.path, "#pragma once\n\n" + sample.text + "\n");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].rule, sample.rule);
    EXPECT_EQ(found[0].line, 3);
  }
}

TEST(Layering, BadSamplesInCommentsAreNothing) {
  for (const Sample& sample : kBadSamples) {
    EXPECT_TRUE(CheckSource(sample.path, "// " + sample.text + "\n/* " + sample.text + " */\n").empty()) << sample.text;
  }
}

TEST(Layering, GoodSamplesPass) {
  for (const Sample& sample : kGoodSamples) {
    EXPECT_EQ(RulesBroken(sample.path, sample.text), std::set<std::string>{}) << sample.text;
  }
}

}  // namespace
}  // namespace layering

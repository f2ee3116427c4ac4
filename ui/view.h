#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ui/compare/view.h"
#include "ui/image.h"
#include "ui/library/view.h"
#include "ui/state.h"

// Everything that the window shows, as plain data. Whoever runs the program fills it in; the panels read it and return
// commands (ui/commands.h).
namespace ui {

struct Clip {
  uint64_t id = 0;  // changes with the clip, and with every preview
  std::string title;
  std::string path;      // "" for a preview
  double fps = 0;        // 0: an image
  bool preview = false;  // of a clip that is still being denoised
  std::string badge;     // over a preview: "preview, step 7 of 25"
  std::vector<Image> frames;
};

enum class Widget { kLine, kParagraph, kPath, kInt, kNumber, kBool, kChoice, kSeed };

// One setting as its widget, tooltip and errors need it.
struct SettingRow {
  std::string key;    // as in YAML
  std::string label;  // for people
  std::string group;  // key of a SettingGroupRow
  Widget widget = Widget::kLine;
  std::string help, unit, range;
  std::vector<std::string> choices;
  std::optional<double> min, max;
  double step = 1;           // of the arrow keys
  std::string value;         // as it would be written in YAML; "" is the default
  std::string default_text;  // what holds then
  std::string default_from;  // "the program", "the model", …
  std::string error;         // what is wrong with `value`; "" if nothing
  std::string fix;           // a value that is right; "" if none is known
  std::string missing;       // why it cannot be used; "" if it can

  const std::string& effective() const { return value.empty() ? default_text : value; }
};

struct SettingGroupRow {
  std::string key, title;
};

struct WordGroup {
  std::string title;
  std::vector<std::string> words;
};

struct ModelRow {
  std::string name, path;
  std::string summary;  // "WanPipeline · 8 layers × 4 heads · 9.1 M parameters"
  std::string error;    // why it cannot be used
  bool demo = false;    // comes with the program
};

// The model that the form has chosen.
struct ModelView {
  int num_layers = 0, num_heads = 0;
  std::vector<WordGroup> vocabulary;
  std::string notes;
  std::vector<std::string> unknown_words;  // of the prompt
};

enum class JobState { kWaiting, kRunning, kPausing, kPaused, kDone, kFailed, kCancelled };

struct JobRow {
  uint64_t id = 0;
  std::string title;   // its prompt
  std::string detail;  // "128 × 128 · 33 frames · seed 42 · sparge"
  JobState state = JobState::kWaiting;
  std::string stage;  // "denoise"
  int64_t step = 0, total = 0;
  std::optional<double> s_per_step, eta_s, sparsity, seconds;
  std::string error, output;
  double fraction() const { return total > 0 ? static_cast<double>(step) / static_cast<double>(total) : 0; }
};

// Blocks and tiles of some attention calls (docs/attention_spec.md, "Counts").
struct SkipCounts {
  int64_t visible_blocks = 0, kept_blocks = 0, pv_tiles = 0, pv_skipped = 0;
  double ms = 0;
  bool known = false;

  void Add(const SkipCounts& other);
  double block_skip() const;  // share of blocks that stage one skipped
  double pv_skip() const;     // share of the P·V tiles that λ skipped
  double total() const;       // share of all work skipped, as the paper counts it
};

// Step × layer × head. Rows exist for every step of the job; cells fill while it samples.
struct SkipGrid {
  int num_steps = 0, num_layers = 0, num_heads = 0;
  std::vector<SkipCounts> heads;  // [num_steps, num_layers, num_heads]
  // Sums over heads, [num_steps, num_layers], over all, and the longest time of a layer: kept by Summarise, empty after
  // a change.
  std::vector<SkipCounts> sums;
  SkipCounts total;
  double most_ms = 0;

  void Resize(int steps, int layers, int heads_a_layer);
  bool empty() const { return heads.empty(); }
  SkipCounts& at(int step, int layer, int head);
  const SkipCounts& at(int step, int layer, int head) const;
  SkipCounts Layer(int step, int layer) const;  // over heads
  SkipCounts Total() const;
  double MostMilliseconds() const;  // of a step's layer
  void Summarise();                 // what Layer, Total and MostMilliseconds then need not add up
};

// What skipping and 8 bits cost, against dense attention on the same inputs: relative L1, the mean of some calls.
struct ErrorSums {
  double total = 0, skipping = 0, eight_bit = 0, dense8 = 0;  // sums over the calls
  int64_t calls = 0;

  void Add(const ErrorSums& other);
  bool known() const { return calls > 0; }
  double Mean(double sum) const { return calls > 0 ? sum / static_cast<double>(calls) : 0; }
};

// Step × layer × head, as SkipGrid; only audited steps are known. Empty: no audit yet.
struct ErrorGrid {
  int num_steps = 0, num_layers = 0, num_heads = 0;
  std::vector<ErrorSums> heads;  // [num_steps, num_layers, num_heads]

  void Resize(int steps, int layers, int heads_a_layer);  // what is known stays
  bool empty() const { return heads.empty(); }
  ErrorSums& at(int step, int layer, int head);
  const ErrorSums& at(int step, int layer, int head) const;
  ErrorSums Layer(int step, int layer) const;  // over heads
  ErrorSums Total() const;
};

// Which blocks of one head's scores were computed in one step and layer: a picture of query blocks (rows) × key blocks
// (columns), in the clip's order of tokens.
struct BlockMapView {
  int step = -1, layer = -1, head = -1;
  std::string pass;                 // "cond", "uncond"
  std::vector<std::string> passes;  // that there are maps of
  int query_blocks = 0, key_blocks = 0, query_block_tokens = 0, key_block_tokens = 0;
  bool causal = false;
  int64_t visible = 0, kept = 0;
  std::shared_ptr<const std::vector<uint8_t>> cells;  // [query_blocks, key_blocks]: one of the values below
  Image image;                                        // of the cells; smaller than they are where they are many
  std::string note;                                   // where there is none: why

  static constexpr uint8_t kSkipped = 0, kKept = 1, kHidden = 2;  // hidden: causal, nothing to see there
};

struct KernelRow {
  std::string name;
  int64_t calls = 0;
};

struct FallbackRow {
  std::string where;  // "step 0 layer 3, self"
  std::string kernel, reason;
  int64_t calls = 0;
};

struct SparsityView {
  std::string title;  // of the job that it is about
  SkipGrid grid;
  ErrorGrid errors;
  std::optional<BlockMapView> map;  // that was asked for last
  std::vector<KernelRow> kernels;
  std::vector<FallbackRow> fallbacks;
  std::string kernels_note;                // why there are none yet
  std::optional<double> share_of_time;     // of the DiT's steps that attention takes
  std::string share_note;                  // of which time it is
  std::optional<double> speedup, ceiling;  // of the steps: so far; if skipped work cost nothing at all
  std::string speedup_note;                // what they are measured against
};

// What the steps and layers of the next clip run as: painted in the window, `schedule` rules in YAML.
enum class CellMode : uint8_t { kBase, kDense, kDense8, kSparge };

struct ScheduleView {
  int num_steps = 0, num_layers = 0;
  std::vector<CellMode> painted;    // [num_steps, num_layers]: kBase where nothing is painted
  std::vector<CellMode> effective;  // the same with what the other settings say; never kBase
  std::string note;                 // why it cannot be painted; "" if it can

  size_t index(int step, int layer) const {
    return static_cast<size_t>(step) * static_cast<size_t>(num_layers) + static_cast<size_t>(layer);
  }
};

enum class Level { kInfo, kWarning, kError };

struct NoticeRow {
  uint64_t id = 0;
  Level level = Level::kInfo;
  std::string text, remedy;
  std::string action;  // label of a button that makes ui::NoticeAction; "" without
  double time_s = 0;   // when it came, on the clock of FrameInput
};

struct Meter {
  std::string label;           // "RAM"
  double used = 0, total = 0;  // total 0: not known
  std::string text;            // "5.1 of 7.8 GiB"
  std::string tooltip;
};

// Settings with which the next clip would fit into memory.
struct MemoryOffer {
  std::string text, tooltip;
  std::vector<std::pair<std::string, std::string>> settings;  // key, value
};

// Why something cannot be done now; "" if it can.
struct Abilities {
  std::string generate, set_live, pause, audit;
};

struct StudioView {
  std::string program;  // "Sparge Studio 0.1.0"
  std::string device;   // "CPU avx512"
  std::vector<SettingGroupRow> groups;
  std::vector<SettingRow> settings;
  std::vector<ModelRow> models;
  ModelView model;
  std::vector<std::string> prompt_history, negative_history;  // newest first
  bool shuffle_seed = false;
  int num_seeds = 1;
  bool live = true;  // settings of attention go to the running job
  std::string memory_estimate, memory_warning;
  std::vector<MemoryOffer> memory_offers;  // where it will not fit

  std::vector<JobRow> jobs;  // in the queue's order
  uint64_t shown_job = 0;    // whose clip and statistics are shown; 0: none
  bool paused = false;       // the queue
  std::optional<Clip> clip;
  std::string clip_note;  // where there is none: why
  SparsityView sparsity;
  ScheduleView schedule;
  std::vector<NoticeRow> notices;
  std::vector<Meter> meters;
  Abilities why_not;
  CompareView compare;
  LibraryView library;
  std::string ab_reference;  // what A of Generate A/B is: "dense", or settings that were kept
  // The workspace that the program wants shown; counts up with every wish.
  uint64_t go_count = 0;
  Workspace go_to = Workspace::kCreate;

  const SettingRow* Find(const std::string& key) const;
  const JobRow* FindJob(uint64_t id) const;
  const JobRow* Running() const;  // also one that is paused
};

}  // namespace ui

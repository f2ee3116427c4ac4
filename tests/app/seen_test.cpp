#include <gtest/gtest.h>

#include "app/draw/heat_grid.h"
#include "app/seen/attention_text.h"
#include "app/seen/attention_view.h"
#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

json Call(int layer, const char* pass, std::vector<int> visible, std::vector<int> kept, std::vector<int> tiles,
          std::vector<int> skipped) {
  return {{"layer", layer},      {"kind", "self"},    {"pass", pass},         {"visible_blocks", visible},
          {"kept_blocks", kept}, {"pv_tiles", tiles}, {"pv_skipped", skipped}};
}

// Two steps, two layers, two heads; step 1 has two passes.
json Record() {
  return {
      {"kernels", {{"avx512_bf16", 5}}},
      {"fallbacks", json::array({{{"step", 1},
                                  {"layer", 0},
                                  {"kind", "self"},
                                  {"kernel", "generic"},
                                  {"reason", "this CPU lacks AVX2"},
                                  {"calls", 2}}})},
      {"redone", json::array({json::object({{"step", 1}, {"reason", "NaN in the latents"}})})},
      {"share_of_time", 0.5},
      {"sparsity", 0.0},
      {"steps", json::array({{{"step", 0},
                              {"sigma", 1.0},
                              {"layers", json::array({Call(0, "cond", {10, 10}, {10, 10}, {20, 20}, {0, 0}),
                                                      Call(1, "cond", {10, 10}, {5, 10}, {10, 20}, {5, 0})})}},
                             {{"step", 1},
                              {"sigma", 0.5},
                              {"layers", json::array({Call(0, "cond", {10, 10}, {4, 10}, {8, 20}, {0, 0}),
                                                      Call(0, "uncond", {10, 10}, {6, 10}, {12, 20}, {0, 0})})}}})}};
}

TEST(AttentionView, AddsPassesAndCountsAsThePaper) {
  const auto view = ViewOfRecord(Record());
  ASSERT_TRUE(view);
  EXPECT_EQ(view->num_layers, 2);
  EXPECT_EQ(view->num_heads, 2);
  ASSERT_EQ(view->steps.size(), 2u);
  // Layer 1 of step 0, head 0: half of the blocks, half of their P·V: 1 − 0.5 · (1 + 0.5) / 2.
  EXPECT_DOUBLE_EQ(view->steps[0].heads[1][0].sparsity(), 0.625);
  EXPECT_DOUBLE_EQ(view->steps[0].heads[1][1].sparsity(), 0);
  // Both passes of step 1: 10 of 20 blocks.
  EXPECT_DOUBLE_EQ(view->steps[1].heads[0][0].visible_blocks, 20);
  EXPECT_DOUBLE_EQ(view->steps[1].heads[0][0].sparsity(), 0.5);
  EXPECT_DOUBLE_EQ(view->steps[1].layers[0].sparsity(), 0.25);
  EXPECT_DOUBLE_EQ(view->steps[1].layers[1].visible_blocks, 0);
  EXPECT_EQ(view->Find(7), nullptr);
}

TEST(AttentionView, RecordsOfAnyFormAreNoTrouble) {
  for (const json& record :
       {json(), json(3), json::object(), json({{"steps", 1}}), json({{"steps", json::array()}}),
        json({{"steps", json::array({1, nullptr, {{"step", -1}, {"layers", json::array()}}})}}),
        json({{"steps", json::array({{{"step", 0}, {"layers", json::array({{{"layer", 1e9}}})}}})}}),
        json({{"steps",
               json::array({{{"step", 0}, {"layers", json::array({Call(0, "cond", {1}, {1, 2}, {1}, {1})})}}})}}),
        json({{"steps",
               json::array({{{"step", 0}, {"layers", json::array({Call(0, "cond", {-1}, {1}, {1}, {1})})}}})}})}) {
    EXPECT_FALSE(ViewOfRecord(record)) << record;
    EXPECT_NO_THROW(AttentionText(record)) << record;
  }
}

TEST(AttentionText, SaysAll) {
  const std::string text = AttentionText(Record());
  for (const char* part :
       {"avx512_bf16 × 5", "fell back to generic: this CPU lacks AVX2 (step 1, layer 0, self, 2 calls)",
        "step 1 was run again: NaN in the latents", "50 % of the time; were it free, all would take 2.00 x less",
        "step 0  σ 1.000", "layer 1"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_NE(text.find(" 25.0 %"), std::string::npos) << text;  // step 1
}

TEST(AuditText, AveragesHeadsPassesAndSteps) {
  const auto call = [](int step, int layer, double total, double skipping) {
    return json{{"step", step},
                {"layer", layer},
                {"total", {total, total}},
                {"skipping", {skipping, skipping}},
                {"eight_bit", {0.01, 0.01}},
                {"dense8", {0.02, 0.02}}};
  };
  const json audit = {{"calls", json::array({call(0, 0, 0.1, 0.0), call(0, 1, 0.3, 0.2), call(2, 1, 0.5, 0.4)})}};
  const std::string text = AuditText(audit);
  EXPECT_NE(text.find("layer 1       0.4000    0.3000    0.0100    0.0200"), std::string::npos) << text;
  EXPECT_NE(text.find("all           0.3000    0.2000    0.0100    0.0200"), std::string::npos) << text;
  const auto view = ViewOfAudit(audit);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->steps, (std::vector<int64_t>{0, 2}));
  EXPECT_GT(DrawAudit(*view, "Audit").height_px, 100);
  EXPECT_EQ(AuditText(json{{"calls", {1, {{"step", 0}}, {{"step", 0}, {"layer", 0}, {"total", {-1}}}}}}), "");
  EXPECT_EQ(AuditText(json()), "");
}

TEST(AttentionPicture, CellsHaveTheScalesColours) {
  const auto view = ViewOfRecord(Record());
  const Canvas picture = DrawAttention(*view, "clip", std::nullopt);
  const auto has = [&](Color color) {
    for (int64_t i = 0; i < picture.height_px * picture.width_px; ++i) {
      const uint8_t* p = picture.rgb.data() + i * 3;
      if (p[0] == color.r && p[1] == color.g && p[2] == color.b) return true;
    }
    return false;
  };
  EXPECT_TRUE(has(HeatColor(0)));
  EXPECT_TRUE(has(HeatColor(0.25)));  // step 1, layer 0
  EXPECT_TRUE(has(HeatColor(0.5)));   // its head 0, and the scale
  EXPECT_THROW(DrawAttention(*view, "clip", 5), base::Error);
}

TEST(AttentionPicture, ColoursGrowLighter) {
  const auto luma = [](Color c) { return 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b; };
  for (int i = 0; i < 50; ++i) EXPECT_LT(luma(HeatColor(i / 50.0)), luma(HeatColor((i + 1) / 50.0))) << i;
}

}  // namespace
}  // namespace app

// Whether jobs fit into memory, and what would.
#include "app/job/memory.h"

#include <gtest/gtest.h>

#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

constexpr int64_t kGB = int64_t{1} << 30;

class MemoryTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    model_ = MakeFakeModel(beside_ + "/fake");
    model_.size_rules.max_width = model_.size_rules.max_height = 4096;
    // About a Wan of 1.3 billion parameters.
    model_.components = {{"transformer", "T", 1'400'000'000, 0, {}, {}, {}},
                         {"text_encoder", "E", 5'700'000'000, 0, {}, {}, {}},
                         {"vae", "V", 127'000'000, 0, {}, {}, {}}};
    model_.num_layers = 30;
    model_.num_heads = 12;
    model_.memory = {4096, 10240, 64, 1536, 8960, 16, {1, 2, 2}, 4, 8, 4, 192, 2500};
    machine_.element_bytes = 2;
    machine_.base_bytes = 200 << 20;
  }
  JobMemory Memory(const Layer& more = {}, bool from_latents = false) {
    Layer flags = {{"prompt", {"a ball", ""}}, {"width", {832, ""}}, {"height", {480, ""}}, {"frames", {81, ""}}};
    for (const auto& [key, value] : more) flags[key] = value;
    settings_ = EffectiveSettings::Resolve({FamilyLayer(model_)}, {flags});
    return MemoryOf([&](std::string_view key) -> const Value& { return settings_.at(key); }, model_, machine_,
                    from_latents);
  }
  pipeline::ModelInfo model_;
  pipeline::Machine machine_;
  EffectiveSettings settings_;
};

TEST_F(MemoryTest, WhatIsNotKnownFits) {
  machine_.host_available = 0;
  const JobMemory memory = Memory();
  EXPECT_TRUE(memory.fits);
  EXPECT_GT(memory.bytes, 15 * kGB);
  EXPECT_EQ(MemoryText(memory), "");
}

TEST_F(MemoryTest, OnlyWhatAStageNeedsThenTilesThenOffers) {
  machine_.host_available = 64 * kGB;
  const JobMemory roomy = Memory();
  EXPECT_TRUE(roomy.fits);
  EXPECT_FALSE(roomy.tiles);
  EXPECT_EQ(roomy.bytes, roomy.estimate.host_bytes());

  // The text encoder alone takes more than 11 GB: what goes to make room for it is not counted.
  machine_.host_available = 13 * kGB;
  const JobMemory lean = Memory();
  EXPECT_TRUE(lean.fits);
  EXPECT_LT(lean.bytes, roomy.bytes);
  EXPECT_LE(lean.bytes, lean.available);

  machine_.host_available = 9 * kGB;
  const JobMemory short_of = Memory();
  EXPECT_FALSE(short_of.fits);
  EXPECT_TRUE(short_of.offers.empty()) << "no clip is small enough for the text encoder";
  EXPECT_NE(MemoryText(short_of).find("(encode prompt), and 9"), std::string::npos) << MemoryText(short_of);

  // From latents, the decoder is what counts.
  const JobMemory decodes = Memory({}, true);
  EXPECT_TRUE(decodes.fits);
  EXPECT_TRUE(decodes.tiles);
  const JobMemory off = Memory({{"vae_tiling", {"off", ""}}}, true);
  EXPECT_FALSE(off.fits);
  ASSERT_FALSE(off.offers.empty());
  EXPECT_EQ(off.offers[0].text, "vae_tiling: on");
  EXPECT_EQ(off.offers[0].settings.at("vae_tiling").value, "on");
  EXPECT_NE(MemoryText(off).find("what would fit: vae_tiling: on, or "), std::string::npos);
}

// What is offered fits, is of the model's sizes, and the next larger does not fit.
TEST_F(MemoryTest, OffersFit) {
  model_.components[1].parameters = 1'000'000;
  model_.memory.text_heads = 4;
  machine_.element_bytes = 4;
  for (const double gb : {8.0, 9.0, 12.0, 20.0}) {
    SCOPED_TRACE(gb);
    machine_.host_available = static_cast<int64_t>(gb * static_cast<double>(kGB));
    const Layer asked = {{"width", {1920, ""}}, {"height", {1088, ""}}, {"frames", {161, ""}}};
    const JobMemory memory = Memory(asked);
    ASSERT_FALSE(memory.fits);
    ASSERT_FALSE(memory.offers.empty());
    bool sized = false;
    for (const MemoryOffer& offer : memory.offers) {
      SCOPED_TRACE(offer.text);
      Layer changed = asked;
      for (const auto& [key, value] : offer.settings) changed[key] = value;
      const pipeline::Machine before = machine_;
      if (offer.settings.count("dtype") > 0) machine_.element_bytes = 2;
      const JobMemory then = Memory(changed);
      EXPECT_TRUE(then.fits);
      EXPECT_LE(offer.bytes, memory.available);
      machine_ = before;
      if (offer.settings.count("frames") > 0) {
        const int64_t frames = offer.settings.at("frames").value.get<int64_t>();
        EXPECT_EQ(frames % 4, 1);
        EXPECT_LT(frames, 161);
        changed["frames"].value = frames + 4;
        EXPECT_FALSE(Memory(changed).fits);
      }
      if (offer.settings.count("width") > 0) {
        const int64_t width = offer.settings.at("width").value.get<int64_t>(),
                      height = offer.settings.at("height").value.get<int64_t>();
        EXPECT_EQ(width % 16 + height % 16, 0);
        EXPECT_NEAR(static_cast<double>(width) / static_cast<double>(height), 1920.0 / 1088, 0.3);
        sized = true;
      }
    }
    EXPECT_TRUE(sized);
  }
}

TEST_F(MemoryTest, OfADevice) {
  machine_.cuda = true;
  machine_.device_available = 6 * kGB;
  machine_.host_available = 64 * kGB;
  const JobMemory memory = Memory();
  EXPECT_TRUE(memory.on_device);
  EXPECT_FALSE(memory.fits);
  EXPECT_NE(MemoryText(memory).find("of the device's memory"), std::string::npos);
}

}  // namespace
}  // namespace app

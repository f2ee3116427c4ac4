#include "app/gui/memory_view.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "app/gui/controller.h"
#include "attention/base/error.h"
#include "tests/app/gui/fake_link.h"
#include "tests/app/temp_folder.h"

namespace app {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

pipeline::Machine MachineWith(int64_t available) {
  pipeline::Machine machine;
  machine.base_bytes = 50 * kMiB;
  machine.host_available = available;
  return machine;
}

MemoryQuestion Question() {
  const ModelCard card = LookAtModelFolder(SPARGE_SOURCE_DIR "/assets/toybox");
  return {card.Defaults(), card.info, true};
}

TEST(MemoryViewTest, SaysWhatItTakesAndWhatThereIs) {
  MemoryView view([](const auto&) { return MachineWith(64000 * kMiB); });
  const MemoryAnswer answer = view(Question());
  EXPECT_NE(answer.estimate.find("GB of memory, 67.2 GB available"), std::string::npos) << answer.estimate;
  EXPECT_EQ(answer.warning, "");
  EXPECT_TRUE(answer.offers.empty());
}

TEST(MemoryViewTest, LooksAtTheDeviceWhereThereIsOne) {
  bool cuda = false;
  MemoryView view(
      [&](const auto&) {
        pipeline::Machine machine = MachineWith(64000 * kMiB);
        machine.cuda = cuda;
        machine.device_available = cuda ? 20000 * kMiB : 0;
        return machine;
      },
      [](const std::string&) {
        return pipeline::DeviceMemory{4 * kMiB, 24000 * kMiB};
      });
  EXPECT_FALSE(view(Question()).device);
  cuda = true;
  const MemoryAnswer answer = view(Question());
  ASSERT_TRUE(answer.device);
  EXPECT_EQ(answer.device->used_bytes, 4 * kMiB);
}

TEST(MemoryViewTest, OffersWhatWouldFit) {
  MemoryView view([](const auto&) { return MachineWith(300 * kMiB); });
  MemoryQuestion question = Question();
  question.settings.Set("width", 512, "a test");
  question.settings.Set("height", 512, "a test");
  question.settings.Set("frames", 161, "a test");
  const MemoryAnswer answer = view(question);
  EXPECT_EQ(answer.warning.find("Will not fit: needs about"), 0u) << answer.warning;
  ASSERT_FALSE(answer.offers.empty());
  for (const ui::MemoryOffer& offer : answer.offers) {
    ASSERT_FALSE(offer.settings.empty()) << offer.text;
    MemoryQuestion smaller = question;
    for (const auto& [key, text] : offer.settings) {
      const bool number = text.find_first_not_of("0123456789") == std::string::npos;
      smaller.settings.Set(key, number ? Value(std::stoll(text)) : Value(text), "a test");
    }
    EXPECT_EQ(view(smaller).warning, "") << offer.text;
  }
}

TEST(MemoryViewTest, LooksAgainOnlyWhereItMay) {
  int looks = 0;
  MemoryView view([&](const auto&) {
    ++looks;
    return MachineWith(64000 * kMiB);
  });
  MemoryQuestion question = Question();
  question.look = false;
  view(question);
  view(question);
  EXPECT_EQ(looks, 1) << "once at least";
  question.look = true;
  view(question);
  EXPECT_EQ(looks, 2);
}

TEST(MemoryViewTest, ADeviceThatIsNotThereHasNoEstimate) {
  MemoryView view(
      [](const auto&) -> pipeline::Machine { base::Fail(base::ErrorCode::kUnsupported, "no CUDA device"); });
  const MemoryAnswer answer = view(Question());
  EXPECT_EQ(answer.estimate + answer.warning, "");
}

class MemoryInTheWindow : public TempFolderTest {};

TEST_F(MemoryInTheWindow, FollowsTheFormAndAnOfferEndsTheWarning) {
  ControllerOptions options;
  options.state_folder = Path("state");
  options.start_link = [] { return LinkTo(std::make_shared<FakeWorker>()); };
  options.look_at_machine = [](const pipeline::RuntimeOptions& how) {
    pipeline::Machine machine = MachineWith(300 * kMiB);
    if (how.dtype == "bfloat16") machine.element_bytes = 2;
    return machine;
  };
  Controller controller(std::move(options));
  controller.Open(SPARGE_SOURCE_DIR "/assets/toybox");
  double now_s = 0;
  const auto until = [&](const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) {
      controller.Tick(now_s += 0.01);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return done();
  };
  const ui::StudioView& view = controller.view();
  // The height comes last: an answer that speaks of it is about all three.
  controller.Handle(ui::SetSetting{"frames", "161"});
  controller.Handle(ui::SetSetting{"width", "512"});
  controller.Handle(ui::SetSetting{"height", "512"});
  ui::MemoryOffer offer;
  ASSERT_TRUE(until([&] {
    for (const ui::MemoryOffer& one : view.memory_offers) {
      if (one.text.find("instead of 512 x 512") != std::string::npos) offer = one;
    }
    return !offer.text.empty();
  })) << view.memory_estimate;
  for (const auto& [key, value] : offer.settings) controller.Handle(ui::SetSetting{key, value});
  EXPECT_TRUE(until([&] { return view.memory_warning.empty(); })) << offer.text << ": " << view.memory_warning;
  EXPECT_TRUE(view.memory_offers.empty());
  EXPECT_FALSE(view.memory_estimate.empty());
}

}  // namespace
}  // namespace app

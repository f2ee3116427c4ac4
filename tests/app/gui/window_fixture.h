#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/gui/window.h"
#include "tests/app/gui/fake_link.h"
#include "tests/app/gui/x_server.h"
#include "tests/app/temp_folder.h"

namespace app {

// A real window on an X server of its own, with the real worker, and a person's input through xdotool.
class WindowTest : public TempFolderTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Another session of the program, with the state that the last one left.
  void Start();

  // Runs the window until `done`; false where that takes longer.
  bool StepUntil(const std::function<bool()>& done, double timeout_s);
  void StepFor(double seconds);

  // A moment, in which the window draws what input did; after every xdotool.
  void Settle();
  // xdotool with these arguments, and a moment for the window to see it.
  void X(const std::string& arguments);
  void MoveTo(double x, double y);
  // The mouse to the middle of the named place.
  void Point(const std::string& place);
  void Click(const std::string& place);
  bool Has(const std::string& place) const { return studio_->places().count(place) != 0; }
  ui::Rect Place(const std::string& place) const;

  // Sets the form to a clip that is small and quick, `steps` long, written to clip_{seed}.mp4.
  void Small(int steps);
  // What the window looks like.
  ui::Image Shot() { return window_->Picture(*controller_, *studio_); }
  const ui::StudioView& view() const { return controller_->view(); }
  bool FirstIs(ui::JobState state) const { return !view().jobs.empty() && view().jobs[0].state == state; }

  XServer x_;
  std::shared_ptr<FakeWorker> fake_;  // in place of the real one
  double settle_s_ = 0.25;            // of Settle; where `wakeful_`, at most
  bool wakeful_ = false;              // looks all the time, so that a wait is over when it can be
  int width_ = 1280, height_ = 800;   // of the window, from the next Start on
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<Window> window_;
  std::unique_ptr<ui::Studio> studio_;
};

}  // namespace app

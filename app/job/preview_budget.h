#pragma once

namespace app {

// Keeps what previews cost below a share of the time that the steps take. What one costs is not known before the first:
// that one is always allowed.
class PreviewBudget {
 public:
  explicit PreviewBudget(double share) : share_(share) {}
  bool Allows(double steps_s) const { return spent_s_ + last_s_ <= share_ * steps_s; }
  void Spend(double seconds) {
    last_s_ = seconds;
    spent_s_ += seconds;
  }

 private:
  double share_, spent_s_ = 0, last_s_ = 0;
};

}  // namespace app

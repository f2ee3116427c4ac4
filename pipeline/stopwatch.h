#pragma once

#include <chrono>

namespace pipeline {

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Adds the life of this object to `total`.
class Timed {
 public:
  explicit Timed(double& total) : total_(total) {}
  ~Timed() { total_ += watch_.Seconds(); }

 private:
  double& total_;
  Stopwatch watch_;
};

}  // namespace pipeline

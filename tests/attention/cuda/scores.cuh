#pragma once

#include "attention/cuda/attend/attend.cuh"
#include "attention/cuda/plan.h"

// The main kernel's Q·K alone, as a kernel that writes out the INT32 scores: what the tests compare bit by bit.
namespace attention::test {
namespace ptx = cuda::ptx;

struct ScoresParams {
  cuda::AttendParams attend;  // stages: 1
  int32_t* scores;  // [rows of the block map · 128, key_blocks · 64]; those of blocks not kept are not written
};

// P·V plays no part: the operands of Q·K lie alike for all of them.
template <int kWidth>
struct Scores : cuda::Attend<cuda::PV::kFloat16, kWidth> {
  using Main = cuda::Attend<cuda::PV::kFloat16, kWidth>;
  using Params = ScoresParams;
  static constexpr int kThreads = Main::kThreads, kMinBlocks = 1, kRowTiles = Main::kRowTiles;

  static SPARGE_DEVICE void Body(const Params& params) {
    Scores block(params.attend);
    block.AllOfRow(params.scores);
  }

 private:
  explicit SPARGE_DEVICE Scores(const cuda::AttendParams& params) : Main(params) {}

  SPARGE_DEVICE void AllOfRow(int32_t* out) {
    const cuda::AttendParams& p = this->p;
    const typename Main::Place place(p);
    const int thread = this->Thread(), width = p.geometry.key_blocks * 64;
    const int64_t first_tile = place.key_head * p.geometry.key_blocks;
    const uint16_t* list = p.list + place.row_of_map * p.geometry.key_blocks;
    const int count = ptx::LoadConstant(p.list_count + place.row_of_map);
    Copy(this->shared, p.query8 + place.row_of_map * (kQueryBlock * kWidth), 128 * kWidth);
    for (int n = 0; n < count; ++n) {
      const int block = ptx::LoadConstant(list + n);
      ptx::SyncThreads();  // all have read the tile before
      Copy(this->Stage(0), p.key8 + (first_tile + block) * Main::kKeyTileBytes, Main::kKeyTileBytes);
      ptx::CpAsyncWait<0>();
      ptx::SyncThreads();
      this->Score(this->Stage(0));
      for (int m = 0; m < kRowTiles; ++m) {
        for (int n8 = 0; n8 < Main::kKeyTiles; ++n8) {
          for (int e = 0; e < 4; ++e) {
            const int row = (thread / 32 * kRowTiles + m) * 16 + thread % 32 / 4 + e / 2 * 8;
            const int column = block * 64 + n8 * 8 + thread % 4 * 2 + e % 2;
            ptx::StoreGlobal(out + (place.row_of_map * kQueryBlock + row) * width + column, this->scores[m][n8][e]);
          }
        }
      }
    }
    ptx::CpAsyncWait<0>();
  }
  SPARGE_DEVICE void Copy(cuda::ptx::SharedAddress to, const uint8_t* from, int bytes) {
    for (int at = this->Thread() * 16; at < bytes; at += kThreads * 16) {
      ptx::CpAsync<16>(to + static_cast<uint32_t>(at), from + at);
    }
    ptx::CpAsyncCommit();
  }
};

// Calls visit(kernel's type as a default-constructed KernelTag) for the step's width.
template <class Visit>
void VisitScores(int width, Visit&& visit) {
  if (width == 64) return visit(static_cast<Scores<64>*>(nullptr));
  if (width == 128) return visit(static_cast<Scores<128>*>(nullptr));
  return visit(static_cast<Scores<256>*>(nullptr));
}

}  // namespace attention::test

#pragma once

#include "attention/cuda/common/layout.cuh"

// From means and similarities to lists of kept key blocks (docs/attention_spec.md, "First stage").
namespace attention::cuda {

// scores[i, j] = scale · mean_q[i] · mean_k'[j], summed in double. A block of threads takes 32 query blocks by 64 key
// blocks.
struct ScoreBlocks {
  using Params = ScoreParams;
  static constexpr int kThreads = 256, kMinBlocks = 2, kRows = 32, kColumns = 64, kDepth = 16;
  static constexpr int kSharedBytes = (kRows + kColumns) * kDepth * 8;

  static SPARGE_DEVICE void Body(const Params& p) {
    const Geometry& geometry = p.geometry;
    const int column_tiles = (geometry.key_blocks + kColumns - 1) / kColumns;
    const int row0 = static_cast<int>(ptx::BlockX()) / column_tiles * kRows;
    const int column0 = static_cast<int>(ptx::BlockX()) % column_tiles * kColumns;
    const int64_t head = ptx::BlockY(), batch = head / geometry.query_heads;
    const int64_t key_head =
        batch * geometry.key_heads + head % geometry.query_heads / (geometry.query_heads / geometry.key_heads);
    const float* q = p.query_means + head * geometry.query_blocks * geometry.width;
    const float* k = p.key_means + key_head * geometry.key_blocks * geometry.width;
    const ptx::SharedAddress q_tile = ptx::SharedMemory(), k_tile = q_tile + kRows * kDepth * 8;
    const int thread = ptx::ThreadIndex(), r = thread / 16, c = thread % 16;  // rows r, r + 16; columns c + 16·n

    double sum[2][4] = {};
    for (int depth = 0; depth < geometry.width; depth += kDepth) {
      ptx::SyncThreads();
#pragma unroll
      for (int n = 0; n < (kRows + kColumns) * kDepth / kThreads; ++n) {
        const int at = n * kThreads + thread, line = at / kDepth, channel = depth + at % kDepth;
        const bool is_q = line < kRows;
        const int block = is_q ? row0 + line : column0 + line - kRows;
        const bool here = block < (is_q ? geometry.query_blocks : geometry.key_blocks);
        const float* from = (is_q ? q : k) + static_cast<int64_t>(block) * geometry.width + channel;
        const double x = here ? static_cast<double>(ptx::LoadGlobal(from)) : 0.0;
        // [channel][line], so that neighbouring threads read neighbouring words.
        const int place = is_q ? at % kDepth * kRows + line : at % kDepth * kColumns + line - kRows;
        ptx::StoreShared((is_q ? q_tile : k_tile) + static_cast<uint32_t>(place) * 8, x);
      }
      ptx::SyncThreads();
#pragma unroll 4
      for (int d = 0; d < kDepth; ++d) {
        double a[2], b[4];
#pragma unroll
        for (int m = 0; m < 2; ++m) a[m] = ptx::LoadShared<double>(q_tile + (d * kRows + r + 16 * m) * 8);
#pragma unroll
        for (int n = 0; n < 4; ++n) b[n] = ptx::LoadShared<double>(k_tile + (d * kColumns + c + 16 * n) * 8);
#pragma unroll
        for (int m = 0; m < 2; ++m) {
#pragma unroll
          for (int n = 0; n < 4; ++n) sum[m][n] += a[m] * b[n];
        }
      }
    }
#pragma unroll
    for (int m = 0; m < 2; ++m) {
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const int i = row0 + r + 16 * m, j = column0 + c + 16 * n;
        if (i >= geometry.query_blocks || j >= geometry.key_blocks) continue;
        ptx::StoreGlobal(p.scores + (head * geometry.query_blocks + i) * geometry.key_blocks + j,
                         static_cast<float>(sum[m][n] * p.scale));
      }
    }
  }
};

// A warp makes one row of the map. Ranks are found without sorting: scores become integers that order as they do, and
// the integer of the last one chosen is found bit by bit.
struct SelectBlocks {
  using Params = SelectParams;
  static constexpr int kThreads = kSelectRows * 32, kMinBlocks = 4;
  // Shared memory: kSelectRows · key_blocks words: the integer of a candidate's score, kNone for what is none.
  static constexpr uint32_t kNone = 0;

  static SPARGE_DEVICE void Body(const Params& p) {
    const Geometry& geometry = p.geometry;
    const int warp = ptx::ThreadIndex() / 32, lane = ptx::ThreadIndex() % 32;
    const int64_t row = ptx::BlockX() * kSelectRows + warp;
    const int64_t head = row / geometry.query_blocks;
    if (head >= static_cast<int64_t>(geometry.batch) * geometry.query_heads) return;
    const int i = static_cast<int>(row % geometry.query_blocks);
    const int batch = static_cast<int>(head / geometry.query_heads);
    const int query_head = static_cast<int>(head % geometry.query_heads);
    const Visibility visibility(geometry, batch);
    const int visible = visibility.KeyBlocks(geometry, i);
    const ptx::SharedAddress keys = ptx::SharedMemory() + static_cast<uint32_t>(warp * geometry.key_blocks) * 4;

    Choice choice;
    const Fixed fixed(p, visibility, batch, query_head, head, i);
    const bool judged = p.selection == Selection::kSpargeAttn && !fixed.whole_row;
    if (judged) choice = ChooseByScore(p, fixed, row, query_head, visible, keys, lane);
    const Window window(p, visibility, i, visible);

    int kept = 0;
    for (int j0 = 0; j0 < geometry.key_blocks; j0 += 32) {
      const int j = j0 + lane;
      const bool here = j < visible;
      bool keep = false;
      if (p.selection == Selection::kAll) {
        keep = here;
      } else if (p.selection == Selection::kGiven) {
        keep = here && ptx::LoadConstant(p.block_map + row * geometry.key_blocks + j) != 0;
      } else {
        keep = here && fixed.Keeps(p, j);
        if (p.selection == Selection::kSlidingWindow) keep = keep || (here && window.Holds(j));
        if (judged) {
          const uint32_t key = here ? ptx::LoadShared<uint32_t>(keys + static_cast<uint32_t>(j) * 4) : kNone;
          const uint32_t ties = ptx::Ballot(key == choice.threshold);
          const int before = ptx::CountBits(ties & ((1u << lane) - 1u));
          keep = keep || key > choice.threshold || (key == choice.threshold && before < choice.ties_left);
          choice.ties_left -= ptx::CountBits(ties);
        }
      }
      const uint32_t mask = ptx::Ballot(keep);
      if (keep) {
        const int place = kept + ptx::CountBits(mask & ((1u << lane) - 1u));
        ptx::StoreGlobal(p.list + row * geometry.key_blocks + place, static_cast<uint16_t>(j));
      }
      if (p.block_map_used != nullptr && j < geometry.key_blocks) {
        ptx::StoreGlobal(p.block_map_used + row * geometry.key_blocks + j, static_cast<uint8_t>(keep ? 1 : 0));
      }
      kept += ptx::CountBits(mask);
    }
    if (lane == 0) {
      ptx::StoreGlobal(p.list_count + row, kept);
      if (p.counts != nullptr) {
        ptx::AtomicAdd(&p.counts[head].visible_blocks, visible);
        ptx::AtomicAdd(&p.counts[head].kept_blocks, kept);
      }
    }
  }

 private:
  // Candidates above `threshold` are chosen, and the first `ties_left` of those at it.
  struct Choice {
    uint32_t threshold = 0;
    int ties_left = 0;
  };

  // Rule 6: what is kept whatever its score.
  struct Fixed {
    bool whole_row;
    float theta;
    const float* key_sims;
    int diagonal;  // key blocks from here on hold the last visible key of a row

    SPARGE_DEVICE Fixed(const Params& p, const Visibility& visibility, int batch, int query_head, int64_t head, int i) {
      const Geometry& geometry = p.geometry;
      whole_row = false;
      theta = 0;
      key_sims = nullptr;
      diagonal = geometry.key_blocks;
      if (p.selection != Selection::kSpargeAttn && p.selection != Selection::kSlidingWindow) return;
      // A block with a non-finite row has similarity −1, and so is below any θ.
      if (p.selection == Selection::kSpargeAttn) theta = LoadHead(p.heads, query_head).theta;
      const int key_head = query_head / (geometry.query_heads / geometry.key_heads);
      key_sims = p.key_sims + (static_cast<int64_t>(batch) * geometry.key_heads + key_head) * geometry.key_blocks;
      const int begin = i * static_cast<int>(kQueryBlock), end = begin + static_cast<int>(kQueryBlock);
      whole_row = ptx::LoadGlobal(p.query_sims + head * geometry.query_blocks + i) < theta ||
                  Touches(p.keep_queries, begin, end);
      if (geometry.causal) {
        const int first = visibility.FirstSeeingRow(geometry), row = begin > first ? begin : first;
        if (row < geometry.query_length) {
          diagonal = (visibility.KeysOfRow(row) - 1) / static_cast<int>(kKeyBlock);
        }
      }
    }
    SPARGE_DEVICE bool IsFixedKey(int j) const { return ptx::LoadGlobal(key_sims + j) < theta; }
    SPARGE_DEVICE bool Keeps(const Params& p, int j) const {
      constexpr int kKeys = static_cast<int>(kKeyBlock);
      return whole_row || (p.sink && j == 0) || j >= diagonal || Touches(p.keep_keys, j * kKeys, (j + 1) * kKeys) ||
             IsFixedKey(j);
    }
    static SPARGE_DEVICE bool Touches(const int (&range)[2], int begin, int end) {
      return range[0] < range[1] && range[0] < end && begin < range[1];
    }
  };

  struct Window {
    int first, last;
    SPARGE_DEVICE Window(const Params& p, const Visibility& visibility, int i, int visible) {
      const Geometry& geometry = p.geometry;
      const int begin = i * static_cast<int>(kQueryBlock), whole = begin + static_cast<int>(kQueryBlock);
      const int end = whole < geometry.query_length ? whole : geometry.query_length;
      const int64_t middle = begin + (end - begin - 1) / 2;
      int64_t key = middle * geometry.key_length / geometry.query_length;
      if (geometry.causal) key = middle + visibility.offset > 0 ? middle + visibility.offset : 0;
      const int64_t center = key / kKeyBlock, from = center - p.window, to = center + p.window;
      first = static_cast<int>(from > 0 ? from : 0);
      last = static_cast<int>(to < visible - 1 ? to : visible - 1);
    }
    SPARGE_DEVICE bool Holds(int j) const { return first <= j && j <= last; }
  };

  // The order of integers is the order of the floats; finite ones are never kNone.
  static SPARGE_DEVICE uint32_t KeyOf(float score) {
    const uint32_t bits = ptx::FloatBits(score + 0.f);  // −0 becomes 0
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  static SPARGE_DEVICE float ScoreOf(uint32_t key) {
    return ptx::FromBits((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
  }

  static SPARGE_DEVICE int WarpSum(int x) {
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) x += ptx::ShuffleXor(x, distance);
    return x;
  }
  static SPARGE_DEVICE double WarpSum(double x) {
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) x += ptx::ShuffleXor(x, distance);
    return x;
  }
  // How many keys are at least `floor`.
  static SPARGE_DEVICE int CountFrom(ptx::SharedAddress keys, int visible, int lane, uint32_t floor) {
    int count = 0;
    for (int j = lane; j < visible; j += 32) {
      count += ptx::LoadShared<uint32_t>(keys + static_cast<uint32_t>(j) * 4) >= floor ? 1 : 0;
    }
    return WarpSum(count);
  }
  static SPARGE_DEVICE double MassFrom(ptx::SharedAddress keys, int visible, int lane, uint32_t floor, float top) {
    double mass = 0;
    for (int j = lane; j < visible; j += 32) {
      const uint32_t key = ptx::LoadShared<uint32_t>(keys + static_cast<uint32_t>(j) * 4);
      if (key >= floor) mass += static_cast<double>(ptx::Exp(ScoreOf(key) - top));
    }
    return WarpSum(mass);
  }

  static SPARGE_DEVICE Choice ChooseByScore(const Params& p, const Fixed& fixed, int64_t row, int query_head,
                                            int visible, ptx::SharedAddress keys, int lane) {
    const HeadParameters head = LoadHead(p.heads, query_head);
    int mine = 0;
    uint32_t top = kNone;
    for (int j = lane; j < visible; j += 32) {
      uint32_t key = kNone;
      if (!fixed.IsFixedKey(j)) {
        key = KeyOf(ptx::LoadGlobal(p.scores + row * p.geometry.key_blocks + j));
        ++mine;
      }
      top = key > top ? key : top;
      ptx::StoreShared(keys + static_cast<uint32_t>(j) * 4, key);
    }
    ptx::SyncWarp();
    const int candidates = WarpSum(mine);
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const uint32_t other = ptx::ShuffleXor(top, distance);
      top = other > top ? other : top;
    }
    Choice all;
    all.threshold = kNone;  // everything is above it; ties are not candidates
    const bool by_count = !IsNaNFloat(head.topk), by_mass = !IsNaNFloat(head.cdf);
    if (candidates == 0 || (!by_count && !by_mass)) return all;
    int chosen = 1;
    if (by_count) {
      const double share = static_cast<double>(head.topk) * static_cast<double>(candidates) - 1e-4;
      int whole = static_cast<int>(share);
      if (static_cast<double>(whole) < share) ++whole;
      chosen = whole > 1 ? whole : 1;
    }
    if (by_mass && chosen < candidates) {
      const int prefix = PrefixOfMass(keys, visible, lane, head.cdf, candidates, top);
      chosen = prefix > chosen ? prefix : chosen;
    }
    if (chosen >= candidates) return all;

    // The largest integer that at least `chosen` keys reach.
    uint32_t threshold = 0;
    for (int bit = 31; bit >= 0; --bit) {
      const uint32_t trial = threshold | (1u << bit);
      if (CountFrom(keys, visible, lane, trial) >= chosen) threshold = trial;
    }
    Choice choice;
    choice.threshold = threshold;
    choice.ties_left = chosen - (threshold == 0xffffffffu ? 0 : CountFrom(keys, visible, lane, threshold + 1));
    return choice;
  }

  // How many of the ranked candidates have a cumulative probability of at most τ.
  static SPARGE_DEVICE int PrefixOfMass(ptx::SharedAddress keys, int visible, int lane, float cdf, int candidates,
                                        uint32_t top_key) {
    if (cdf == 1.f) return candidates;
    const float top = ScoreOf(top_key);
    const double total = MassFrom(keys, visible, lane, kNone + 1, top);
    const double limit = (static_cast<double>(cdf) + 1e-5) * total;
    // The largest integer whose mass from there up is beyond the limit: those above it fit, of those at it some.
    uint32_t threshold = 0;
    for (int bit = 31; bit >= 0; --bit) {
      const uint32_t trial = threshold | (1u << bit);
      if (MassFrom(keys, visible, lane, trial, top) > limit) threshold = trial;
    }
    if (threshold == 0) return candidates;
    const int above = threshold == 0xffffffffu ? 0 : CountFrom(keys, visible, lane, threshold + 1);
    const int from = CountFrom(keys, visible, lane, threshold);
    const double mass = threshold == 0xffffffffu ? 0 : MassFrom(keys, visible, lane, threshold + 1, top);
    const double weight = static_cast<double>(ptx::Exp(ScoreOf(threshold) - top));
    int fitting = weight > 0 ? static_cast<int>((limit - mass) / weight) : from - above;
    fitting = fitting < from - above ? fitting : from - above;
    return above + (fitting > 0 ? fitting : 0);
  }
};

// Ranks a head's query blocks by the length of their lists.
struct OrderRows {
  using Params = OrderParams;
  static constexpr int kThreads = 256, kMinBlocks = 2, kSharedBytes = kThreads * 4;

  static SPARGE_DEVICE void Body(const Params& p) {
    const int n = p.geometry.query_blocks, thread = ptx::ThreadIndex();
    const int64_t first = ptx::BlockX() * n;
    const ptx::SharedAddress shared = ptx::SharedMemory();
    for (int i0 = 0; i0 < n; i0 += kThreads) {
      const int i = i0 + thread, mine = i < n ? ptx::LoadGlobal(p.list_count + first + i) : 0;
      int rank = 0;
      for (int j0 = 0; j0 < n; j0 += kThreads) {
        ptx::SyncThreads();
        ptx::StoreShared(shared + static_cast<uint32_t>(thread) * 4,
                         j0 + thread < n ? ptx::LoadGlobal(p.list_count + first + j0 + thread) : -1);
        ptx::SyncThreads();
        const int end = n - j0 < kThreads ? n - j0 : kThreads;
        for (int t = 0; t < end; ++t) {
          const int other = ptx::LoadShared<int>(shared + static_cast<uint32_t>(t) * 4);
          rank += other > mine || (other == mine && j0 + t < i) ? 1 : 0;
        }
      }
      if (i < n) ptx::StoreGlobal(p.order + first + rank, i);
    }
  }
};

}  // namespace attention::cuda

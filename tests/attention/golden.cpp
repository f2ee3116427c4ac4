#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>

#include "tests/attention/support.h"

namespace attention::test {
namespace {

// A safetensors file of ours: its header has no escapes and no metadata.
class File {
 public:
  explicit File(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    uint64_t header_size = 0;
    if (bytes_.size() < 8) throw std::runtime_error("cannot read " + path);
    std::memcpy(&header_size, bytes_.data(), 8);
    const std::string header = bytes_.substr(8, header_size);
    data_ = 8 + header_size;
    for (size_t at = header.find('"'); at != std::string::npos; at = header.find('"', header.find('}', at))) {
      const size_t end = header.find('"', at + 1), offsets = header.find("\"data_offsets\":[", end) + 16;
      size_t length = 0;
      const uint64_t begin = std::stoull(header.substr(offsets), &length);
      ranges_[header.substr(at + 1, end - at - 1)] = {begin, std::stoull(header.substr(offsets + length + 1))};
    }
  }

  std::vector<std::string> Cases() const {
    std::vector<std::string> names;
    for (const auto& [name, range] : ranges_) {
      const size_t slash = name.find("/numbers");
      if (slash != std::string::npos) names.push_back(name.substr(0, slash));
    }
    return names;
  }

  // Empty where there is none.
  template <class T>
  std::vector<T> Get(const std::string& name) const {
    const auto found = ranges_.find(name);
    if (found == ranges_.end()) return {};
    const auto [begin, end] = found->second;
    std::vector<T> values((end - begin) / sizeof(T));
    std::memcpy(values.data(), bytes_.data() + data_ + begin, end - begin);
    return values;
  }

 private:
  std::string bytes_;
  size_t data_ = 0;
  std::map<std::string, std::pair<uint64_t, uint64_t>> ranges_;
};

Golden Load(const File& file, const std::string& name) {
  const auto floats = [&](const char* key) { return file.Get<float>(name + "/" + key); };
  Golden golden;
  Case& c = golden.spec;
  c.name = name;
  const std::vector<double> numbers = file.Get<double>(name + "/numbers");
  size_t next = 0;
  const auto number = [&] { return numbers.at(next++); };
  const auto integer = [&] { return static_cast<int64_t>(number()); };
  Shape& s = c.shape;
  for (int64_t* field :
       {&s.batch, &s.query_heads, &s.key_heads, &s.query_length, &s.key_length, &s.head_dim, &s.value_dim}) {
    *field = integer();
  }
  c.mode = static_cast<Mode>(integer());
  c.dtype = static_cast<DType>(integer());
  c.recipe.seed = static_cast<uint64_t>(integer());
  c.causal = integer() != 0;
  c.scale = number();
  c.sink = integer() != 0;
  for (int64_t* field : {&c.keep_keys.begin, &c.keep_keys.end, &c.keep_queries.begin, &c.keep_queries.end, &c.window,
                         &c.recipe.q_coherence, &c.recipe.k_coherence, &c.recipe.k_offset}) {
    *field = integer();
  }
  c.recipe.outliers = integer() != 0;
  c.recipe.q_amplitude = number();
  c.recipe.k_amplitude = number();
  golden.row_step = integer();

  const std::vector<float> heads = floats("heads");
  for (size_t h = 0; h + 4 <= heads.size(); h += 4) {
    c.heads.push_back({heads[h], heads[h + 1], heads[h + 2], heads[h + 3]});
  }
  c.key_lengths = file.Get<int64_t>(name + "/key_lengths");
  c.block_map = file.Get<uint8_t>(name + "/block_map");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float not_finite[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity};
  const std::vector<int64_t> special = file.Get<int64_t>(name + "/special");
  for (size_t i = 0; i + 6 <= special.size(); i += 6) {
    const int64_t* x = special.data() + i;
    c.specials.push_back({"qkv"[x[0]], x[1], x[2], x[3], x[4], not_finite[x[5]]});
  }

  golden.map = file.Get<uint8_t>(name + "/map");
  const std::vector<int64_t> counts = file.Get<int64_t>(name + "/counts");
  for (size_t i = 0; i + 4 <= counts.size(); i += 4) {
    golden.counts.push_back({counts[i], counts[i + 1], counts[i + 2], counts[i + 3]});
  }
  golden.o = floats("o");
  golden.lse = floats("lse");
  golden.o8 = floats("o8");
  golden.lse8 = floats("lse8");
  golden.key_mean = floats("km");
  golden.query_means = floats("mean_q");
  golden.key_means = floats("mean_k");
  golden.query_sims = floats("sim_q");
  golden.key_sims = floats("sim_k");
  golden.scores = floats("score");
  golden.query_scales = floats("query_scale");
  golden.key_scales = floats("key_scale");
  golden.query8 = file.Get<int8_t>(name + "/query8");
  golden.key8 = file.Get<int8_t>(name + "/key8");
  return golden;
}

}  // namespace

const std::vector<Golden>& Goldens() {
  static const std::vector<Golden> goldens = [] {
    const File file(std::string(SPARGE_SOURCE_DIR) + "/tests/golden/data/attention.safetensors");
    std::vector<Golden> all;
    for (const std::string& name : file.Cases()) all.push_back(Load(file, name));
    return all;
  }();
  return goldens;
}

std::vector<float> EveryRow(const Golden& golden, const std::vector<float>& o) {
  const Shape& s = golden.spec.shape;
  std::vector<float> rows;
  for (int64_t row = 0; row * s.value_dim < static_cast<int64_t>(o.size()); ++row) {
    if ((row % s.query_length) % golden.row_step != (s.query_length - 1) % golden.row_step) continue;
    rows.insert(rows.end(), o.begin() + row * s.value_dim, o.begin() + (row + 1) * s.value_dim);
  }
  return rows;
}

}  // namespace attention::test

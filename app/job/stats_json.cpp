#include "app/job/stats_json.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "attention/base/error.h"

namespace app {
namespace {

using attention::CallRecord;
using attention::Kind;
using base::ErrorCode;
using nlohmann::json;

constexpr int64_t kMostCalls = 100'000'000;

// Texts of calls repeat: each stands once, calls have its number.
class Texts {
 public:
  size_t Of(const std::string& text) {
    const auto [it, fresh] = numbers_.emplace(text, list_.size());
    if (fresh) list_.push_back(text);
    return it->second;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::map<std::string, size_t> numbers_;
  std::vector<std::string> list_;
};

// Calls in `of`, less those in `less`, one by one.
std::vector<std::string> Rest(const std::map<std::string, int64_t>& of, const std::map<std::string, int64_t>& less) {
  std::vector<std::string> names;
  for (const auto& [name, count] : of) {
    const auto it = less.find(name);
    const int64_t rest = count - (it == less.end() ? 0 : it->second);
    base::Check(rest >= 0 && rest <= kMostCalls, ErrorCode::kInvalidInput, "the record of attention has ", rest,
                " calls by ", name);
    names.insert(names.end(), static_cast<size_t>(rest), name);
  }
  return names;
}

Kind KindOf(int number) {
  base::Check(number >= 0 && number <= static_cast<int>(Kind::kVAE), ErrorCode::kInvalidInput,
              "the record of attention has a call of kind ", number);
  return static_cast<Kind>(number);
}

CallRecord CallOf(const json& call, const std::vector<std::string>& texts) {
  CallRecord record;
  record.step = call.at(0).get<int>();
  record.layer = call.at(1).get<int>();
  record.kind = KindOf(call.at(2).get<int>());
  record.pass = call.at(3).get<int>() == 0 ? attention::Pass::kCond : attention::Pass::kUncond;
  record.mode = texts.at(call.at(4).get<size_t>());
  record.kernel = texts.at(call.at(5).get<size_t>());
  record.reason = texts.at(call.at(6).get<size_t>());
  record.fallback = call.at(7).get<bool>();
  record.seconds = call.at(8).get<double>();
  record.predict_seconds = call.at(9).get<double>();
  record.visible_blocks = call.at(10).get<std::vector<int64_t>>();
  record.kept_blocks = call.at(11).get<std::vector<int64_t>>();
  record.pv_tiles = call.at(12).get<std::vector<int64_t>>();
  record.pv_skipped = call.at(13).get<std::vector<int64_t>>();
  return record;
}

using Places = std::map<std::tuple<int, int, Kind, std::string, std::string>, int64_t>;

Places PlacesOf(const attention::StatsRecorder& stats) {
  Places places;
  for (const attention::Fallback& f : stats.fallbacks())
    places[{f.step, f.layer, f.kind, f.kernel, f.reason}] = f.calls;
  return places;
}

// Adds the calls that are no self or joint attention of the DiT: as many of each kernel, of each mode and of each
// fall-back as are missing. Which mode went with which kernel is not on record, and nobody asks.
void AddOthers(const json& record, attention::StatsRecorder& stats) {
  std::vector<std::string> kernels =
      Rest(record.at("kernels").get<std::map<std::string, int64_t>>(), stats.calls_by_kernel());
  std::vector<std::string> modes =
      Rest(record.at("modes").get<std::map<std::string, int64_t>>(), stats.calls_by_mode());
  base::Check(kernels.size() == modes.size(), ErrorCode::kInvalidInput, "the record of attention has ", kernels.size(),
              " further calls by kernel and ", modes.size(), " by mode");
  Places missing;
  for (const json& f : record.at("fallbacks")) {
    missing[{f.at(0).get<int>(), f.at(1).get<int>(), KindOf(f.at(2).get<int>()), f.at(3).get<std::string>(),
             f.at(4).get<std::string>()}] = f.at(5).get<int64_t>();
  }
  for (const auto& [place, calls] : PlacesOf(stats)) missing[place] -= calls;
  double seconds = record.at("seconds").get<double>() - stats.seconds();
  const auto add = [&](CallRecord call) {
    call.kind = call.kind == Kind::kSelf || call.kind == Kind::kJoint ? Kind::kCross : call.kind;
    call.mode = modes.back();
    modes.pop_back();
    call.seconds = seconds;
    seconds = 0;
    stats.Add(std::move(call));
  };
  for (const auto& [place, calls] : missing) {
    for (int64_t i = 0; i < calls; ++i) {
      CallRecord call;
      std::tie(call.step, call.layer, call.kind, call.kernel, call.reason) = place;
      const auto it = std::find(kernels.begin(), kernels.end(), call.kernel);
      base::Check(it != kernels.end(), ErrorCode::kInvalidInput, "the record of attention has more fall-backs to ",
                  call.kernel, " than calls by it");
      kernels.erase(it);
      call.fallback = true;
      add(std::move(call));
    }
  }
  for (const std::string& kernel : kernels) {
    CallRecord call;
    call.kind = Kind::kCross;
    call.kernel = kernel;
    add(std::move(call));
  }
}

template <class Body>
auto Guarded(const char* what, const Body& body) {
  try {
    return body();
  } catch (const json::exception& error) {
    base::Fail(ErrorCode::kInvalidInput, what, " is damaged: ", error.what());
  } catch (const std::out_of_range&) {
    base::Fail(ErrorCode::kInvalidInput, what, " is damaged: a text is missing");
  }
}

}  // namespace

json StatsJSON(const attention::StatsRecorder& stats) {
  Texts texts;
  json calls = json::array(), fallbacks = json::array(), redone = json::array();
  for (const CallRecord& c : stats.denoising_calls()) {
    calls.push_back({c.step, c.layer, static_cast<int>(c.kind), c.pass == attention::Pass::kCond ? 0 : 1,
                     texts.Of(c.mode), texts.Of(c.kernel), texts.Of(c.reason), c.fallback, c.seconds, c.predict_seconds,
                     c.visible_blocks, c.kept_blocks, c.pv_tiles, c.pv_skipped});
  }
  for (const attention::Fallback& f : stats.fallbacks()) {
    fallbacks.push_back({f.step, f.layer, static_cast<int>(f.kind), f.kernel, f.reason, f.calls});
  }
  double redone_seconds = 0;
  for (const attention::Redo& r : stats.redone()) {
    redone.push_back({r.step, r.reason, r.calls, r.seconds});
    redone_seconds += r.seconds;
  }
  return {{"texts", texts.list()},
          {"calls", calls},
          {"kernels", stats.calls_by_kernel()},
          {"modes", stats.calls_by_mode()},
          {"fallbacks", fallbacks},
          {"redone", redone},
          {"seconds", stats.seconds() - redone_seconds}};
}

attention::StatsRecorder StatsFromJSON(const json& record) {
  return Guarded("the record of attention", [&] {
    attention::StatsRecorder stats;
    const auto texts = record.at("texts").get<std::vector<std::string>>();
    for (const json& call : record.at("calls")) stats.Add(CallOf(call, texts));
    AddOthers(record, stats);
    for (const json& redo : record.at("redone")) {
      const auto calls = redo.at(2).get<int64_t>();
      base::Check(calls >= 0 && calls <= kMostCalls, ErrorCode::kInvalidInput,
                  "the record of attention has a step with ", calls, " dropped calls");
      attention::StatsRecorder dropped;
      CallRecord call;
      call.kind = Kind::kCross;
      call.seconds = redo.at(3).get<double>();
      for (int64_t i = 0; i < calls; ++i, call.seconds = 0) dropped.Add(call);
      stats.AddRedo(redo.at(0).get<int>(), redo.at(1).get<std::string>(), dropped);
    }
    return stats;
  });
}

json SecondsJSON(const pipeline::StageSeconds& s) {
  return {{"load", s.load},
          {"encode_prompt", s.encode_prompt},
          {"denoise", s.denoise},
          {"decode", s.decode},
          {"steps", s.steps}};
}

pipeline::StageSeconds SecondsFromJSON(const json& record) {
  return Guarded("the record of times", [&] {
    pipeline::StageSeconds s;
    s.load = record.at("load").get<double>();
    s.encode_prompt = record.at("encode_prompt").get<double>();
    s.denoise = record.at("denoise").get<double>();
    s.decode = record.at("decode").get<double>();
    s.steps = record.at("steps").get<std::vector<double>>();
    return s;
  });
}

}  // namespace app

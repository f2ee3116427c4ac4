#include "app/worker/protocol.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "app/settings/rules.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr const char* kWhere = "settings";

void CheckKeys(const json& command, const std::vector<std::string>& known, ErrorList& errors) {
  for (const auto& [key, value] : command.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      errors.Add("unknown key " + Quoted(key) + DidYouMean(key, known) + "; there are: " + Join(known, ", "));
    }
  }
}

template <class T>
void Read(const json& command, const char* key, bool (json::*is)() const noexcept, const char* expected, T& value,
          ErrorList& errors) {
  if (!command.contains(key) || command[key].is_null()) return;
  if ((command[key].*is)()) {
    value = command[key].get<T>();
  } else {
    errors.Add(std::string(key) + ": expected " + expected);
  }
}

bool IsTexts(const json& list) {
  return list.is_array() && std::all_of(list.begin(), list.end(), [](const json& item) { return item.is_string(); });
}

void ReadRender(const json& command, RenderCommand& render, ErrorList& errors) {
  CheckKeys(command,
            {"id", "cmd", "settings", "name", "variant", "index", "from_latents", "from_clip", "hash", "outputs",
             "write", "replace", "fresh", "preview", "maps", "prompts_ahead"},
            errors);
  Read(command, "name", &json::is_string, "text", render.name, errors);
  Read(command, "variant", &json::is_string, "text", render.variant, errors);
  Read(command, "index", &json::is_number_integer, "a whole number", render.index, errors);
  Read(command, "from_latents", &json::is_string, "a file", render.from_latents, errors);
  Read(command, "from_clip", &json::is_string, "a file", render.from_clip, errors);
  if (!render.from_clip.empty() && !render.from_latents.empty()) errors.Add("from_clip and from_latents: one of them");
  Read(command, "hash", &json::is_string, "text", render.hash, errors);
  Read(command, "replace", &json::is_boolean, "true or false", render.replace, errors);
  Read(command, "fresh", &json::is_boolean, "true or false", render.fresh, errors);
  Read(command, "maps", &json::is_string, "a folder", render.maps, errors);
  Read(command, "preview", &json::is_boolean, "true or false", render.preview, errors);
  for (const auto& [key, list] : {std::pair("outputs", &render.outputs), std::pair("write", &render.write)}) {
    if (!command.contains(key)) continue;
    if (IsTexts(command[key])) {
      *list = command[key].get<std::vector<std::string>>();
    } else {
      errors.Add(std::string(key) + ": expected a list of paths");
    }
  }
  for (const json& ahead : command.value("prompts_ahead", json::array())) {
    const bool fits = ahead.is_array() && ahead.size() == 2 && ahead[0].is_string() && ahead[1].is_number_integer();
    if (!fits) {
      errors.Add("prompts_ahead: expected a list of [text, max_sequence_length]");
      break;
    }
    render.prompts_ahead.emplace_back(ahead[0].get<std::string>(), ahead[1].get<int64_t>());
  }
  if (!command.contains("settings")) {
    if (render.from_latents.empty() && render.from_clip.empty()) {
      errors.Add("no settings: a render command has {\"settings\": {\"model\": …, …}}");
    }
    return;
  }
  std::vector<std::string> unknown;
  errors.Try([&] { render.settings = LayerFromJSON(command["settings"], kWhere, &unknown); });
  std::vector<std::string> known;
  for (const Setting& setting : Settings()) known.emplace_back(setting.key);
  for (const std::string& key : unknown) errors.Add("settings: unknown key " + Quoted(key) + DidYouMean(key, known));
}

void ReadSet(const json& command, Value& rule, ErrorList& errors) {
  CheckKeys(command, {"id", "cmd", "settings", "layers"}, errors);
  json wanted = json::object();
  if (command.contains("layers")) wanted["layers"] = command["layers"];
  const json settings = command.value("settings", json());
  if (!settings.is_object() || settings.empty()) {
    errors.Add("no settings: a set command has {\"settings\": {\"attention.topk\": …}}");
    return;
  }
  for (const auto& [key, value] : settings.items()) {
    if (key == "attention" && value.is_object()) {
      for (const auto& [name, inner] : value.items()) wanted[name] = inner;
    } else if (key.starts_with("attention.")) {
      wanted[key.substr(10)] = value;
    } else {
      errors.Add("settings: " + Quoted(key) + " cannot change on the way; settings of attention can");
    }
  }
  if (wanted.contains("steps")) errors.Add("settings: steps: what is set holds from the next step on");
  if (!errors.empty()) return;
  errors.Try([&] { rule = ParseRulesJSON(*FindSetting("attention.schedule"), json::array({wanted}))[0]; });
}

}  // namespace

WorkerCommand ParseCommand(const std::string& line, json& id) {
  const json parsed = json::parse(line, nullptr, false);
  base::Check(!parsed.is_discarded(), ErrorCode::kInvalidInput, "not JSON: ", Quoted(line));
  base::Check(parsed.is_object(), ErrorCode::kInvalidInput, "expected {\"id\": …, \"cmd\": …}, not ", Quoted(line));
  WorkerCommand command;
  if (parsed.contains("id")) id = command.id = parsed["id"];
  const bool has_cmd = parsed.contains("cmd") && parsed["cmd"].is_string();
  base::Check(has_cmd, ErrorCode::kInvalidInput,
              "a command has \"cmd\": render, set, audit, pause, resume, cancel or quit");
  command.cmd = parsed["cmd"].get<std::string>();
  const std::vector<std::string> commands = {"render", "set", "audit", "pause", "resume", "cancel", "quit"};
  base::Check(std::find(commands.begin(), commands.end(), command.cmd) != commands.end(), ErrorCode::kInvalidInput,
              "unknown cmd ", Quoted(command.cmd), DidYouMean(command.cmd, commands),
              "; there are: ", Join(commands, ", "));
  const bool has_id = command.id.is_string() || command.id.is_number_integer();
  base::Check(has_id || command.cmd == "quit", ErrorCode::kInvalidInput, command.cmd,
              " needs an \"id\": text or a whole number");
  ErrorList errors;
  if (command.cmd == "render") {
    ReadRender(parsed, command.render, errors);
  } else if (command.cmd == "set") {
    ReadSet(parsed, command.rule, errors);
  } else {
    CheckKeys(parsed, {"id", "cmd"}, errors);
  }
  errors.ThrowIfAny();
  return command;
}

json RenderCommandJSON(const json& id, const json& settings) {
  return {{"id", id}, {"cmd", "render"}, {"settings", settings}};
}

void LineSplitter::Add(const char* data, size_t bytes) {
  for (const char* const end = data + bytes; data < end;) {
    const char* newline = std::find(data, end, '\n');
    const size_t room = max_bytes_ - line_.text.size(), piece = static_cast<size_t>(newline - data);
    line_.text.append(data, std::min(piece, room));
    line_.cut |= piece > room;
    if (newline == end) return;
    lines_.push_back(std::move(line_));
    line_ = {};
    data = newline + 1;
  }
}

std::optional<LineSplitter::Line> LineSplitter::Next() {
  if (taken_ == lines_.size()) {
    lines_.clear();
    taken_ = 0;
    return std::nullopt;
  }
  return std::move(lines_[taken_++]);
}

std::optional<LineSplitter::Line> LineSplitter::Rest() {
  if (line_.text.empty()) return std::nullopt;
  return std::exchange(line_, {});
}

void EventWriter::Write(const json& event) {
  const std::string line = event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  for (size_t done = 0; done < line.size() && !broken_;) {
    const ssize_t bytes = write(fd_, line.data() + done, line.size() - done);
    if (bytes >= 0) {
      done += static_cast<size_t>(bytes);
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
}

bool EventWriter::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

}  // namespace app

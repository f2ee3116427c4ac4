#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace app {

// A job's record, {"hash", "job", …}, out of text from a file of any origin; null where it is none.
nlohmann::json ParseRecord(const std::string& text);

// The record in a sidecar; null where there is no such file or it holds none.
nlohmann::json ReadSidecar(const std::string& path);

}  // namespace app

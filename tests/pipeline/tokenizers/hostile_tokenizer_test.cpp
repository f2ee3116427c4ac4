#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include "attention/base/error.h"
#include "pipeline/tokenizers/tokenizer.h"
#include "tests/pipeline/tokenizers/goldens.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class HostileTokenizer : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("sparge-" + std::string(test->name()) + "-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }

  // Opening (or encoding a text) must fail with this code and a message that holds `part`.
  void ExpectError(base::ErrorCode code, const std::string& part, const std::string& class_name = "T5TokenizerFast") {
    try {
      pipeline::OpenTokenizer(folder_, class_name)->Encode("a Ａ é 😀");
      ADD_FAILURE() << "no error, expected one with '" << part << "'";
    } catch (const base::Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.code(), code) << message;
      EXPECT_NE(message.find(part), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }

  // Opens and encodes; base::Error is fine, anything else is not.
  void MustNotCrash(const std::string& class_name) {
    try {
      const auto tokenizer = pipeline::OpenTokenizer(folder_, class_name);
      const auto ids = tokenizer->EncodePadded("a Ａ é 😀 e\xCC\x81 </s> <extra_id_3> ｶﾞ ①", 16).ids;
      for (int32_t id : ids) ASSERT_TRUE(id >= 0 && id < tokenizer->vocab_size());
    } catch (const base::Error&) {
    }
  }

  static json Good() { return json::parse(text_goldens::ReadFile(Model("backend_bytes") / "tokenizer.json")); }
  static json& Rules(json& j) { return j["normalizer"]["normalizers"][0]["precompiled_charsmap"]; }
  static fs::path Model(const std::string& name) { return text_goldens::Folder() / "models" / name; }

  fs::path folder_;
};

TEST_F(HostileTokenizer, SaysWhatIsMissing) {
  ExpectError(base::ErrorCode::kInvalidInput, "neither tokenizer.json nor spiece.model");
  ExpectError(base::ErrorCode::kInvalidInput, "no tokenizer.json", "TokenizersBackend");
  ExpectError(base::ErrorCode::kUnsupported, "'CLIPTokenizer' is not supported", "CLIPTokenizer");
  fs::create_directory(folder_ / "spiece.model");
  ExpectError(base::ErrorCode::kInvalidInput, "is not a file");
  fs::remove_all(folder_);
  ExpectError(base::ErrorCode::kInvalidInput, "is not a folder");
}

TEST_F(HostileTokenizer, NamesTheKeyThatIsWrong) {
  using Change = std::function<void(json&)>;
  const auto wrong = base::ErrorCode::kInvalidInput;
  const auto unsupported = base::ErrorCode::kUnsupported;
  struct Case {
    Change change;
    base::ErrorCode code;
    std::string part;
  };
  const std::vector<Case> cases = {
      {[](json& j) { j = json::array(); }, wrong, "expected an object"},
      {[](json& j) { j.erase("model"); }, wrong, "no key 'model'"},
      {[](json& j) { j["version"] = "2.0"; }, wrong, "version is \"2.0\""},
      {[](json& j) { j["model"]["type"] = "BPE"; }, unsupported, "'BPE'"},
      {[](json& j) { j["model"]["vocab"] = json::object(); }, wrong, "model.vocab is an object"},
      {[](json& j) { j["model"]["vocab"] = json::array(); }, wrong, "no pieces"},
      {[](json& j) { j["model"]["vocab"][5] = "x"; }, wrong, "model.vocab"},
      {[](json& j) {
         j["model"]["vocab"][5] = {"x", "y"};
       },
       wrong, "model.vocab[5]"},
      {[](json& j) {
         j["model"]["vocab"][5] = {1, 2};
       },
       wrong, "model.vocab[5]"},
      {[](json& j) { j["model"]["unk_id"] = 100000; }, wrong, "unknown token is 100000"},
      {[](json& j) { j["model"]["unk_id"] = -1; }, wrong, "model.unk_id is -1"},
      {[](json& j) { j["model"]["unk_id"] = 1.5; }, wrong, "model.unk_id is 1.5"},
      {[](json& j) { j["model"]["byte_fallback"] = "yes"; }, wrong, "byte_fallback"},
      {[](json& j) { Rules(j) = "????"; }, wrong, "not valid base64"},
      {[](json& j) { Rules(j) = "////fwAA"; }, wrong, "is damaged"},
      {[](json& j) { Rules(j) = "BAAAAP////8="; }, wrong, "is damaged"},
      {[](json& j) {
         j["normalizer"] = {{"type", "BertNormalizer"}};
       },
       unsupported, "'BertNormalizer'"},
      {[](json& j) { j["normalizer"]["normalizers"][2]["pattern"]["Regex"] = "(a|b)*"; }, unsupported, "(a|b)*"},
      {[](json& j) { j["pre_tokenizer"]["type"] = "ByteLevel"; }, unsupported, "'ByteLevel'"},
      {[](json& j) { j["pre_tokenizer"]["replacement"] = "ab"; }, wrong, "expected one character"},
      {[](json& j) { j["pre_tokenizer"]["prepend_scheme"] = "often"; }, wrong, "prepend_scheme"},
      {[](json& j) { j["post_processor"]["type"] = "BertProcessing"; }, unsupported, "'BertProcessing'"},
      {[](json& j) { j["post_processor"]["special_tokens"]["</s>"]["ids"] = {-5}; }, wrong, "is -5"},
      {[](json& j) { j["post_processor"]["special_tokens"] = json::object(); }, wrong, "no key '</s>'"},
      {[](json& j) { j["post_processor"]["single"] = json::array(); }, wrong, "expected a template"},
      {[](json& j) { j["added_tokens"][0]["content"] = 3; }, wrong, "added_tokens[0].content is 3"},
      {[](json& j) { j["added_tokens"][0]["id"] = 1e30; }, wrong, "added_tokens[0].id"},
  };
  Write("tokenizer_config.json", R"({"pad_token": "<pad>", "eos_token": "</s>"})");
  for (const Case& each : cases) {
    json content = Good();
    each.change(content);
    Write("tokenizer.json", content.dump());
    ExpectError(each.code, each.part, "TokenizersBackend");
  }
  for (const auto& [depth, part] : {std::pair(20, "fewer nested"), std::pair(100000, "nested deeper than")}) {
    std::string deep;
    for (int i = 0; i < depth; ++i) deep += R"({"type":"Sequence","normalizers":[)";
    deep += R"({"type":"NFC"})";
    for (int i = 0; i < depth; ++i) deep += "]}";
    json content = Good();
    content["normalizer"] = "HERE";
    std::string text = content.dump();
    Write("tokenizer.json", text.replace(text.find("\"HERE\""), 6, deep));
    ExpectError(wrong, part, "TokenizersBackend");
  }
}

TEST_F(HostileTokenizer, RulesThatMultiplyTheTextAreAnError) {
  json content = Good();
  const json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  content["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  for (int i = 0; i < 64; ++i) content["normalizer"]["normalizers"].push_back(doubling);
  Write("tokenizer.json", content.dump());
  Write("tokenizer_config.json", R"({"pad_token": "<pad>"})");
  ExpectError(base::ErrorCode::kInvalidInput, "normaliser makes a text of more than", "TokenizersBackend");
}

TEST_F(HostileTokenizer, NamesWhatIsWrongInTheSmallFiles) {
  fs::copy(Model("rules_spm") / "spiece.model", folder_);
  const auto wrong = base::ErrorCode::kInvalidInput;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "not valid JSON at byte"},
      {"[]", "expected an object"},
      {R"({"extra_ids": -1})", "extra_ids is -1"},
      {R"({"extra_ids": 1000000000})", "extra_ids"},
      {R"({"eos_token": 3})", "eos_token is 3"},
      {R"({"eos_token": null})", "eos_token is not set"},
      {R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "token ids"},
      {R"({"added_tokens_decoder": {"1": {}}})", "no key 'content'"},
      {R"({"extra_special_tokens": [1]})", "extra_special_tokens[0] is 1"},
      {R"({"truncation_side": "up"})", "'left' or 'right'"},
      {"{\"pad_token\": \"\xFF\"}", "not valid JSON"},
  };
  for (const auto& [text, part] : cases) {
    Write("tokenizer_config.json", text);
    ExpectError(wrong, part);
  }
  Write("tokenizer_config.json", R"({"padding_side": "left"})");
  ExpectError(base::ErrorCode::kUnsupported, "padding_side");
  Write("tokenizer_config.json", "{}");
  Write("added_tokens.json", R"({"a": "b"})");
  ExpectError(wrong, "added_tokens.json");
}

TEST_F(HostileTokenizer, TruncatedFilesAreErrors) {
  const std::string model = text_goldens::ReadFile(Model("rules_spm") / "spiece.model");
  const std::string file = text_goldens::ReadFile(Model("backend_bytes") / "tokenizer.json");
  for (size_t length = 0; length < model.size(); length += 97) {
    Write("spiece.model", model.substr(0, length));
    MustNotCrash("T5Tokenizer");
  }
  Write("spiece.model", "");
  ExpectError(base::ErrorCode::kInvalidInput, "holds no pieces");
  Write("spiece.model", model.substr(0, model.size() / 2));
  ExpectError(base::ErrorCode::kInvalidInput, "truncated");
  for (size_t length = 0; length + 2 < file.size(); length += 1009) {
    Write("tokenizer.json", file.substr(0, length));
    ExpectError(base::ErrorCode::kInvalidInput, "not valid JSON", "TokenizersBackend");
  }
}

TEST_F(HostileTokenizer, ScoresThatAreNoNumbersAreErrors) {
  std::string model = text_goldens::ReadFile(Model("rules_spm") / "spiece.model");
  const size_t at = model.find("\x0A\x01");  // a piece of one byte: its text, then tag 0x15 and the score
  ASSERT_NE(at, std::string::npos);
  ASSERT_EQ(model[at + 3], '\x15');
  model.replace(at + 4, 4, std::string("\x00\x00\xC0\x7F", 4));
  Write("spiece.model", model);
  ExpectError(base::ErrorCode::kInvalidInput, "is nan");
}

TEST_F(HostileTokenizer, DamagedBytesDoNotCrash) {
  std::mt19937 random(11);
  const auto damage = [&](std::string bytes) {
    for (int i = 1 + static_cast<int>(random() % 8); i > 0; --i) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 4 == 0 ? 0xFF : random() % 256);
    }
    return bytes;
  };
  const std::string model = text_goldens::ReadFile(Model("rules_spm") / "spiece.model");
  for (int i = 0; i < 200; ++i) {
    Write("spiece.model", damage(model));
    MustNotCrash("T5Tokenizer");
  }
  Write("tokenizer_config.json", R"({"pad_token": "<pad>", "eos_token": "</s>"})");
  const std::string file = text_goldens::ReadFile(Model("backend_bytes") / "tokenizer.json");
  for (int i = 0; i < 200; ++i) {
    Write("tokenizer.json", damage(file));
    MustNotCrash(i % 2 == 0 ? "TokenizersBackend" : "T5Tokenizer");
  }
}

TEST_F(HostileTokenizer, TextThatIsNotUtf8AndTooShortLimitsAreErrors) {
  const auto tokenizer = pipeline::OpenTokenizer(Model("rules_spm"));
  EXPECT_THROW(tokenizer->Encode("a\xFF"), base::Error);
  EXPECT_THROW(tokenizer->EncodePadded("a", 0), base::Error);
  EXPECT_THROW(tokenizer->EncodePadded("a", -1), base::Error);
  EXPECT_EQ(tokenizer->EncodePadded("a b c", 1).ids, (std::vector<int32_t>{1}));
}

}  // namespace

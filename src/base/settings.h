// Settings: each is declared once, completely, in a table, and everything else follows from the
// table: parsing, checking, defaults, `databus settings` and docs/settings.md. So what is
// documented is what is read.
//
// The table of a config struct T is an array of BoundSetting<T>: what the setting is, and where its
// value goes. ApplySettings reads a file's lines against it and reports every problem at once.
// Thread-safety: tables are constant; the functions keep no state.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace databus {

enum class SettingKind : uint8_t {
  kText,    // any text; `expected` says of which form
  kNumber,  // a decimal integer from `min` to `max`
  kChoice,  // one of `choices`, separated by '|'
};

// When a changed value takes effect: in the running process, or at its next start.
enum class SettingApplies : uint8_t { kLive, kRestart };

// Where a setting stands.
enum class SettingPlace : uint8_t {
  kDatabusCfg,
  kScribeGlobal,          // scribe.conf, outside every <store>
  kScribeStore,           // in <store>
  kScribePrimaryFile,     // in <primary> with type=file
  kScribePrimaryNetwork,  // in <primary> with type=network
  kScribeSecondary,       // in <secondary>
};
std::string_view SettingPlaceName(SettingPlace place);

struct SettingSpec {
  std::string_view name;
  std::string_view sentence = {};       // what it does, for an operator
  std::string_view default_value = {};  // as it would be written; empty: none
  SettingKind kind = SettingKind::kText;
  bool required = false;
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  std::string_view choices = {};
  std::string_view expected = {};  // in messages; made from kind and bounds when empty
  std::string_view unit = {};      // "ms", "bytes"
  std::string_view example = {};
  SettingApplies applies = SettingApplies::kRestart;
  SettingPlace place = SettingPlace::kDatabusCfg;

  // "a whole number from 1 to 10 (ms)", "yes or no"
  std::string Expected() const;
};

struct SettingValue {
  std::string text;
  int64_t number = 0;  // of kNumber
  bool IsYes() const { return text == "yes"; }
};

// kInvalid without a useful message when `text` is not a value of the setting: the caller knows
// where it stands and says so.
Result<SettingValue> ParseSetting(const SettingSpec& spec, std::string_view text);

// What is wrong with one config file, all at once.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  // "FILE:LINE: KEY: found FOUND, expected EXPECTED". Line 0 (it is about the file as a whole) and
  // an empty key are left out.
  void Add(int line, std::string_view key, std::string_view found, std::string_view expected);
  bool empty() const { return problems_.empty(); }
  // kInvalid with one line per problem, in the order of the file's lines; Ok when there is none.
  Status ToStatus() const;

 private:
  struct Problem {
    int line;
    std::string text;
  };
  std::string file_;
  std::vector<Problem> problems_;
};

// What was found, for Problems::Add: in quotes, unprintable bytes as \xNN, long text cut.
std::string Quoted(std::string_view found);

// The name with the smallest edit distance; nothing when none is near enough to be meant.
std::optional<std::string_view> NearestName(std::string_view unknown,
                                            std::span<const std::string_view> names);

// Lines are taken apart here so that every config file counts and trims them alike: CRLF and a byte
// order mark are accepted, surrounding blanks are dropped. Line n is element n - 1.
std::vector<std::string_view> TrimmedLines(std::string_view text);
std::string_view Trimmed(std::string_view text);

struct SettingLine {
  std::string key;
  std::string value;
  int line = 0;
};
// "key=value". Nothing when there is no '=' or no key.
std::optional<SettingLine> ParseSettingLine(std::string_view line, int number);

template <typename Config>
struct BoundSetting {
  SettingSpec spec;
  // Stores the value; false when it is none after all (then `spec.expected` is reported).
  bool (*store)(Config& config, const SettingValue& value);
};

template <typename Config>
std::vector<SettingSpec> SpecsOf(std::span<const BoundSetting<Config>> table) {
  std::vector<SettingSpec> specs;
  for (const auto& setting : table) specs.push_back(setting.spec);
  return specs;
}

// Unknown and repeated keys and missing required ones. `section_line` is where the section starts
// (0: the whole file).
void CheckKeys(std::span<const SettingSpec> specs, std::span<const SettingLine> lines,
               int section_line, Problems& problems);

// Fills `config` from the defaults and then from `lines`.
template <typename Config>
void ApplySettings(std::span<const BoundSetting<Config>> table, std::span<const SettingLine> lines,
                   int section_line, Config& config, Problems& problems) {
  CheckKeys(SpecsOf(table), lines, section_line, problems);
  const auto store = [&](const BoundSetting<Config>& setting, std::string_view text) {
    const auto value = ParseSetting(setting.spec, text);
    return value.ok() && setting.store(config, *value);
  };
  for (const auto& setting : table) {
    if (!setting.spec.default_value.empty()) store(setting, setting.spec.default_value);
    for (const SettingLine& line : lines) {
      if (line.key != setting.spec.name || store(setting, line.value)) continue;
      problems.Add(line.line, line.key, Quoted(line.value), setting.spec.Expected());
    }
  }
}

// A markdown table of the settings, one row each.
std::string RenderSettingsTable(std::span<const SettingSpec> specs);

}  // namespace databus

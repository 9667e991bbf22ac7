#include "base/settings.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

namespace databus {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";
constexpr size_t kQuotedBytesMax = 100;

std::vector<std::string_view> Choices(std::string_view choices) {
  std::vector<std::string_view> split;
  while (true) {
    const size_t bar = choices.find('|');
    split.push_back(choices.substr(0, bar));
    if (bar == std::string_view::npos) return split;
    choices.remove_prefix(bar + 1);
  }
}

std::string BoundsOf(const SettingSpec& spec) {
  if (spec.kind == SettingKind::kChoice)
    return fmt::format("{}", fmt::join(Choices(spec.choices), " or "));
  if (spec.kind == SettingKind::kText) return "some text";
  if (spec.max == std::numeric_limits<int64_t>::max()) {
    return fmt::format("a whole number, at least {}", spec.min);
  }
  return fmt::format("a whole number from {} to {}", spec.min, spec.max);
}

// How many letters must be put in, left out or replaced; `limit` when it is that many or more.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  const auto starts = std::ranges::mismatch(a, b);
  a.remove_prefix(static_cast<size_t>(starts.in1 - a.begin()));
  b.remove_prefix(b.size() - static_cast<size_t>(b.end() - starts.in2));
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    size_t least = row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min(replaced, std::min(row[j], row[j + 1]) + 1);
      least = std::min(least, row[j + 1]);
    }
    if (least >= limit) return limit;  // no later row has less
  }
  return std::min(row.back(), limit);
}

// '|' would end the cell.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string CodeCell(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", Cell(text));
}

}  // namespace

std::string_view SettingPlaceName(SettingPlace place) {
  switch (place) {
    case SettingPlace::kDatabusCfg: return "databus.cfg";
    case SettingPlace::kScribeGlobal: return "scribe.conf";
    case SettingPlace::kScribeStore: return "scribe.conf, <store>";
    case SettingPlace::kScribePrimaryFile: return "scribe.conf, <primary> with type=file";
    case SettingPlace::kScribePrimaryNetwork: return "scribe.conf, <primary> with type=network";
    case SettingPlace::kScribeSecondary: return "scribe.conf, <secondary>";
  }
  __builtin_unreachable();
}

std::string SettingSpec::Expected() const {
  const std::string what = expected.empty() ? BoundsOf(*this) : std::string(expected);
  return unit.empty() ? what : fmt::format("{} ({})", what, unit);
}

Result<SettingValue> ParseSetting(const SettingSpec& spec, std::string_view text) {
  const Status wrong(Code::kInvalid, "not a value of this setting");
  SettingValue value{std::string(text), 0};
  switch (spec.kind) {
    case SettingKind::kText:
      if (text.empty()) return wrong;
      return value;
    case SettingKind::kNumber: {
      const char* const end = text.data() + text.size();
      const auto [stopped_at, error] = std::from_chars(text.data(), end, value.number);
      if (error != std::errc() || stopped_at != end) return wrong;
      if (value.number < spec.min || value.number > spec.max) return wrong;
      return value;
    }
    case SettingKind::kChoice:
      if (std::ranges::count(Choices(spec.choices), text) == 0) return wrong;
      return value;
  }
  __builtin_unreachable();
}

void Problems::Add(int line, std::string_view key, std::string_view found,
                   std::string_view expected) {
  std::string text = file_;
  if (line != 0) text += fmt::format(":{}", line);
  if (!key.empty()) text += fmt::format(": {}", key);
  text += fmt::format(": found {}, expected {}", found, expected);
  problems_.push_back({line, std::move(text)});
}

Status Problems::ToStatus() const {
  if (problems_.empty()) return Status::Ok();
  std::vector<Problem> sorted = problems_;
  std::ranges::stable_sort(sorted, {}, &Problem::line);
  std::string message;
  for (const Problem& problem : sorted) {
    if (!message.empty()) message += '\n';
    message += problem.text;
  }
  return {Code::kInvalid, std::move(message)};
}

std::string Quoted(std::string_view found) {
  std::string quoted = "'";
  for (const char c : found.substr(0, kQuotedBytesMax)) {
    if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return quoted + (found.size() > kQuotedBytesMax ? "...'" : "'");
}

std::optional<std::string_view> NearestName(std::string_view unknown,
                                            std::span<const std::string_view> names) {
  // A third of the letters wrong is a slip; more is another word.
  size_t best = std::max<size_t>(2, unknown.size() / 3) + 1;
  std::optional<std::string_view> nearest;
  for (const std::string_view name : names) {
    // So many letters differ at least: nothing is compared with a "word" of a megabyte.
    if (std::max(unknown.size(), name.size()) - std::min(unknown.size(), name.size()) >= best) {
      continue;
    }
    const size_t distance = EditDistance(unknown, name, best);
    if (distance >= best) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> TrimmedLines(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(Trimmed(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::optional<SettingLine> ParseSettingLine(std::string_view line, int number) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view key = Trimmed(line.substr(0, equals));
  if (key.empty()) return std::nullopt;
  return SettingLine{std::string(key), std::string(Trimmed(line.substr(equals + 1))), number};
}

void CheckKeys(std::span<const SettingSpec> specs, std::span<const SettingLine> lines,
               int section_line, Problems& problems) {
  std::vector<std::string_view> names;
  for (const SettingSpec& spec : specs) names.push_back(spec.name);
  std::unordered_map<std::string_view, int> first_lines;
  for (const SettingLine& line : lines) {
    const auto [first, is_first] = first_lines.emplace(line.key, line.line);
    if (std::ranges::count(names, line.key) == 0) {
      const auto nearest = NearestName(line.key, names);
      problems.Add(line.line, Quoted(line.key), "an unknown key",
                   nearest ? *nearest : "a key that `databus settings` lists");
    } else if (!is_first) {
      problems.Add(line.line, line.key,
                   fmt::format("a second value (the first is in line {})", first->second), "one");
    }
  }
  for (const SettingSpec& spec : specs) {
    if (spec.required && !first_lines.contains(spec.name)) {
      problems.Add(section_line, spec.name, "nothing", spec.Expected());
    }
  }
}

std::string RenderSettingsTable(std::span<const SettingSpec> specs) {
  std::string page =
      "| Setting | Meaning | Value | Default | Example | Takes effect |\n"
      "|---|---|---|---|---|---|\n";
  for (const SettingSpec& spec : specs) {
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", spec.name, Cell(spec.sentence),
                        Cell(spec.Expected()),
                        spec.required ? "must be given" : CodeCell(spec.default_value),
                        CodeCell(spec.example),
                        spec.applies == SettingApplies::kLive ? "at once" : "at the next start");
  }
  return page;
}

}  // namespace databus

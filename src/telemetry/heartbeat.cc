#include "telemetry/heartbeat.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "telemetry/iso_time.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 11> kOwnFields = {
    "version", "process",     "kind",  "host",       "pid",     "cluster",
    "written", "interval_ms", "state", "waiting_on", "problems"};

bool IsOwn(std::string_view key) {
  return std::find(kOwnFields.begin(), kOwnFields.end(), key) != kOwnFields.end();
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<std::string> Texts(const Json& object, const char* key) {
  std::vector<std::string> texts;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return texts;
  for (const Json& entry : *found) {
    if (entry.is_string()) texts.push_back(entry.get<std::string>());
  }
  return texts;
}

// What is deeper or larger would cost a reader its memory, and is no heartbeat. A worker of 10,000
// streams with three hops each has some 180,000 values in 6 MB.
constexpr size_t kDepthMax = 16;
constexpr size_t kValuesMax = 250'000;

// json[key] without the search for a key that is there already.
Json& Append(Json& object, std::string key) {
  return object.get_ref<Json::object_t&>().emplace_back(std::move(key), nullptr).second;
}

// Builds a value while it is parsed. Objects keep their order and hence have no index; a parser
// that looks for each new key among all others would take hours over a hostile file. Of a key that
// is there twice the first counts.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(Json& root, size_t values_max) : root_(root), values_max_(values_max) {}

  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(int64_t value) override { return Put(value); }
  bool number_unsigned(uint64_t value) override { return Put(value); }
  bool number_float(double value, const std::string& /*text*/) override { return Put(value); }
  bool string(std::string& value) override { return Put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) override { return false; }
  bool start_object(size_t /*size*/) override { return Open(Json::object()); }
  bool start_array(size_t /*size*/) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(std::string& key) override {
    key_ = std::move(key);
    return true;
  }
  bool parse_error(size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    return false;
  }

 private:
  Json* Place(Json value) {
    if (++values_ > values_max_) return nullptr;
    Json* place = &root_;
    if (!open_.empty() && open_.back()->is_array()) {
      place = &open_.back()->emplace_back();
    } else if (!open_.empty()) {
      place = &Append(*open_.back(), std::move(key_));
    }
    *place = std::move(value);
    return place;
  }
  bool Put(Json value) { return Place(std::move(value)) != nullptr; }
  bool Open(Json empty) {
    if (open_.size() == kDepthMax) return false;
    Json* const opened = Place(std::move(empty));
    open_.push_back(opened);
    return opened != nullptr;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  Json& root_;
  const size_t values_max_;
  std::vector<Json*> open_;  // what the next value goes into is the last
  std::string key_;
  size_t values_ = 0;
};

// null: not JSON, or too large.
Json ParseBounded(std::string_view text) {
  if (text.size() > kHeartbeatBytesMax) return Json();
  Json json;
  Builder builder(json, kValuesMax);
  return Json::sax_parse(text, &builder) ? std::move(json) : Json();
}

int64_t Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

WallTime Time(const Json& object, const char* key) {
  return ParseIsoMs(Text(object, key)).value_or(WallTime{});
}

// Writes what json.dump(1, ' ', false, replace) writes, several times as fast: each process does so
// every few seconds, and of thousands of streams.
class Writer {
 public:
  void Open(char bracket) {
    text_ += bracket;
    ++depth_;
  }
  void Close(char bracket) {
    --depth_;
    if (text_.back() != '{' && text_.back() != '[') NewLine();
    text_ += bracket;
  }
  // Before each value of an array.
  void Next() {
    if (text_.back() != '[' && text_.back() != '{') text_ += ',';
    NewLine();
  }
  void Key(std::string_view key) {
    Next();
    String(key);
    text_ += ": ";
  }
  void Value(const Json& value) {
    if (value.is_object()) {
      Open('{');
      for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
        Key(key);
        Value(member);
      }
      Close('}');
    } else if (value.is_array()) {
      Open('[');
      for (const Json& element : value) {
        Next();
        Value(element);
      }
      Close(']');
    } else if (value.is_string()) {
      String(value.get_ref<const std::string&>());
    } else if (value.is_number_unsigned()) {
      text_ += fmt::format_int(value.get<uint64_t>()).str();
    } else if (value.is_number_integer()) {
      Number(value.get<int64_t>());
    } else {
      text_ += value.dump();
    }
  }
  void String(std::string_view value) {
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return c >= ' ' && c <= '~' && c != '"' && c != '\\';
    });
    if (plain) {
      text_.append(1, '"').append(value).append(1, '"');
    } else {
      text_ += Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
    }
  }
  void Number(int64_t value) { text_ += fmt::format_int(value).str(); }
  std::string Take() { return std::move(text_) + "\n"; }

 private:
  void NewLine() { text_.append(1, '\n').append(depth_, ' '); }

  std::string text_;
  size_t depth_ = 0;
};

void WriteOwnFields(const Heartbeat& heartbeat, Writer& writer) {
  const auto text = [&](std::string_view key, std::string_view value) {
    writer.Key(key);
    writer.String(value);
  };
  const auto number = [&](std::string_view key, int64_t value) {
    writer.Key(key);
    writer.Number(value);
  };
  number("version", kHeartbeatVersion);
  text("process", heartbeat.process);
  text("kind", heartbeat.kind);
  text("host", heartbeat.host);
  number("pid", heartbeat.pid);
  text("cluster", heartbeat.cluster);
  text("written", ToIsoMs(heartbeat.written));
  number("interval_ms", heartbeat.interval.count());
  text("state", heartbeat.state);
  text("waiting_on", heartbeat.waiting_on);
  writer.Key("problems");
  writer.Open('[');
  for (const Problem& problem : heartbeat.problems) {
    writer.Next();
    writer.Open('{');
    text("what", problem.what);
    text("since", ToIsoMs(problem.since));
    text("next", problem.next);
    if (!problem.streams.empty()) {
      writer.Key("streams");
      writer.Open('[');
      for (const std::string& stream : problem.streams) {
        writer.Next();
        writer.String(stream);
      }
      writer.Close(']');
    }
    writer.Close('}');
  }
  writer.Close(']');
}

}  // namespace

Json HeartbeatToJson(const Heartbeat& heartbeat) {
  Json json;
  Builder builder(json, std::numeric_limits<size_t>::max());
  Json::sax_parse(EncodeHeartbeat(heartbeat), &builder);
  return json;
}

std::string EncodeHeartbeat(const Heartbeat& heartbeat) {
  Writer writer;
  writer.Open('{');
  WriteOwnFields(heartbeat, writer);
  for (const auto& [key, value] : heartbeat.facts.get_ref<const Json::object_t&>()) {
    if (IsOwn(key)) continue;
    writer.Key(key);
    writer.Value(value);
  }
  writer.Close('}');
  return writer.Take();
}

Result<Heartbeat> DecodeHeartbeat(std::string_view text, std::string_view where) {
  const Json json = ParseBounded(text);
  if (!json.is_object() || Number(json, "version") < 1) {
    return Status(Code::kCorrupt, fmt::format("{}: not a heartbeat", where));
  }
  if (Number(json, "version") > kHeartbeatVersion) {
    return Status(Code::kInvalid,
                  fmt::format("{}: heartbeat of version {}; this program reads up to version {}",
                              where, Number(json, "version"), kHeartbeatVersion));
  }
  Heartbeat heartbeat;
  heartbeat.process = Text(json, "process");
  heartbeat.kind = Text(json, "kind");
  heartbeat.host = Text(json, "host");
  heartbeat.pid = Number(json, "pid");
  heartbeat.cluster = Text(json, "cluster");
  heartbeat.written = Time(json, "written");
  heartbeat.interval = Milliseconds(Number(json, "interval_ms"));
  heartbeat.state = Text(json, "state");
  heartbeat.waiting_on = Text(json, "waiting_on");
  if (const auto problems = json.find("problems"); problems != json.end()) {
    for (const Json& entry : *problems) {
      heartbeat.problems.push_back({Text(entry, "what"), Time(entry, "since"), Text(entry, "next"),
                                    Texts(entry, "streams")});
    }
  }
  for (const auto& [key, value] : json.items()) {
    if (!IsOwn(key)) Append(heartbeat.facts, key) = value;
  }
  return heartbeat;
}

}  // namespace databus

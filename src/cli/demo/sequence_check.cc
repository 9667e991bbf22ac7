#include "cli/demo/sequence_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "audit/gzip.h"
#include "cli/stream_view.h"

namespace databus {
namespace {

// Counts the messages of one stream on one hop.
class Tally {
 public:
  Tally(const Recognise& recognise, const std::vector<SourceCount>& sources, SequenceResult& result)
      : recognise_(recognise), sources_(sources), result_(result) {
    for (const SourceCount& source : sources_) {
      if (source.source.stream == result_.stream) copies_[source.source].resize(source.sent);
    }
  }

  void Add(std::string_view line, const std::string& path) {
    const auto message = recognise_(line);
    const auto of_source = message ? copies_.find(message->source) : copies_.end();
    if (of_source == copies_.end() || message->number > of_source->second.size()) {
      ++result_.strange;
      Note(fmt::format("strange: \"{}\" in {}", line.substr(0, 60), path));
      return;
    }
    uint8_t& copies = of_source->second[message->number - 1];
    if (copies == 0) {
      ++result_.seen;
    } else {
      ++result_.doubled;
      Note(fmt::format("doubled: \"{}\" in {}", line.substr(0, 60), path));
    }
    copies = 1;
  }

  void Finish() {
    for (const SourceCount& source : sources_) {
      if (source.source.stream != result_.stream) continue;
      const std::vector<uint8_t>& copies = copies_[source.source];
      const auto missing = static_cast<uint64_t>(std::ranges::count(copies, 0));
      result_.acknowledged += source.acknowledged;
      result_.unconfirmed += source.unconfirmed();
      result_.lost += missing - std::min(missing, source.unconfirmed());
      if (missing <= source.unconfirmed()) continue;
      Note(fmt::format("lost: {} of {} to {}, the first is number {}", missing,
                       source.source.stream, source.source.collector,
                       std::ranges::find(copies, 0) - copies.begin() + 1));
    }
  }

 private:
  void Note(std::string text) {
    if (result_.example.empty()) result_.example = std::move(text);
  }

  const Recognise& recognise_;
  const std::vector<SourceCount>& sources_;
  SequenceResult& result_;
  std::map<DemoSource, std::vector<uint8_t>> copies_;
};

Status ReadFile(Storage& storage, const std::string& path, const OnMessage& on_message) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, storage.Open(path));
  GzipReader gzip(*file);
  std::string held;  // what came after the last newline
  for (;;) {
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, gzip.Next());
    if (bytes.empty()) break;
    held += bytes;
    size_t at = 0;
    for (size_t end = 0; (end = held.find('\n', at)) != std::string::npos; at = end + 1) {
      on_message(std::string_view(held).substr(at, end - at), path);
    }
    held.erase(0, at);
  }
  if (!held.empty()) on_message(held, path);
  return Status::Ok();
}

}  // namespace

Status ReadMessages(const HopView& where, const MinuteRange& range, const Topology& topology,
                    Seams& seams, const OnMessage& on_message, const FileFilter& filter) {
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<Storage> storage,
                           OpenCluster(seams, topology, where.cluster));
  const StreamView view{std::move(storage), where.view(), where.stream, range};
  return view.Walk([&](Minute minute, const std::vector<DirEntry>& files) {
    for (const DirEntry& file : files) {
      if (filter && !filter(file)) continue;
      const std::string path = view.PathOf(minute, file.name);
      DATABUS_RETURN_IF_ERROR(ReadFile(*view.storage, path, on_message).WithContext(path));
    }
    return Status::Ok();
  });
}

Result<std::vector<SequenceResult>> CheckSequences(const Topology& topology, const DemoInput& input,
                                                   const std::vector<SourceCount>& sources,
                                                   Seams& seams) {
  return CheckSequences(
      topology, [&input](std::string_view line) { return input.Recognise(line); }, sources, {},
      seams);
}

Result<std::vector<SequenceResult>> CheckSequences(const Topology& topology,
                                                   const Recognise& recognise,
                                                   const std::vector<SourceCount>& sources,
                                                   const MinuteRange& range, Seams& seams) {
  std::vector<SequenceResult> results;
  const std::vector<HopView> views = HopViews(topology);
  for (const StreamSpec& stream : topology.streams) {
    for (const Hop hop : kAllHops) {
      SequenceResult result{.stream = stream.name, .hop = hop};
      Tally tally(recognise, sources, result);
      const auto add = [&](std::string_view line, const std::string& path) {
        tally.Add(line, path);
      };
      for (const HopView& view : views) {
        if (view.stream != stream.name || view.hop != hop) continue;
        result.clusters.push_back(view.cluster);
        DATABUS_RETURN_IF_ERROR(ReadMessages(view, range, topology, seams, add));
      }
      tally.Finish();
      results.push_back(std::move(result));
    }
  }
  return results;
}

}  // namespace databus

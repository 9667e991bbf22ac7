// `databus spool cat`: the messages of a piece that was set aside, or of a segment.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/spool/commands.h"
#include "cli/spool/fate_names.h"
#include "cli/table.h"
#include "collector/seal/base64.h"
#include "collector/spool/files.h"
#include "collector/spool/inventory.h"
#include "collector/spool/journal.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;
using State = PieceRecord::State;

struct Options {
  std::vector<std::string> files;
  std::string stream;
  std::string spool;
  bool suspect = false;
  bool base64 = false;
  bool json = false;
};

// A file that can be read, and what is known about it.
struct Source {
  std::string path;
  std::unique_ptr<DiskFile> file{};
  PiecePlace place{};
  uint64_t incarnation = 0;
  bool set_aside = false;  // in damaged/
  SegmentFates fates{nullptr, 0};
  PieceSummary summary{};
  std::array<uint64_t, kRecordFates> records{};  // whole ones, by fate
};

// Whose file it is: the directory it lies in, or the one above when that is damaged/.
std::string SpoolOf(const std::string& path, const Options& options) {
  if (!options.spool.empty()) return AbsolutePath(options.spool);
  const std::filesystem::path dir = std::filesystem::path(path).parent_path();
  return (dir.filename() == kDamagedDir ? dir.parent_path() : dir).string();
}

Result<Source> OpenSource(const std::string& typed, const Options& options, Disk& disk) {
  Source source{.path = AbsolutePath(typed)};
  const std::string name = std::filesystem::path(source.path).filename().string();
  const auto place = PlaceFromName(name);
  if (!place) {
    return Status(Code::kInvalid, name +
                                      ": expected segment-N, or segment-N-OFFSET as in damaged/: "
                                      "the name says where the bytes lay");
  }
  source.place = *place;
  source.set_aside = name.starts_with("segment-") && name.find('-', 8) != std::string::npos;
  DATABUS_ASSIGN_OR_RETURN(source.file, disk.Open(source.path));
  const std::string spool = SpoolOf(source.path, options);
  const Result<uint64_t> incarnation = FindIncarnation(disk, spool);
  if (!incarnation.ok()) {
    return incarnation.status().WithContext(
        "whose it is cannot be told (--spool DIR says where "
        "its spool is)");
  }
  source.incarnation = *incarnation;
  const Result<SpoolState> state = Journal::Read(disk, spool, source.incarnation);
  // Once more: one that a collector has removed meanwhile is in its journal no longer.
  DATABUS_ASSIGN_OR_RETURN(source.file, disk.Open(source.path));
  if (state.ok()) source.fates = SegmentFates(&*state, place->segment);
  const Status walked =
      WalkPiece(*source.file, source.place, source.incarnation, [&](const PieceRecord& record) {
        source.summary.Add(record);
        if (record.state != State::kWhole) return;
        ++source.records[static_cast<size_t>(source.fates.At(record.bytes.begin))];
      });
  if (!walked.ok()) return walked;
  source.summary.bytes = source.file->Size().ok() ? *source.file->Size() : 0;
  return source;
}

// "clicks 3, views 1"
std::string CountsText(const PieceSummary& summary, uint64_t PieceCount::* which) {
  std::vector<std::string> counts;
  for (const auto& [stream, count] : summary.streams) {
    if (count.*which == 0) continue;
    counts.push_back(fmt::format("{} {}", Printable(stream), Grouped(count.*which)));
  }
  return counts.empty() ? "no message" : fmt::format("{}", fmt::join(counts, ", "));
}

class Printing {
 public:
  Printing(const Options& options, Io& io) : options_(options), io_(io) {}

  Exit Run(std::vector<Source> sources) {
    for (const Source& source : sources) Describe(source);
    if (!options_.json && !OneStream(sources)) return Exit::kUsage;
    for (const State state : {State::kWhole, State::kSuspect}) {
      if (state == State::kSuspect && !options_.suspect) continue;
      for (const Source& source : sources) {
        const Status walked = WalkPiece(*source.file, source.place, source.incarnation,
                                        [&](const PieceRecord& record) {
                                          if (record.state == state && io_.out)
                                            Print(source, record);
                                        });
        if (!walked.ok()) failed_ = Report(io_, walked.WithContext(source.path));
      }
    }
    if (unprintable_ > 0) {
      io_.err << fmt::format(
          "databus: {} with a newline inside: NOT printed, as lines cannot carry them; --base64, "
          "here and with produce, does\n",
          Plural(unprintable_, "message"));
      failed_ = Exit::kFailed;
    }
    if (failed_ != Exit::kDone) return failed_;
    return printed_ == 0 ? Exit::kNothingToDo : Exit::kDone;
  }

 private:
  void Tell(const Source& source, const std::string& what) {
    io_.err << "databus: " << source.path << ": " << what << "\n";
  }

  void Describe(const Source& source) {
    const PieceSummary& summary = source.summary;
    Tell(source, fmt::format("{} whole: {}", Plural(summary.whole_records, "record"),
                             CountsText(summary, &PieceCount::whole)));
    if (summary.suspect_records > 0) {
      Tell(source,
           fmt::format("{} damaged, {} bytes, in which any byte may be wrong: {}{}{}",
                       Plural(summary.suspect_records, "record"), Grouped(summary.suspect_bytes),
                       CountsText(summary, &PieceCount::suspect),
                       summary.unrecognised == 0 ? ""
                                                 : fmt::format("; {} more cannot be recognised",
                                                               Grouped(summary.unrecognised)),
                       options_.suspect ? "" : "; --suspect prints them"));
    }
    if (source.set_aside) {
      DescribePiece(source);
    } else {
      DescribeSegment(source);
    }
  }

  void DescribePiece(const Source& source) {
    const Interval bytes{source.place.begin, source.place.begin + source.summary.bytes};
    Tell(source,
         source.fates.MayHaveBeenCut(bytes)
             ? "streams of it that were not held back may have been delivered before it was "
               "damaged: check the views before you publish it"
             : "nothing of it was sealed, says the journal; but it may never have been "
               "acknowledged, and have come again: check the views before you publish it");
  }

  void DescribeSegment(const Source& source) {
    std::vector<std::string> fates;
    for (const FateName& name : kFateNames) {
      const uint64_t records = source.records[static_cast<size_t>(name.fate)];
      if (records > 0) fates.push_back(fmt::format("{} {}", Grouped(records), name.of_one));
    }
    if (fates.empty()) return;
    Tell(
        source,
        fmt::format("whole records by what the journal says: {}. What is void counts as not there, "
                    "and may be elsewhere; what is not known the collector does not read; the "
                    "rest it delivers itself",
                    fmt::join(fates, ", ")));
  }

  // Lines do not say which stream they are of.
  bool OneStream(const std::vector<Source>& sources) {
    if (!options_.stream.empty()) return true;
    std::set<std::string> streams;
    for (const Source& source : sources) {
      for (const auto& [stream, count] : source.summary.streams) {
        if (count.whole > 0 || options_.suspect) streams.insert(Printable(stream));
      }
    }
    if (streams.size() <= 1) return true;
    io_.err << fmt::format(
        "databus: there are messages of {}: choose one with --stream, or print all with --json\n",
        fmt::join(streams, ", "));
    return false;
  }

  void Print(const Source& source, const PieceRecord& record) {
    for (const PieceMessage& message : record.messages) {
      if (!options_.stream.empty() && message.stream != options_.stream) continue;
      if (options_.json) {
        PrintJson(source, record, message);
      } else if (options_.base64) {
        line_.clear();
        AppendBase64(message.message, line_);
        io_.out << line_ << "\n";
      } else if (message.message.find('\n') != std::string_view::npos) {
        ++unprintable_;
        continue;
      } else {
        io_.out << message.message << "\n";
      }
      ++printed_;
    }
  }

  void PrintJson(const Source& source, const PieceRecord& record, const PieceMessage& message) {
    line_.clear();
    AppendBase64(message.message, line_);
    Json json = {{"stream", message.stream},
                 {"whole", record.state == State::kWhole},
                 {"segment", source.place.segment},
                 {"offset", record.bytes.begin},
                 {"fate", NameOf(source.fates.At(record.bytes.begin)).of_one}};
    json["accepted"] =
        record.header ? Json(ToIsoMs(WallTime(Milliseconds(record.header->accepted_ms)))) : Json();
    json["message"] = message.message;
    json["base64"] = line_;
    io_.out << json.dump(-1, ' ', true, Json::error_handler_t::replace) << "\n";
  }

  const Options& options_;
  Io& io_;
  uint64_t printed_ = 0;
  uint64_t unprintable_ = 0;
  Exit failed_ = Exit::kDone;
  std::string line_;
};

Exit Cat(const Options& options, Io& io, Seams& seams) {
  std::vector<Source> sources;
  Exit failed = Exit::kDone;
  for (const std::string& file : options.files) {
    Result<Source> source = OpenSource(file, options, seams.disk);
    if (source.ok()) {
      sources.push_back(std::move(source).value());
    } else {
      failed = Report(io, source.status().WithContext(file));
    }
  }
  if (sources.empty()) return failed;
  const Exit printed = Printing(options, io).Run(std::move(sources));
  return failed == Exit::kDone ? printed : failed;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->files, "Pieces of a spool's damaged/, or segments")
      ->required()
      ->type_name("...");
  app.add_option("--stream", options->stream, "Only the messages of this stream")
      ->type_name("NAME");
  app.add_option("--spool", options->spool,
                 "The spool they are of, when they do not lie in it any more")
      ->type_name("DIR");
  app.add_flag("--suspect", options->suspect,
               "Print also what can be recognised in damaged records, after all that is whole");
  auto* base64 = app.add_flag("--base64", options->base64,
                              "Print each message as a line of base64, for produce --base64");
  app.add_flag("--json", options->json, "Print a JSON object for each message, one a line")
      ->excludes(base64);
  return [options](Io& io, Seams& seams) { return Cat(*options, io, seams); };
}

}  // namespace

const Command kSpoolCat{
    .name = "spool cat",
    .summary = "Print the messages of pieces that a spool has set aside, or of its segments.",
    .details =
        "Prints one message a line, as `databus produce` takes them; with messages of several\n"
        "streams, only those of --stream. What is in the files, and whether it may have been\n"
        "delivered before, is told on standard error. Reads only, and takes no lock.\n"
        "A message counts as whole when the checksums of its record are right. In a damaged "
        "record\n"
        "any byte of any message may be wrong: read before you publish.\n"
        "Exit 1 when something could not be read or printed, 2 when there are several streams and\n"
        "none is chosen, 3 when nothing was printed.",
    .define = &Define};

}  // namespace databus

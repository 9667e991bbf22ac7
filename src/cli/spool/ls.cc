// `databus spool ls`: what a spool's directory holds.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/spool/commands.h"
#include "cli/spool/fate_names.h"
#include "cli/table.h"
#include "collector/spool/inventory.h"
#include "telemetry/iso_time.h"
#include "telemetry/log.h"

namespace databus {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string dir;
  bool quick = false;
  bool json = false;
};

// So many streams are named in a cell.
constexpr size_t kStreamsShown = 4;

std::string_view PresenceName(SegmentPresence presence) {
  switch (presence) {
    case SegmentPresence::kPresent: return "present";
    case SegmentPresence::kGone: return "gone";
    case SegmentPresence::kStray: return "stray";
  }
  __builtin_unreachable();
}

Tally Total(const SegmentInventory& segment) {
  Tally total;
  for (const Tally& tally : segment.fates) {
    total.bytes += tally.bytes;
    total.records += tally.records;
    total.messages += tally.messages;
  }
  return total;
}

std::string TimeText(const std::optional<WallTime>& time) { return time ? ToIsoMs(*time) : ""; }

// "clicks 3, views 1, and 2 more"
std::string StreamsText(const std::vector<std::pair<std::string, uint64_t>>& streams) {
  std::string text;
  size_t shown = 0;
  for (const auto& [stream, messages] : streams) {
    if (shown == kStreamsShown) break;
    text += fmt::format("{}{} {}", shown++ == 0 ? "" : ", ", Printable(stream), Grouped(messages));
  }
  if (streams.size() <= kStreamsShown) return text;
  return text + fmt::format(", and {} more", streams.size() - kStreamsShown);
}

// What a person should see of a segment besides the numbers.
std::string Remarks(const SegmentInventory& segment, const SpoolInventory& inventory) {
  std::vector<std::string> remarks;
  const auto add = [&](uint64_t bytes, std::string_view what) {
    if (bytes > 0) remarks.push_back(fmt::format("{} B {}", Grouped(bytes), what));
  };
  if (segment.presence == SegmentPresence::kStray)
    remarks.emplace_back("not read by the collector");
  add(segment.damaged_bytes, "damaged, not set aside yet");
  add(segment.missing_bytes, "missing");
  add(segment.tail_bytes, "at the end being written, or never finished");
  add(segment.Of(RecordFate::kVoid).bytes, "void");
  if (inventory.has_journal && segment.presence == SegmentPresence::kPresent) {
    add(segment.Of(RecordFate::kUnknown).bytes, "not known to the journal");
  }
  if (!segment.waiting.empty()) {
    remarks.push_back(fmt::format("waits for {}", fmt::join(segment.waiting, ", ")));
  }
  return fmt::format("{}", fmt::join(remarks, "; "));
}

std::string RenderSegments(const SpoolInventory& inventory) {
  Table table({"SEGMENT", "STATE", ">BYTES", ">RECORDS", ">MESSAGES", ">DELIVERED", ">SEALED",
               ">HELD BACK", ">NOT SEALED", "OLDEST", "NEWEST", "STREAMS", "REMARKS"});
  for (const SegmentInventory& segment : inventory.segments) {
    const bool gone = segment.presence == SegmentPresence::kGone;
    const Tally total = Total(segment);
    const auto bytes = [&](RecordFate fate) {
      return inventory.has_journal ? Grouped(segment.Of(fate).bytes) : "?";
    };
    table.Row({std::to_string(segment.segment), std::string(PresenceName(segment.presence)),
               gone ? "" : Grouped(segment.bytes), gone ? "" : Grouped(total.records),
               gone ? "" : Grouped(total.messages), bytes(RecordFate::kDelivered),
               bytes(RecordFate::kSealed), bytes(RecordFate::kHeldBack),
               bytes(RecordFate::kUnsealed), TimeText(segment.oldest), TimeText(segment.newest),
               StreamsText({segment.streams.begin(), segment.streams.end()}),
               Remarks(segment, inventory)});
  }
  return table.empty() ? "" : "\nSegments (the fates in bytes)\n" + table.ToString("  ");
}

// How much is missing of a piece of which there is nothing.
std::string MissingText(const PieceInventory& piece) {
  if (piece.summary->bytes > 0) return "";
  return piece.missing_bytes ? "up to " + Grouped(*piece.missing_bytes) : "unknown";
}

std::string RenderPieces(const SpoolInventory& inventory) {
  Table table({"PIECE", ">BYTES", ">MISSING", ">WHOLE RECORDS", ">MESSAGES", ">SUSPECT MESSAGES",
               "SEALED BEFORE", "STREAMS"});
  for (const PieceInventory& piece : inventory.pieces) {
    const std::string before = piece.may_have_been_cut ? "perhaps" : "no";
    const std::string name = piece.path.substr(inventory.dir.size() + 1);
    if (!piece.summary) {
      table.Row({name, "?", "?", "?", "?", "?", before, "?"});
      continue;
    }
    const PieceSummary& summary = *piece.summary;
    std::vector<std::pair<std::string, uint64_t>> streams;
    streams.reserve(summary.streams.size());
    for (const auto& [stream, count] : summary.streams) {
      streams.emplace_back(stream, count.whole + count.suspect);
    }
    table.Row({name, Grouped(summary.bytes), MissingText(piece), Grouped(summary.whole_records),
               Grouped(summary.whole_messages()), Grouped(summary.suspect_messages()), before,
               StreamsText(streams)});
  }
  return table.empty() ? "" : "\nSet aside as damaged\n" + table.ToString("  ");
}

std::string RenderRejected(const SpoolInventory& inventory) {
  Table table({"REJECTED", ">BYTES", ">ENTRIES"});
  for (const RejectedFile& file : inventory.rejected) {
    table.Row(
        {file.path.substr(inventory.dir.size() + 1), Grouped(file.bytes), Grouped(file.entries)});
  }
  return table.empty() ? "" : "\nEntries that no stream can take\n" + table.ToString("  ");
}

std::string RenderHeldBack(const SpoolInventory& inventory) {
  Table table({"STREAM", ">BYTES", "OLDEST"});
  for (const auto& [stream, held] : inventory.held_back) {
    table.Row({stream, Grouped(held.bytes), ToIsoMs(held.oldest)});
  }
  return table.empty() ? "" : "\nHeld back\n" + table.ToString("  ");
}

std::string RenderSum(const SpoolInventory& inventory) {
  uint64_t gone = 0;
  uint64_t stray = 0;
  uint64_t bytes = 0;
  SegmentInventory all;
  for (const SegmentInventory& segment : inventory.segments) {
    gone += segment.presence == SegmentPresence::kGone ? 1 : 0;
    stray += segment.presence == SegmentPresence::kStray ? 1 : 0;
    bytes += segment.bytes;
    for (const FateName& name : kFateNames) {
      all.Of(name.fate).messages += segment.Of(name.fate).messages;
    }
  }
  uint64_t whole = 0;
  uint64_t suspect = 0;
  for (const PieceInventory& piece : inventory.pieces) {
    whole += piece.summary ? piece.summary->whole_messages() : 0;
    suspect += piece.summary ? piece.summary->suspect_messages() : 0;
  }
  std::vector<std::string> fates;
  for (const FateName& name : kFateNames) {
    const uint64_t messages = all.Of(name.fate).messages;
    const bool usual = name.fate != RecordFate::kVoid && name.fate != RecordFate::kUnknown;
    if (messages == 0 && (!usual || !inventory.has_journal)) continue;
    fates.push_back(fmt::format("{} {}", Grouped(messages), name.of_messages));
  }
  return fmt::format(
      "{}, {} gone, {} stray, {} bytes; messages: {}; {} under way; {} set aside, {} whole and {} "
      "suspect messages in them; {} of rejected entries\n",
      Plural(inventory.segments.size(), "segment"), gone, stray, Grouped(bytes),
      fates.empty() ? "none" : fmt::format("{}", fmt::join(fates, ", ")),
      inventory.deliveries == 1 ? "1 delivery" : fmt::format("{} deliveries", inventory.deliveries),
      Plural(inventory.pieces.size(), "piece"), Grouped(whole), Grouped(suspect),
      Plural(inventory.rejected.size(), "file"));
}

std::string RenderText(const SpoolInventory& inventory) {
  std::string text = fmt::format("Spool {}", inventory.dir);
  if (inventory.identity) {
    text += fmt::format(
        ": collector {}, incarnation {}, cluster {}", inventory.identity->collector,
        inventory.identity->incarnation,
        inventory.identity->cluster_id.empty() ? "not known yet" : inventory.identity->cluster_id);
  }
  return text + "\n" + RenderSegments(inventory) + RenderPieces(inventory) +
         RenderRejected(inventory) + RenderHeldBack(inventory) + "\n" + RenderSum(inventory);
}

Json TimeJson(const std::optional<WallTime>& time) { return time ? Json(ToIsoMs(*time)) : Json(); }

Json SegmentJson(const SegmentInventory& segment) {
  Json json = {{"segment", segment.segment},
               {"path", segment.path},
               {"state", PresenceName(segment.presence)},
               {"bytes", segment.bytes}};
  for (const FateName& name : kFateNames) {
    const Tally& tally = segment.Of(name.fate);
    json[name.key] = {
        {"bytes", tally.bytes}, {"records", tally.records}, {"messages", tally.messages}};
  }
  json["damaged_bytes"] = segment.damaged_bytes;
  json["missing_bytes"] = segment.missing_bytes;
  json["tail_bytes"] = segment.tail_bytes;
  json["oldest"] = TimeJson(segment.oldest);
  json["newest"] = TimeJson(segment.newest);
  json["streams"] = Json::object();
  for (const auto& [stream, messages] : segment.streams) json["streams"][stream] = messages;
  json["waits_for"] = segment.waiting;
  return json;
}

Json PieceJson(const PieceInventory& piece) {
  Json json = {{"path", piece.path},
               {"segment", piece.place.segment},
               {"offset", piece.place.begin},
               {"sealed_before", piece.may_have_been_cut ? "perhaps" : "no"}};
  if (!piece.summary) return json;
  const PieceSummary& summary = *piece.summary;
  json["bytes"] = summary.bytes;
  if (summary.bytes == 0) {
    json["missing_bytes_max"] = piece.missing_bytes ? Json(*piece.missing_bytes) : Json();
  }
  json["whole_records"] = summary.whole_records;
  json["suspect_records"] = summary.suspect_records;
  json["suspect_bytes"] = summary.suspect_bytes;
  json["unrecognised_messages"] = summary.unrecognised;
  json["streams"] = Json::object();
  for (const auto& [stream, count] : summary.streams) {
    json["streams"][stream] = {{"whole", count.whole}, {"suspect", count.suspect}};
  }
  return json;
}

Json ToJson(const SpoolInventory& inventory) {
  Json json = {{"dir", inventory.dir}, {"journal", inventory.has_journal}};
  if (inventory.identity) {
    json["collector"] = inventory.identity->collector;
    json["incarnation"] = inventory.identity->incarnation;
    json["cluster_id"] = inventory.identity->cluster_id;
  }
  for (const char* list : {"segments", "pieces", "rejected", "held_back"}) {
    json[list] = Json::array();
  }
  for (const auto& segment : inventory.segments) json["segments"].push_back(SegmentJson(segment));
  for (const auto& piece : inventory.pieces) json["pieces"].push_back(PieceJson(piece));
  for (const auto& file : inventory.rejected) {
    json["rejected"].push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"entries", file.entries}});
  }
  for (const auto& [stream, held] : inventory.held_back) {
    json["held_back"].push_back(
        {{"stream", stream}, {"bytes", held.bytes}, {"oldest", ToIsoMs(held.oldest)}});
  }
  json["deliveries"] = inventory.deliveries;
  json["problems"] = inventory.problems;
  return json;
}

Exit Ls(const Options& options, Io& io, Seams& seams) {
  const auto inventory = ReadInventory(seams.disk, AbsolutePath(options.dir),
                                       options.quick ? ReadDepth::kHeaders : ReadDepth::kBodies);
  if (!inventory.ok()) return Report(io, inventory.status());
  if (options.json) {
    // Names of streams may be of any bytes where something is damaged.
    io.out << ToJson(*inventory).dump(1, ' ', true, Json::error_handler_t::replace) << "\n";
  } else {
    io.out << RenderText(*inventory);
  }
  for (const std::string& problem : inventory->problems) io.err << "databus: " << problem << "\n";
  if (!inventory->problems.empty()) return Exit::kFailed;
  const bool empty =
      inventory->segments.empty() && inventory->pieces.empty() && inventory->rejected.empty();
  return empty ? Exit::kNothingToDo : Exit::kDone;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("DIR", options->dir, "The spool's directory")->required()->type_name("");
  app.add_flag("--quick", options->quick,
               "Read the headers of records only: no streams, and damage in messages is not seen");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return Ls(*options, io, seams); };
}

}  // namespace

const Command kSpoolLs{
    .name = "spool ls",
    .summary = "List a spool's segments, pieces set aside, and rejected entries.",
    .details =
        "Reads only, and takes no lock: safe beside a running collector, which may be a little\n"
        "ahead of what is shown. It reads the whole spool, unless --quick.\n"
        "A segment is present; gone (not all of it delivered, and its file is missing); or stray\n"
        "(there though the collector has removed it or given it up; it is not read).\n"
        "DELIVERED: where it belongs. SEALED: decided, and under way. HELD BACK: read again when\n"
        "one of its streams may go; the others went. NOT SEALED: still to be done.\n"
        "MISSING, of a piece without a byte: the segment's file ended before it; so much there "
        "was,\n"
        "at most, as far as the journal knows it still.\n"
        "The last line is the sum, in messages. Exit 1 when something cannot be read or does not\n"
        "belong there: it is named on standard error, and the rest is shown. Exit 3 when there is\n"
        "nothing in the spool.",
    .define = &Define};

}  // namespace databus

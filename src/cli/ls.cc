// `databus ls`: what readers see of a stream.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/all_commands.h"
#include "cli/stream_view.h"
#include "cli/table.h"

namespace databus {
namespace {

struct Options {
  StreamViewOptions what;
  bool messages = false;
  bool json = false;
};

using Json = nlohmann::ordered_json;

// The number of messages, as the file's own header has it; null for files without one.
Json Messages(Storage& storage, const std::string& path) {
  const auto header = ReadSealedHeader(storage, path);
  return header.ok() ? Json(header->header.messages) : Json();
}

Exit Ls(const Options& options, Io& io, Seams& seams) {
  auto view = OpenStreamView(options.what, seams);
  if (!view.ok()) return Report(io, view.status());
  Json json = Json::array();
  uint64_t minutes = 0;
  const Status walked = view->Walk([&](Minute minute, const std::vector<DirEntry>& files) {
    ++minutes;
    if (files.empty() && !options.json) io.out << minute.ToIso() << "  (empty minute)\n";
    if (files.empty() && options.json) json.push_back({{"minute", minute.ToIso()}, {"path", ""}});
    for (const DirEntry& file : files) {
      const std::string path = view->PathOf(minute, file.name);
      const Json messages = options.messages ? Messages(*view->storage, path) : Json();
      if (options.json) {
        Json entry = {{"minute", minute.ToIso()}, {"path", path}, {"bytes", file.info.length}};
        if (!messages.is_null()) entry["messages"] = messages;
        json.push_back(std::move(entry));
      } else {
        io.out << fmt::format("{}  {:>14}  ", minute.ToIso(), Grouped(file.info.length));
        if (options.messages) {
          io.out << fmt::format("{:>12}  ",
                                messages.is_null() ? "-" : Grouped(messages.get<uint64_t>()));
        }
        io.out << path << "\n";
      }
    }
    return io.out ? Status::Ok() : Status(Code::kStopped, "");
  });
  if (options.json) io.out << json.dump(1) << "\n";
  if (!walked.ok() && walked.code() != Code::kStopped) return Report(io, walked);
  if (minutes > 0) return Exit::kDone;
  io.err << "databus: " << view->Describe() << " has no minute in this range\n";
  return Exit::kNothingToDo;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AddStreamViewOptions(app, options->what);
  app.add_flag("--messages", options->messages,
               "Show the number of messages, from each file's header");
  app.add_flag("--json", options->json, "Print JSON");
  return [options](Io& io, Seams& seams) { return Ls(*options, io, seams); };
}

}  // namespace

const Command kLs{.name = "ls",
                  .summary = "List the files of a stream, minute by minute.",
                  .details =
                      "Columns: minute (UTC), bytes, path below the cluster's root. Exit 3 when "
                      "there is nothing in "
                      "the range.",
                  .define = &Define};

}  // namespace databus

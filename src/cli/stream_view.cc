#include "cli/stream_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "cluster/names.h"

namespace databus {

void AddStreamViewOptions(CLI::App& app, StreamViewOptions& options) {
  app.add_option("STREAM", options.stream, "Name of the stream")->required()->type_name("");
  AddTopologyOption(app, options.topology_file);
  app.add_option("--cluster", options.cluster, "Whose files")->required()->type_name("NAME");
  app.add_option("--view", options.view,
                 "local: what this cluster's collectors delivered; streams: the merged stream, or "
                 "its mirror")
      ->check(CLI::IsMember({"local", "streams"}))
      ->capture_default_str();
  AddRangeOptions(app, options.range);
}

std::string StreamView::PathOf(Minute minute, std::string_view file) const {
  return paths::MinuteFile(view, stream, minute, file);
}

std::string StreamView::Describe() const {
  return fmt::format("stream {} in {} of {}", stream, paths::ViewRoot(view), storage->Describe());
}

Status StreamView::Walk(
    const std::function<Status(Minute, const std::vector<DirEntry>&)>& visit) const {
  DATABUS_ASSIGN_OR_RETURN(
      const std::vector<Minute> minutes,
      ListMinutes(*storage, paths::Stream(view, stream), range.from, range.to));
  for (const Minute minute : minutes) {
    const auto files = ListMinuteFiles(*storage, paths::MinuteDir(view, stream, minute));
    if (files.code() == Code::kNotFound) continue;
    if (!files.ok()) return files.status();
    DATABUS_RETURN_IF_ERROR(visit(minute, *files));
  }
  return Status::Ok();
}

Result<StreamView> OpenStreamView(const StreamViewOptions& options, Seams& seams) {
  DATABUS_RETURN_IF_ERROR(ValidateStreamName(options.stream));
  DATABUS_RETURN_IF_ERROR(CheckRange(options.range));
  DATABUS_ASSIGN_OR_RETURN(const Topology topology, CurrentTopology(seams, options.topology_file));
  DATABUS_ASSIGN_OR_RETURN(std::unique_ptr<Storage> storage,
                           OpenCluster(seams, topology, options.cluster));
  StreamView view{std::move(storage), *ParseViewName(options.view), options.stream, options.range};
  const auto there = view.storage->Stat(paths::Stream(view.view, view.stream));
  if (there.ok()) return view;
  if (there.code() != Code::kNotFound) return there.status();
  DATABUS_ASSIGN_OR_RETURN(const auto entries,
                           ListIfThere(*view.storage, paths::ViewRoot(view.view)));
  std::vector<std::string> names;
  for (const DirEntry& entry : entries) names.push_back(entry.name);
  return Status(
      Code::kNotFound,
      fmt::format("there is no {}; streams there: {}", view.Describe(),
                  names.empty() ? "none yet" : fmt::format("{}", fmt::join(names, ", "))));
}

Result<DecodedHeader> ReadSealedHeader(Storage& storage, const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, storage.Open(path));
  DATABUS_ASSIGN_OR_RETURN(const std::string first, file->Read(0, kSealedHeaderBytesMax));
  auto header = DecodeSealedHeader(first);
  if (!header.ok()) return header.status().WithContext(path);
  return header;
}

}  // namespace databus

// `databus cat`: the bytes of a stream.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "audit/gzip.h"
#include "cli/all_commands.h"
#include "cli/stream_view.h"

namespace databus {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

Status CopyPlain(FileReader& file, std::ostream& out) {
  for (uint64_t offset = 0; out;) {
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, file.Read(offset, kReadBytes));
    if (bytes.empty()) break;
    out << bytes;
    offset += bytes.size();
  }
  return Status::Ok();
}

Status CopyUncompressed(FileReader& file, std::ostream& out) {
  GzipReader gzip(file);
  while (out) {
    DATABUS_ASSIGN_OR_RETURN(const std::string bytes, gzip.Next());
    if (bytes.empty()) break;
    out << bytes;
  }
  return Status::Ok();
}

Status CopyFile(Storage& storage, const std::string& path, std::ostream& out) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, storage.Open(path));
  return path.ends_with(".gz") ? CopyUncompressed(*file, out) : CopyPlain(*file, out);
}

Exit Cat(const StreamViewOptions& options, Io& io, Seams& seams) {
  auto view = OpenStreamView(options, seams);
  if (!view.ok()) return Report(io, view.status());
  uint64_t minutes = 0;
  Exit exit = Exit::kDone;
  const Status walked = view->Walk([&](Minute minute, const std::vector<DirEntry>& files) {
    ++minutes;
    for (const DirEntry& file : files) {
      const std::string path = view->PathOf(minute, file.name);
      const Status copied = CopyFile(*view->storage, path, io.out);
      if (copied.ok()) continue;
      exit = Report(io, copied.WithContext(path + ": not all of it could be read"));
    }
    return io.out ? Status::Ok() : Status(Code::kStopped, "");
  });
  if (!walked.ok() && walked.code() != Code::kStopped) return Report(io, walked);
  if (minutes > 0) return exit;
  io.err << "databus: " << view->Describe() << " has no minute in this range\n";
  return Exit::kNothingToDo;
}

CommandBody Define(CLI::App& app) {
  auto options = std::make_shared<StreamViewOptions>();
  AddStreamViewOptions(app, *options);
  return [options](Io& io, Seams& seams) { return Cat(*options, io, seams); };
}

}  // namespace

const Command kCat{
    .name = "cat",
    .summary = "Print the messages of a stream, uncompressed, in the order of minutes.",
    .details =
        "A file that cannot be read is named on standard error, the others are printed, "
        "and the exit code is 1. Exit 3 when there is nothing in the range.",
    .define = &Define};

}  // namespace databus

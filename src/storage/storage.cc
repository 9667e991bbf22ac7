#include "storage/storage.h"

#include <utility>

namespace databus {

Result<std::vector<std::string>> Storage::ListNames(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(std::vector<DirEntry> entries, List(path));
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (DirEntry& entry : entries) names.push_back(std::move(entry.name));
  return names;
}

std::vector<Result<std::unique_ptr<FileReader>>> Storage::Opens(
    std::span<const std::string> paths) {
  std::vector<Result<std::unique_ptr<FileReader>>> readers;
  readers.reserve(paths.size());
  for (const std::string& path : paths) readers.push_back(Open(path));
  return readers;
}

std::vector<Status> Storage::WriteFiles(std::span<const SmallFile> files) {
  std::vector<Status> answers;
  for (const SmallFile& file : files) answers.push_back(WriteFile(file.path, file.content));
  return answers;
}

Status Storage::MakeDir(const std::string& path) { return MakeDirs({&path, 1}).front(); }

Status Storage::Rename(const std::string& from, const std::string& to) {
  const Move move{from, to};
  return Renames({&move, 1}).front();
}

Status Storage::Remove(const std::string& path) { return Removes({&path, 1}).front(); }

Status Storage::WriteFile(const std::string& path, std::string_view content) {
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer, Create(path));
  DATABUS_RETURN_IF_ERROR(writer->Append(content));
  return writer->Finish();
}

Result<std::string> Storage::ReadFile(const std::string& path, size_t most) {
  constexpr size_t kPartBytes = size_t{4} << 20;
  DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, Open(path));
  std::string content;
  while (true) {
    DATABUS_ASSIGN_OR_RETURN(std::string part, reader->Read(content.size(), kPartBytes));
    // Less than asked for is the end: almost every file is read by one call.
    const bool is_end = part.size() < kPartBytes;
    content = content.empty() ? std::move(part) : std::move(content) + part;
    if (content.size() > most) {
      return Status(Code::kInvalid,
                    Describe() + ": " + path + ": longer than " + std::to_string(most) + " bytes");
    }
    if (is_end) return content;
  }
}

}  // namespace databus

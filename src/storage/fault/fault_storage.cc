#include "storage/fault/fault_storage.h"

#include <algorithm>

namespace databus {
namespace {

class Reader final : public FileReader {
 public:
  Reader(FaultPlan& plan, Call call, std::unique_ptr<FileReader> base)
      : plan_(plan), call_(std::move(call)), base_(std::move(base)) {}

  Result<std::string> Read(uint64_t offset, size_t most) override {
    std::string bytes;
    const auto read = [&]() -> Status {
      DATABUS_ASSIGN_OR_RETURN(bytes, base_->Read(offset, most));
      return Status::Ok();
    };
    const auto flip = [&](uint64_t at) {
      if (!bytes.empty()) bytes[std::min<uint64_t>(at, bytes.size() - 1)] ^= 1;
    };
    DATABUS_RETURN_IF_ERROR(RunFaulty(plan_, call_, read, {.flip = flip}));
    return bytes;
  }

 private:
  FaultPlan& plan_;
  const Call call_;
  const std::unique_ptr<FileReader> base_;
};

class Writer final : public FileWriter {
 public:
  Writer(FaultPlan& plan, Call call, std::unique_ptr<FileWriter> base)
      : plan_(plan), call_(std::move(call)), base_(std::move(base)) {}

  Status Append(std::string_view bytes) override {
    Call call = call_;
    call.verb = Verb::kAppend;
    const auto prefix = [&](uint64_t length) {
      static_cast<void>(base_->Append(bytes.substr(0, length)));
    };
    return RunFaulty(plan_, std::move(call), [&] { return base_->Append(bytes); },
                     {.append = prefix});
  }

  Status Finish() override {
    Call call = call_;
    call.verb = Verb::kFinish;
    return RunFaulty(plan_, std::move(call), [&] { return base_->Finish(); });
  }

 private:
  FaultPlan& plan_;
  const Call call_;
  const std::unique_ptr<FileWriter> base_;
};

}  // namespace

Call FaultStorage::CallOf(Verb verb, const std::string& path) const {
  return {.verb = verb, .store = base_.Describe(), .path = path};
}

Result<NodeInfo> FaultStorage::Stat(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kStat, path), [&] { return base_.Stat(path); });
}

Result<std::vector<DirEntry>> FaultStorage::List(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kList, path), [&] { return base_.List(path); });
}

Result<std::vector<std::string>> FaultStorage::ListNames(const std::string& path) {
  return RunFaulty(plan_, CallOf(Verb::kListNames, path), [&] { return base_.ListNames(path); });
}

Result<std::unique_ptr<FileReader>> FaultStorage::Open(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(
      std::unique_ptr<FileReader> reader,
      RunFaulty(plan_, CallOf(Verb::kOpen, path), [&] { return base_.Open(path); }));
  return std::unique_ptr<FileReader>(
      std::make_unique<Reader>(plan_, CallOf(Verb::kRead, path), std::move(reader)));
}

Result<std::unique_ptr<FileWriter>> FaultStorage::Create(const std::string& path) {
  DATABUS_ASSIGN_OR_RETURN(
      std::unique_ptr<FileWriter> writer,
      RunFaulty(plan_, CallOf(Verb::kCreate, path), [&] { return base_.Create(path); }));
  return std::unique_ptr<FileWriter>(
      std::make_unique<Writer>(plan_, CallOf(Verb::kAppend, path), std::move(writer)));
}

std::vector<Status> FaultStorage::MakeDirs(std::span<const std::string> paths) {
  std::vector<Status> answers;
  for (const std::string& path : paths) {
    answers.push_back(
        RunFaulty(plan_, CallOf(Verb::kMakeDir, path), [&] { return base_.MakeDir(path); }));
  }
  return answers;
}

std::vector<Status> FaultStorage::Renames(std::span<const Move> moves) {
  std::vector<Status> answers;
  for (const Move& move : moves) {
    Call call = CallOf(Verb::kRename, move.from);
    call.to = move.to;
    answers.push_back(
        RunFaulty(plan_, std::move(call), [&] { return base_.Rename(move.from, move.to); }));
  }
  return answers;
}

std::vector<Status> FaultStorage::Removes(std::span<const std::string> paths) {
  std::vector<Status> answers;
  for (const std::string& path : paths) {
    answers.push_back(
        RunFaulty(plan_, CallOf(Verb::kRemove, path), [&] { return base_.Remove(path); }));
  }
  return answers;
}

Status FaultStorage::Replace(const std::string& path, std::string_view content) {
  Call call = CallOf(Verb::kReplace, path);
  call.content = content;
  return RunFaulty(plan_, std::move(call), [&] { return base_.Replace(path, content); });
}

Status FaultStorage::SyncAll() {
  return RunFaulty(plan_, CallOf(Verb::kSync, ""), [&] { return base_.SyncAll(); });
}

Status MakeLate(Storage& storage, const Call& call) {
  switch (call.verb) {
    case Verb::kCreate: return storage.Create(call.path).status();
    case Verb::kMakeDir: return storage.MakeDir(call.path);
    case Verb::kRename: return storage.Rename(call.path, call.to);
    case Verb::kRemove: return storage.Remove(call.path);
    case Verb::kReplace: return storage.Replace(call.path, call.content);
    default: return {Code::kInvalid, call.ToString() + ": cannot be late"};
  }
}

}  // namespace databus

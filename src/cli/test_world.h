// For tests of commands: an installation of two clusters in memory, and a collector that answers.
//   stream clicks: sources dc1, dc2; primary dc1; mirror dc2
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "audit/gzip.h"
#include "base/crc32c.h"
#include "cli/app.h"
#include "cluster/names.h"
#include "cluster/sealed_header.h"
#include "commit/cluster_id.h"
#include "net/scribe_codec.h"
#include "storage/borrowed_storage.h"
#include "storage/disk/memory_disk.h"
#include "storage/memory/memory_storage.h"

namespace databus {

inline constexpr const char* kTestTopology = R"(<databus>
  <defaults><rootdir>/databus</rootdir><retentioninhours>48</retentioninhours></defaults>
  <streams><stream name="clicks">
    <sources>
      <source><name>dc1</name></source>
      <source><name>dc2</name></source>
    </sources>
    <destinations>
      <destination><name>dc1</name><primary>true</primary></destination>
      <destination><name>dc2</name></destination>
    </destinations>
  </stream></streams>
  <clusters>
    <cluster name="dc1" hdfsurl="file:///dc1" jturl="local" jobqueuename="default"/>
    <cluster name="dc2" hdfsurl="file:///dc2" jturl="local" jobqueuename="default"/>
  </clusters>
</databus>)";

// A tree of which one directory may not be listed.
class HidingStorage final : public BorrowedStorage {
 public:
  // `hidden`: empty: none is.
  HidingStorage(Storage& tree, std::string hidden)
      : BorrowedStorage(tree), hidden_(std::move(hidden)) {}
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    if (hidden_.empty() || path != hidden_) return BorrowedStorage::List(path);
    return Status(Code::kRefused, "list " + path + ": Permission denied");
  }

 private:
  const std::string hidden_;
};

// Refuses some connections, then takes every Log call and answers OK.
class AgreeableNetwork final : public Network {
 public:
  std::vector<std::string> messages;
  int refusals = 0;

  Result<std::unique_ptr<FrameServer>> Listen(const ListenOptions&) override {
    return Status(Code::kRefused, "nobody listens here");
  }
  Result<std::unique_ptr<FrameClient>> Connect(const ConnectOptions& options) override {
    if (options.port != 1463 || refusals-- > 0)
      return Status(Code::kUnavailable, "connection refused");
    return std::unique_ptr<FrameClient>(std::make_unique<Client>(*this));
  }

 private:
  class Client final : public FrameClient {
   public:
    explicit Client(AgreeableNetwork& network) : network_(network) {}
    Status Send(std::span<const std::string_view> frames, BootTime) override {
      for (const std::string_view frame : frames) {
        const auto call = DecodeLogCall(frame, *DecodeCallHeader(frame));
        if (!call.ok()) return call.status();
        const Status each =
            ForEachEntry(call->entries, [&](std::string_view, std::string_view message) {
              network_.messages.emplace_back(message);
            });
        if (!each.ok()) return each;
        answers_.push_back(EncodeLogReply(call->reply_to, ResultCode::kOk));
      }
      return Status::Ok();
    }
    Result<std::optional<std::string>> Receive(BootTime) override {
      if (answers_.empty()) return std::optional<std::string>();
      std::optional<std::string> answer = std::move(answers_.front());
      answers_.erase(answers_.begin());
      return answer;
    }

   private:
    AgreeableNetwork& network_;
    std::vector<std::string> answers_;
  };
};

// Time passes by being looked at, so that whoever waits for it to pass never waits long.
class HastyClock final : public Clock {
 public:
  WallTime Wall() const override { return now_; }
  void Advance(Milliseconds by) {
    now_ += by;
    boot_ms_ += by.count();
  }
  BootTime Boot() const override { return BootTime(Milliseconds(boot_ms_.fetch_add(100))); }

 private:
  WallTime now_ = Minute::ParseIso("2031-05-06T12:00Z")->Start();
  mutable std::atomic<int64_t> boot_ms_{0};
};

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

class TestWorld {
 public:
  HastyClock clock;
  AgreeableNetwork network;
  MemoryDisk disk;
  std::set<int64_t> gone_pids;
  std::map<std::string, std::unique_ptr<MemoryStorage>> trees;  // by cluster
  std::string hidden;  // a directory that may not be listed, in any of them; empty: none
  std::map<std::string, std::string> files = {{"databus.xml", kTestTopology}};

  TestWorld() {
    for (const char* name : {"dc1", "dc2"}) {
      const Status made = disk.MakeDirs(fmt::format("/{}/databus", name));
      (void)made;
      trees[name] = std::make_unique<MemoryStorage>(clock, std::string("memory:") + name);
      const auto id = InitializeTree(*trees[name], SystemRandom(), kGroupsDefault);
      (void)id;
    }
  }

  Ran Run(const std::vector<std::string>& args, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Io io{.in = in, .out = out, .err = err};
    Seams seams = MakeSeams();
    const int code = RunProgram(args, io, seams);
    return {code, out.str(), err.str()};
  }

  // The world must outlive them.
  Seams MakeSeams() {
    return {
        .clock = clock,
        .random = SystemRandom(),
        .disk = disk,
        .network = network,
        .open_storage = [this](const std::string& url,
                               const std::string&) -> Result<std::unique_ptr<Storage>> {
          const auto tree = trees.find(url.substr(url.rfind('d')));
          if (tree == trees.end()) return Status(Code::kUnavailable, url + ": unmounted?");
          return std::unique_ptr<Storage>(std::make_unique<HidingStorage>(*tree->second, hidden));
        },
        .create_root = [](const std::string&, const std::string&) { return Status::Ok(); },
        .read_file = [this](const std::string& path) -> Result<std::string> {
          const auto file = files.find(path);
          if (file == files.end()) return Status(Code::kNotFound, path + ": no such file");
          return file->second;
        },
        .host = "h1",
        .pid = 1,
        .machine = "",
        .process_is_gone = [this](int64_t pid) { return gone_pids.contains(pid); }};
  }

  // A sealed file of clicks.
  static std::string Sealed(const std::string& source, uint64_t counter, const std::string& text) {
    GzipCompressor gzip;
    gzip.Start();
    gzip.Append(text);
    const std::string payload(gzip.Finish());
    SealedHeader header;
    header.identity = {source, "0123456789abcdef", counter};
    header.stream = "clicks";
    header.collector = "c1";
    header.messages = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
    header.raw_bytes = text.size();
    header.payload_bytes = payload.size();
    header.payload_crc32c = Crc32c(payload);
    return EncodeSealedHeader(header) + payload;
  }

  Status Put(const std::string& cluster, const std::string& path, const std::string& content) {
    Storage& tree = *trees[cluster];
    DATABUS_RETURN_IF_ERROR(EnsureDirsBelow(tree, "", std::string(paths::Parent(path))));
    return tree.WriteFile(path, content);
  }

  static std::string PathIn(View view, Minute minute, const std::string& source, uint64_t counter) {
    const PublishedFileName name{source + "-c1", {"clicks", minute, counter, true}};
    return paths::MinuteFile(view, "clicks", minute, name.ToString());
  }

  // Publishes file `counter` of `source`, as a minute of `view` of `cluster`.
  Status Publish(const std::string& cluster, View view, Minute minute, const std::string& source,
                 uint64_t counter) {
    return Put(cluster, PathIn(view, minute, source, counter),
               Sealed(source, counter, "one\ntwo\n"));
  }
};

}  // namespace databus

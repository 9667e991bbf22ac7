// Databus in the place of the original: what it writes on a cluster is read, and checksummed, by
// Hadoop's own shell, by a client of another make (Debian's hdfs-cli) and by a job of Hadoop's, and
// what those write is read here.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/random.h"
#include "cli/demo/free_ports.h"
#include "cluster/names.h"
#include "cluster/paths.h"
#include "collector/seal/base64.h"
#include "storage/open.h"
#include "storage/test_directory.h"
#include "tests/e2e/site.h"
#include "tests/hdfs/rig.h"

namespace databus {
namespace {

using testing::Contains;
using testing::SizeIs;

constexpr size_t kBlockBytes = 256u << 10;  // DATABUS_RIG_OPTIONS

using Lines = std::vector<std::string>;

Lines LinesOf(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return lines;
}

std::string Joined(const Lines& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text;
}

std::string Content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What Hadoop says of the checksums in a file: of each chunk, of each block of them, of the blocks.
// By path.
std::map<std::string, std::string> HadoopsSums(const Lines& paths) {
  std::map<std::string, std::string> sums;
  for (const std::string& line : LinesOf(TheRig().Shell("-checksum" + Joined(paths)))) {
    const size_t tab = line.find('\t');
    sums[line.substr(0, tab)] = line.substr(tab + 1);
  }
  EXPECT_THAT(sums, SizeIs(paths.size()));
  return sums;
}

// Every file below a directory, with its length, by its path below it.
std::map<std::string, uint64_t> FilesBelow(Storage& storage, const std::string& top) {
  std::map<std::string, uint64_t> files;
  std::vector<std::string> left = {top};
  while (!left.empty()) {
    const std::string dir = left.back();
    left.pop_back();
    const auto entries = storage.List(dir);
    EXPECT_TRUE(entries.ok()) << entries.status().ToString();
    if (!entries.ok()) break;
    for (const DirEntry& entry : *entries) {
      const std::string path = paths::Join(dir, entry.name);
      if (entry.info.kind == NodeKind::kDirectory) left.push_back(path);
      if (entry.info.kind == NodeKind::kFile) files[path] = entry.info.length;
    }
  }
  return files;
}

// The same, as Hadoop's shell lists it, below the directory `root`.
std::map<std::string, uint64_t> FilesThatHadoopLists(const std::string& root,
                                                     const std::string& top) {
  std::map<std::string, uint64_t> files;
  for (const std::string& line : LinesOf(TheRig().Shell(fmt::format("-ls -R {}/{}", root, top)))) {
    std::istringstream in(line);
    std::string mode, replicas, user, group, date, time, path;
    uint64_t length = 0;
    in >> mode >> replicas >> user >> group >> length >> date >> time >> path;
    if (mode.starts_with('-')) files[path.substr(root.size() + 1)] = length;
  }
  return files;
}

// The client of another make, "" where it is not installed. Hadoop has a script of the same name.
std::string HdfsCli() {
  const std::string path = "/usr/bin/hdfs";
  if (!std::filesystem::exists(path)) return "";
  const std::string help = OutputOf(path + " --help 2>&1 || true");
  return help.find("getmerge SOURCE DEST") != std::string::npos ? path : "";
}

std::string HdfsCli(const std::string& arguments) {
  return OutputOf(
      fmt::format("HADOOP_CONF_DIR={} {} {}", TheRig().cluster().conf, HdfsCli(), arguments));
}

class DropInTest : public testing::Test {
 protected:
  DropInTest() {
    static int made = 0;
    root_ = "/drop-in/" + std::to_string(++made);
    const Status root = CreateRoot(TheRig().cluster().url, root_);
    EXPECT_TRUE(root.ok()) << root.ToString();
    storage_ = OpenStorage(TheRig().cluster().url, root_).value();
  }
  std::string Below(const std::string& name) const { return root_ + "/" + name; }
  std::string OnDisk(const std::string& name) const { return disk_.path() + "/" + name; }

  // Files around the edges of chunks and blocks: on this disk and, by both ways in which files are
  // written here, on the cluster as ours/<size> and batch/<size>.
  void WriteOurs() {
    const auto random = SeededRandom(1);
    ASSERT_TRUE(storage_->MakeDir("ours").ok());
    ASSERT_TRUE(storage_->MakeDir("batch").ok());
    std::filesystem::create_directory(OnDisk("local"));
    std::vector<SmallFile> batch;
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{511}, size_t{512}, size_t{513}, kBlockBytes - 1, kBlockBytes,
          kBlockBytes + 1, 3 * kBlockBytes, 5 * kBlockBytes / 2 + 7}) {
      std::string content(size, '\0');
      for (char& byte : content) byte = static_cast<char>(random->Next());
      const std::string name = std::to_string(size);
      std::ofstream(OnDisk("local/" + name), std::ios::binary) << content;
      const Status written = storage_->WriteFile("ours/" + name, content);
      ASSERT_TRUE(written.ok()) << written.ToString();
      batch.push_back({"batch/" + name, content});
      contents_[name] = std::move(content);
    }
    for (const Status& written : storage_->WriteFiles(batch)) {
      ASSERT_TRUE(written.ok()) << written.ToString();
    }
  }
  Lines PathsOf(const std::string& directory) const {
    Lines files;
    for (const auto& [name, content] : contents_) files.push_back(Below(directory + "/" + name));
    return files;
  }
  void ExpectReadHere(const std::string& directory) {
    for (const auto& [name, content] : contents_) {
      const auto read = storage_->ReadFile(directory + "/" + name);
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      EXPECT_TRUE(*read == content) << directory << "/" << name;
    }
  }

  const TestDirectory disk_;
  std::string root_;
  std::unique_ptr<Storage> storage_;
  std::map<std::string, std::string> contents_;  // by name, which is the size
};

TEST_F(DropInTest, HadoopsShellReadsOursAndFindsTheChecksumsThatItWouldHaveWritten) {
  WriteOurs();
  TheRig().Shell(fmt::format("-put {} {}", OnDisk("local"), Below("theirs")));
  for (const std::string ours : {"ours", "batch"}) {
    EXPECT_EQ(FilesThatHadoopLists(root_, ours), FilesBelow(*storage_, ours));
    TheRig().Shell(fmt::format("-get {} {}", Below(ours), OnDisk(ours)));
    auto sums = HadoopsSums(PathsOf(ours));
    auto of_theirs = HadoopsSums(PathsOf("theirs"));
    for (const auto& [name, content] : contents_) {
      EXPECT_TRUE(Content(OnDisk(ours + "/" + name)) == content) << ours << "/" << name;
      EXPECT_EQ(sums[Below(ours + "/" + name)], of_theirs[Below("theirs/" + name)])
          << ours << "/" << name;
    }
  }
  ExpectReadHere("theirs");
}

// It writes other checksums than Hadoop and we do: CRC-32 instead of CRC-32C.
TEST_F(DropInTest, AClientOfAnotherMakeReadsAndChecksumsOursAndTheReverse) {
  if (HdfsCli().empty()) GTEST_SKIP() << "no hdfs-cli here; tools/setup installs it";
  WriteOurs();
  HdfsCli(fmt::format("put {} {}", OnDisk("local"), Below("another")));
  Lines names;
  for (const auto& [name, content] : contents_) names.push_back(name);
  for (const std::string ours : {"ours", "batch"}) {
    EXPECT_EQ(LinesOf(HdfsCli("ls " + Below(ours))), names);
    HdfsCli(fmt::format("get {} {}", Below(ours), OnDisk(ours)));
    const Lines sums = LinesOf(HdfsCli("checksum" + Joined(PathsOf(ours))));
    for (const auto& [path, sum] : HadoopsSums(PathsOf(ours))) {
      EXPECT_THAT(sums, Contains(sum.substr(sum.size() - 32) + " " + path));
    }
    for (const auto& [name, content] : contents_) {
      EXPECT_TRUE(Content(OnDisk(ours + "/" + name)) == content) << ours << "/" << name;
    }
  }
  ExpectReadHere("another");
}

// --- The program

// Few small ones, or enough for a file of several blocks, that compression does not make small.
// Some of them end in a carriage return, some are equal.
Lines Events(size_t count, const std::string& mark) {
  const auto random = SeededRandom(count);
  Lines events;
  for (size_t i = 0; i < count; ++i) {
    events.push_back(fmt::format("{} {} {}", mark, i / 2 * 2, i < 8 ? "grün" : ""));
    if (count > 1000) events.back() += random->Hex(32) + random->Hex(32) + random->Hex(32);
    if (i % 5 == 3) events.back() += "\r";
  }
  return events;
}

// One cluster with its worker and two collectors: one keeps events as lines, the other in base64,
// line by line, as the original's collectors do.
class ProgramOnOneCluster : public testing::Test {
 protected:
  static constexpr const char* kRoot = "/databus";
  static const std::string& url() { return TheRig().cluster().url; }

  void Start() {
    site_.Write("databus.xml",
                fmt::format("<databus><defaults><rootdir>{}</rootdir></defaults><streams>{}{}"
                            "</streams><clusters><cluster name=\"dc1\" hdfsurl=\"{}\" "
                            "jturl=\"local\" jobqueuename=\"default\"/></clusters></databus>",
                            kRoot, Site::Stream("clicks", {"dc1"}, "dc1", {}),
                            Site::Stream("orders", {"dc1"}, "dc1", {}), url()));
    // The original's keys, and two of ours so that it does not take minutes.
    site_.Write("databus.cfg",
                fmt::format("com.inmobi.databus.clusters=dc1\n"
                            "com.inmobi.databus.cfg={}\n"
                            "com.inmobi.databus.log4j={}\n"
                            "com.inmobi.databus.zkconnect=localhost:2181\n"
                            "com.inmobi.databus.enablezk=false\n"
                            "databus.worker.run_interval_ms=1000\n"
                            "databus.worker.foreign_idle_timeout_s=1\n",
                            site_.PathOf("databus.xml"), site_.PathOf("log4j.properties")));
    site_.Start("worker", {"worker", "--config", site_.PathOf("databus.cfg"), "--init"});
    storage_ = OpenStorage(url(), kRoot).value();
    ASSERT_TRUE(Site::Eventually([&] { return storage_->Stat(paths::ClusterId()).ok(); }))
        << site_.Read("worker.log");
    StartCollector("c1", 0);
    StartCollector("c2", 1);
  }
  void StartCollector(const std::string& name, int base64) {
    const std::string port = std::to_string(free_ports_.Next().value());
    site_.Write(name + ".conf",
                fmt::format("port={0}\n<store>\ncategory=default\ntype=buffer\nretry_interval=1\n"
                            "retry_interval_range=1\n<primary>\ntype=file\nfs_type=hdfs\n"
                            "file_path={1}{2}/data\nsub_directory={3}\nrotate_period=1s\n"
                            "add_newlines=1\nencodeBase64Flag={4}\n</primary>\n<secondary>\n"
                            "type=file\nfile_path={5}\n</secondary>\n</store>\n",
                            port, url(), kRoot, name, base64, site_.PathOf("spool-" + name)));
    site_.Start(name, {"collector", "--config", site_.PathOf(name + ".conf")});
    ports_[name] = port;
  }
  // The events of a stream, each a line of a file, to a collector.
  void Produce(const std::string& stream, const std::string& collector, const Lines& events) {
    std::string text;
    for (const std::string& event : events) text += event + "\n";
    site_.Write("events", text);
    const ChildEnd end = site_.Run(
        {"produce", "--to", "127.0.0.1:" + ports_[collector], stream, site_.PathOf("events")});
    ASSERT_EQ(end.exit_code, 0) << end.output << site_.Read("command.log");
  }
  // A tree as the original leaves it, put there by Hadoop's own client: of an old collector's three
  // files the first is published, as the checkpoint says, and still to be merged, as the queue
  // says.
  Lines LeaveATreeOfTheOriginal() {
    const Minute minute = Minute::Of(SystemClock().Wall()) + -1;
    Lines all;
    for (const uint64_t sequence : {1, 2, 3}) {
      const Lines events = Events(30, fmt::format("old {}", sequence));
      const std::string name = DataFileName{"clicks", minute, sequence, false}.ToString();
      const std::string path = Leave(paths::DataFile("clicks", "old1", name), events);
      all.insert(all.end(), events.begin(), events.end());
      if (sequence > 1) continue;
      const std::string published =
          paths::MinuteFile(View::kLocal, "clicks", minute, "old1-" + name + ".gz");
      OutputOf(fmt::format("gzip -c {} > {}", path, Leave(published, {})));
      Leave("system/checkpoint/clicksold1.ck", {name});
      Leave("system/consumers/dc1/1346828461234", {url() + Absolute(published)});
    }
    TheRig().Shell(fmt::format("-put {} /", site_.PathOf("original/databus")));
    return all;
  }
  // A file of these lines for that tree; answers where it is.
  std::string Leave(const std::string& path, const Lines& lines) {
    const std::filesystem::path file = site_.PathOf("original" + Absolute(path));
    std::filesystem::create_directories(file.parent_path());
    std::ofstream out(file);
    for (const std::string& line : lines) out << line << "\n";
    return file;
  }
  std::string Absolute(const std::string& path) const { return fmt::format("{}/{}", kRoot, path); }
  // How many events of a stream the merged view has.
  size_t Merged(const std::string& stream) {
    return LinesOf(site_
                       .Run({"cat", stream, "--cluster", "dc1", "--topology",
                             site_.PathOf("databus.xml")})
                       .output)
        .size();
  }
  void AwaitMerged(const std::string& stream, size_t events) {
    ASSERT_TRUE(Site::Eventually([&] { return Merged(stream) >= events; }))
        << Merged(stream) << " of " << events << " of " << stream << "\n"
        << site_.Read("worker.log") << site_.Read("command.log");
  }
  // The lines that a job of Hadoop's is given, sorted; `input` is a path, or a glob, of the tree.
  Lines OfAJob(const std::string& input) {
    const std::string output = site_.PathOf("job-" + std::to_string(++jobs_));
    TheRig().Job(DATABUS_LINES_JOB,
                 fmt::format("'{}{}' file://{}", url(), Absolute(input), output));
    std::string text;
    EXPECT_TRUE(std::filesystem::exists(output + "/_SUCCESS")) << input;
    for (const auto& entry : std::filesystem::directory_iterator(output)) {
      if (entry.path().filename().string().starts_with("part-")) text += Content(entry.path());
    }
    return Sorted(LinesOf(text));
  }
  static Lines Sorted(Lines lines) {
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  static bool HasFilesOfSeveralBlocksAndMinutes(const std::map<std::string, uint64_t>& files) {
    std::set<Minute> minutes;
    uint64_t longest = 0;
    for (const auto& [path, length] : files) {
      minutes.insert(paths::ParseMinutePath(path)->minute);
      longest = std::max(longest, length);
    }
    return minutes.size() > 1 && longest > kBlockBytes;
  }
  // Got and put again by Hadoop's shell, the files have the checksums that they have here; and so
  // they are read by the client of another make.
  void ExpectAsOthersWouldHaveIt(View view) {
    const std::string top = paths::ViewRoot(view);
    TheRig().Shell(fmt::format("-get {} {}", Absolute(top), site_.PathOf(top)));
    TheRig().Shell("-mkdir -p /again");
    TheRig().Shell(fmt::format("-put {} /again", site_.PathOf(top)));
    Lines ours;
    Lines again;
    for (const auto& [path, length] : FilesBelow(*storage_, top)) {
      ours.push_back(Absolute(path));
      again.push_back("/again/" + path);
    }
    const auto sums = HadoopsSums(ours);
    auto sums_again = HadoopsSums(again);
    for (const auto& [path, sum] : sums) {
      EXPECT_EQ(sum, sums_again["/again" + path.substr(std::string(kRoot).size())]) << path;
    }
    if (HdfsCli().empty()) return;
    EXPECT_TRUE(HdfsCli("cat" + Joined(ours) + " | gzip -dc") ==
                TheRig().Shell("-text" + Joined(ours)));
    const Lines of_another = LinesOf(HdfsCli("checksum" + Joined(ours)));
    for (const auto& [path, sum] : sums) {
      EXPECT_THAT(of_another, Contains(sum.substr(sum.size() - 32) + " " + path));
    }
  }

  Site site_;
  FreePorts free_ports_{TcpNetwork(), SystemRandom()};
  std::unique_ptr<Storage> storage_;
  std::map<std::string, std::string> ports_;
  int jobs_ = 0;
};

// What TextInputFormat makes of it: both kinds of line ends are taken off.
Lines AsLines(Lines events) {
  for (std::string& event : events) {
    if (event.ends_with('\r')) event.pop_back();
  }
  std::sort(events.begin(), events.end());
  return events;
}

Lines InBase64(const Lines& events) {
  Lines lines;
  for (const std::string& event : events) AppendBase64(event, lines.emplace_back());
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_F(ProgramOnOneCluster, HadoopReadsEveryEventOnceAndTheTreeIsAsItWouldHaveWrittenIt) {
  Lines clicks = LeaveATreeOfTheOriginal();
  ASSERT_NO_FATAL_FAILURE(Start());
  const Lines orders = Events(50, "\x01\x80\xff");
  Produce("orders", "c2", orders);
  const auto sent = [&](Lines events) {
    clicks.insert(clicks.end(), events.begin(), events.end());
    return events;
  };
  Produce("clicks", "c1", sent(Events(40, "first")));
  Produce("clicks", "c1", sent(Events(40'000, "many")));
  ASSERT_NO_FATAL_FAILURE(AwaitMerged("clicks", clicks.size()));
  ASSERT_NO_FATAL_FAILURE(AwaitMerged("orders", orders.size()));
  site_.StopAll();

  EXPECT_TRUE(OfAJob("streams_local/clicks/*/*/*/*/*") == AsLines(clicks));
  EXPECT_TRUE(OfAJob("streams/clicks/*/*/*/*/*") == AsLines(clicks));
  EXPECT_EQ(OfAJob("streams_local/orders/*/*/*/*/*"), InBase64(orders));
  const auto files = FilesBelow(*storage_, "streams_local");
  EXPECT_EQ(FilesThatHadoopLists(kRoot, "streams_local"), files);
  EXPECT_EQ(FilesThatHadoopLists(kRoot, "streams"), FilesBelow(*storage_, "streams"));
  EXPECT_TRUE(HasFilesOfSeveralBlocksAndMinutes(files));
  for (const View view : {View::kLocal, View::kMerged}) ExpectAsOthersWouldHaveIt(view);
}

}  // namespace
}  // namespace databus

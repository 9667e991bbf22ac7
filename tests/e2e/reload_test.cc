// HUP and the allow-list with a real process, real sockets and a real disk. Nothing here is
// measured; the limits of time are far beyond what is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "audit/gzip.h"
#include "base/sync.h"
#include "cli/app.h"
#include "cli/bench/child.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "commit/cluster_id.h"
#include "net/entry_list.h"
#include "net/network.h"
#include "net/scribe_codec.h"
#include "storage/test_directory.h"
#include "telemetry/heartbeat.h"
#include "tests/e2e/real_seams.h"

namespace databus {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kPatience{120};

BootTime Never() { return SystemClock().Boot() + kPatience; }

std::string FreePort() {
  const auto listening = TcpNetwork().Listen({});
  return listening.ok() ? std::to_string((*listening)->port()) : "";
}

// A collector c1 of a cluster dc1, in a directory of its own.
class ReloadE2eTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(CreateRoot("file://" + directory_.path() + "/dc1", "").ok());
    auto opened = OpenStorage("file://" + directory_.path() + "/dc1", "");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    tree_ = *std::move(opened);
    ASSERT_TRUE(InitializeTree(*tree_, SystemRandom(), kGroupsDefault).ok());
  }

  std::string ConfigFile() const { return directory_.path() + "/scribe.conf"; }
  std::string Config(const std::string& global = "", const std::string& store = "") const {
    return "port=" + port_ + "\n" + global + "<store>\ncategory=default\ntype=buffer\n" + store +
           "<primary>\ntype=file\nfs_type=std\nfile_path=" + directory_.path() +
           "/dc1/data\nsub_directory=c1\nrotate_period=1s\nadd_newlines=1\n</primary>\n"
           "<secondary>\ntype=file\nfile_path=" +
           directory_.path() + "/spool\n</secondary>\n</store>\n";
  }
  void Write(const std::string& config) const { std::ofstream(ConfigFile()) << config; }
  void Start(const std::string& config) {
    Write(config);
    auto started = Child::Start(DATABUS_PROGRAM, {"collector", "--config", ConfigFile()},
                                directory_.path() + "/log");
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    collector_ = std::make_unique<Child>(*std::move(started));
    ASSERT_TRUE(Eventually([&] { return Connect().ok(); })) << Log();
  }
  void Hup(const std::string& config) const {
    Write(config);
    ASSERT_EQ(::kill(collector_->pid(), SIGHUP), 0);
  }
  void Stop() {
    collector_->Terminate();
    const auto end = collector_->Wait();
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end->exit_code, 0) << Log();
  }

  template <typename Condition>
  bool Eventually(Condition&& condition) const {
    StopFlag pause;
    for (const BootTime end = Never(); SystemClock().Boot() < end;) {
      if (condition()) return true;
      pause.SleepUntil(SystemClock(), SystemClock().Boot() + Milliseconds(50));
    }
    return false;
  }
  Result<std::unique_ptr<FrameClient>> Connect() const {
    return TcpNetwork().Connect({.host = "127.0.0.1",
                                 .port = static_cast<uint16_t>(std::stoi(port_)),
                                 .deadline = Never()});
  }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(directory_.path() + "/log").rdbuf();
    return text.str();
  }
  Heartbeat Beat() const {
    const auto text = tree_->ReadFile(paths::StatusFile("collector-c1"));
    if (!text.ok()) return {};
    const auto beat = DecodeHeartbeat(*text, "heartbeat");
    return beat.ok() ? *beat : Heartbeat();
  }
  int64_t Fact(const char* key) const { return Beat().facts.value(key, int64_t{-1}); }

  // What `databus status` prints.
  std::string Status() const {
    const std::string topology = directory_.path() + "/databus.xml";
    std::ofstream(topology) << "<databus><defaults><rootdir>dc1</rootdir></defaults><streams>"
                               "<stream name=\"clicks\"><sources><source><name>dc1</name></source>"
                               "</sources><destinations><destination><name>dc1</name>"
                               "<primary>true</primary></destination></destinations></stream>"
                               "</streams><clusters><cluster name=\"dc1\" hdfsurl=\"file://"
                            << directory_.path()
                            << "\" jturl=\"local\" jobqueuename=\"default\"/></clusters></databus>";
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Io io{.in = in, .out = out, .err = err};
    Seams seams = RealSeams();
    RunProgram({"status", "--topology", topology}, io, seams);
    return out.str() + err.str();
  }

  // How often each line stands in data/.
  std::map<std::string, int> Lines() const {
    std::map<std::string, int> lines;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path() + "/dc1/data")) {
      if (!entry.is_regular_file()) continue;
      std::ostringstream bytes;
      bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      const auto text = GunzipAll(bytes.str());
      EXPECT_TRUE(text.ok()) << entry.path() << text.status().ToString();
      std::istringstream stream(text.ok() ? *text : "");
      for (std::string line; std::getline(stream, line);) ++lines[line];
    }
    return lines;
  }

  const TestDirectory directory_;
  const std::string port_ = FreePort();
  std::unique_ptr<Storage> tree_;
  std::unique_ptr<Child> collector_;
};

// One connection, several calls under way all the time. What goes wrong, or nothing.
std::string SendUntil(const std::atomic<bool>& done, FrameClient& client, const std::string& name,
                      int& acknowledged) {
  constexpr int kPipelined = 10;
  while (!done) {
    std::vector<std::string> calls;
    for (int i = 0; i < kPipelined; ++i) {
      EntryList list;
      list.Add("clicks", name + std::to_string(acknowledged + i));
      calls.push_back(EncodeLogCall({.header = {.seqid = i}, .entries = list.bytes()}));
    }
    if (auto sent = client.Send(std::vector<std::string_view>(calls.begin(), calls.end()), Never());
        !sent.ok()) {
      return "send: " + sent.ToString();
    }
    for (int i = 0; i < kPipelined; ++i) {
      const auto answer = client.Receive(Never());
      if (!answer.ok()) return "receive: " + answer.status().ToString();
      if (!answer->has_value()) return "no answer";
      const auto reply = DecodeLogReply(**answer);
      if (!reply.ok() || reply->seqid != i || reply->code != ResultCode::kOk) return "not OK";
      ++acknowledged;
    }
  }
  return "";
}

TEST_F(ReloadE2eTest, HupUnderLoadDropsNoConnectionAndLosesNothing) {
  constexpr int kSenders = 3;
  constexpr int kReloads = 10;
  Start(Config());
  std::atomic<bool> done{false};
  std::vector<int> acknowledged(kSenders);
  std::vector<std::string> wrong(kSenders);
  std::vector<Thread> senders;
  for (int i = 0; i < kSenders; ++i) {
    senders.emplace_back("sender", [&, i] {
      auto client = Connect();
      wrong[i] = client.ok()
                     ? SendUntil(done, **client, "s" + std::to_string(i) + "-", acknowledged[i])
                     : client.status().ToString();
    });
  }
  for (int i = 1; i <= kReloads; ++i) {
    Hup(i % 2 == 0 ? Config()
                   : Config("databus.collector.allow=127.0.0.1,::1\nmax_queue_size=40000000\n",
                            "retry_interval=7\nbuffer_send_rate=3\n"));
    ASSERT_TRUE(Eventually([&] { return Fact("reloads") == i; })) << Log();
  }
  done = true;
  senders.clear();
  EXPECT_THAT(wrong, testing::Each(""));
  Stop();
  const auto lines = Lines();
  size_t expected = 0;
  for (int i = 0; i < kSenders; ++i) {
    EXPECT_GT(acknowledged[i], 0);
    expected += static_cast<size_t>(acknowledged[i]);
    for (int n = 0; n < acknowledged[i]; ++n) {
      const auto at = lines.find("s" + std::to_string(i) + "-" + std::to_string(n));
      ASSERT_TRUE(at != lines.end() && at->second == 1) << "sender " << i << ", message " << n;
    }
  }
  EXPECT_EQ(lines.size(), expected);
}

TEST_F(ReloadE2eTest, ABadConfigurationStaysRefusedAndReportedUntilAGoodOneComes) {
  Start(Config());
  Hup("prot=1\n" + Config());
  ASSERT_TRUE(Eventually([&] { return Fact("reloads_refused") == 1; })) << Log();
  EXPECT_THAT(Log(), HasSubstr(ConfigFile() + ":1: 'prot'"));
  EXPECT_THAT(Status(),
              HasSubstr("refused, the one before stays in force: " + ConfigFile() + ":1: 'prot'"));
  std::string config = Config();
  Hup(config.replace(0, config.find('\n'), "port=1"));
  ASSERT_TRUE(Eventually([&] { return Fact("reloads_refused") == 2; })) << Log();
  EXPECT_THAT(Status(), HasSubstr(ConfigFile() + ":1: port: found 1, expected " + port_));
  EXPECT_THAT(Status(), HasSubstr("restart needed"));
  EXPECT_TRUE(Connect().ok());
  Hup(Config());
  ASSERT_TRUE(Eventually([&] { return Fact("reloads") == 1; })) << Log();
  EXPECT_THAT(Status(), Not(HasSubstr(ConfigFile())));
  Stop();
}

TEST_F(ReloadE2eTest, AnAddressThatIsNotAllowedIsRefusedAndAfterHupAccepted) {
  Start(Config("databus.collector.allow=192.0.2.0/24\n"));
  const auto answer = [&]() -> std::string {
    auto client = Connect();
    if (!client.ok()) return client.status().ToString();
    EntryList list;
    list.Add("clicks", "one");
    const std::string call = EncodeLogCall({.header = {.seqid = 1}, .entries = list.bytes()});
    const std::string_view frame = call;
    if (!(*client)->Send({&frame, 1}, Never()).ok()) return "closed";
    const auto received = (*client)->Receive(Never());
    return received.ok() && received->has_value() ? "answered" : "closed";
  };
  EXPECT_EQ(answer(), "closed");
  EXPECT_THAT(Log(), HasSubstr("databus.collector.allow"));
  EXPECT_THAT(Log(), HasSubstr("peer=127.0.0.1"));
  EXPECT_TRUE(Eventually([&] { return Fact("peers_refused") > 0; }));
  Hup(Config("databus.collector.allow=192.0.2.0/24,127.0.0.0/8\n"));
  ASSERT_TRUE(Eventually([&] { return Fact("reloads") == 1; })) << Log();
  EXPECT_EQ(answer(), "answered");
  Stop();
  EXPECT_EQ(Lines().count("one"), 1U);
}

}  // namespace
}  // namespace databus

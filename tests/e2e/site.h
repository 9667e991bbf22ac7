// For tests with real processes: an installation below a directory of its own. Nothing here is
// measured; the limits of time are far beyond what is needed.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/sync.h"
#include "cli/bench/child.h"
#include "net/network.h"
#include "storage/open.h"
#include "storage/test_directory.h"

namespace databus {

// Of `clusters`, file trees dc1, dc2, ... below the directory; all files of the configuration and
// all logs lie there, too.
class Site {
 public:
  Site() { std::signal(SIGPIPE, SIG_IGN); }

  const std::string& root() const { return directory_.path(); }
  std::string PathOf(const std::string& file) const { return fmt::format("{}/{}", root(), file); }
  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(PathOf(file)) << text;
  }
  std::string Read(const std::string& file) const {
    std::ifstream in(PathOf(file));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // A databus.xml of these streams (elements) and clusters (names).
  std::string Xml(const std::vector<std::string>& streams,
                  const std::vector<std::string>& clusters) const {
    std::string text = "<databus><defaults><rootdir>/databus</rootdir></defaults>\n<streams>\n";
    for (const std::string& stream : streams) text += stream + "\n";
    text += "</streams><clusters>\n";
    for (const std::string& cluster : clusters) {
      text += fmt::format(
          "<cluster name=\"{0}\" hdfsurl=\"file://{1}/{0}\" jturl=\"local\" "
          "jobqueuename=\"default\"/>\n",
          cluster, root());
    }
    return text + "</clusters></databus>\n";
  }
  static std::string Stream(const std::string& name, const std::vector<std::string>& sources,
                            const std::string& primary, const std::vector<std::string>& mirrors) {
    std::string text = fmt::format("<stream name=\"{}\"><sources>", name);
    for (const std::string& source : sources) {
      text += fmt::format("<source><name>{}</name></source>", source);
    }
    text += fmt::format(
        "</sources><destinations><destination><name>{}</name><primary>true</primary></destination>",
        primary);
    for (const std::string& mirror : mirrors) {
      text += fmt::format("<destination><name>{}</name></destination>", mirror);
    }
    return text + "</destinations></stream>";
  }

  // `<cluster>.cfg`, whose databus.xml is that of the directory.
  void WriteWorkerConfig(const std::string& clusters, const std::string& file) const {
    Write(file, fmt::format("com.inmobi.databus.clusters={}\ncom.inmobi.databus.cfg={}\n"
                            "com.inmobi.databus.enablezk=false\n"
                            "databus.worker.run_interval_ms=1000\n",
                            clusters, PathOf("databus.xml")));
  }
  void StartWorker(const std::string& cluster) {
    WriteWorkerConfig(cluster, cluster + ".cfg");
    Start("worker-" + cluster, {"worker", "--config", PathOf(cluster + ".cfg")});
  }
  // A collector of a cluster that has a tree; answers its port.
  std::string StartCollector(const std::string& cluster, const std::string& name) {
    const auto listening = TcpNetwork().Listen({});
    const std::string port = std::to_string((*listening)->port());
    Write(name + ".conf",
          fmt::format("port={0}\n<store>\ncategory=default\ntype=buffer\nretry_interval=1\n"
                      "retry_interval_range=1\n<primary>\ntype=file\nfs_type=hdfs\n"
                      "file_path=file://{1}/{2}/databus/data\nsub_directory={3}\n"
                      "rotate_period=1s\nadd_newlines=1\n</primary>\n<secondary>\ntype=file\n"
                      "file_path={1}/spool-{3}\n</secondary>\n</store>\n",
                      port, root(), cluster, name));
    Start(name, {"collector", "--config", PathOf(name + ".conf")});
    return port;
  }
  void Start(const std::string& process, const std::vector<std::string>& args) {
    auto started = Child::Start(DATABUS_PROGRAM, args, PathOf(process + ".log"));
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    processes_.insert_or_assign(process, std::make_unique<Child>(*std::move(started)));
  }
  Child& Process(const std::string& process) { return *processes_.at(process); }
  bool AllRun() const {
    for (const auto& [name, child] : processes_) {
      if (!child->Running()) return false;
    }
    return true;
  }
  void StopAll() {
    for (const auto& [name, child] : processes_) child->Terminate();
    for (const auto& [name, child] : processes_) {
      const auto end = child->Wait();
      ASSERT_TRUE(end.ok());
      EXPECT_EQ(end->exit_code, 0) << name << "\n" << Read(name + ".log");
    }
    processes_.clear();
  }

  // A program that ends by itself; what it says on standard error is added to the log "command".
  Result<Child> StartCommand(const std::string& program, const std::vector<std::string>& args) {
    return Child::Start(program, args, PathOf("command.log"));
  }
  ChildEnd Run(const std::vector<std::string>& args) {
    auto child = StartCommand(DATABUS_PROGRAM, args);
    const auto end = child.ok() ? child->Wait() : Result<ChildEnd>(child.status());
    EXPECT_TRUE(end.ok()) << end.status().ToString();
    return end.ok() ? *end : ChildEnd();
  }

  template <typename Condition>
  static bool Eventually(Condition&& condition) {
    constexpr std::chrono::seconds kPatience{120};
    StopFlag pause;
    for (const BootTime end = SystemClock().Boot() + kPatience; SystemClock().Boot() < end;) {
      if (condition()) return true;
      pause.SleepUntil(SystemClock(), SystemClock().Boot() + Milliseconds(100));
    }
    return false;
  }

 private:
  const TestDirectory directory_;
  std::map<std::string, std::unique_ptr<Child>> processes_;
};

}  // namespace databus

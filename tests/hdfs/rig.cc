#include "tests/hdfs/rig.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "storage/test_directory.h"

namespace databus {
namespace {

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<int> Numbers(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) numbers.push_back(std::stoi(part));
  return numbers;
}

std::vector<uint16_t> Ports(const std::string& list) {
  std::vector<uint16_t> ports;
  for (const int number : Numbers(list)) ports.push_back(static_cast<uint16_t>(number));
  return ports;
}

RigCluster Parse(const std::string& line) {
  std::map<std::string, std::string> values;
  for (const std::string& word : Words(line)) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos) values[word.substr(0, equals)] = word.substr(equals + 1);
  }
  RigCluster cluster;
  cluster.url = values["url"];
  cluster.rpc_ports = Ports(values["rpc"]);
  cluster.transfer_ports = Ports(values["transfer"]);
  cluster.rpc_port = cluster.rpc_ports.front();
  cluster.web_port = static_cast<uint16_t>(Numbers(values["web"]).front());
  cluster.conf = values["conf"];
  cluster.name_nodes = Numbers(values["namenode"]);
  cluster.data_nodes = Numbers(values["datanodes"]);
  return cluster;
}

}  // namespace

HdfsOptions RigCluster::Options(const std::string& root, uint16_t port) const {
  using std::chrono_literals::operator""ms;
  HdfsOptions options;
  options.url = url;
  options.root = root;
  options.name_nodes.name_nodes = {{"127.0.0.1", port}};
  options.name_nodes.user = ::getuid() == 0 ? "root" : ::getlogin();
  options.name_nodes.patience.unsent = 5000ms;
  options.replication = 1;
  options.block_bytes = 1u << 20;
  return options;
}

RigOutcome Rig::Start(const std::string& options) {
  std::vector<std::string> arguments = {"--datanodes", "2"};
  for (std::string& word : Words(options)) arguments.push_back(std::move(word));
  if (!process_.Begin(DATABUS_HDFS_RIG, arguments)) return RigOutcome::kFailed;
  // One line for each.
  const auto wanted = options.find("--clusters=2") != std::string::npos ? 2u : 1u;
  while (clusters_.size() < wanted) {
    const std::string line = process_.ReadLine();
    if (line.empty()) return process_.AwaitEnd();
    clusters_.push_back(Parse(line));
  }
  return RigOutcome::kReady;
}

std::string Rig::Tool(const std::string& command, const std::string& arguments) const {
  return OutputOf(
      fmt::format("{} {} --dir {} {}", DATABUS_HDFS_RIG, command, process_.place(), arguments));
}

std::string OutputOf(const std::string& command) {
  const TestDirectory place;
  const std::string said = place.path() + "/stderr";
  FILE* const output = ::popen(fmt::format("{} 2>{}", command, said).c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t got; (got = ::fread(buffer, 1, sizeof buffer, output)) > 0;) text.append(buffer, got);
  const int status = ::pclose(output);
  std::ifstream errors(said);
  EXPECT_EQ(status, 0) << command << "\n" << errors.rdbuf();
  return text;
}

Rig& TheRig() {
  static Rig rig;
  return rig;
}

}  // namespace databus

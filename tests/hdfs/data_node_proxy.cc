#include "tests/hdfs/data_node_proxy.h"

#include <sys/socket.h>

#include <utility>

#include "tests/hdfs/proxy_sockets.h"
#include "tests/torture/loopback.h"

namespace databus {
namespace {

constexpr size_t kReadBytes = 64u << 10;

}  // namespace

Result<std::unique_ptr<DataNodeProxy>> DataNodeProxy::Start(const std::vector<uint16_t>& ports) {
  std::unique_ptr<DataNodeProxy> proxy(new DataNodeProxy);
  for (const uint16_t port : ports) {
    DATABUS_ASSIGN_OR_RETURN(const SocketAddress address, ParseAddress(kAddress, port));
    DATABUS_ASSIGN_OR_RETURN(LoopbackListener listener, ListenAt(address, 0));
    Door& door = proxy->doors_.emplace_back();
    door.port = port;
    door.listener = std::move(listener.fd);
    door.acceptor = Thread("door", [made = proxy.get(), &door] { made->Accept(door); });
  }
  return proxy;
}

DataNodeProxy::~DataNodeProxy() {
  ends_ = true;
  for (Door& door : doors_) {
    End(door.listener);
    door.acceptor.Join();
  }
  EndLinks();
}

void DataNodeProxy::Begin(Plan plan) {
  EndLinks();
  MutexLock lock(mutex_);
  plan_ = plan;
  ended_ = false;
  answered_.clear();
  in_vain_.clear();
}

std::vector<uint64_t> DataNodeProxy::answered() const {
  MutexLock lock(mutex_);
  return answered_;
}

size_t DataNodeProxy::in_vain() const {
  MutexLock lock(mutex_);
  return in_vain_.size();
}

bool DataNodeProxy::ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

void DataNodeProxy::Accept(const Door& door) {
  while (!ends_) {
    Fd client = AcceptFrom(door.listener);
    if (!client.open()) continue;
    MutexLock lock(mutex_);
    if (plan_.silent_port == door.port) {
      in_vain_.push_back(std::move(client));
      continue;
    }
    answered_.push_back(0);
    if (answered_.size() == plan_.connection && !plan_.answer_bytes) {
      ended_ = true;
      continue;
    }
    Fd server = ConnectTo(door.port);
    if (!server.open()) continue;
    Link& link = links_.emplace_back();
    link.number = answered_.size();
    link.client = std::move(client);
    link.server = std::move(server);
    link.up = Thread("requests", [&link] { CarryRequests(link); });
    link.down = Thread("answers", [this, &link] { CarryAnswers(link); });
  }
}

void DataNodeProxy::EndLinks() {
  std::list<Link> links;
  {
    MutexLock lock(mutex_);
    links.swap(links_);
  }
  for (Link& link : links) {
    End(link.client);
    End(link.server);
    link.up.Join();
    link.down.Join();
  }
}

void DataNodeProxy::CarryRequests(const Link& link) {
  std::string bytes(kReadBytes, '\0');
  while (true) {
    const ssize_t got = ::recv(link.client.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) break;
    if (!SendAll(link.server, {bytes.data(), static_cast<size_t>(got)})) break;
  }
  End(link.client);
  End(link.server);
}

size_t DataNodeProxy::Passing(const Link& link, size_t bytes) {
  MutexLock lock(mutex_);
  uint64_t& answered = answered_[link.number - 1];
  if (link.number == plan_.connection && *plan_.answer_bytes - answered < bytes) {
    bytes = *plan_.answer_bytes - answered;
    ended_ = true;
  }
  answered += bytes;
  return bytes;
}

void DataNodeProxy::CarryAnswers(const Link& link) {
  std::string bytes(kReadBytes, '\0');
  while (true) {
    const ssize_t got = ::recv(link.server.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) break;
    const size_t passing = Passing(link, static_cast<size_t>(got));
    if (!SendAll(link.client, {bytes.data(), passing})) break;
    if (passing < static_cast<size_t>(got)) break;
  }
  End(link.client);
  End(link.server);
}

}  // namespace databus

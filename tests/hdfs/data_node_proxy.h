// Between a client and data nodes: ends one of the connections when so many bytes of the data
// node's answers have passed, so that a cut is at the same place whatever the timing.
//
// It listens at an address of its own, on the ports of the data nodes; a client finds it by
// `databus.datanode.hosts`.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/sync.h"
#include "net/tcp_socket.h"

namespace databus {

class DataNodeProxy {
 public:
  static constexpr const char* kAddress = "127.0.0.2";

  struct Plan {
    uint64_t connection = 0;  // the one to end, from 1; 0: none
    // Ended when so many bytes have passed: 0, when there is an answer, and none of it passes.
    // Nothing: before the data node hears of it.
    std::optional<uint64_t> answer_bytes{};
    // Who connects to this data node hears nothing, and neither does the data node.
    std::optional<uint16_t> silent_port{};
  };

  // For the data nodes of 127.0.0.1 with these ports.
  static Result<std::unique_ptr<DataNodeProxy>> Start(const std::vector<uint16_t>& ports);
  ~DataNodeProxy();

  // Ends all connections and counts from the beginning again.
  void Begin(Plan plan);
  // How many bytes of answers each connection has had since then.
  std::vector<uint64_t> answered() const;
  // How many connections the silent data node has had since then.
  size_t in_vain() const;
  // Whether the plan has been carried out.
  bool ended() const;

 private:
  struct Link {
    uint64_t number = 0;
    Fd client;
    Fd server;
    Thread up;
    Thread down;
  };
  struct Door {
    uint16_t port = 0;
    Fd listener;
    Thread acceptor;
  };
  DataNodeProxy() = default;
  void Accept(const Door& door);
  static void CarryRequests(const Link& link);
  void CarryAnswers(const Link& link);
  // How many of `bytes` may pass; less than that: then the connection ends.
  size_t Passing(const Link& link, size_t bytes);
  void EndLinks();

  std::atomic<bool> ends_{false};
  std::list<Door> doors_;

  mutable Mutex mutex_;  // guards what follows
  Plan plan_;
  bool ended_ = false;
  std::vector<uint64_t> answered_;
  std::vector<Fd> in_vain_;
  std::list<Link> links_;
};

}  // namespace databus

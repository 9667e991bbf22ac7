// A real collector of a benchmark: a process of its own with a configuration, a spool and a cluster
// tree below a directory.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "cli/bench/child.h"
#include "cli/seams.h"

namespace databus {

// A port of this machine that nobody listens on at present.
Result<uint16_t> FreePort(Network& network);
// Connects to `port` again and again; kUnavailable after `most`, or when `child` has ended.
Status WaitForListener(Seams& seams, const Child& child, uint16_t port, Milliseconds most);
// Writes a new file.
Status WriteText(const std::string& path, const std::string& text);

class BenchCollector {
 public:
  // Makes the cluster's tree, starts the collector and waits until it listens.
  static Result<BenchCollector> Start(Seams& seams, const std::string& directory);

  uint16_t port() const { return port_; }
  const Child& child() const { return child_; }
  // A value of its /metrics, summed over the labels.
  Result<double> Metric(const std::string& name) const;
  // True when everything is delivered within `most`.
  Result<bool> WaitUntilDelivered(const Clock& clock, Milliseconds most) const;
  // Ends it cleanly.
  Status Stop();

 private:
  BenchCollector(Child child, uint16_t port, uint16_t http_port)
      : child_(std::move(child)), port_(port), http_port_(http_port) {}

  Child child_;
  uint16_t port_;
  uint16_t http_port_;
};

}  // namespace databus

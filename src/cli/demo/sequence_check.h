// The proof of a demo: reads every message of every view again and counts each number.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cli/demo/hop_watch.h"
#include "cli/demo/input.h"
#include "cli/demo/traffic.h"
#include "cli/installation.h"
#include "cli/seams.h"
#include "cluster/topology.h"

namespace databus {

struct SequenceResult {
  std::string stream;
  Hop hop = Hop::kLocal;
  std::vector<std::string> clusters = {};  // several for the local hop, which is theirs together
  uint64_t acknowledged = 0;
  uint64_t unconfirmed = 0;
  uint64_t seen = 0;         // different messages
  uint64_t lost = 0;         // missing, and acknowledged
  uint64_t doubled = 0;      // copies beyond the first
  uint64_t strange = 0;      // lines that nobody sent
  std::string example = {};  // the first that is lost, doubled or strange

  bool Clean() const { return lost == 0 && doubled == 0 && strange == 0; }
};

// One result per stream and hop, in the order of the topology. Not ok: a view cannot be read.
// A message that was sent and not acknowledged may be there, once, or not.
Result<std::vector<SequenceResult>> CheckSequences(const Topology& topology, const DemoInput& input,
                                                   const std::vector<SourceCount>& sources,
                                                   Seams& seams);

// Who sent a line, and its number; nothing: nobody did.
using Recognise = std::function<std::optional<NumberedMessage>(std::string_view line)>;
// The same of other messages than a demo's, in the minutes of `range`.
Result<std::vector<SequenceResult>> CheckSequences(const Topology& topology,
                                                   const Recognise& recognise,
                                                   const std::vector<SourceCount>& sources,
                                                   const MinuteRange& range, Seams& seams);

using OnMessage = std::function<void(std::string_view line, const std::string& path)>;
using FileFilter = std::function<bool(const DirEntry& file)>;
// Every message of one view, or of those of its files that `filter` lets through.
Status ReadMessages(const HopView& where, const MinuteRange& range, const Topology& topology,
                    Seams& seams, const OnMessage& on_message, const FileFilter& filter = {});

}  // namespace databus

// One view of one stream on one cluster, as a reader sees it: what `ls` and `cat` walk.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/minute.h"
#include "base/status.h"
#include "cli/installation.h"
#include "cluster/paths.h"
#include "cluster/sealed_header.h"
#include "storage/storage.h"

namespace databus {

struct StreamViewOptions {
  std::string stream;
  std::string topology_file;
  std::string cluster;
  std::string view = "streams";
  MinuteRange range;
};
void AddStreamViewOptions(CLI::App& app, StreamViewOptions& options);

struct StreamView {
  std::unique_ptr<Storage> storage;
  View view = View::kMerged;
  std::string stream;
  MinuteRange range;

  std::string PathOf(Minute minute, std::string_view file) const;
  std::string Describe() const;  // "stream clicks in streams of file:///srv/dc1/databus"
  // The minutes in ascending order, each with its files by name. A minute that is purged while it
  // is read is left out. Ends early, with its status, when `visit` does.
  Status Walk(const std::function<Status(Minute, const std::vector<DirEntry>&)>& visit) const;
};

// kInvalid for a wrong name; kNotFound, naming what there is, when the view has no such stream.
Result<StreamView> OpenStreamView(const StreamViewOptions& options, Seams& seams);

// The header of a file of ours. kNotFound: a foreign file, or gone (Open says which).
Result<DecodedHeader> ReadSealedHeader(Storage& storage, const std::string& path);

}  // namespace databus

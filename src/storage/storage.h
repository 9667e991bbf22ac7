// What one cluster's file tree is, to the rest of the program: the seam between the protocol and
// memory, a local directory, HDFS.
//
// Paths are relative to the tree's root (`<hdfsurl>/<rootdir>`), '/'-separated, without a leading
// or trailing '/', and built by cluster/paths.h. "" is the root itself. Malformed ones: kInvalid.
//
// Outcomes (base/status.h): every answer but kUnavailable is certain. kNotFound and kExists are the
// cluster's own words; silence, a lost connection, or an answer nobody can classify is
// kUnavailable, and the call may then have taken effect, or take effect later: a server may have it
// in its queue for a minute. So "looked, and it was not done" proves nothing about later, unless
// what the call needs is gone: its source, its parent directory (the fence, docs/protocol.md P4).
//
// Durability: a call that answered ok survives a power cut, the name in its directory included.
//
// No call creates missing parents: a missing parent is kNotFound. Re-making a directory that was
// renamed away would lift the fence (docs/protocol.md, P5).
//
// Thread-safe. No call is noexcept; implementations of tests and of the simulator may throw to
// stand for the death of the process, so callers must be correct under unwinding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace databus {

enum class NodeKind : uint8_t { kFile, kDirectory, kOther };

struct NodeInfo {
  NodeKind kind = NodeKind::kFile;
  uint64_t length = 0;  // bytes; 0 for directories
  WallTime modified;    // by the cluster's own clock
};

struct DirEntry {
  std::string name;  // one path component
  NodeInfo info;
};

struct Move {
  std::string from;
  std::string to;
};

// A file whose content is at hand as a whole.
struct SmallFile {
  std::string path;
  std::string content;
};

// A file being written; not visible under any other name, and not durable before Finish. Dropping
// it without Finish leaves a file of any prefix of the bytes. One thread at a time.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual Status Append(std::string_view bytes) = 0;
  // Makes content and name durable. Nothing may be called afterwards.
  virtual Status Finish() = 0;
};

// A file being read. Goes on reading the same file when its name is renamed away. One thread at a
// time.
class FileReader {
 public:
  virtual ~FileReader() = default;
  // Bytes [offset, offset + most), or less at the end of the file and nowhere else; empty at or
  // past the end.
  virtual Result<std::string> Read(uint64_t offset, size_t most) = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  // For messages: "file:///srv/dc1/databus".
  virtual std::string Describe() const = 0;

  // kNotFound: certainly not there.
  virtual Result<NodeInfo> Stat(const std::string& path) = 0;

  // The entries of a directory, in byte order of their names, current as of some moment during the
  // call. kNotFound: no such directory. kRefused: not a directory.
  virtual Result<std::vector<DirEntry>> List(const std::string& path) = 0;

  // Their names alone, as List: for what is asked often, where a list with what each entry is costs
  // a call for each. The default takes them from List.
  virtual Result<std::vector<std::string>> ListNames(const std::string& path);

  // kNotFound: no such file. kRefused: not a regular file.
  virtual Result<std::unique_ptr<FileReader>> Open(const std::string& path) = 0;

  // Opens files, each as Open does. The default does so one by one.
  virtual std::vector<Result<std::unique_ptr<FileReader>>> Opens(
      std::span<const std::string> paths);

  // How many small files are best opened, or written by WriteFiles, in one batch by somebody who
  // has many: 1 where a batch is no better than one after the other.
  virtual size_t SmallFilesAtOnce() const { return 1; }

  // Creates a file that did not exist. kExists: the name is taken. kNotFound: no parent.
  virtual Result<std::unique_ptr<FileWriter>> Create(const std::string& path) = 0;

  // Batches: the calls of one batch are independent, run in any order, and answered one by one in
  // the order given. One batch costs one round of waiting (a sync per directory, a pipelined RPC).

  // Makes empty directories. kExists: the name is taken (by anything). kNotFound: no parent. Of two
  // that make one at the same moment both may be told ok, as HDFS cannot tell: what must have one
  // winner is a rename.
  virtual std::vector<Status> MakeDirs(std::span<const std::string> paths) = 0;

  // Moves files or whole directories; a reader sees all of it or none, under one name.
  //   kNotFound   `from`, or the parent of `to`, is not there; nothing moved.
  //   kExists     `to` is taken, by anything, an empty directory included; nothing moved.
  //   kUnavailable  may have happened, or may yet. Settle with Stat(from) and Stat(to).
  virtual std::vector<Status> Renames(std::span<const Move> moves) = 0;

  // Removes files or empty directories. kNotFound: was not there. kRefused: directory not empty.
  virtual std::vector<Status> Removes(std::span<const std::string> paths) = 0;

  // Creates files with their content, each as WriteFile does. The default does so one by one.
  virtual std::vector<Status> WriteFiles(std::span<const SmallFile> files);

  // Puts a small file in place whole, over whatever file has that name. For hints and heartbeats
  // only (`system/status/`): nothing published is ever overwritten. kNotFound: no parent.
  virtual Status Replace(const std::string& path, std::string_view content) = 0;

  // Makes durable whatever is visible now, whoever made it so. A process that died between a change
  // and its sync leaves such things; who takes over from it, and concludes from what it sees that a
  // step is done, calls this first (P8). May take long: for take-overs, not for runs.
  virtual Status SyncAll() = 0;

  // Single forms of the above.
  Status MakeDir(const std::string& path);
  Status Rename(const std::string& from, const std::string& to);
  Status Remove(const std::string& path);

  // Creates a file with this content, durably: Create, Append, Finish. A failure after the first of
  // them leaves a file of any prefix of the content.
  Status WriteFile(const std::string& path, std::string_view content);
  // The whole file. kInvalid when it is longer than `most`.
  Result<std::string> ReadFile(const std::string& path, size_t most = size_t{64} << 20);
};

}  // namespace databus

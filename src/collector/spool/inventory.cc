#include "collector/spool/inventory.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "collector/spool/files.h"
#include "collector/spool/identity.h"
#include "collector/spool/journal.h"
#include "net/batch_id.h"
#include "net/entry_list.h"

namespace databus {
namespace {

// A collector that runs makes and removes segments while they are looked at. It says in the journal
// what it has made, and what it is about to remove. So a segment is missed only if it was known
// before the later listing, is not in it, and is still wanted afterwards.
struct Snapshot {
  std::set<std::string> names;       // of both listings
  std::optional<SpoolState> before;  // between them
  std::optional<SpoolState> state;
  Status journal;
};

const SpoolState* StateOf(const Snapshot& snapshot) {
  return snapshot.state ? &*snapshot.state : nullptr;
}

Result<SpoolState> ReadState(Disk& disk, const std::string& dir,
                             const std::optional<uint64_t>& incarnation) {
  if (!incarnation) {
    return Status(Code::kNotFound,
                  dir + ": the journal cannot be read, as nobody knows whose it is");
  }
  return Journal::Read(disk, dir, *incarnation);
}

Result<Snapshot> TakeSnapshot(Disk& disk, const std::string& dir,
                              const std::optional<uint64_t>& incarnation) {
  Snapshot snapshot;
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> first, disk.List(dir));
  Result<SpoolState> before = ReadState(disk, dir, incarnation);
  if (before.ok()) snapshot.before = *std::move(before);
  DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> second, disk.List(dir));
  Result<SpoolState> after = ReadState(disk, dir, incarnation);
  snapshot.journal = after.status();
  if (after.ok()) snapshot.state = *std::move(after);
  snapshot.names.insert(first.begin(), first.end());
  snapshot.names.insert(second.begin(), second.end());
  return snapshot;
}

// Numbers of segments and the names of their files. A copy that the journal counts is a segment
// whose name is still to come.
std::map<uint64_t, std::string> FilesOf(const Snapshot& snapshot) {
  std::map<uint64_t, std::string> files;
  for (const std::string& name : snapshot.names) {
    if (const auto number = NumberInName(name, kSegmentPrefix)) files[*number] = name;
    const auto copy = NumberInName(name, kCopyPrefix);
    if (copy && snapshot.state && snapshot.state->EndIsKnown(*copy)) files.try_emplace(*copy, name);
  }
  return files;
}

// The last two are the collector's own: the topology it obeys, and what it tries a disk with.
constexpr std::string_view kOurs[] = {"identity", kDiskLockName, kDamagedDir, kRejectedDir,
                                      kRenewed,   "topology",    "probe"};

bool IsOurs(const std::string& name) {
  return std::ranges::count(kOurs, name) > 0 || name.ends_with(kTemporarySuffix) ||
         NumberInName(name, kSegmentPrefix) || NumberInName(name, kCopyPrefix) ||
         NumberInName(name, kJournalPrefix);
}

uint64_t BytesOf(const std::vector<Interval>& pieces) {
  uint64_t bytes = 0;
  for (const Interval& piece : pieces) bytes += piece.end - piece.begin;
  return bytes;
}

// What of `within` is in none of these.
std::vector<Interval> Outside(std::initializer_list<const IntervalSet*> sets,
                              const Interval& within) {
  IntervalSet all;
  for (const IntervalSet* set : sets) {
    for (const Interval& piece : set->pieces()) all.Add(piece);
  }
  return all.Gaps(within);
}

class InventoryReader {
 public:
  InventoryReader(Disk& disk, const std::string& dir, ReadDepth depth)
      : disk_(disk), depth_(depth) {
    inventory_.dir = dir;
  }

  Result<SpoolInventory> Read() {
    const std::string& dir = inventory_.dir;
    DATABUS_ASSIGN_OR_RETURN(const std::vector<std::string> names, disk_.List(dir));
    if (std::ranges::none_of(names, [](const std::string& name) {
          return name == "identity" || NumberInName(name, kSegmentPrefix) ||
                 NumberInName(name, kJournalPrefix);
        })) {
      return Status(Code::kNotFound, dir + ": not a spool: no identity, journal nor segment");
    }
    ReadWhose();
    DATABUS_ASSIGN_OR_RETURN(snapshot_, TakeSnapshot(disk_, dir, incarnation_));
    Note(snapshot_.journal);
    inventory_.has_journal = snapshot_.state.has_value();
    for (const std::string& name : snapshot_.names) {
      if (!IsOurs(name)) Tell(dir + "/" + name + ": nothing of a spool");
    }
    ReadSegments();
    ReadHeldBack();
    ReadPieces();
    ReadRejected();
    return std::move(inventory_);
  }

 private:
  void Tell(std::string problem) { inventory_.problems.push_back(std::move(problem)); }
  void Note(const Status& status) {
    if (!status.ok()) Tell(status.message());
  }

  void ReadWhose() {
    const std::string& dir = inventory_.dir;
    Result<SpoolIdentity> identity = ReadIdentity(disk_, dir);
    Note(identity.status().WithContext("identity"));
    if (identity.ok()) inventory_.identity = *std::move(identity);
    const Result<uint64_t> incarnation = FindIncarnation(disk_, dir);
    if (incarnation.ok()) incarnation_ = *incarnation;
  }

  void ReadSegments() {
    const SpoolState* state = StateOf(snapshot_);
    const std::map<uint64_t, std::string> files = FilesOf(snapshot_);
    std::set<uint64_t> numbers;
    for (const auto& [number, name] : files) numbers.insert(number);
    if (state != nullptr) numbers.merge(state->KnownSegments());
    for (const uint64_t number : numbers) {
      const auto file = files.find(number);
      if (file != files.end()) {
        ReadSegment(number, inventory_.dir + "/" + file->second);
      } else if (snapshot_.before && snapshot_.before->IsMissed(number) &&
                 state->IsMissed(number)) {
        AddGone(number);
      }
    }
  }

  void AddGone(uint64_t number) {
    SegmentInventory gone{.segment = number,
                          .path = SegmentPath(inventory_.dir, number),
                          .presence = SegmentPresence::kGone};
    const SegmentFates fates(StateOf(snapshot_), number);
    gone.Of(RecordFate::kDelivered).bytes = BytesOf(fates.freed.pieces());
    gone.Of(RecordFate::kSealed).bytes = BytesOf(fates.sealed.pieces());
    gone.Of(RecordFate::kHeldBack).bytes = BytesOf(fates.held_back.pieces());
    gone.waiting = fates.waiting;
    const Interval reached{kSegmentHeaderBytes, fates.reach};
    gone.Of(RecordFate::kUnsealed).bytes =
        BytesOf(Outside({&fates.freed, &fates.voids, &fates.sealed, &fates.held_back}, reached));
    gone.missing_bytes = gone.Of(RecordFate::kSealed).bytes + gone.Of(RecordFate::kHeldBack).bytes +
                         gone.Of(RecordFate::kUnsealed).bytes;
    inventory_.segments.push_back(std::move(gone));
  }

  void ReadSegment(uint64_t number, const std::string& path) {
    SegmentInventory segment{.segment = number, .path = path};
    const Status read = ReadFile(segment);
    // The collector removes what is delivered.
    if (read.code() == Code::kNotFound) return;
    Note(read.WithContext(path));
    inventory_.segments.push_back(std::move(segment));
  }

  Status ReadFile(SegmentInventory& segment) {
    DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk_.Open(segment.path));
    DATABUS_ASSIGN_OR_RETURN(segment.bytes, file->Size());
    const SpoolState* state = StateOf(snapshot_);
    const bool stray = state != nullptr && state->IsStray(segment.segment, segment.bytes);
    if (stray) segment.presence = SegmentPresence::kStray;
    const SegmentFates fates(stray ? nullptr : state, segment.segment);
    segment.waiting = fates.waiting;
    if (!stray && fates.reach > segment.bytes) {
      const Interval missing{std::max<uint64_t>(segment.bytes, kSegmentHeaderBytes), fates.reach};
      segment.missing_bytes = BytesOf(Outside({&fates.freed, &fates.voids}, missing));
    }
    if (!incarnation_) return {Code::kCorrupt, "nobody knows whose it is: it is not read"};
    std::string head;
    DATABUS_RETURN_IF_ERROR(file->ReadAt(0, kSegmentHeaderBytes, head));
    const Status checked = CheckSegmentHeader(head, {*incarnation_, segment.segment});
    if (checked.code() == Code::kInvalid) return checked;
    if (!checked.ok() && !head.empty()) Note(checked.WithContext(segment.path));
    const Interval all{kSegmentHeaderBytes, std::max<uint64_t>(segment.bytes, kSegmentHeaderBytes)};
    for (const Interval& piece : fates.voids.Gaps(all)) {
      DATABUS_RETURN_IF_ERROR(ReadRecords(*file, piece, fates, segment));
    }
    segment.Of(RecordFate::kVoid).bytes = all.end - all.begin - BytesOf(fates.voids.Gaps(all));
    return Status::Ok();
  }

  Status ReadRecords(DiskFile& file, const Interval& piece, const SegmentFates& fates,
                     SegmentInventory& segment) const {
    SegmentReader reader(file, {*incarnation_, segment.segment}, piece, depth_);
    while (true) {
      DATABUS_ASSIGN_OR_RETURN(const auto found, reader.Next());
      if (!found) return Status::Ok();
      const uint64_t bytes = found->bytes.end - found->bytes.begin;
      const RecordFate fate = fates.At(found->bytes.begin);
      if (found->header) {
        AddRecord(*found, fate, segment);
      } else if (found->bytes.end == segment.bytes && !fates.end_is_known &&
                 (fate == RecordFate::kUnsealed || fate == RecordFate::kUnknown)) {
        segment.tail_bytes += bytes;
      } else if (fate != RecordFate::kDelivered) {
        segment.damaged_bytes += bytes;
      }
    }
  }

  static void AddRecord(const SegmentReader::Found& found, RecordFate fate,
                        SegmentInventory& segment) {
    Tally& tally = segment.Of(fate);
    tally.bytes += found.bytes.end - found.bytes.begin;
    ++tally.records;
    tally.messages += found.header->count;
    const WallTime accepted{Milliseconds(found.header->accepted_ms)};
    segment.oldest = std::min(segment.oldest.value_or(accepted), accepted);
    segment.newest = std::max(segment.newest.value_or(accepted), accepted);
    const Status walked =
        ForEachEntry(found.body.substr(0, found.body.empty() ? 0 : found.header->entries_bytes),
                     [&](std::string_view stream, std::string_view) {
                       auto it = segment.streams.find(stream);
                       if (it == segment.streams.end())
                         it = segment.streams.emplace(stream, 0).first;
                       ++it->second;
                     });
    static_cast<void>(walked);  // without a body there is no list
  }

  void ReadHeldBack() {
    if (!snapshot_.state) return;
    for (const auto& [id, cut] : snapshot_.state->cuts) {
      inventory_.deliveries += cut.intents.size();
      for (const SpoolDeferral& deferral : cut.deferred) {
        const auto [it, added] = inventory_.held_back.try_emplace(deferral.stream);
        it->second.bytes += deferral.bytes;
        it->second.oldest = added ? deferral.oldest : std::min(it->second.oldest, deferral.oldest);
      }
    }
  }

  // The names in a directory below; one that was never made is empty.
  std::vector<std::string> NamesIn(const std::string& dir) {
    Result<std::vector<std::string>> names = disk_.List(dir);
    if (names.ok()) return *std::move(names);
    if (names.code() != Code::kNotFound) Note(names.status());
    return {};
  }

  void ReadPieces() {
    const std::string dir = inventory_.dir + "/" + std::string(kDamagedDir);
    for (const std::string& name : NamesIn(dir)) {
      if (name.ends_with(kTemporarySuffix)) continue;
      const std::string path = dir + "/" + name;
      const auto place = PlaceFromName(name);
      if (!place) {
        Tell(path + ": not a piece of a segment");
        continue;
      }
      PieceInventory piece{.path = path, .place = *place};
      Note(ReadPiece(piece).WithContext(path));
      inventory_.pieces.push_back(std::move(piece));
    }
    std::ranges::sort(inventory_.pieces, std::less<>(), [](const PieceInventory& piece) {
      return std::pair(piece.place.segment, piece.place.begin);
    });
    // What is missing of one goes no further than to the next.
    for (size_t i = 1; i < inventory_.pieces.size(); ++i) {
      PieceInventory& piece = inventory_.pieces[i - 1];
      const PiecePlace& next = inventory_.pieces[i].place;
      if (!piece.missing_bytes || next.segment != piece.place.segment) continue;
      piece.missing_bytes = std::min(*piece.missing_bytes, next.begin - piece.place.begin);
    }
  }

  Status ReadPiece(PieceInventory& piece) const {
    DATABUS_ASSIGN_OR_RETURN(const std::unique_ptr<DiskFile> file, disk_.Open(piece.path));
    DATABUS_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    const SegmentFates fates(StateOf(snapshot_), piece.place.segment);
    const Interval bytes{piece.place.begin, piece.place.begin + size};
    piece.may_have_been_cut = fates.MayHaveBeenCut(bytes);
    const auto end = fates.EndFrom(piece.place.begin);
    if (size == 0 && end) piece.missing_bytes = *end - piece.place.begin;
    if (!incarnation_) return {Code::kCorrupt, "nobody knows whose it is: it is not read"};
    DATABUS_ASSIGN_OR_RETURN(piece.summary, SummarisePiece(*file, piece.place, *incarnation_));
    return Status::Ok();
  }

  void ReadRejected() {
    const std::string dir = inventory_.dir + "/" + std::string(kRejectedDir);
    for (const std::string& name : NamesIn(dir)) {
      if (name.ends_with(kTemporarySuffix)) continue;
      RejectedFile file{.path = dir + "/" + name};
      const Result<std::string> text = ReadWholeFile(disk_, file.path);
      Note(text.status().WithContext(file.path));
      if (text.ok()) {
        file.bytes = text->size();
        const auto lines = static_cast<uint64_t>(std::ranges::count(*text, '\n'));
        file.entries = lines - std::min<uint64_t>(lines, 1);  // the first names the format
      }
      inventory_.rejected.push_back(std::move(file));
    }
  }

  Disk& disk_;
  const ReadDepth depth_;
  std::optional<uint64_t> incarnation_;
  Snapshot snapshot_;
  SpoolInventory inventory_;
};

}  // namespace

SegmentFates::SegmentFates(const SpoolState* state, uint64_t segment) {
  if (state == nullptr) return;
  end_is_known = state->EndIsKnown(segment);
  known = !state->names_segments || state->begun.contains(segment) || segment > state->last_segment;
  if (const auto found = state->voids.find(segment); found != state->voids.end()) {
    voids = found->second;
    for (const Interval& piece : voids.pieces()) reach = std::max(reach, piece.begin);
    if (end_is_known) end = voids.pieces().back().begin;
  }
  if (const auto found = state->freed.find(segment); found != state->freed.end()) {
    freed = found->second;
    for (const Interval& piece : freed.pieces()) reach = std::max(reach, piece.end);
  }
  for (const auto& [id, cut] : state->cuts) {
    for (const SpoolRange& range : cut.ranges) {
      if (range.segment != segment) continue;
      (cut.deferred.empty() ? sealed : held_back).Add({range.begin, range.end});
      reach = std::max(reach, range.end);
      for (const SpoolDeferral& deferral : cut.deferred) waiting.insert(deferral.stream);
    }
  }
  known = known || !voids.pieces().empty() || reach > 0;
}

RecordFate SegmentFates::At(uint64_t offset) const {
  const auto holds = [&](const IntervalSet& set) {
    const Interval found = set.Find(offset);
    return found.begin != found.end;
  };
  if (!known) return RecordFate::kUnknown;
  if (holds(freed)) return RecordFate::kDelivered;
  if (holds(held_back)) return RecordFate::kHeldBack;
  if (holds(sealed)) return RecordFate::kSealed;
  return holds(voids) ? RecordFate::kVoid : RecordFate::kUnsealed;
}

bool SegmentFates::MayHaveBeenCut(const Interval& piece) const {
  const Interval bytes{piece.begin, std::max(piece.end, piece.begin + 1)};
  return !voids.Covers(bytes) || freed.Touches(bytes) || sealed.Touches(bytes) ||
         held_back.Touches(bytes);
}

std::optional<uint64_t> SegmentFates::EndFrom(uint64_t offset) const {
  for (const IntervalSet* cut : {&held_back, &sealed}) {
    const Interval found = cut->Find(offset);
    if (found.begin != found.end) return found.end;
  }
  return end > offset ? std::optional(end) : std::nullopt;
}

Result<uint64_t> FindIncarnation(Disk& disk, const std::string& dir) {
  const Result<SpoolIdentity> identity = ReadIdentity(disk, dir);
  if (identity.ok()) return ParseSender(identity->first).value();
  DATABUS_ASSIGN_OR_RETURN(const std::vector<uint64_t> segments,
                           ListNumbered(disk, dir, kSegmentPrefix));
  for (const uint64_t segment : segments) {
    const auto file = disk.Open(SegmentPath(dir, segment));
    std::string head;
    if (!file.ok() || !(*file)->ReadAt(0, kSegmentHeaderBytes, head).ok()) continue;
    const Result<SegmentId> id = DecodeSegmentHeader(head);
    if (id.ok()) return id->incarnation;
  }
  return identity.status();
}

Result<SpoolInventory> ReadInventory(Disk& disk, const std::string& dir, ReadDepth depth) {
  return InventoryReader(disk, dir, depth).Read();
}

}  // namespace databus

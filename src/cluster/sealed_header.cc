#include "cluster/sealed_header.h"

#include <cassert>
#include <type_traits>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "cluster/names.h"

namespace databus {
namespace {

// gzip header: magic, deflate, FLG = FEXTRA, MTIME 0, XFL 0, OS unknown; then XLEN and the field:
//   'D' 'B' length:2 | version:1 ... crc32c:4
// Integers are little endian, as everything in gzip. Every version begins with its number and ends
// with the checksum of what precedes it in the field, so that damage and novelty can be told apart.
constexpr std::string_view kFixed("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
constexpr size_t kMagicBytes = 3;
constexpr size_t kFlags = 3;
constexpr char kFlagExtra = 4;
constexpr size_t kExtraStart = 12;
constexpr std::string_view kSubfield = "DB";
constexpr size_t kSubfieldHeadBytes = 4;
constexpr size_t kChecksumBytes = 4;
constexpr uint8_t kVersion = 1;
constexpr size_t kIncarnationDigits = 16;

template <typename Number>
void Put(std::string& to, Number value) {
  const auto bits = static_cast<std::make_unsigned_t<Number>>(value);
  for (size_t i = 0; i < sizeof(Number); ++i) to += static_cast<char>(bits >> (8 * i));
}

void PutWord(std::string& to, std::string_view word) {
  assert(word.size() <= kNameBytesMax);
  Put(to, static_cast<uint8_t>(word.size()));
  to += word;
}

// Takes fields off the front. After the first that does not fit, `ok` is false and all are empty.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view Take(size_t bytes) {
    if (bytes > rest.size()) {
      ok = false;
      rest = {};
      return {};
    }
    const std::string_view taken = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return taken;
  }
  template <typename Number>
  Number Get() {
    std::make_unsigned_t<Number> value = 0;
    size_t shift = 0;
    for (const char c : Take(sizeof(Number))) {
      value |= static_cast<std::make_unsigned_t<Number>>(static_cast<unsigned char>(c)) << shift;
      shift += 8;
    }
    return static_cast<Number>(value);
  }
  std::string Word() { return std::string(Take(Get<uint8_t>())); }
  WallTime Time() { return WallTime(Milliseconds(Get<int64_t>())); }
};

Status Damaged(std::string_view what) {
  return {Code::kCorrupt, fmt::format("sealed file header: {}", what)};
}

// The names become parts of paths, so that what a hostile file says about itself is checked.
bool HasValidNames(const SealedHeader& header) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::string& incarnation = header.identity.incarnation;
  return ValidateClusterName(header.identity.cluster).ok() &&
         ValidateStreamName(header.stream).ok() && ValidateCollectorName(header.collector).ok() &&
         incarnation.size() == kIncarnationDigits &&
         incarnation.find_first_not_of(kHex) == std::string::npos;
}

// `field` is what stands between the subfield's length and its end.
Result<SealedHeader> DecodeField(std::string_view field) {
  if (field.size() < 1 + kChecksumBytes) return Damaged("field is too short");
  const std::string_view body = field.substr(0, field.size() - kChecksumBytes);
  Reader checksum{field.substr(body.size())};
  if (checksum.Get<uint32_t>() != Crc32c(body)) return Damaged("checksum does not match");
  Reader reader{body};
  const auto version = reader.Get<uint8_t>();
  if (version > kVersion) {
    return Status(Code::kInvalid,
                  fmt::format("sealed file header: written by a newer Databus (version {}, this "
                              "program reads up to {})",
                              version, kVersion));
  }
  SealedHeader header;
  header.identity.cluster = reader.Word();
  header.identity.incarnation = reader.Word();
  header.identity.counter = reader.Get<uint64_t>();
  header.stream = reader.Word();
  header.collector = reader.Word();
  header.messages = reader.Get<uint64_t>();
  header.first_accepted = reader.Time();
  header.last_accepted = reader.Time();
  header.raw_bytes = reader.Get<uint64_t>();
  header.payload_bytes = reader.Get<uint64_t>();
  header.payload_crc32c = reader.Get<uint32_t>();
  if (version < kVersion || !reader.ok || !reader.rest.empty()) return Damaged("bad layout");
  if (!HasValidNames(header)) return Damaged("holds an impossible name");
  return header;
}

}  // namespace

std::string EncodeSealedHeader(const SealedHeader& header) {
  std::string field;
  Put(field, kVersion);
  PutWord(field, header.identity.cluster);
  PutWord(field, header.identity.incarnation);
  Put(field, header.identity.counter);
  PutWord(field, header.stream);
  PutWord(field, header.collector);
  Put(field, header.messages);
  Put(field, header.first_accepted.time_since_epoch().count());
  Put(field, header.last_accepted.time_since_epoch().count());
  Put(field, header.raw_bytes);
  Put(field, header.payload_bytes);
  Put(field, header.payload_crc32c);
  Put(field, Crc32c(field));

  std::string bytes(kFixed);
  Put(bytes, static_cast<uint16_t>(kSubfieldHeadBytes + field.size()));
  bytes += kSubfield;
  Put(bytes, static_cast<uint16_t>(field.size()));
  bytes += field;
  return bytes;
}

Result<DecodedHeader> DecodeSealedHeader(std::string_view first_bytes) {
  const Status foreign(Code::kNotFound, "not a sealed file: no Databus gzip header");
  if (first_bytes.size() < kExtraStart) {
    const bool cut =
        !first_bytes.empty() && kFixed.starts_with(first_bytes.substr(0, kFixed.size()));
    return cut ? Damaged("is cut short") : foreign;
  }
  if (!first_bytes.starts_with(kFixed.substr(0, kMagicBytes)) ||
      (first_bytes[kFlags] & kFlagExtra) == 0) {
    return foreign;
  }
  Reader length{first_bytes.substr(kFixed.size(), kExtraStart - kFixed.size())};
  const size_t header_bytes = kExtraStart + length.Get<uint16_t>();
  // Ours is never that long; what follows then is another program's field.
  if (header_bytes > kSealedHeaderBytesMax) return foreign;
  if (header_bytes > first_bytes.size()) return Damaged("is cut short");
  Reader extra{first_bytes.substr(kExtraStart, header_bytes - kExtraStart)};
  while (!extra.rest.empty()) {
    const std::string_view id = extra.Take(kSubfield.size());
    const std::string_view field = extra.Take(extra.Get<uint16_t>());
    if (!extra.ok) return id == kSubfield ? Damaged("field is cut short") : foreign;
    if (id != kSubfield) continue;
    // With further gzip fields behind it the payload would start elsewhere: not as it was written.
    if (first_bytes[kFlags] != kFlagExtra) return Damaged("gzip flags were changed");
    DATABUS_ASSIGN_OR_RETURN(SealedHeader header, DecodeField(field));
    return DecodedHeader{std::move(header), header_bytes};
  }
  return foreign;
}

}  // namespace databus

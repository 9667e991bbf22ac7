// The few encodings of Hadoop's protocols that protobuf's library has no call for.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace databus::hdfs {

void AppendBigEndian16(uint16_t value, std::string& out);
void AppendBigEndian32(uint32_t value, std::string& out);
// REQUIRES: so many bytes.
uint16_t LoadBigEndian16(const char* bytes);
uint32_t LoadBigEndian32(const char* bytes);

// A "delimited" message: its length as a varint, then itself.
void AppendDelimited(const google::protobuf::MessageLite& message, std::string& out);

// False: the bytes are not such a message, or something that it must have is missing.
bool ParseWhole(std::string_view bytes, google::protobuf::MessageLite& message);

enum class Taken : uint8_t {
  kWhole,
  kPartial,  // the bytes may be the beginning of one
  kDamaged,  // they are not, or it is longer than allowed
};
// Takes a delimited message of at most `most` bytes from the front of `bytes`. Anything but kWhole
// leaves them as they are.
Taken TakeDelimited(std::string_view& bytes, google::protobuf::MessageLite& message, size_t most);

// True when Hadoop keeps a name of these bytes as it is. It keeps names as Java's text: of what is
// no UTF-8 it would silently make another name.
bool IsUtf8(std::string_view bytes);

}  // namespace databus::hdfs

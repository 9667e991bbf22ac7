// The Scribe protocol as Databus speaks it. Names, field ids and meaning of what Scribe has are
// Scribe's, so that every existing client and server understands; the batch identity is ours and is
// skipped by peers that do not know it.

include "fb303.thrift"

namespace cpp databus.scribe_thrift

enum ResultCode {
  // Every message of the call is durable.
  OK = 0,
  // No message of the call was kept; send the same call again.
  TRY_LATER = 1
}

struct LogEntry {
  // The stream.
  1: string category,
  // Any bytes.
  2: string message
}

// Batches of one sender are numbered from 1 without gaps. A receiver remembers the highest number
// it has kept: a repeat is answered OK and not kept again, a gap is answered TRY_LATER.
struct BatchId {
  // One incarnation of a sender: 16 hexadecimal digits.
  1: string sender,
  2: i64 number,
  // The lowest number that the sender has not yet seen acknowledged. A receiver that remembers less
  // has lost its memory and goes on from here.
  3: i64 base
}

service scribe extends fb303.FacebookService {
  // Thrift allows no `optional` argument; a client that has no identity leaves field 15 out.
  ResultCode Log(1: list<LogEntry> messages, 15: BatchId batch)
}

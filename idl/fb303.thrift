// fb303, the management service beside every Scribe server: names and field ids as everybody's.

namespace cpp databus.fb303_thrift

enum fb_status {
  DEAD = 0,
  STARTING = 1,
  ALIVE = 2,
  STOPPING = 3,
  STOPPED = 4,
  WARNING = 5
}

service FacebookService {
  string getName(),
  string getVersion(),
  fb_status getStatus(),
  // Why the status is what it is, for a human.
  string getStatusDetails(),
  map<string, i64> getCounters(),
  i64 getCounter(1: string key),
  void setOption(1: string key, 2: string value),
  string getOption(1: string key),
  map<string, string> getOptions(),
  string getCpuProfile(1: i32 profileDurationInSec),
  // Seconds since 1970.
  i64 aliveSince(),
  oneway void reinitialize(),
  oneway void shutdown()
}

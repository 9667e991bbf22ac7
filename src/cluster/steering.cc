#include "cluster/steering.h"

namespace databus {

std::string_view ProgramVersion() { return DATABUS_VERSION; }

}  // namespace databus

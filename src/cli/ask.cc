#include "cli/ask.h"

#include <istream>
#include <ostream>

#include "base/settings.h"

namespace databus {

Answer Ask(Io& io, const std::string& question) {
  io.err << question << " [y/N] " << std::flush;
  std::string line;
  if (!std::getline(io.in, line)) {  // no terminal, perhaps
    io.err << "\ndatabus: nobody answers; --yes answers yes without being asked\n";
    return Answer::kNo;
  }
  const std::string_view answer = Trimmed(line);
  return answer == "y" || answer == "yes" || answer == "Y" ? Answer::kYes : Answer::kNo;
}

}  // namespace databus

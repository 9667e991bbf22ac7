#include "base/planted.h"

namespace databus {
namespace {
Bug planted = Bug::kNone;
}  // namespace

bool Planted(Bug bug) { return bug == planted; }
void Plant(Bug bug) { planted = bug; }

}  // namespace databus

#include "tests/hdfs/rig.h"

int main(int argc, char** argv) {
  return databus::RunTestsOnRig(
      argc, argv, [] { return databus::TheRig().Start(DATABUS_RIG_OPTIONS); }, "Hadoop");
}

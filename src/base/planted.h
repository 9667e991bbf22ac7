// Marks the places where a negative test may plant a bug. Constant false outside the `sim` preset,
// so the branch is compiled away. Names are listed in tests/negative/.
#pragma once

#define PLANTED(name) false

// The loops for every processor.

#define LEVEL baseline
#define NAME "baseline"
#define BYTES 16
#include "loops.h"

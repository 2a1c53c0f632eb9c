// The loops for processors with AVX2.

#if defined(__x86_64__)
#pragma GCC target("avx2,fma")

#define LEVEL avx2
#define NAME "avx2"
#define BYTES 32
#include "loops.h"
#endif

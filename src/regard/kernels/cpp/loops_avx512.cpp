// The loops for processors with AVX-512.

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")

#define LEVEL avx512
#define NAME "avx512"
#define BYTES 64
#include "loops.h"
#endif

// The compiler's vectors, and rows of values read, summed and written with them. Part of `loops.h`, see there.

#include "level.h"

namespace regard::LEVEL {
namespace {

#define ALWAYS inline __attribute__((always_inline))
#define FORCED __attribute__((always_inline))
#define RESTRICT __restrict__

// ---- vectors -------------------------------------------------------------------------------------------------------

template <class T> struct Lanes;

template <class A, long n> struct Wide {
  typedef A V __attribute__((vector_size(n * sizeof(A))));
};

template <> struct Lanes<float> {
  static constexpr long n = BYTES / 4;
  typedef float V __attribute__((vector_size(BYTES)));
  typedef int I __attribute__((vector_size(BYTES)));
  typedef int Index;
  static ALWAYS V load(const float* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static ALWAYS void store(float* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
  static ALWAYS float wide(float x) { return x; }
  static ALWAYS float narrow(float x) { return x; }
};

template <> struct Lanes<double> {
  static constexpr long n = BYTES / 8;
  typedef double V __attribute__((vector_size(BYTES)));
  typedef long I __attribute__((vector_size(BYTES)));
  typedef long Index;
  static ALWAYS V load(const double* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static ALWAYS void store(double* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
  static ALWAYS double wide(double x) { return x; }
  static ALWAYS double narrow(double x) { return x; }
};

template <> struct Lanes<bf16> {
  static constexpr long n = BYTES / 4;
  typedef float V __attribute__((vector_size(BYTES)));
  typedef int I __attribute__((vector_size(BYTES)));
  typedef unsigned U __attribute__((vector_size(BYTES)));
  typedef unsigned short H __attribute__((vector_size(BYTES / 2)));
  typedef int Index;
  static ALWAYS V load(const bf16* p) {
    H h;
    __builtin_memcpy(&h, p, sizeof h);
    return (V)(__builtin_convertvector(h, U) << 16);
  }
  static ALWAYS void store(bf16* p, V v) {  // to the nearest, an even one of two; not a number stays one
    U bits = (U)v;
    U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    U kept = (U)(v != v);
    U result = (kept & 0x7fc0) | (~kept & rounded);
    H h = __builtin_convertvector(result, H);
    __builtin_memcpy(p, &h, sizeof h);
  }
  static ALWAYS float wide(bf16 x) {
    unsigned bits = (unsigned)x.bits << 16;
    float f;
    __builtin_memcpy(&f, &bits, 4);
    return f;
  }
  static ALWAYS bf16 narrow(float f) {
    unsigned bits;
    __builtin_memcpy(&bits, &f, 4);
    if (f != f) return bf16{0x7fc0};
    return bf16{(unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  }
};

template <class T> using Vec = typename Lanes<T>::V;

// Past the caches, for results that would not stay there: the line is not read before it is written.
template <class T, class V> ALWAYS void stream_out(T* p, V v) {
#if BYTES == 64
  __builtin_ia32_movntps512((float*)p, (typename Wide<float, 16>::V)v);
#elif BYTES == 32
  __builtin_ia32_movntps256((float*)p, (typename Wide<float, 8>::V)v);
#else
  Lanes<T>::store(p, v);
#endif
}

ALWAYS void end_of_stream() {
#if BYTES > 16
  __builtin_ia32_sfence();
#endif
}

// Write a row of n values: vector(i) gives those from i on, single(i) one. The last vector overlaps the one before.
template <class T, class V, class S> ALWAYS void write_row(T* y, long n, bool stream, V vector, S single) {
  typedef Lanes<T> L;
  if (n < L::n) {
    for (long i = 0; i < n; i++) y[i] = L::narrow(single(i));
    return;
  }
  long i = 0;
  if (sizeof(T) > 2 && stream) {
    long past = (long)((unsigned long)y & (BYTES - 1)) / (long)sizeof(T);
    if (past) L::store(y, vector(0)), i = L::n - past;
    for (; i + L::n <= n; i += L::n) stream_out<T>(y + i, vector(i));
  } else {
    for (; i + L::n <= n; i += L::n) L::store(y + i, vector(i));
  }
  if (i < n) L::store(y + n - L::n, vector(n - L::n));
}

template <class V, class A> ALWAYS V fill(A value) { return value - V{}; }

// The larger one, and not a number where either is none.
template <class V> ALWAYS V larger(V value, V most) { return (value > most) | (value != value) ? value : most; }
ALWAYS float larger(float value, float most) { return value > most || value != value ? value : most; }
ALWAYS double larger(double value, double most) { return value > most || value != value ? value : most; }

template <class A, long n> ALWAYS A sum_lanes(typename Wide<A, n>::V v) {
  if constexpr (n == 2) {
    return v[0] + v[1];
  } else {
    typename Wide<A, n / 2>::V low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, (const char*)&v + sizeof low, sizeof high);
    return sum_lanes<A, n / 2>(low + high);
  }
}
template <class A, class V> ALWAYS A sum_lanes(V v) { return sum_lanes<A, sizeof(V) / sizeof(A)>(v); }

template <class A, long n> ALWAYS A max_lanes(typename Wide<A, n>::V v) {
  if constexpr (n == 2) {
    return larger((A)v[0], (A)v[1]);
  } else {
    typename Wide<A, n / 2>::V low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, (const char*)&v + sizeof low, sizeof high);
    return max_lanes<A, n / 2>(larger(low, high));
  }
}
template <class A, long n> ALWAYS A min_lanes(typename Wide<A, n>::V v) {
  if constexpr (n == 2) {
    return v[0] < v[1] ? v[0] : v[1];
  } else {
    typename Wide<A, n / 2>::V low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, (const char*)&v + sizeof low, sizeof high);
    return min_lanes<A, n / 2>(low < high ? low : high);
  }
}

// 0, 1, 2 ...
template <class T> ALWAYS typename Lanes<T>::I lane_numbers() {
  typename Lanes<T>::I lane;
  for (long i = 0; i < Lanes<T>::n; i++) lane[i] = (typename Lanes<T>::Index)i;
  return lane;
}

// Whole numbers, as wide as the lanes.
template <class T> ALWAYS typename Lanes<T>::I load_places(const int* p) {
  typename Wide<int, Lanes<T>::n>::V v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, typename Lanes<T>::I);
}

// A vector of which only the last `count` lanes are kept, the others 0.
template <class T> ALWAYS Vec<T> keep_last(Vec<T> v, long count) {
  typedef typename Lanes<T>::I I;
  return lane_numbers<T>() >= (typename Lanes<T>::Index)(Lanes<T>::n - count) - I{} ? v : Vec<T>{};
}

template <class A> ALWAYS A lowest() { return -(A)__builtin_inf(); }

// No sum may take many values, or it loses the small ones: these are summed before the next level.
constexpr long kRun = 1024, kRuns = 16;  // values of a row, and runs of them

// Adds a row of sums to another one and begins it anew.
template <class A> ALWAYS void pour(A* RESTRICT part, A* RESTRICT sum, long n) {
  typedef Lanes<A> M;
  long i = 0;
  for (; i + M::n <= n; i += M::n) {
    M::store(sum + i, M::load(sum + i) + M::load(part + i));
    M::store(part + i, typename M::V{});
  }
  for (; i < n; i++) sum[i] += part[i], part[i] = 0;
}

}  // namespace
}  // namespace regard::LEVEL

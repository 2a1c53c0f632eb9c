// The loops over the features' memory, written with the compiler's vectors; no PyTorch in here.
//
// This file is compiled once for every level of the processor's instructions: `loops_*.cpp` define LEVEL, the name of
// the namespace, and BYTES, the size of a vector. It must not include headers with inline functions: the linker would
// keep one copy of them for all levels. `level.h` says what each loop means; T is the type of the features, A the type
// that sums are taken in.

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

template <class V, class A> ALWAYS V fill(A value) { return value - V{}; }

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

// A vector of which only the last `count` lanes are kept, the others 0.
template <class T> ALWAYS Vec<T> keep_last(Vec<T> v, long count) {
  typedef typename Lanes<T>::I I;
  typedef typename Lanes<T>::Index Index;
  I lane;
  for (long i = 0; i < Lanes<T>::n; i++) lane[i] = (Index)i;
  return lane >= (Index)(Lanes<T>::n - count) - I{} ? v : Vec<T>{};
}

// The larger one, and not a number where either is none.
template <class V> ALWAYS V larger(V value, V most) { return (value > most) | (value != value) ? value : most; }
ALWAYS float larger(float value, float most) { return value > most || value != value ? value : most; }
ALWAYS double larger(double value, double most) { return value > most || value != value ? value : most; }

template <class A> ALWAYS A lowest() { return -(A)__builtin_inf(); }

constexpr long kRun = 4096;  // values that one accumulator of a row takes before it is added to the sum

// ---- statistics of a row of n values -------------------------------------------------------------------------------

// The sum of f(value) over a row; f takes a vector or a single value.
template <class T, class A, class F> ALWAYS A sum_row(const T* RESTRICT x, long n, F f) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  A total = 0;
  long i = 0;
  while (i + 4 * L::n <= n) {
    long end = i + kRun < n ? i + kRun : n;
    V a{}, b{}, c{}, d{};
    for (; i + 4 * L::n <= end; i += 4 * L::n) {
      a += f(L::load(x + i));
      b += f(L::load(x + i + L::n));
      c += f(L::load(x + i + 2 * L::n));
      d += f(L::load(x + i + 3 * L::n));
    }
    total += sum_lanes<A>((a + b) + (c + d));
  }
  V rest{};
  for (; i + L::n <= n; i += L::n) rest += f(L::load(x + i));
  if (i < n && n >= L::n) {
    rest += keep_last<T>(f(L::load(x + n - L::n)), n - i);
    i = n;
  }
  A last = sum_lanes<A>(rest);
  for (; i < n; i++) last += f((A)L::wide(x[i]));
  return total + last;
}

template <class T, class A> ALWAYS A max_row(const T* RESTRICT x, long n) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  V a = fill<V>(lowest<A>()), b = a;
  long i = 0;
  for (; i + 2 * L::n <= n; i += 2 * L::n) {
    a = larger(L::load(x + i), a);
    b = larger(L::load(x + i + L::n), b);
  }
  a = larger(a, b);
  A most = lowest<A>();
  for (long lane = 0; lane < L::n; lane++) most = larger((A)a[lane], most);
  for (; i < n; i++) most = larger((A)L::wide(x[i]), most);
  return most;
}

// The first place of a value in a row, and how often it is there; a row without it (not a number) has 0 of them.
template <class T, class A> ALWAYS void find_row(const T* RESTRICT x, long n, A value, int* first, int* ties) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  typedef typename L::I I;
  V wanted = fill<V>(value);
  I found{};
  long i = 0, place = -1;
  for (; i + L::n <= n; i += L::n) found -= (I)(L::load(x + i) == wanted);
  int count = 0;
  for (long lane = 0; lane < L::n; lane++) count += (int)found[lane];
  for (; i < n; i++) count += (A)L::wide(x[i]) == value;
  if (count)
    for (place = 0; (A)L::wide(x[place]) != value;) place++;
  *first = (int)(place < 0 ? 0 : place);
  *ties = count;
}

// ---- squeeze -------------------------------------------------------------------------------------------------------

template <class T, class A> void squeeze_rows(const Squeeze& s, long begin, long end) {
  const T* x = (const T*)s.x;
  for (long row = begin; row < end; row++) {
    const T* from = x + row * s.p;
    if (s.kind == kSpread) {  // around the first value, so that little is lost where the mean is large
      A shift = Lanes<T>::wide(from[0]);
      A sum = 0, squares = 0;
      sum = sum_row<T, A>(from, s.p, [shift](auto v) FORCED { return v - shift; });
      squares = sum_row<T, A>(from, s.p, [shift](auto v) FORCED { return (v - shift) * (v - shift); });
      A mean = sum / (A)s.p;
      A variance = squares / (A)s.p - mean * mean;
      ((A*)s.mean)[row] = shift + mean;
      ((A*)s.second)[row] = __builtin_sqrt(variance > 0 ? variance : (variance != variance ? variance : (A)0));
      continue;
    }
    if (s.kind == kPower) {
      ((A*)s.mean)[row] = sum_row<T, A>(from, s.p, [](auto v) FORCED { return v * v; }) / (A)s.p;
      continue;
    }
    ((A*)s.mean)[row] = sum_row<T, A>(from, s.p, [](auto v) FORCED { return v; }) / (A)s.p;
    if (s.kind == kPeak) {
      A most = max_row<T, A>(from, s.p);
      ((A*)s.second)[row] = most;
      find_row<T, A>(from, s.p, most, s.index + row, s.ties + row);
    }
  }
}

// Channels last: a segment of the positions of an image, all channels side by side. Sums go through a second row of
// sums, so that none takes more than 128 values.
template <class T, class A, class F> ALWAYS void add_positions(const T* x, long p, long c, A* sum, A* part, F f) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long i = 0; i < c; i++) sum[i] = 0;
  for (long from = 0; from < p;) {
    long to = from + 128 < p ? from + 128 : p;
    for (long i = 0; i < c; i++) part[i] = 0;
    for (; from + 4 <= to; from += 4) {
      const T *a = x + from * c, *b = a + c, *d = b + c, *e = d + c;
      long i = 0;
      for (; i + L::n <= c; i += L::n) {
        V added = (f(L::load(a + i), i) + f(L::load(b + i), i)) + (f(L::load(d + i), i) + f(L::load(e + i), i));
        M::store(part + i, M::load(part + i) + added);
      }
      for (; i < c; i++)
        part[i] += (f((A)L::wide(a[i]), i) + f((A)L::wide(b[i]), i)) + (f((A)L::wide(d[i]), i) + f((A)L::wide(e[i]), i));
    }
    for (; from < to; from++) {
      const T* a = x + from * c;
      long i = 0;
      for (; i + L::n <= c; i += L::n) M::store(part + i, M::load(part + i) + f(L::load(a + i), i));
      for (; i < c; i++) part[i] += f((A)L::wide(a[i]), i);
    }
    for (long i = 0; i < c; i++) sum[i] += part[i];
  }
}

template <class V, class A> struct ShiftAt {  // a row of shifts, read as a vector or a single value
  const A* shift;
  ALWAYS V of(V v, long i) const { return v - Lanes<A>::load(shift + i); }
  ALWAYS A of(A v, long i) const { return v - shift[i]; }
};

template <class T, class A> void squeeze_segments(const Squeeze& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    long from = s.p * segment / s.segments, to = s.p * (segment + 1) / s.segments, c = s.c;
    const T* x = (const T*)s.x + (image * s.p + from) * c;
    A* work = (A*)s.work + task * 4 * c;
    A *sum = work, *second = work + c, *part = work + 2 * c, *shift = work + 3 * c;
    if (s.kind == kSpread) {
      const T* start = (const T*)s.x + image * s.p * c;
      for (long i = 0; i < c; i++) shift[i] = L::wide(start[i]);
      ShiftAt<V, A> at{shift};
      add_positions<T, A>(x, to - from, c, sum, part, [at](auto v, long i) FORCED { return at.of(v, i); });
      add_positions<T, A>(x, to - from, c, second, part, [at](auto v, long i) FORCED {
        auto d = at.of(v, i);
        return d * d;
      });
    } else if (s.kind == kPower) {
      add_positions<T, A>(x, to - from, c, sum, part, [](auto v, long) FORCED { return v * v; });
    } else {
      add_positions<T, A>(x, to - from, c, sum, part, [](auto v, long) FORCED { return v; });
    }
    if (s.kind != kPeak) continue;
    int *index = s.places + task * 2 * c, *ties = index + c;
    for (long i = 0; i < c; i++) second[i] = lowest<A>(), index[i] = 0, ties[i] = 0;
    for (long p = from; p < to; p++, x += c) {
      long i = 0;
      if constexpr (sizeof(A) == 4) {
        typedef typename M::I I;
        for (; i + L::n <= c; i += L::n) {
          V v = L::load(x + i), most = M::load(second + i);
          I more = (I)((v > most) | (v != v)), same = (I)(v == most), place, count;
          __builtin_memcpy(&place, index + i, sizeof place);
          __builtin_memcpy(&count, ties + i, sizeof count);
          place = more ? (int)p - I{} : place;
          count = more ? 1 - I{} : count - same;
          M::store(second + i, more ? v : most);
          __builtin_memcpy(index + i, &place, sizeof place);
          __builtin_memcpy(ties + i, &count, sizeof count);
        }
      }
      for (; i < c; i++) {
        A v = L::wide(x[i]);
        if (v > second[i] || v != v)
          second[i] = v, index[i] = (int)p, ties[i] = 1;
        else if (v == second[i])
          ties[i]++;
      }
    }
  }
}

template <class T, class A> void squeeze_join(const Squeeze& s, long begin, long end) {
  for (long image = begin; image < end; image++) {
    for (long i = 0; i < s.c; i++) {
      A sum = 0, second = s.kind == kPeak ? lowest<A>() : (A)0;
      int index = 0, ties = 0;
      for (long task = image * s.segments; task < (image + 1) * s.segments; task++) {
        const A* work = (const A*)s.work + task * 4 * s.c;
        sum += work[i];
        A other = work[s.c + i];
        if (s.kind == kSpread) second += other;
        if (s.kind != kPeak) continue;
        const int* places = s.places + task * 2 * s.c;
        if (other > second || other != other)
          second = other, index = places[i], ties = places[s.c + i];
        else if (other == second)
          ties += places[s.c + i];
      }
      long at = image * s.c + i;
      A mean = sum / (A)s.p;
      if (s.kind == kSpread) {
        A variance = second / (A)s.p - mean * mean;
        mean += ((const A*)s.work + image * s.segments * 4 * s.c)[3 * s.c + i];
        second = __builtin_sqrt(variance > 0 ? variance : (variance != variance ? variance : (A)0));
      }
      ((A*)s.mean)[at] = mean;
      if (s.kind == kSpread || s.kind == kPeak) ((A*)s.second)[at] = second;
      if (s.kind == kPeak) s.index[at] = index, s.ties[at] = second != second ? 0 : ties;
    }
  }
}

// ---- the weight of a value: by channel, by position, the product or the sum of both --------------------------------

template <int mode, class W> ALWAYS W weigh(W channel, W position) {
  if constexpr (mode == kChannel) return channel;
  else if constexpr (mode == kPosition) return position;
  else if constexpr (mode == kProduct) return channel * position;
  else return channel + position;
}

template <int mode> constexpr bool by_position = mode != kChannel;
template <int mode> constexpr bool by_channel = mode != kPosition;

// y = x * weight, or x + channel
template <class T, class A, int mode> void gate_rows(const Gate& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long row = begin; row < end; row++) {
    const T* RESTRICT x = (const T*)s.x + row * s.p;
    T* RESTRICT y = (T*)s.y + row * s.p;
    A channel = by_channel<mode> || mode == kShift ? ((const A*)s.channel)[row] : (A)1;
    V channels = fill<V>(channel);
    const A* position = (const A*)s.position + (row / s.c) * s.p;
    long i = 0;
    for (; i < s.p && s.p >= L::n; i += L::n) {
      if (i + L::n > s.p) i = s.p - L::n;  // the last vector overlaps the one before
      V v = L::load(x + i);
      if constexpr (mode == kShift)
        L::store(y + i, v + channels);
      else if constexpr (mode == kChannel)
        L::store(y + i, v * channels);
      else
        L::store(y + i, v * weigh<mode>(channels, M::load(position + i)));
    }
    for (; i < s.p; i++) {
      A v = L::wide(x[i]);
      if constexpr (mode == kShift)
        y[i] = L::narrow(v + channel);
      else if constexpr (mode == kChannel)
        y[i] = L::narrow(v * channel);
      else
        y[i] = L::narrow(v * weigh<mode>(channel, position[i]));
    }
  }
}

template <class T, class A, int mode> void gate_positions(const Gate& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long row = begin; row < end; row++) {
    const T* RESTRICT x = (const T*)s.x + row * s.c;
    T* RESTRICT y = (T*)s.y + row * s.c;
    const A* RESTRICT channel = (const A*)s.channel + (row / s.p) * s.c;
    A position = by_position<mode> && mode != kShift ? ((const A*)s.position)[row] : (A)1;
    V positions = fill<V>(position);
    long i = 0;
    for (; i + L::n <= s.c; i += L::n) {
      V v = L::load(x + i);
      if constexpr (mode == kShift)
        L::store(y + i, v + M::load(channel + i));
      else if constexpr (mode == kPosition)
        L::store(y + i, v * positions);
      else
        L::store(y + i, v * weigh<mode>(M::load(channel + i), positions));
    }
    for (; i < s.c; i++) {
      A v = L::wide(x[i]);
      if constexpr (mode == kShift)
        y[i] = L::narrow(v + channel[i]);
      else if constexpr (mode == kPosition)
        y[i] = L::narrow(v * position);
      else
        y[i] = L::narrow(v * weigh<mode>(channel[i], position));
    }
  }
}

// ---- gradients of the weights --------------------------------------------------------------------------------------

// The channels' sums only, a row at a time.
template <class T, class A> void reduce_rows(const Reduce& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long row = begin; row < end; row++) {
    const T *g = (const T*)s.g + row * s.p, *x = (const T*)s.x + row * s.p;
    long image = row / s.c * s.p;
    const A* position = s.mode == kProduct ? (const A*)s.position + image : nullptr;
    const A* w = s.w ? (const A*)s.w + image : nullptr;
    A total = 0;
    for (long from = 0; from < s.p;) {
      long to = from + kRun < s.p ? from + kRun : s.p;
      V a{}, b{};
      long i = from;
      if (position && w) {
        for (; i + L::n <= to; i += L::n)
          a += (L::load(g + i) * M::load(position + i) + M::load(w + i)) * L::load(x + i);
      } else if (position) {
        for (; i + L::n <= to; i += L::n) a += L::load(g + i) * M::load(position + i) * L::load(x + i);
      } else {
        for (; i + 2 * L::n <= to; i += 2 * L::n) {
          a += L::load(g + i) * L::load(x + i);
          b += L::load(g + i + L::n) * L::load(x + i + L::n);
        }
        for (; i + L::n <= to; i += L::n) a += L::load(g + i) * L::load(x + i);
        if (i < to && s.p >= L::n) {
          a += keep_last<T>(L::load(g + to - L::n) * L::load(x + to - L::n), to - i);
          i = to;
        }
      }
      A part = sum_lanes<A>(a + b);
      for (; i < to; i++) {
        A above = L::wide(g[i]);
        if (position) above *= position[i];
        if (w) above += w[i];
        part += above * L::wide(x[i]);
      }
      total += part;
      from = to;
    }
    ((A*)s.to_channel)[row] = total;
  }
}

// Contiguous, with sums of the positions: blocks of positions of an image, all channels.
template <class T, class A> void reduce_images(const Reduce& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long blocks = (s.p + kBlock - 1) / kBlock;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    A* to_channel = s.to_channel ? (A*)s.work + task * 2 * s.c : nullptr;
    if (to_channel)
      for (long i = 0; i < s.c; i++) to_channel[i] = 0;
    for (long block = blocks * segment / s.segments; block < blocks * (segment + 1) / s.segments; block++) {
      long from = block * kBlock, n = from + kBlock < s.p ? kBlock : s.p - from;
      A sums[kBlock], parts[kBlock];
      for (long i = 0; i < n; i++) sums[i] = 0, parts[i] = 0;
      for (long c = 0; c < s.c; c++) {
        long row = (image * s.c + c) * s.p + from;
        const T *g = (const T*)s.g + row, *x = (const T*)s.x + row;
        A channel = s.mode == kProduct ? ((const A*)s.channel)[image * s.c + c] : (A)1;
        V channels = fill<V>(channel), total{};
        const A* position = s.mode == kProduct ? (const A*)s.position + image * s.p + from : nullptr;
        long i = 0;
        for (; i + L::n <= n; i += L::n) {
          V product = L::load(g + i) * L::load(x + i);
          M::store(parts + i, M::load(parts + i) + product * channels);
          total += position ? product * M::load(position + i) : product;
        }
        A rest = 0;
        for (; i < n; i++) {
          A product = (A)L::wide(g[i]) * (A)L::wide(x[i]);
          parts[i] += product * channel;
          rest += position ? product * position[i] : product;
        }
        if (to_channel) to_channel[c] += sum_lanes<A>(total) + rest;
        if (c % 64 == 63 || c + 1 == s.c)
          for (long i = 0; i < n; i++) sums[i] += parts[i], parts[i] = 0;
      }
      for (long i = 0; i < n; i++) ((A*)s.to_position)[image * s.p + from + i] = sums[i];
    }
  }
}

// Channels last.
template <class T, class A> void reduce_segments(const Reduce& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    long from = s.p * segment / s.segments, to = s.p * (segment + 1) / s.segments;
    A *sum = (A*)s.work + task * 2 * s.c, *part = sum + s.c;
    if (s.to_channel)
      for (long i = 0; i < s.c; i++) sum[i] = 0, part[i] = 0;
    const A* channel = (const A*)s.channel + image * s.c;
    bool product = s.mode == kProduct;
    for (long p = from; p < to; p++) {
      long at = image * s.p + p;
      const T *g = (const T*)s.g + at * s.c, *x = (const T*)s.x + at * s.c;
      A position = product ? ((const A*)s.position)[at] : (A)1, w = s.w ? ((const A*)s.w)[at] : (A)0;
      if (s.to_position) {
        V a{};
        A rest = 0;
        long i = 0;
        if (product) {
          for (; i + L::n <= s.c; i += L::n) a += L::load(g + i) * L::load(x + i) * M::load(channel + i);
          for (; i < s.c; i++) rest += (A)L::wide(g[i]) * (A)L::wide(x[i]) * channel[i];
        } else {
          for (; i + L::n <= s.c; i += L::n) a += L::load(g + i) * L::load(x + i);
          for (; i < s.c; i++) rest += (A)L::wide(g[i]) * (A)L::wide(x[i]);
        }
        ((A*)s.to_position)[at] = sum_lanes<A>(a) + rest;
      }
      if (!s.to_channel) continue;
      V positions = fill<V>(position), ws = fill<V>(w);
      long i = 0;
      for (; i + L::n <= s.c; i += L::n)
        M::store(part + i, M::load(part + i) + (L::load(g + i) * positions + ws) * L::load(x + i));
      for (; i < s.c; i++) part[i] += ((A)L::wide(g[i]) * position + w) * (A)L::wide(x[i]);
      if ((p - from) % 64 == 63 || p + 1 == to)
        for (i = 0; i < s.c; i++) sum[i] += part[i], part[i] = 0;
    }
  }
}

template <class T, class A> void reduce_join(const Reduce& s, long begin, long end) {
  for (long image = begin; image < end; image++)
    for (long i = 0; i < s.c; i++) {
      A sum = 0;
      for (long task = image * s.segments; task < (image + 1) * s.segments; task++)
        sum += ((const A*)s.work)[task * 2 * s.c + i];
      ((A*)s.to_channel)[image * s.c + i] = sum;
    }
}

// The peak of a position belongs to the channels whose x * channel is the position's maximum, mostly one.
template <class T, class A, bool last> void reduce_peaks(const Reduce& s, long begin, long end) {
  for (long image = begin; image < end; image++) {
    const A* channel = (const A*)s.channel + image * s.c;
    A* to_channel = (A*)s.to_channel + image * s.c;
    const T* x = (const T*)s.x + image * s.c * s.p;
    for (long p = 0; p < s.p; p++) {
      long at = image * s.p + p;
      A top = ((const A*)s.top)[at], share = ((const A*)s.peak)[at] / (A)s.ties[at];
      bool alone = s.ties[at] == 1;
      for (long c = alone ? s.place[at] : 0; c < (alone ? s.place[at] + 1 : s.c); c++) {
        A v = Lanes<T>::wide(x[last ? p * s.c + c : c * s.p + p]);
        if (v * channel[c] == top) to_channel[c] += share * v;
      }
    }
  }
}
template <class T, class A> void reduce_peaks_rows(const Reduce& s, long b, long e) { reduce_peaks<T, A, false>(s, b, e); }
template <class T, class A> void reduce_peaks_last(const Reduce& s, long b, long e) { reduce_peaks<T, A, true>(s, b, e); }

// ---- the gradient of the features ----------------------------------------------------------------------------------

// Whether any position of an image has its maximum in several channels.
inline bool several(const Spread& s, long image) {
  for (long i = image * s.p; i < (image + 1) * s.p; i++)
    if (s.top_ties[i] != 1) return true;
  return false;
}

template <class T, class A, int mode, bool outer, bool with_x, int tops>
ALWAYS void spread_row(const Spread& s, long row) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  typedef typename M::I I;
  long image = row / s.c;
  const T* RESTRICT g = (const T*)s.g + row * s.p;
  const T* RESTRICT x = (const T*)s.x + row * s.p;
  T* RESTRICT dx = (T*)s.dx + row * s.p;
  const A* position = (const A*)s.position + image * s.p;
  const A* w = (const A*)s.w + image * s.p;
  const A *top = (const A*)s.top + image * s.p, *peaks = (const A*)s.top_peak + image * s.p;
  const int *places = s.top_index + image * s.p, *ties = s.top_ties + image * s.p;
  A channel = mode == kChannel || mode == kProduct || mode == kSum ? ((const A*)s.channel)[row] : (A)1;
  A h = outer ? ((const A*)s.h)[row] : (A)0, u = s.u ? ((const A*)s.u)[row] : (A)0;
  A slope = with_x && s.v ? ((const A*)s.v)[row] : (A)0;
  int number = (int)(row % s.c);
  auto at = [&](long i) FORCED {
    A value = u;
    if constexpr (mode == kChannel) value += (A)L::wide(g[i]) * channel;
    if constexpr (mode == kPosition || mode == kProduct || mode == kSum)
      value += (A)L::wide(g[i]) * weigh<mode>(channel, position[i]);
    if constexpr (outer) value += w[i] * h;
    if constexpr (with_x) value += slope * (A)L::wide(x[i]);
    if constexpr (tops == 1) value += places[i] == number ? peaks[i] * channel : (A)0;
    if constexpr (tops == 2)
      value += (A)L::wide(x[i]) * channel == top[i] ? peaks[i] / (A)ties[i] * channel : (A)0;
    return value;
  };
  V channels = fill<V>(channel), hs = fill<V>(h), us = fill<V>(u), slopes = fill<V>(slope);
  long i = 0;
  if constexpr (tops == 0 || (tops == 1 && sizeof(A) == 4)) {
    for (; i < s.p && s.p >= L::n; i += L::n) {
      if (i + L::n > s.p) i = s.p - L::n;  // the last vector overlaps the one before
      V value = us;
      if constexpr (mode == kChannel) value += L::load(g + i) * channels;
      if constexpr (mode == kPosition || mode == kProduct || mode == kSum)
        value += L::load(g + i) * weigh<mode>(channels, M::load(position + i));
      if constexpr (outer) value += M::load(w + i) * hs;
      if constexpr (with_x) value += slopes * L::load(x + i);
      if constexpr (tops == 1) {
        I place;
        __builtin_memcpy(&place, places + i, sizeof place);
        V peak = M::load(peaks + i) * channels;
        value += place == number - I{} ? peak : V{};
      }
      L::store(dx + i, value);
    }
  }
  for (; i < s.p; i++) dx[i] = L::narrow(at(i));
  if (!s.peak) return;
  A peak = ((const A*)s.peak)[row], most = ((const A*)s.most)[row];
  int count = s.ties[row];
  if (count == 1) {
    dx[s.index[row]] = L::narrow(at(s.index[row]) + peak);
  } else {
    for (i = 0; i < s.p; i++)
      if ((A)L::wide(x[i]) == most) dx[i] = L::narrow(at(i) + peak / (A)count);
  }
}

// Channels last: one value, with everything that it is made of.
template <class T, class A, int mode, bool outer> __attribute__((noinline)) A spread_at(const Spread& s, long row, long i) {
  typedef Lanes<T> L;
  long image = row / s.p, at = image * s.c + i;
  long place = row * s.c + i;
  A g = mode == kNone ? (A)0 : (A)L::wide(((const T*)s.g)[place]);
  A value = s.u ? ((const A*)s.u)[at] : (A)0;
  if constexpr (mode == kChannel) value += g * ((const A*)s.channel)[at];
  if constexpr (mode == kPosition) value += g * ((const A*)s.position)[row];
  if constexpr (mode == kProduct || mode == kSum)
    value += g * weigh<mode>(((const A*)s.channel)[at], ((const A*)s.position)[row]);
  if constexpr (outer) value += ((const A*)s.w)[row] * ((const A*)s.h)[at];
  if (!s.v && !s.peak && !s.top_peak) return value;
  A x = L::wide(((const T*)s.x)[place]);
  if (s.v) value += ((const A*)s.v)[at] * x;
  if (s.peak && x == ((const A*)s.most)[at]) value += ((const A*)s.peak)[at] / (A)s.ties[at];
  if (s.top_peak) {
    A channel = ((const A*)s.channel)[at];
    if (x * channel == ((const A*)s.top)[row]) value += ((const A*)s.top_peak)[row] / (A)s.top_ties[row] * channel;
  }
  return value;
}

// Channels last: a position, all channels; `tied`: a channel of the image has its maximum at several positions, so that
// all values are compared with it.
template <class T, class A, int mode, bool outer, bool tied> ALWAYS void spread_position(const Spread& s, long row) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  typedef typename M::I I;
  long image = row / s.p;
  const T* RESTRICT g = (const T*)s.g + row * s.c;
  const T* RESTRICT x = (const T*)s.x + row * s.c;
  T* RESTRICT dx = (T*)s.dx + row * s.c;
  const A *channel = (const A*)s.channel + image * s.c, *h = (const A*)s.h + image * s.c;
  const A *u = (const A*)s.u + image * s.c, *slope = (const A*)s.v + image * s.c;
  const A *peak = (const A*)s.peak + image * s.c, *most = (const A*)s.most + image * s.c;
  A position = mode == kPosition || mode == kProduct || mode == kSum ? ((const A*)s.position)[row] : (A)1;
  V positions = fill<V>(position), ws = fill<V>(outer ? ((const A*)s.w)[row] : (A)0);
  long i = 0;
  if constexpr (!tied || sizeof(A) == 4) {
    for (; i + L::n <= s.c; i += L::n) {
      V value = s.u ? M::load(u + i) : V{};
      if constexpr (mode == kChannel) value += L::load(g + i) * M::load(channel + i);
      if constexpr (mode == kPosition) value += L::load(g + i) * positions;
      if constexpr (mode == kProduct || mode == kSum)
        value += L::load(g + i) * weigh<mode>(M::load(channel + i), positions);
      if constexpr (outer) value += ws * M::load(h + i);
      if (s.v) value += M::load(slope + i) * L::load(x + i);
      if constexpr (tied) {
        I count;
        __builtin_memcpy(&count, s.ties + image * s.c + i, sizeof count);
        V share = M::load(peak + i) / __builtin_convertvector(count, V);
        value += L::load(x + i) == M::load(most + i) ? share : V{};
      }
      L::store(dx + i, value);
    }
  }
  for (; i < s.c; i++) dx[i] = L::narrow(spread_at<T, A, mode, outer>(s, row, i));
  if (!s.top_peak) return;
  if (s.top_ties[row] == 1) {
    i = s.top_index[row];
    dx[i] = L::narrow(spread_at<T, A, mode, outer>(s, row, i));
    return;
  }
  for (i = 0; i < s.c; i++)
    if ((A)L::wide(x[i]) * channel[i] == ((const A*)s.top)[row])
      dx[i] = L::narrow(spread_at<T, A, mode, outer>(s, row, i));
}

template <class T, class A, int mode, bool outer> void spread_positions_of(const Spread& s, long begin, long end) {
  while (begin < end) {
    long image = begin / s.p, to = (image + 1) * s.p < end ? (image + 1) * s.p : end;
    bool tied = false;
    if (s.peak)
      for (long i = image * s.c; i < (image + 1) * s.c; i++) tied |= s.ties[i] != 1;
    if (tied) {
      for (long row = begin; row < to; row++) spread_position<T, A, mode, outer, true>(s, row);
    } else {
      for (long row = begin; row < to; row++) spread_position<T, A, mode, outer, false>(s, row);
      if (s.peak)
        for (long i = 0; i < s.c; i++) {
          long row = image * s.p + s.index[image * s.c + i];
          if (row >= begin && row < to)
            ((T*)s.dx)[row * s.c + i] = Lanes<T>::narrow(spread_at<T, A, mode, outer>(s, row, i));
        }
    }
    begin = to;
  }
}

template <class T, class A, int mode, bool outer> void spread_rows_of(const Spread& s, long begin, long end) {
  for (long row = begin; row < end; row++) {
    int tops = !s.top_peak ? 0 : several(s, row / s.c) ? 2 : 1;
    if constexpr (mode == kProduct) {
      if (tops == 1) {
        s.v ? spread_row<T, A, mode, outer, true, 1>(s, row) : spread_row<T, A, mode, outer, false, 1>(s, row);
        continue;
      }
      if (tops == 2) {
        spread_row<T, A, mode, outer, true, 2>(s, row);
        continue;
      }
    }
    s.v ? spread_row<T, A, mode, outer, true, 0>(s, row) : spread_row<T, A, mode, outer, false, 0>(s, row);
  }
}

template <class T, class A> void spread_rows(const Spread& s, long begin, long end) {
  switch (s.mode) {
    case kChannel: return spread_rows_of<T, A, kChannel, false>(s, begin, end);
    case kPosition: return s.w ? spread_rows_of<T, A, kPosition, true>(s, begin, end) : spread_rows_of<T, A, kPosition, false>(s, begin, end);
    case kProduct: return s.w ? spread_rows_of<T, A, kProduct, true>(s, begin, end) : spread_rows_of<T, A, kProduct, false>(s, begin, end);
    case kSum: return s.w ? spread_rows_of<T, A, kSum, true>(s, begin, end) : spread_rows_of<T, A, kSum, false>(s, begin, end);
    default: return s.w ? spread_rows_of<T, A, kNone, true>(s, begin, end) : spread_rows_of<T, A, kNone, false>(s, begin, end);
  }
}

template <class T, class A> void spread_positions(const Spread& s, long begin, long end) {
  switch (s.mode) {
    case kChannel: return spread_positions_of<T, A, kChannel, false>(s, begin, end);
    case kPosition: return s.w ? spread_positions_of<T, A, kPosition, true>(s, begin, end) : spread_positions_of<T, A, kPosition, false>(s, begin, end);
    case kProduct: return s.w ? spread_positions_of<T, A, kProduct, true>(s, begin, end) : spread_positions_of<T, A, kProduct, false>(s, begin, end);
    case kSum: return s.w ? spread_positions_of<T, A, kSum, true>(s, begin, end) : spread_positions_of<T, A, kSum, false>(s, begin, end);
    default: return s.w ? spread_positions_of<T, A, kNone, true>(s, begin, end) : spread_positions_of<T, A, kNone, false>(s, begin, end);
  }
}

// ---- statistics of each position over its channels -----------------------------------------------------------------

// Contiguous: a block of positions of an image, its channels one after the other.
template <class T, class A, bool weighted, bool with_max> void across_block(const Across& s, long task) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  typedef typename M::I I;
  typedef typename M::Index Index;
  long blocks = (s.p + kBlock - 1) / kBlock, image = task / blocks, from = task % blocks * kBlock;
  long n = from + kBlock < s.p ? kBlock : s.p - from;
  A sums[kBlock], parts[kBlock], most[kBlock];
  Index places[kBlock], ties[kBlock];
  for (long i = 0; i < n; i++) sums[i] = 0, parts[i] = 0, most[i] = lowest<A>(), places[i] = 0, ties[i] = 0;
  for (long c = 0; c < s.c; c++) {
    const T* x = (const T*)s.x + (image * s.c + c) * s.p + from;
    A channel = weighted ? ((const A*)s.channel)[image * s.c + c] : (A)1;
    V channels = fill<V>(channel);
    long i = 0;
    for (; i + L::n <= n; i += L::n) {
      V v = L::load(x + i);
      if constexpr (weighted) v *= channels;
      M::store(parts + i, M::load(parts + i) + v);
      if constexpr (with_max) {
        V best = M::load(most + i);
        I more = (I)((v > best) | (v != v)), same = (I)(v == best), place, count;
        __builtin_memcpy(&place, places + i, sizeof place);
        __builtin_memcpy(&count, ties + i, sizeof count);
        place = more ? (Index)c - I{} : place;
        count = more ? 1 - I{} : count - same;
        M::store(most + i, more ? v : best);
        __builtin_memcpy(places + i, &place, sizeof place);
        __builtin_memcpy(ties + i, &count, sizeof count);
      }
    }
    for (; i < n; i++) {
      A v = L::wide(x[i]);
      if constexpr (weighted) v *= channel;
      parts[i] += v;
      if constexpr (with_max) {
        if (v > most[i] || v != v)
          most[i] = v, places[i] = c, ties[i] = 1;
        else if (v == most[i])
          ties[i]++;
      }
    }
    if (c % 64 == 63 || c + 1 == s.c)
      for (i = 0; i < n; i++) sums[i] += parts[i], parts[i] = 0;
  }
  for (long i = 0; i < n; i++) {
    long at = image * s.p + from + i;
    ((A*)s.sum)[at] = sums[i];
    if constexpr (with_max) {
      ((A*)s.most)[at] = most[i];
      s.index[at] = (int)places[i], s.ties[at] = most[i] != most[i] ? 0 : (int)ties[i];
    }
  }
}

// Channels last: a position, its channels side by side.
template <class T, class A, bool weighted, bool with_max> void across_position(const Across& s, long row) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  const T* RESTRICT x = (const T*)s.x + row * s.c;
  const A* RESTRICT channel = (const A*)s.channel + row / s.p * s.c;
  V a{}, b{}, most_a = fill<V>(lowest<A>()), most_b = most_a;
  long i = 0;
  for (; i + 2 * L::n <= s.c; i += 2 * L::n) {
    V v = L::load(x + i), w = L::load(x + i + L::n);
    if constexpr (weighted) v *= M::load(channel + i), w *= M::load(channel + i + L::n);
    a += v, b += w;
    if constexpr (with_max) most_a = larger(v, most_a), most_b = larger(w, most_b);
  }
  A sum = sum_lanes<A>(a + b), most = lowest<A>();
  if constexpr (with_max) {
    most_a = larger(most_a, most_b);
    for (long lane = 0; lane < L::n; lane++) most = larger((A)most_a[lane], most);
  }
  for (long j = i; j < s.c; j++) {
    A v = L::wide(x[j]);
    if constexpr (weighted) v *= channel[j];
    sum += v;
    if constexpr (with_max) most = larger(v, most);
  }
  ((A*)s.sum)[row] = sum;
  if constexpr (with_max) {
    int first = -1, count = 0;
    typedef typename M::I I;
    V wanted = fill<V>(most);
    I found{};
    long j = 0;
    for (; j + L::n <= s.c; j += L::n) {
      V v = L::load(x + j);
      if constexpr (weighted) v *= M::load(channel + j);
      found -= (I)(v == wanted);
    }
    for (long lane = 0; lane < L::n; lane++) count += (int)found[lane];
    for (; j < s.c; j++) count += (A)L::wide(x[j]) * (weighted ? channel[j] : (A)1) == most;
    if (count)
      for (first = 0; (A)L::wide(x[first]) * (weighted ? channel[first] : (A)1) != most;) first++;
    ((A*)s.most)[row] = most;
    s.index[row] = first < 0 ? 0 : first, s.ties[row] = count;
  }
}

template <class T, class A> void across_images(const Across& s, long begin, long end) {
  for (long task = begin; task < end; task++) {
    if (s.with_max)
      s.channel ? across_block<T, A, true, true>(s, task) : across_block<T, A, false, true>(s, task);
    else
      s.channel ? across_block<T, A, true, false>(s, task) : across_block<T, A, false, false>(s, task);
  }
}

template <class T, class A> void across_positions(const Across& s, long begin, long end) {
  for (long row = begin; row < end; row++) {
    if (s.with_max)
      s.channel ? across_position<T, A, true, true>(s, row) : across_position<T, A, false, true>(s, row);
    else
      s.channel ? across_position<T, A, true, false>(s, row) : across_position<T, A, false, false>(s, row);
  }
}

#define TYPES(loop) {loop<float, float>, loop<double, double>, loop<bf16, float>}
#define MODES(loop, T, A) \
  {loop<T, A, kChannel>, loop<T, A, kPosition>, loop<T, A, kProduct>, loop<T, A, kSum>, loop<T, A, kShift>}
#define ALL_MODES(loop) {MODES(loop, float, float), MODES(loop, double, double), MODES(loop, bf16, float)}

}  // namespace

extern const Loops loops = {
    NAME,
    TYPES(squeeze_rows),
    TYPES(squeeze_segments),
    TYPES(squeeze_join),
    ALL_MODES(gate_rows),
    ALL_MODES(gate_positions),
    TYPES(reduce_rows),
    TYPES(reduce_images),
    TYPES(reduce_segments),
    TYPES(reduce_join),
    {TYPES(reduce_peaks_rows), TYPES(reduce_peaks_last)},
    TYPES(spread_rows),
    TYPES(spread_positions),
    TYPES(across_images),
    TYPES(across_positions),
};

}  // namespace regard::LEVEL

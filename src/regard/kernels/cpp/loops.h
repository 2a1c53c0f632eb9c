// The loops over the features' memory, written with the compiler's vectors; no PyTorch in here.
//
// This file is compiled once for every level of the processor's instructions: `loops_*.cpp` define LEVEL, the name of
// the namespace, and BYTES, the size of a vector. It must not include headers with inline functions: the linker would
// keep one copy of them for all levels. `level.h` says what each loop means; T is the type of the features, A the type
// that sums are taken in.

#include "lanes.h"

namespace regard::LEVEL {
namespace {

// ---- statistics of a row of n values -------------------------------------------------------------------------------

// The sum of f(value) over a row; f takes a vector or a single value.
template <class T, class A, class F> ALWAYS A sum_row(const T* RESTRICT x, long n, F f) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  A total = 0;
  V runs{};
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
    runs += (a + b) + (c + d);
    if (i % (kRuns * kRun) == 0) total += sum_lanes<A>(runs), runs = V{};
  }
  total += sum_lanes<A>(runs);
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

// The largest value of f over a row.
template <class T, class A, class F> ALWAYS A max_row(const T* RESTRICT x, long n, F f) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  A most = lowest<A>();
  if (n < L::n) {
    for (long i = 0; i < n; i++) most = larger(f((A)L::wide(x[i]), i), most);
    return most;
  }
  V a = fill<V>(most), b = a;
  long i = 0;
  for (; i + 2 * L::n <= n; i += 2 * L::n) {
    a = larger(f(L::load(x + i), i), a);
    b = larger(f(L::load(x + i + L::n), i + L::n), b);
  }
  if (i + L::n <= n) a = larger(f(L::load(x + i), i), a);
  b = larger(f(L::load(x + n - L::n), n - L::n), b);
  return max_lanes<A, L::n>(larger(a, b));
}

// The first place of a value of f in a row, and how often it is there; 0 of them where it is not a number.
template <class T, class A, class F> ALWAYS void find_row(const T* RESTRICT x, long n, A value, int* first, int* ties, F f) {
  typedef Lanes<T> L;
  typedef typename L::I I;
  typedef typename L::Index Index;
  Vec<T> wanted = fill<Vec<T>>(value);
  I found{}, place = (Index)n - I{}, lane = lane_numbers<T>();
  long i = 0;
  for (; i + L::n <= n; i += L::n) {
    I same = (I)(f(L::load(x + i), i) == wanted), here = same ? lane + (Index)i : (Index)n - I{};
    found -= same;
    place = here < place ? here : place;
  }
  if (i < n && n >= L::n) {
    long at = n - L::n;
    I same = (I)(f(L::load(x + at), at) == wanted) & (I)(lane >= (Index)(i - at) - I{});
    I here = same ? lane + (Index)at : (Index)n - I{};
    found -= same;
    place = here < place ? here : place;
    i = n;
  }
  Index count = sum_lanes<Index, L::n>(found), least = min_lanes<Index, L::n>(place);
  for (; i < n; i++)
    if (f((A)L::wide(x[i]), i) == value) {
      if (!count) least = (Index)i;
      count++;
    }
  *first = count ? (int)least : 0;
  *ties = (int)count;
}

// ---- squeeze -------------------------------------------------------------------------------------------------------

template <class T, class A> void squeeze_rows(const Squeeze& s, long begin, long end) {
  const T* x = (const T*)s.x;
  for (long row = begin; row < end; row++) {
    const T* from = x + row * s.p;
    if (s.kind == kSpread) {  // around the mean: around any other value much is lost where that one is far away
      A mean = sum_row<T, A>(from, s.p, [](auto v) FORCED { return v; }) / (A)s.p;
      A squares = sum_row<T, A>(from, s.p, [mean](auto v) FORCED { return (v - mean) * (v - mean); });
      ((A*)s.mean)[row] = mean;
      ((A*)s.second)[row] = __builtin_sqrt(squares / (A)s.p);
      continue;
    }
    if (s.kind == kPower) {
      ((A*)s.mean)[row] = sum_row<T, A>(from, s.p, [](auto v) FORCED { return v * v; }) / (A)s.p;
      continue;
    }
    ((A*)s.mean)[row] = sum_row<T, A>(from, s.p, [](auto v) FORCED { return v; }) / (A)s.p;
    if (s.kind == kPeak) {
      auto same = [](auto v, long) FORCED { return v; };
      A most = max_row<T, A>(from, s.p, same);
      ((A*)s.second)[row] = most;
      if (s.index) find_row<T, A>(from, s.p, most, s.index + row, s.ties + row, same);
    }
  }
}

// Channels last: a segment of the positions of an image, all channels side by side. Sums go through three more rows of
// sums, of 64, 1024 and 16384 positions.
template <class T, class A, class F> ALWAYS void add_positions(const T* x, long p, long c, A* sum, A* part, F f) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  A *more = part + c, *most = more + c;
  for (long i = 0; i < c; i++) sum[i] = 0, part[i] = 0, more[i] = 0, most[i] = 0;
  for (long from = 0; from < p;) {
    long to = from + 64 < p ? from + 64 : p;
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
    pour(part, more, c);
    if (to % 1024 == 0 || to == p) pour(more, most, c);
    if (to % 16384 == 0 || to == p) pour(most, sum, c);
  }
}

template <class V, class A> struct ShiftAt {  // a row of shifts, read as a vector or a single value
  const A* shift;
  ALWAYS V of(V v, long i) const { return v - Lanes<A>::load(shift + i); }
  ALWAYS A of(A v, long i) const { return v - shift[i]; }
};

// The maxima of channels, raised by another position.
template <class T, class A> ALWAYS void raise_position(const T* x, long c, A* most) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  long i = 0;
  for (; i + L::n <= c; i += L::n) M::store(most + i, larger(L::load(x + i), M::load(most + i)));
  for (; i < c; i++) most[i] = larger((A)L::wide(x[i]), most[i]);
}

// The same, with the first position of each and how many have it.
template <class T, class A> ALWAYS void find_position(const T* x, long c, int p, A* most, int* index, int* ties) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  long i = 0;
  if constexpr (sizeof(A) == 4) {
    typedef typename M::I I;
    for (; i + L::n <= c; i += L::n) {
      Vec<T> v = L::load(x + i), best = M::load(most + i);
      I more = (I)((v > best) | (v != v)), same = (I)(v == best), place, count;
      __builtin_memcpy(&place, index + i, sizeof place);
      __builtin_memcpy(&count, ties + i, sizeof count);
      place = more ? p - I{} : place;
      count = more ? 1 - I{} : count - same;
      M::store(most + i, more ? v : best);
      __builtin_memcpy(index + i, &place, sizeof place);
      __builtin_memcpy(ties + i, &count, sizeof count);
    }
  }
  for (; i < c; i++) {
    A v = L::wide(x[i]);
    if (v > most[i] || v != v)
      most[i] = v, index[i] = p, ties[i] = 1;
    else if (v == most[i])
      ties[i]++;
  }
}

template <class T, class A> void squeeze_segments(const Squeeze& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    long from = s.p * segment / s.segments, to = s.p * (segment + 1) / s.segments, c = s.c;
    const T* x = (const T*)s.x + (image * s.p + from) * c;
    A* work = (A*)s.work + task * 6 * c;
    A *sum = work, *second = work + c, *shift = work + 2 * c, *part = work + 3 * c;
    if (s.kind == kSpread) {  // around the segment's mean
      add_positions<T, A>(x, to - from, c, sum, part, [](auto v, long) FORCED { return v; });
      for (long i = 0; i < c; i++) shift[i] = sum[i] / (A)(to - from);
      ShiftAt<V, A> at{shift};
      add_positions<T, A>(x, to - from, c, second, part, [at](auto v, long i) FORCED {
        auto d = at.of(v, i);
        return d * d;
      });
    } else if (s.kind == kPower) {
      add_positions<T, A>(x, to - from, c, sum, part, [](auto v, long) FORCED { return v * v; });
    } else if (s.kind == kMean) {
      add_positions<T, A>(x, to - from, c, sum, part, [](auto v, long) FORCED { return v; });
    } else {  // the maximum of what the cache still holds, piece by piece
      long piece = 32768 / c + 1 > (to - from) / 64 ? 32768 / c + 1 : (to - from) / 64;
      int *index = s.places + task * 2 * c, *ties = index + c;
      for (long i = 0; i < c; i++) sum[i] = 0, second[i] = lowest<A>(), index[i] = 0, ties[i] = 0;
      for (long first = from; first < to; first += piece) {
        long next = first + piece < to ? first + piece : to;
        const T* here = x + (first - from) * c;
        add_positions<T, A>(here, next - first, c, shift, part, [](auto v, long) FORCED { return v; });
        for (long i = 0; i < c; i++) sum[i] += shift[i];
        if (s.index)
          for (long p = first; p < next; p++, here += c) find_position<T, A>(here, c, (int)p, second, index, ties);
        else
          for (long p = first; p < next; p++, here += c) raise_position<T, A>(here, c, second);
      }
    }
  }
}

// The standard deviation of a channel of an image, of the squares around the means of its segments.
template <class A> A join_spread(const Squeeze& s, long image, long i, A mean) {
  const A* work = (const A*)s.work + image * s.segments * 6 * s.c + i;
  A squares = work[s.c];
  if (s.segments > 1) {
    squares = 0;
    for (long segment = 0; segment < s.segments; segment++, work += 6 * s.c) {
      A count = s.p * (segment + 1) / s.segments - s.p * segment / s.segments, away = work[2 * s.c] - mean;
      squares += work[s.c] + away * away * count;
    }
  }
  return __builtin_sqrt(squares / (A)s.p);
}

template <class T, class A> void squeeze_join(const Squeeze& s, long begin, long end) {
  for (long image = begin; image < end; image++) {
    for (long i = 0; i < s.c; i++) {
      A sum = 0, second = s.kind == kPeak ? lowest<A>() : (A)0;
      int index = 0, ties = 0;
      for (long task = image * s.segments; task < (image + 1) * s.segments; task++) {
        const A* work = (const A*)s.work + task * 6 * s.c;
        sum += work[i];
        A other = work[s.c + i];
        if (s.kind != kPeak) continue;
        const int* places = s.places + task * 2 * s.c;
        if (other > second || other != other)
          second = other, index = places[i], ties = places[s.c + i];
        else if (other == second)
          ties += places[s.c + i];
      }
      long at = image * s.c + i;
      A mean = sum / (A)s.p;
      if (s.kind == kSpread) second = join_spread<A>(s, image, i, mean);
      ((A*)s.mean)[at] = mean;
      if (s.kind == kSpread || s.kind == kPeak) ((A*)s.second)[at] = second;
      if (s.index) s.index[at] = index, s.ties[at] = second != second ? 0 : ties;
    }
  }
}

// ---- the sigmoid ---------------------------------------------------------------------------------------------------

// e to the power of x <= 0: x = k ln 2 + r with |r| <= ln 2 / 2, the power of 2 by its exponent's bits, e to the r by its
// series, which ends where the type does. Results too small for an ordinary number are 0.
ALWAYS double power_of_two(long k) {
  long bits = (k + 1023) << 52;
  double two;
  __builtin_memcpy(&two, &bits, 8);
  return two;
}
ALWAYS float power_of_two(int k) {
  int bits = (k + 127) << 23;
  float two;
  __builtin_memcpy(&two, &bits, 4);
  return two;
}
ALWAYS Vec<float> power_of_two(Lanes<float>::I k) { return (Vec<float>)((k + 127) << 23); }
ALWAYS Vec<double> power_of_two(Lanes<double>::I k) { return (Vec<double>)((k + 1023) << 52); }

template <class A, class V> ALWAYS V exp_of_negative(V x) {
  constexpr bool is_float = sizeof(A) == 4;
  constexpr A high = is_float ? (A)0.693359375 : (A)0.693147180369123816490;
  constexpr A low = is_float ? (A)-2.12194440e-4 : (A)1.90821492927058770002e-10;
  constexpr int terms = is_float ? 7 : 13;
  constexpr A floor_of = is_float ? (A)-87 : (A)-708;
  V clamped = x < floor_of ? V{} + floor_of : x;
  V scaled = clamped * (A)1.44269504088896340736 - (A)0.5;  // negative: cutting it off rounds half up
  if constexpr (sizeof(V) == sizeof(A)) {
    auto k = (typename Lanes<A>::Index)scaled;
    V r = clamped - (A)k * high - (A)k * low, sum = 1, factor = 1;
    for (int i = terms; i > 0; i--) sum = 1 + sum * r / (A)i;
    (void)factor;
    return sum * power_of_two(k);
  } else {
    auto k = __builtin_convertvector(scaled, typename Lanes<A>::I);
    V whole = __builtin_convertvector(k, V);
    V r = clamped - whole * high - whole * low, sum = V{} + (A)1;
    for (int i = terms; i > 0; i--) sum = (A)1 + sum * (r * ((A)1 / (A)i));
    return sum * power_of_two(k);
  }
}

template <class A, class V> ALWAYS V sigmoid_of(V x) {  // of -|x|, whose power does not overflow
  V e = exp_of_negative<A>(x < 0 ? x : -x), s = (A)1 / ((A)1 + e);
  V result = x < 0 ? e * s : s;
  return x != x ? x : result;
}
ALWAYS float sigmoid(float x) { return sigmoid_of<float>(x); }
ALWAYS double sigmoid(double x) { return sigmoid_of<double>(x); }
ALWAYS Vec<float> sigmoid(Vec<float> x) { return sigmoid_of<float>(x); }
ALWAYS Vec<double> sigmoid(Vec<double> x) { return sigmoid_of<double>(x); }
template <class V> ALWAYS V slope_of_sigmoid(V x) {
  V s = sigmoid(x);
  return s * (1 - s);
}

// ---- the weight of a value: by channel, by position, the product or the sum of both --------------------------------

template <int mode, class W> ALWAYS W weigh(W channel, W position) {
  if constexpr (mode == kChannel) return channel;
  else if constexpr (mode == kPosition) return position;
  else if constexpr (mode == kProduct) return channel * position;
  else if constexpr (mode == kSigmoid) return 1 + sigmoid(channel + position);
  else if constexpr (mode == kSigmoidOfProduct) return 1 + sigmoid(channel * position);
  else return channel + position;
}

// y = x * weight, or x + channel
template <int mode, class V, class W> ALWAYS V weighted(V v, W channel, W position) {
  if constexpr (mode == kShift) return v + channel;
  else return v * weigh<mode>(channel, position);
}

template <class T, class A, int mode> void gate_rows(const Gate& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  constexpr bool by_row = mode == kPosition || mode == kProduct || mode == kSum || mode == kSigmoid ||
                          mode == kSigmoidOfProduct;
  for (long row = begin; row < end; row++) {
    const T* RESTRICT x = (const T*)s.x + row * s.p;
    A channel = mode == kPosition ? (A)1 : ((const A*)s.channel)[row];
    Vec<T> channels = fill<Vec<T>>(channel);
    const A* position = by_row ? (const A*)s.position + (row / s.c) * s.p : nullptr;
    write_row<T>(
        (T*)s.y + row * s.p, s.p, s.stream,
        [&](long i) FORCED {
          if constexpr (by_row) return weighted<mode>(L::load(x + i), channels, M::load(position + i));
          else return weighted<mode>(L::load(x + i), channels, channels);
        },
        [&](long i) FORCED { return weighted<mode>((A)L::wide(x[i]), channel, by_row ? position[i] : (A)1); });
  }
  if (s.stream) end_of_stream();
}

template <class T, class A, int mode> void gate_positions(const Gate& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  constexpr bool by_channel = mode != kPosition;
  for (long row = begin; row < end; row++) {
    const T* RESTRICT x = (const T*)s.x + row * s.c;
    const A* channel = by_channel ? (const A*)s.channel + (row / s.p) * s.c : nullptr;
    A position = mode == kChannel || mode == kShift ? (A)1 : ((const A*)s.position)[row];
    Vec<T> positions = fill<Vec<T>>(position);
    write_row<T>(
        (T*)s.y + row * s.c, s.c, s.stream,
        [&](long i) FORCED {
          if constexpr (by_channel) return weighted<mode>(L::load(x + i), M::load(channel + i), positions);
          else return weighted<mode>(L::load(x + i), positions, positions);
        },
        [&](long i) FORCED { return weighted<mode>((A)L::wide(x[i]), by_channel ? channel[i] : (A)1, position); });
  }
  if (s.stream) end_of_stream();
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
    A total = 0, runs = 0;
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
      runs += part;
      from = to;
      if (from % (kRuns * kRun) == 0) total += runs, runs = 0;
    }
    total += runs;
    ((A*)s.to_channel)[row] = total;
  }
}

// Contiguous, with sums of the positions: blocks of positions of an image, all channels.
template <class T, class A, bool channels_too, int sloped> void reduce_images_of(const Reduce& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long blocks = (s.p + kBlock - 1) / kBlock;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    A* to_channel = channels_too ? (A*)s.work + task * 4 * s.c : nullptr;
    if constexpr (channels_too)
      for (long i = 0; i < s.c; i++) to_channel[i] = 0;
    for (long block = blocks * segment / s.segments; block < blocks * (segment + 1) / s.segments; block++) {
      long from = block * kBlock, n = from + kBlock < s.p ? kBlock : s.p - from;
      A sums[kBlock], parts[kBlock], more[kBlock];
      for (long i = 0; i < n; i++) sums[i] = 0, parts[i] = 0, more[i] = 0;
      for (long c = 0; c < s.c; c++) {
        long row = (image * s.c + c) * s.p + from;
        const T *g = (const T*)s.g + row, *x = (const T*)s.x + row;
        bool product = s.mode == kProduct || s.mode == kSigmoidOfProduct;
        A channel = product ? ((const A*)s.channel)[image * s.c + c] : (A)1;
        V channels = fill<V>(channel), total{};
        const A* position = product ? (const A*)s.position + image * s.p + from : nullptr;
        const A* added = sloped ? (const A*)s.position + image * s.p + from : nullptr;
        A logit = sloped ? ((const A*)s.channel)[image * s.c + c] : (A)0;
        V logits = fill<V>(logit);
        long i = 0;
        for (; i + L::n <= n; i += L::n) {
          V both = L::load(g + i) * L::load(x + i);
          if constexpr (sloped == kSigmoid) both *= slope_of_sigmoid(logits + M::load(added + i));
          if constexpr (sloped == kSigmoidOfProduct) both *= slope_of_sigmoid(logits * M::load(added + i));
          M::store(parts + i, M::load(parts + i) + both * channels);
          if constexpr (channels_too) total += position ? both * M::load(position + i) : both;
        }
        A rest = 0;
        for (; i < n; i++) {
          A both = (A)L::wide(g[i]) * (A)L::wide(x[i]);
          if constexpr (sloped == kSigmoid) both *= slope_of_sigmoid(logit + added[i]);
          if constexpr (sloped == kSigmoidOfProduct) both *= slope_of_sigmoid(logit * added[i]);
          parts[i] += both * channel;
          rest += position ? both * position[i] : both;
        }
        if constexpr (channels_too) to_channel[c] += sum_lanes<A>(total) + rest;
        if (c % 16 == 15 || c + 1 == s.c) pour(parts, more, n);
        if (c % 256 == 255 || c + 1 == s.c) pour(more, sums, n);
      }
      for (long i = 0; i < n; i++) ((A*)s.to_position)[image * s.p + from + i] = sums[i];
    }
  }
}

template <class T, class A> void reduce_images(const Reduce& s, long begin, long end) {
  if (s.mode == kSigmoid) return reduce_images_of<T, A, true, kSigmoid>(s, begin, end);
  if (s.mode == kSigmoidOfProduct) return reduce_images_of<T, A, true, kSigmoidOfProduct>(s, begin, end);
  s.to_channel ? reduce_images_of<T, A, true, 0>(s, begin, end) : reduce_images_of<T, A, false, 0>(s, begin, end);
}

// Channels last, weights by a sigmoid: both sums of a position at once, of g * x * slope.
template <class T, class A> ALWAYS void sloped_position(const Reduce& s, long at, const A* channel, A* part) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  const T *g = (const T*)s.g + at * s.c, *x = (const T*)s.x + at * s.c;
  A position = ((const A*)s.position)[at], rest = 0;
  V positions = fill<V>(position), total{};
  bool product = s.mode == kSigmoidOfProduct;
  long i = 0;
  for (; i + L::n <= s.c; i += L::n) {
    V weight = M::load(channel + i), both = L::load(g + i) * L::load(x + i);
    both *= slope_of_sigmoid(product ? weight * positions : weight + positions);
    M::store(part + i, M::load(part + i) + (product ? both * positions : both));
    total += product ? both * weight : both;
  }
  for (; i < s.c; i++) {
    A both = (A)L::wide(g[i]) * (A)L::wide(x[i]);
    both *= slope_of_sigmoid(product ? channel[i] * position : channel[i] + position);
    part[i] += product ? both * position : both;
    rest += product ? both * channel[i] : both;
  }
  ((A*)s.to_position)[at] = sum_lanes<A>(total) + rest;
}

// Channels last.
template <class T, class A> void reduce_segments(const Reduce& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    long from = s.p * segment / s.segments, to = s.p * (segment + 1) / s.segments;
    A *sum = (A*)s.work + task * 4 * s.c, *part = sum + s.c, *more = part + s.c, *most = more + s.c;
    if (s.to_channel)
      for (long i = 0; i < s.c; i++) sum[i] = 0, part[i] = 0, more[i] = 0, most[i] = 0;
    auto level = [&](long p) FORCED {
      if ((p - from) % 16 == 15 || p + 1 == to) pour(part, more, s.c);
      if ((p - from) % 256 == 255 || p + 1 == to) pour(more, most, s.c);
      if ((p - from) % 4096 == 4095 || p + 1 == to) pour(most, sum, s.c);
    };
    const A* channel = (const A*)s.channel + image * s.c;
    bool product = s.mode == kProduct;
    for (long p = from; p < to; p++) {
      long at = image * s.p + p;
      const T *g = (const T*)s.g + at * s.c, *x = (const T*)s.x + at * s.c;
      A position = product ? ((const A*)s.position)[at] : (A)1, w = s.w ? ((const A*)s.w)[at] : (A)0;
      if (s.mode == kSigmoid || s.mode == kSigmoidOfProduct) {
        sloped_position<T, A>(s, at, channel, part);
        level(p);
        continue;
      }
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
      level(p);
    }
  }
}

template <class T, class A> void reduce_join(const Reduce& s, long begin, long end) {
  for (long image = begin; image < end; image++)
    for (long i = 0; i < s.c; i++) {
      A sum = 0;
      for (long task = image * s.segments; task < (image + 1) * s.segments; task++)
        sum += ((const A*)s.work)[task * 4 * s.c + i];
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

// Whose maxima the gradient of the features has: none, the channels', the positions', both, each found by its place;
// or any of them found by comparison, as where several places share a maximum.
enum Peaks { kNoPeaks, kChannels, kPositions, kBoth, kShared };

inline bool all_alone(const int* ties, long n) {
  int others = 0;
  for (long i = 0; i < n; i++) others |= ties[i] != 1;
  return !others;
}

inline int peaks_of(const Spread& s, long image) {
  if (!s.peak && !s.top_peak) return kNoPeaks;
  bool alone = (!s.peak || all_alone(s.ties + image * s.c, s.c)) &&
               (!s.top_peak || all_alone(s.top_ties + image * s.p, s.p));
  return !alone ? kShared : !s.top_peak ? kChannels : !s.peak ? kPositions : kBoth;
}

// The gradient of one value, with everything that it is made of; `channel` and `position` number it in all images.
template <class T, class A, int mode, bool outer>
__attribute__((noinline)) A spread_at(const Spread& s, long channel, long position, long place) {
  typedef Lanes<T> L;
  A value = s.u ? ((const A*)s.u)[channel] : (A)0;
  if constexpr (mode == kPosition)
    value += (A)L::wide(((const T*)s.g)[place]) * ((const A*)s.position)[position];
  else if constexpr (mode != kNone)
    value += (A)L::wide(((const T*)s.g)[place]) *
             weigh<mode>(((const A*)s.channel)[channel], mode == kChannel ? (A)1 : ((const A*)s.position)[position]);
  if constexpr (outer) {
    value += ((const A*)s.w)[position] * ((const A*)s.h)[channel];
    if (s.w2) value += ((const A*)s.w2)[position] * ((const A*)s.h2)[channel];
  }
  if (!s.v && !s.peak && !s.top_peak) return value;
  A x = L::wide(((const T*)s.x)[place]);
  if (s.v) value += ((const A*)s.v)[channel] * x;
  if (s.peak && x == ((const A*)s.most)[channel]) value += ((const A*)s.peak)[channel] / (A)s.ties[channel];
  if (s.top_peak) {
    A weight = ((const A*)s.channel)[channel];
    if (x * weight == ((const A*)s.top)[position])
      value += ((const A*)s.top_peak)[position] / (A)s.top_ties[position] * weight;
  }
  return value;
}

// A row of the gradient: of a channel's positions, or, channels last, of a position's channels. What belongs to the
// row is one number (`own`), what belongs to its values lies side by side.
template <class T, class A, int mode, bool outer, int peaks, bool last>
ALWAYS void spread_row(const Spread& s, long row) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  typedef typename L::I I;
  typedef typename L::Index Index;
  constexpr bool both = mode == kProduct || mode == kSum || mode == kSigmoid ||
                          mode == kSigmoidOfProduct;
  constexpr bool by_channel = mode == kChannel || both, by_position = mode == kPosition || both;
  constexpr bool tops = peaks == kPositions || peaks == kBoth, maxima = peaks == kChannels || peaks == kBoth;
  long n = last ? s.c : s.p, image = row / (last ? s.p : s.c), first = image * n, number = row % (last ? s.p : s.c);
  const T* RESTRICT g = (const T*)s.g + row * n;
  const T* RESTRICT x = (const T*)s.x + row * n;
  auto own = [row](const void* values) FORCED { return fill<V>(((const A*)values)[row]); };
  auto side = [first](const void* values, long i) FORCED { return M::load((const A*)values + first + i); };
  auto of_channel = [&](const void* values, long i) FORCED {
    if constexpr (last) return side(values, i);
    else return own(values);
  };
  auto of_position = [&](const void* values, long i) FORCED {
    if constexpr (last) return own(values);
    else return side(values, i);
  };
  auto is_here = [&](const int* places, bool its_own, long i) FORCED {  // its_own: the row's place, among its values
    if (its_own) return (I)(lane_numbers<T>() + (Index)i == (Index)places[row] - I{});
    return (I)(load_places<T>(places + first + i) == (Index)number - I{});
  };
  auto vector = [&](long i) FORCED {
    V value{};
    if (s.u) value = of_channel(s.u, i);
    if constexpr (by_channel && by_position)
      value += L::load(g + i) * weigh<mode>(of_channel(s.channel, i), of_position(s.position, i));
    else if constexpr (by_channel)
      value += L::load(g + i) * of_channel(s.channel, i);
    else if constexpr (by_position)
      value += L::load(g + i) * of_position(s.position, i);
    if constexpr (outer) {
      value += of_position(s.w, i) * of_channel(s.h, i);
      if (s.w2) value += of_position(s.w2, i) * of_channel(s.h2, i);
    }
    if (s.v) value += of_channel(s.v, i) * L::load(x + i);
    if constexpr (maxima) value += is_here(s.index, !last, i) ? of_channel(s.peak, i) : V{};
    if constexpr (tops)
      value += is_here(s.top_index, last, i) ? of_position(s.top_peak, i) * of_channel(s.channel, i) : V{};
    if constexpr (peaks == kShared) {
      V v = L::load(x + i);
      auto count = [&](const int* ties, bool its_own) FORCED {
        if (its_own) return fill<V>((A)ties[row]);
        return __builtin_convertvector(load_places<T>(ties + first + i), V);
      };
      if (s.peak) value += v == of_channel(s.most, i) ? of_channel(s.peak, i) / count(s.ties, !last) : V{};
      if (s.top_peak) {
        V weight = of_channel(s.channel, i);
        value += v * weight == of_position(s.top, i) ? of_position(s.top_peak, i) / count(s.top_ties, last) * weight : V{};
      }
    }
    return value;
  };
  auto single = [&](long i) FORCED {
    return last ? spread_at<T, A, mode, outer>(s, first + i, row, row * n + i)
                : spread_at<T, A, mode, outer>(s, row, first + i, row * n + i);
  };
  write_row<T>((T*)s.dx + row * n, n, s.stream, vector, single);
}

template <class T, class A, int mode, bool outer, bool last> void spread_of(const Spread& s, long begin, long end) {
  long rows = last ? s.p : s.c;
  while (begin < end) {
    long image = begin / rows, to = (image + 1) * rows < end ? (image + 1) * rows : end;
    switch (peaks_of(s, image)) {
      case kNoPeaks:
        for (; begin < to; begin++) spread_row<T, A, mode, outer, kNoPeaks, last>(s, begin);
        break;
      case kChannels:
        for (; begin < to; begin++) spread_row<T, A, mode, outer, kChannels, last>(s, begin);
        break;
      default:
        if constexpr (mode == kProduct) {
          int peaks = peaks_of(s, image);
          if (peaks == kPositions)
            for (; begin < to; begin++) spread_row<T, A, mode, outer, kPositions, last>(s, begin);
          if (peaks == kBoth)
            for (; begin < to; begin++) spread_row<T, A, mode, outer, kBoth, last>(s, begin);
        }
        for (; begin < to; begin++) spread_row<T, A, mode, outer, kShared, last>(s, begin);
    }
  }
  if (s.stream) end_of_stream();
}

template <class T, class A, int mode, bool last> void spread_mode(const Spread& s, long begin, long end) {
  s.w ? spread_of<T, A, mode, true, last>(s, begin, end) : spread_of<T, A, mode, false, last>(s, begin, end);
}

template <class T, class A, bool last> void spread(const Spread& s, long begin, long end) {
  switch (s.mode) {
    case kChannel: return spread_mode<T, A, kChannel, last>(s, begin, end);
    case kPosition: return spread_mode<T, A, kPosition, last>(s, begin, end);
    case kProduct: return spread_mode<T, A, kProduct, last>(s, begin, end);
    case kSum: return spread_mode<T, A, kSum, last>(s, begin, end);
    case kSigmoid: return spread_mode<T, A, kSigmoid, last>(s, begin, end);
    case kSigmoidOfProduct: return spread_mode<T, A, kSigmoidOfProduct, last>(s, begin, end);
    default: return spread_mode<T, A, kNone, last>(s, begin, end);
  }
}
template <class T, class A> void spread_rows(const Spread& s, long b, long e) { spread<T, A, false>(s, b, e); }
template <class T, class A> void spread_positions(const Spread& s, long b, long e) { spread<T, A, true>(s, b, e); }

// ---- statistics of each position over its channels -----------------------------------------------------------------

// Contiguous: a block of positions of an image, its channels one after the other.
template <class T, class A, bool weighted, int maxima> void across_block(const Across& s, long task) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  typedef typename M::I I;
  typedef typename M::Index Index;
  long blocks = (s.p + kBlock - 1) / kBlock, image = task / blocks, from = task % blocks * kBlock;
  long n = from + kBlock < s.p ? kBlock : s.p - from;
  A sums[kBlock], parts[kBlock], more_sums[kBlock], most[kBlock];
  Index places[kBlock], ties[kBlock];
  for (long i = 0; i < n; i++) {
    sums[i] = 0, parts[i] = 0, more_sums[i] = 0;
    most[i] = lowest<A>(), places[i] = 0, ties[i] = 0;
  }
  for (long c = 0; c < s.c; c++) {
    const T* x = (const T*)s.x + (image * s.c + c) * s.p + from;
    A channel = weighted ? ((const A*)s.channel)[image * s.c + c] : (A)1;
    V channels = fill<V>(channel);
    long i = 0;
    for (; i + L::n <= n; i += L::n) {
      V v = L::load(x + i);
      if constexpr (weighted) v *= channels;
      M::store(parts + i, M::load(parts + i) + v);
      if constexpr (maxima == kRaised) M::store(most + i, larger(v, M::load(most + i)));
      if constexpr (maxima == kFound) {
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
      if constexpr (maxima != kUnasked) {
        if (v > most[i] || v != v)
          most[i] = v, places[i] = c, ties[i] = 1;
        else if (v == most[i])
          ties[i]++;
      }
    }
    if (c % 16 == 15 || c + 1 == s.c) pour(parts, more_sums, n);
    if (c % 256 == 255 || c + 1 == s.c) pour(more_sums, sums, n);
  }
  for (long i = 0; i < n; i++) {
    long at = image * s.p + from + i;
    ((A*)s.sum)[at] = sums[i];
    if constexpr (maxima != kUnasked) ((A*)s.most)[at] = most[i];
    if constexpr (maxima == kFound) {
      s.index[at] = (int)places[i], s.ties[at] = most[i] != most[i] ? 0 : (int)ties[i];
    }
  }
}

// Channels last: a position, its channels side by side.
template <class T, class A, bool weighted, int maxima> void across_position(const Across& s, long row) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  const T* RESTRICT x = (const T*)s.x + row * s.c;
  const A* RESTRICT channel = (const A*)s.channel + row / s.p * s.c;
  auto product = [channel](auto v, long i) FORCED {
    if constexpr (!weighted) return v;
    else if constexpr (sizeof(v) == sizeof(A)) return v * channel[i];
    else return v * M::load(channel + i);
  };
  V a{}, b{};
  long i = 0;
  for (; i + 2 * L::n <= s.c; i += 2 * L::n) {
    a += product(L::load(x + i), i);
    b += product(L::load(x + i + L::n), i + L::n);
  }
  if (i + L::n <= s.c) a += product(L::load(x + i), i), i += L::n;
  if (i < s.c && s.c >= L::n) {
    b += keep_last<T>(product(L::load(x + s.c - L::n), s.c - L::n), s.c - i);
    i = s.c;
  }
  A sum = sum_lanes<A>(a + b);
  for (; i < s.c; i++) sum += product((A)L::wide(x[i]), i);
  ((A*)s.sum)[row] = sum;
  if constexpr (maxima != kUnasked) {
    A most = max_row<T, A>(x, s.c, product);
    ((A*)s.most)[row] = most;
    if constexpr (maxima == kFound) find_row<T, A>(x, s.c, most, s.index + row, s.ties + row, product);
  }
}

template <class T, class A> void across_images(const Across& s, long begin, long end) {
  for (long task = begin; task < end; task++) {
    if (s.maxima == kFound)
      s.channel ? across_block<T, A, true, kFound>(s, task) : across_block<T, A, false, kFound>(s, task);
    else if (s.maxima == kRaised)
      s.channel ? across_block<T, A, true, kRaised>(s, task) : across_block<T, A, false, kRaised>(s, task);
    else
      s.channel ? across_block<T, A, true, kUnasked>(s, task) : across_block<T, A, false, kUnasked>(s, task);
  }
}

template <class T, class A> void across_positions(const Across& s, long begin, long end) {
  for (long row = begin; row < end; row++) {
    if (s.maxima == kFound)
      s.channel ? across_position<T, A, true, kFound>(s, row) : across_position<T, A, false, kFound>(s, row);
    else if (s.maxima == kRaised)
      s.channel ? across_position<T, A, true, kRaised>(s, row) : across_position<T, A, false, kRaised>(s, row);
    else
      s.channel ? across_position<T, A, true, kUnasked>(s, row) : across_position<T, A, false, kUnasked>(s, row);
  }
}

}  // namespace
}  // namespace regard::LEVEL

#include "branches.h"
#include "planes.h"
#include "axes.h"

namespace regard::LEVEL {
namespace {

#define TYPES(loop) {loop<float, float>, loop<double, double>, loop<bf16, float>}
#define MODES(loop, T, A) \
  {loop<T, A, kChannel>, loop<T, A, kPosition>, loop<T, A, kProduct>, loop<T, A, kSum>, loop<T, A, kShift>, loop<T, A, kSigmoid>, \
   loop<T, A, kSigmoidOfProduct>}
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
    {TYPES(select_side), TYPES(select_own)},
    TYPES(branch_sums_own),
    TYPES(branch_sums_side),
    TYPES(branch_sums_join),
    {TYPES(spread_side), TYPES(spread_own)},
    {planes_forward<float, float>, planes_forward<double, double>, nullptr},
    {planes_backward<float, float>, planes_backward<double, double>, nullptr},
    {TYPES(axis_sums_rows), TYPES(axis_sums_positions)},
    {TYPES(axis_gate_rows), TYPES(axis_gate_positions)},
};

}  // namespace regard::LEVEL

// Means along the two axes of positions, gates along them, and their gradients. Part of `loops.h`, see there.
//
// What lies along an axis, (b, n, c), has its channels side by side, in both layouts of the features. Contiguous ones
// are taken in blocks of `kTile` channels, for which it is turned around in `work`.

namespace regard::LEVEL {
namespace {

constexpr long kFlush = 16;   // values that one accumulator takes before it is added to the sum
constexpr long kNear = 16384;  // sums that stay in the second cache; more, shorter pieces of rows are slower
constexpr long kBand = 1024;   // values of a result that are made in the first cache before they are written

// The sums of `count` vectors, as many as one has lanes: neighbouring lanes of two vectors are added, those of the first
// and then those of the second.
template <class T, long count> ALWAYS Vec<T> sum_each(const Vec<T>* rows) {
  if constexpr (count == 1) {
    return rows[0];
  } else {
    typedef typename Lanes<T>::Index Index;
    auto even = lane_numbers<T>() * (Index)2;
    Vec<T> a = sum_each<T, count / 2>(rows), b = sum_each<T, count / 2>(rows + count / 2);
    return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, even + (Index)1);
  }
}

// The rows and columns of a square of vectors exchanged.
template <class A, long distance = 1> ALWAYS void transpose(Vec<A>* rows) {
  typedef Lanes<A> M;
  typedef typename M::Index Index;
  if constexpr (distance < M::n) {
    auto lane = lane_numbers<A>(), odd = (lane & (Index)distance) != 0;
    auto low = odd ? lane + (Index)(M::n - distance) : lane, high = odd ? lane + (Index)M::n : lane + (Index)distance;
#pragma GCC unroll 16
    for (long i = 0; i < M::n; i++) {
      if (i & distance) continue;
      Vec<A> a = rows[i], b = rows[i + distance];
      rows[i] = __builtin_shuffle(a, b, low), rows[i + distance] = __builtin_shuffle(a, b, high);
    }
    transpose<A, 2 * distance>(rows);
  }
}

template <class T> ALWAYS Vec<T> keep_first(Vec<T> v, long count) {
  typedef typename Lanes<T>::I I;
  return lane_numbers<T>() < (typename Lanes<T>::Index)count - I{} ? v : Vec<T>{};
}

// A vector of the first values of a row shorter than it; `rest` values can be read.
template <class T> ALWAYS Vec<T> load_short(const T* p, long n, long rest) {
  typedef Lanes<T> L;
  if (rest >= L::n) return L::load(p);
  Vec<T> v{};
  for (long i = 0; i < n; i++) v[i] = L::wide(p[i]);
  return v;
}

template <class A> ALWAYS const A* of_image(const Along& s, long image) { return (const A*)s.values + image * s.stride; }
template <class A> ALWAYS A* of_image(const MadeAlong& s, long image) { return (A*)s.values + image * s.stride; }

// (n, c) to (count, n), times a scale, and back, divided. What a vector writes behind a row the next one overwrites, so
// there is room for a vector behind (count, n).
template <class A> void turn(const A* from, long n, long c, long count, A scale, A* to) {
  typedef Lanes<A> M;
  for (long k = 0; k < count; k += M::n)
    for (long i = (n - 1) / M::n * M::n; i >= 0; i -= M::n) {
      Vec<A> square[M::n];
      for (long m = 0; m < M::n; m++) {
        const A* row = from + (i + m < n ? i + m : n - 1) * c + k;
        __builtin_prefetch(row + kTile);  // of the next tile: no processor foresees so long a stride
        square[m] = load_short<A>(row, count - k < M::n ? count - k : M::n, count - k) * scale;
      }
      transpose<A>(square);
      for (long m = 0; m < M::n && k + m < count; m++) M::store(to + (k + m) * n + i, square[m]);
    }
}
template <class A> void turn_back(const A* from, long n, long c, long count, A divisor, A* to) {
  typedef Lanes<A> M;
  for (long k = 0; k < count; k += M::n)
    for (long i = 0; i < n; i += M::n) {
      Vec<A> square[M::n];
      for (long m = 0; m < M::n; m++)
        square[m] = M::load(from + (k + m < count ? k + m : count - 1) * n + i);
      transpose<A>(square);
      for (long m = 0; m < M::n && i + m < n; m++) {
        A* row = to + (i + m) * c + k;
        __builtin_prefetch(row + kTile, 1);
        Vec<A> values = divisor == 1 ? square[m] : square[m] / divisor;
        if (k + M::n <= count) M::store(row, values);
        else
          for (long l = 0; k + l < count; l++) row[l] = values[l];
      }
    }
}

// ---- sums along the axes: of x, or of g * x with the other axis's gate --------------------------------------------

// A row is `vectors` long, the last one overlapping; 0 stands for any other number, of at least one.
template <class T, class A, bool gated, int vectors> void axis_sums_tile(const Axes& s, long task) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long tiles = (s.c + kTile - 1) / kTile, image = task / tiles, first = task % tiles * kTile;
  long count = first + kTile < s.c ? kTile : s.c - first, w = s.w, rows = count * s.h;
  long start = (image * s.c + first) * s.h * w, rest = s.b * s.c * s.h * w - start;
  const T *x = (const T*)s.x + start, *g = gated ? (const T*)s.g + start : nullptr;
  long high = kTile * (s.h + 1), wide = kTile * (w + 1);
  A *row_sums = (A*)s.work + task * axis_work(s.h, w), *column_sums = row_sums + high;
  A *row_gate = column_sums + wide, *column_gate = row_gate + high, *part = column_gate + wide;
  if constexpr (gated) {
    turn(of_image<A>(s.row_gate, image) + first, s.h, s.c, count, (A)1, row_gate);
    turn(of_image<A>(s.column_gate, image) + first, w, s.c, count, (A)1, column_gate);
  }
  long many = (w + L::n - 1) / L::n, tail = w < L::n ? w : w - (many - 1) * L::n, last = w < L::n ? 0 : w - L::n;
  V totals[L::n], columns[vectors ? vectors : 1]{};
  for (long i = 0; !vectors && i < many; i++) M::store(part + i * L::n, V{});
  for (long r = 0, y = 0, k = 0; r < rows; r++, x += w, rest -= w) {
    V total{}, sum{};
    V own = fill<V>(gated ? row_gate[r] : (A)1);
    const A* other = column_gate + k * w;
    auto product = [&](long i) FORCED {
      V v = vectors == 1 ? load_short<T>(x + i, w < L::n ? w : L::n, rest) : L::load(x + i);
      if constexpr (gated) v *= vectors == 1 ? load_short<T>(g + i, w < L::n ? w : L::n, rest) : L::load(g + i);
      return v;
    };
    auto add = [&](V v, long i, V& column) FORCED {
      if constexpr (gated) column += v * own, total += v * M::load(other + i);
      else column += v, total += v;
    };
    if constexpr (vectors == 1) {
      V v = keep_first<T>(product(0), w);
      if constexpr (gated) columns[0] += v * own, total = keep_first<T>(v * M::load(other), w);
      else columns[0] += v, total = v;
    } else if constexpr (vectors > 1) {
#pragma GCC unroll 8
      for (int i = 0; i < vectors - 1; i++) add(product(i * L::n), i * L::n, columns[i]);
      add(keep_last<T>(product(last), tail), last, columns[vectors - 1]);
    } else {
      for (long i = 0; i < many; i++) {
        V column = M::load(part + i * L::n);
        if (i + 1 < many) add(product(i * L::n), i * L::n, column);
        else add(keep_last<T>(product(last), tail), last, column);
        M::store(part + i * L::n, column);
        if (i % kFlush == kFlush - 1) sum += total, total = V{};
      }
    }
    totals[r % L::n] = sum + total;
    if (r % L::n == L::n - 1 || r + 1 == rows) {
      for (long i = r % L::n + 1; i < L::n; i++) totals[i] = V{};
      M::store(row_sums + r / L::n * L::n, sum_each<T, L::n>(totals));
    }
    if constexpr (gated) g += w;
    if (++y % kFlush != 0 && y != s.h) continue;
    A* sums = column_sums + k * w;
    auto flush = [&](V column, long i, long from) FORCED {
      if (i + L::n <= w && !from) {
        M::store(sums + i, y <= kFlush ? column : M::load(sums + i) + column);
        return;
      }
      for (long l = from; l < L::n && i + l < w; l++) sums[i + l] = y <= kFlush ? column[l] : sums[i + l] + column[l];
    };
    if constexpr (vectors) {
#pragma GCC unroll 8
      for (int i = 0; i < vectors - 1; i++) flush(columns[i], i * L::n, 0), columns[i] = V{};
      flush(columns[vectors - 1], last, vectors == 1 ? 0 : L::n - tail), columns[vectors - 1] = V{};
    } else {
      for (long i = 0; i < many; i++) {
        flush(M::load(part + i * L::n), i + 1 < many ? i * L::n : last, i + 1 < many ? 0 : L::n - tail);
        M::store(part + i * L::n, V{});
      }
    }
    if (y == s.h) y = 0, k++;
  }
  turn_back(row_sums, s.h, s.c, count, gated ? (A)1 : (A)w, of_image<A>(s.rows, image) + first);
  turn_back(column_sums, w, s.c, count, gated ? (A)1 : (A)s.h, of_image<A>(s.columns, image) + first);
}

// Channels last: some rows and columns of the positions, and some channels of them.
template <class T, class A, bool gated, int high, int wide>
ALWAYS void axis_sums_patch(const Axes& s, long at, long n, A* RESTRICT rows, A* RESTRICT columns, const A* row_gate,
                            const A* column_gate) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  const T *x = (const T*)s.x + at, *g = (const T*)s.g + at;
  long c = s.c, down = s.w * c, i = 0;
  auto add = [&](auto zero, auto load, auto load_wide, auto store, long i) FORCED {
    decltype(zero) in_row[high], in_column[wide];
    for (int u = 0; u < high; u++) in_row[u] = zero;
    for (int v = 0; v < wide; v++) in_column[v] = zero;
    for (int u = 0; u < high; u++)
      for (int v = 0; v < wide; v++) {
        auto value = load(x + u * down + v * c + i);
        if constexpr (gated) {
          value *= load(g + u * down + v * c + i);
          in_row[u] += value * load_wide(column_gate + v * c + i);
          in_column[v] += value * load_wide(row_gate + u * c + i);
        } else {
          in_row[u] += value;
          in_column[v] += value;
        }
      }
    for (int u = 0; u < high; u++) store(rows + u * n + i, load_wide(rows + u * n + i) + in_row[u]);
    for (int v = 0; v < wide; v++) store(columns + v * n + i, load_wide(columns + v * n + i) + in_column[v]);
  };
  for (; i + L::n <= n; i += L::n)
    add(
        V{}, [](const T* p) FORCED { return L::load(p); }, [](const A* p) FORCED { return M::load(p); },
        [](A* p, V v) FORCED { M::store(p, v); }, i);
  for (; i < n; i++)
    add(
        A{}, [](const T* p) FORCED { return L::wide(*p); }, [](const A* p) FORCED { return *p; },
        [](A* p, A v) FORCED { *p = v; }, i);
}

// Add a part to a sum, or begin with it, and clear the part; at last, divide.
template <class A> ALWAYS void flush(A* RESTRICT sum, A* RESTRICT part, long n, bool begins, A divisor) {
  typedef Lanes<A> M;
  long i = 0;
  for (; i + M::n <= n; i += M::n) {
    auto v = M::load(part + i);
    if (!begins) v += M::load(sum + i);
    M::store(sum + i, divisor == 1 ? v : v / divisor);
    M::store(part + i, Vec<A>{});
  }
  for (; i < n; i++) sum[i] = (part[i] + (begins ? (A)0 : sum[i])) / divisor, part[i] = 0;
}

template <class T, class A, bool gated> void axis_sums_block(const Axes& s, long image, long first, long n) {
  long c = s.c;
  A *to_rows = of_image<A>(s.rows, image) + first, *to_columns = of_image<A>(s.columns, image) + first;
  A *columns = (A*)s.work + (image * c + first) * (s.w + 2), *rows = columns + s.w * n;
  const A* row_gate = gated ? of_image<A>(s.row_gate, image) + first : nullptr;
  const A* column_gate = gated ? of_image<A>(s.column_gate, image) + first : nullptr;
  __builtin_memset(columns, 0, sizeof(A) * (unsigned long)((s.w + 2) * n));
  for (long y = 0; y < s.h; y += 2) {
    bool two = y + 1 < s.h;
    for (long v = 0; v < s.w; v += 2) {
      bool pair = v + 1 < s.w, ends = v + 2 >= s.w;
      long at = ((image * s.h + y) * s.w + v) * c + first;
      auto patch = two ? (pair ? axis_sums_patch<T, A, gated, 2, 2> : axis_sums_patch<T, A, gated, 2, 1>)
                       : (pair ? axis_sums_patch<T, A, gated, 1, 2> : axis_sums_patch<T, A, gated, 1, 1>);
      patch(s, at, n, rows, columns + v * n, gated ? row_gate + y * c : nullptr, gated ? column_gate + v * c : nullptr);
      if ((v + 2) % (2 * kFlush) == 0 || ends)
        for (int u = 0; u < 1 + two; u++)
          flush(to_rows + (y + u) * c, rows + u * n, n, v < 2 * kFlush, !gated && ends ? (A)s.w : (A)1);
    }
    bool ends = y + 2 >= s.h;
    if ((y + 2) % (2 * kFlush) == 0 || ends)
      for (long v = 0; v < s.w; v++)
        flush(to_columns + v * c, columns + v * n, n, y < 2 * kFlush, !gated && ends ? (A)s.h : (A)1);
  }
}

// The channels are cut again, into blocks whose sums stay in a near cache.
template <class T, class A, bool gated> void axis_sums_chunk(const Axes& s, long task) {
  long image = task / s.chunks, chunk = task % s.chunks, tiles = s.c / kTile;
  long first = tiles * chunk / s.chunks * kTile, last = tiles * (chunk + 1) / s.chunks * kTile;
  if (chunk + 1 == s.chunks) last = s.c;
  long block = kNear / (s.w + 2) / 64 * 64;
  if (block < 64) block = 64;
  for (; first < last; first += block)
    axis_sums_block<T, A, gated>(s, image, first, first + block < last ? block : last - first);
}

template <class T, class A> void axis_sums_rows(const Axes& s, long begin, long end) {
  long vectors = (s.w + Lanes<T>::n - 1) / Lanes<T>::n;
  auto tile = s.g ? axis_sums_tile<T, A, true, 0> : axis_sums_tile<T, A, false, 0>;
  if (vectors == 1) tile = s.g ? axis_sums_tile<T, A, true, 1> : axis_sums_tile<T, A, false, 1>;
  if (vectors == 2) tile = s.g ? axis_sums_tile<T, A, true, 2> : axis_sums_tile<T, A, false, 2>;
  if (vectors == 4) tile = s.g ? axis_sums_tile<T, A, true, 4> : axis_sums_tile<T, A, false, 4>;
  for (long task = begin; task < end; task++) tile(s, task);
}

template <class T, class A> void axis_sums_positions(const Axes& s, long begin, long end) {
  for (long task = begin; task < end; task++)
    s.g ? axis_sums_chunk<T, A, true>(s, task) : axis_sums_chunk<T, A, false>(s, task);
}

// ---- y = x * row_gate * column_gate, plus the shares of every row and column ---------------------------------------

template <class T, class A, bool shared> void axis_gate_tile(const Axes& s, long task) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long tiles = (s.c + kTile - 1) / kTile, image = task / tiles, first = task % tiles * kTile;
  long count = first + kTile < s.c ? kTile : s.c - first, w = s.w, rows = count * s.h;
  long start = (image * s.c + first) * s.h * w, rest = s.b * s.c * s.h * w - start;
  const T* x = (const T*)s.x + start;
  T* y = (T*)s.y + start;
  A* row_gate = (A*)s.work + task * axis_work(s.h, w);
  A *row_share = row_gate + kTile * (s.h + 1), *column_gate = row_share + kTile * (s.h + 1);
  A* column_share = column_gate + kTile * (w + 1);
  turn(of_image<A>(s.row_gate, image) + first, s.h, s.c, count, (A)1, row_gate);
  turn(of_image<A>(s.column_gate, image) + first, w, s.c, count, (A)1, column_gate);
  if constexpr (shared) {
    turn(of_image<A>(s.row_share, image) + first, s.h, s.c, count, (A)1 / (A)w, row_share);
    turn(of_image<A>(s.column_share, image) + first, w, s.c, count, (A)1 / (A)s.h, column_share);
  }
  T band[kBand + L::n];
  long together = kBand / w > 0 ? kBand / w : 1;
  const A *other = column_gate, *added = column_share;
  for (long from = 0, v = 0; from < rows; from += together) {
    long to = from + together < rows ? from + together : rows;
    for (long r = from; r < to; r++, v++) {
      if (v == s.h) v = 0, other += w, added += w;
      const T* RESTRICT in = x + r * w;
      V own = fill<V>(row_gate[r]), more = fill<V>(shared ? row_share[r] : (A)0);
      auto made = [&](V v, long i) FORCED {
        v = v * own * M::load(other + i);
        if constexpr (shared) v += more + M::load(added + i);
        return v;
      };
      T* out = band + (r - from) * w;
      auto vector = [&](long i) FORCED { return made(L::load(in + i), i); };
      if (w > kBand) {
        write_row<T>(y + r * w, w, s.stream, vector, [](long) FORCED { return (A)0; });
      } else if (w < L::n) {
        L::store(out, made(load_short<T>(in, w, rest - r * w), 0));
      } else {
        long i = 0;
        for (; i + L::n <= w; i += L::n) L::store(out + i, vector(i));
        if (i < w) L::store(out + w - L::n, vector(w - L::n));
      }
    }
    if (w > kBand) continue;
    write_row<T>(
        y + from * w, (to - from) * w, s.stream, [&](long i) FORCED { return L::load(band + i); },
        [&](long i) FORCED { return L::wide(band[i]); });
  }
}

template <class T, class A> void axis_gate_rows(const Axes& s, long begin, long end) {
  for (long task = begin; task < end; task++)
    s.row_share.values ? axis_gate_tile<T, A, true>(s, task) : axis_gate_tile<T, A, false>(s, task);
  if (s.stream) end_of_stream();
}

template <class T, class A, bool shared> ALWAYS void axis_gate_line(const Axes& s, long line) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  long image = line / s.h, c = s.c, y = line % s.h * c;
  const A *row = of_image<A>(s.row_gate, image) + y, *column = of_image<A>(s.column_gate, image);
  const A* row_share = shared ? of_image<A>(s.row_share, image) + y : nullptr;
  const A* column_share = shared ? of_image<A>(s.column_share, image) : nullptr;
  A of_row = (A)1 / (A)s.w, of_column = (A)1 / (A)s.h;
  for (long v = 0; v < s.w; v++) {
    long at = (line * s.w + v) * c, other = v * c;
    const T* RESTRICT x = (const T*)s.x + at;
    write_row<T>(
        (T*)s.y + at, c, s.stream,
        [&](long i) FORCED {
          auto made = L::load(x + i) * M::load(row + i) * M::load(column + other + i);
          if constexpr (shared) made += M::load(row_share + i) * of_row + M::load(column_share + other + i) * of_column;
          return made;
        },
        [&](long i) FORCED {
          A made = (A)L::wide(x[i]) * row[i] * column[other + i];
          if constexpr (shared) made += row_share[i] * of_row + column_share[other + i] * of_column;
          return made;
        });
  }
}

template <class T, class A> void axis_gate_positions(const Axes& s, long begin, long end) {
  for (long line = begin; line < end; line++)
    s.row_share.values ? axis_gate_line<T, A, true>(s, line) : axis_gate_line<T, A, false>(s, line);
  if (s.stream) end_of_stream();
}

}  // namespace
}  // namespace regard::LEVEL

// The loops over several branches: their weighted sum and its gradients. Part of `loops.h`, see there.

namespace regard::LEVEL {
namespace {

// A row of all branches: where it begins in each, and the weights that it takes.
template <class T, class A, bool own> struct BranchRow {
  const T* x[kMostBranches];
  const A* w;
  long step;  // from a branch's weights to the next one's

  ALWAYS BranchRow(const Branches& s, long number) {
    long image = number / s.rows, row = number % s.rows, at = image * s.image + row * s.row;
    for (long j = 0; j < s.k; j++) x[j] = (const T*)s.x[j] + at;
    step = own ? s.rows : s.width;
    w = (const A*)s.w + image * s.k * step + (own ? row : 0);
  }
};

// y = the sum of x * w; K is the number of branches, or 0 for any.
template <class T, class A, bool own, int K> void select_of(const Branches& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long k = K ? K : s.k;
  for (long number = begin; number < end; number++) {
    BranchRow<T, A, own> row(s, number);
    auto weights = [&row](long j, long i) FORCED {
      if constexpr (own) return fill<V>(row.w[j * row.step]);
      else return M::load(row.w + j * row.step + i);
    };
    write_row<T>(
        (T*)s.y + number * s.width, s.width, s.stream,
        [&](long i) FORCED {
          V sum = L::load(row.x[0] + i) * weights(0, i);
          for (long j = 1; j < k; j++) sum += L::load(row.x[j] + i) * weights(j, i);
          return sum;
        },
        [&](long i) FORCED {
          A sum = (A)L::wide(row.x[0][i]) * row.w[own ? 0 : i];
          for (long j = 1; j < k; j++) sum += (A)L::wide(row.x[j][i]) * row.w[j * row.step + (own ? 0 : i)];
          return sum;
        });
  }
  if (s.stream) end_of_stream();
}

template <class T, class A, bool own> void select_branches(const Branches& s, long begin, long end) {
  s.k == 2 ? select_of<T, A, own, 2>(s, begin, end) : select_of<T, A, own, 0>(s, begin, end);
}
template <class T, class A> void select_side(const Branches& s, long b, long e) { select_branches<T, A, false>(s, b, e); }
template <class T, class A> void select_own(const Branches& s, long b, long e) { select_branches<T, A, true>(s, b, e); }

// The sum of g * x over at most kRun values. None of the four sums takes more than 32 before they are added.
template <class T, class A> ALWAYS A sum_products(const T* RESTRICT g, const T* RESTRICT x, long n) {
  typedef Lanes<T> L;
  typedef Vec<T> V;
  V total{}, rest{};
  long i = 0;
  while (i + 4 * L::n <= n) {
    long end = i + 128 * L::n < n ? i + 128 * L::n : n;
    V a{}, b{}, c{}, d{};
    for (; i + 4 * L::n <= end; i += 4 * L::n) {
      a += L::load(g + i) * L::load(x + i);
      b += L::load(g + i + L::n) * L::load(x + i + L::n);
      c += L::load(g + i + 2 * L::n) * L::load(x + i + 2 * L::n);
      d += L::load(g + i + 3 * L::n) * L::load(x + i + 3 * L::n);
    }
    total += (a + b) + (c + d);
  }
  for (; i + L::n <= n; i += L::n) rest += L::load(g + i) * L::load(x + i);
  if (i < n && n >= L::n) {
    rest += keep_last<T>(L::load(g + n - L::n) * L::load(x + n - L::n), n - i);
    i = n;
  }
  A sum = sum_lanes<A>(total + rest);
  for (; i < n; i++) sum += (A)L::wide(g[i]) * (A)L::wide(x[i]);
  return sum;
}

// The sums over rows; what is read of g stays in the nearest cache for all branches.
template <class T, class A> void branch_sums_own(const Branches& s, long begin, long end) {
  for (long number = begin; number < end; number++) {
    BranchRow<T, A, true> row(s, number);
    const T* g = (const T*)s.g + number * s.width;
    A* sums = (A*)s.sums + number / s.rows * s.k * s.rows + number % s.rows;
    for (long j = 0; j < s.k; j++) sums[j * s.rows] = 0;
    for (long from = 0; from < s.width; from += kRun) {
      long n = from + kRun < s.width ? kRun : s.width - from;
      for (long j = 0; j < s.k; j++) sums[j * s.rows] += sum_products<T, A>(g + from, row.x[j] + from, n);
    }
  }
}

// Sums along rows, of `count` of them at once.
template <class T, class A, int count> ALWAYS void add_products(const T* g, const T* x, long width, long row, A* part) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  long i = 0;
  for (; i + L::n <= width; i += L::n) {
    V sum = L::load(g + i) * L::load(x + i);
#pragma GCC unroll 8
    for (int r = 1; r < count; r++) sum += L::load(g + r * width + i) * L::load(x + r * row + i);
    M::store(part + i, M::load(part + i) + sum);
  }
  for (; i < width; i++) {
    A sum = (A)L::wide(g[i]) * (A)L::wide(x[i]);
    for (int r = 1; r < count; r++) sum += (A)L::wide(g[r * width + i]) * (A)L::wide(x[r * row + i]);
    part[i] += sum;
  }
}

// The sums along rows, through a second row of sums, so that none takes more than 128 values.
template <class T, class A> void branch_sums_side(const Branches& s, long begin, long end) {
  long all = s.k * s.width;
  for (long task = begin; task < end; task++) {
    long image = task / s.segments, segment = task % s.segments;
    long from = s.rows * segment / s.segments, last = s.rows * (segment + 1) / s.segments;
    A *sum = (A*)s.work + task * 2 * all, *part = sum + all;
    for (long i = 0; i < all; i++) sum[i] = 0;
    while (from < last) {
      long to = from + 128 < last ? from + 128 : last;
      for (long i = 0; i < all; i++) part[i] = 0;
      while (from < to) {
        long count = from + 4 <= to ? 4 : 1;
        const T* g = (const T*)s.g + (image * s.rows + from) * s.width;
        for (long j = 0; j < s.k; j++) {
          const T* x = (const T*)s.x[j] + image * s.image + from * s.row;
          if (count == 4) add_products<T, A, 4>(g, x, s.width, s.row, part + j * s.width);
          else add_products<T, A, 1>(g, x, s.width, s.row, part + j * s.width);
        }
        from += count;
      }
      for (long i = 0; i < all; i++) sum[i] += part[i];
    }
  }
}

template <class T, class A> void branch_sums_join(const Branches& s, long begin, long end) {
  long all = s.k * s.width;
  for (long image = begin; image < end; image++)
    for (long i = 0; i < all; i++) {
      A sum = 0;
      for (long task = image * s.segments; task < (image + 1) * s.segments; task++)
        sum += ((const A*)s.work)[task * 2 * all + i];
      ((A*)s.sums)[image * all + i] = sum;
    }
}

// dx = g * w + u for each branch; what is read of g stays in the nearest cache.
template <class T, class A, bool own, bool with_u> void spread_branches_of(const Branches& s, long begin, long end) {
  typedef Lanes<T> L;
  typedef Lanes<A> M;
  typedef Vec<T> V;
  for (long number = begin; number < end; number++) {
    BranchRow<T, A, own> row(s, number);
    long image = number / s.rows, at = image * s.image + number % s.rows * s.row;
    const A* u = with_u ? (const A*)s.u + (own ? number : image * s.width) : nullptr;
    for (long from = 0; from < s.width; from += kRun) {
      long n = from + kRun < s.width ? kRun : s.width - from;
      const T* RESTRICT g = (const T*)s.g + number * s.width + from;
      for (long j = 0; j < s.k; j++) {
        const A* w = row.w + j * row.step + (own ? 0 : from);
        V weights = fill<V>(w[0]), added = fill<V>(with_u ? u[0] : (A)0);
        write_row<T>(
            (T*)s.dx[j] + at + from, n, s.stream,
            [&](long i) FORCED {
              V value = L::load(g + i);
              if constexpr (own) value *= weights;
              else value *= M::load(w + i);
              if constexpr (with_u && own) value += added;
              else if constexpr (with_u) value += M::load(u + from + i);
              return value;
            },
            [&](long i) FORCED {
              A value = (A)L::wide(g[i]) * w[own ? 0 : i];
              if constexpr (with_u) value += u[own ? 0 : from + i];
              return value;
            });
      }
    }
  }
  if (s.stream) end_of_stream();
}

template <class T, class A, bool own> void spread_branches(const Branches& s, long begin, long end) {
  s.u ? spread_branches_of<T, A, own, true>(s, begin, end) : spread_branches_of<T, A, own, false>(s, begin, end);
}
template <class T, class A> void spread_side(const Branches& s, long b, long e) { spread_branches<T, A, false>(s, b, e); }
template <class T, class A> void spread_own(const Branches& s, long b, long e) { spread_branches<T, A, true>(s, b, e); }

}  // namespace
}  // namespace regard::LEVEL

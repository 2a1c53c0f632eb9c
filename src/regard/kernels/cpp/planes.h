// The convolution of a few planes to one, without stride, with zeros around: what spatial gates make of their
// statistics. Part of `loops.h`, see there.

namespace regard::LEVEL {
namespace {

template <class A> ALWAYS long padded_row(long w, long k) {
  constexpr long n = Lanes<A>::n;
  return (w + n - 1) / n * n + k - 1;
}

// A plane with zeros around it, rows as `padded_row`; returns the end.
template <class A> A* pad_plane(const A* plane, long h, long w, long k, A* to) {
  long row = padded_row<A>(w, k), reach = k / 2;
  for (long i = 0; i < (h + k - 1) * row; i++) to[i] = 0;
  for (long y = 0; y < h; y++) __builtin_memcpy(to + (y + reach) * row + reach, plane + y * w, w * sizeof(A));
  return to + (h + k - 1) * row;
}

// `count` vectors of one row of the result.
template <class A, int count>
ALWAYS void convolve_piece(const A* padded, long planes, long height, long row, const A* weight, long k, A* y, long n) {
  typedef Lanes<A> L;
  Vec<A> sums[count] = {};
  for (long plane = 0; plane < planes; plane++)
    for (long ky = 0; ky < k; ky++) {
      const A* x = padded + (plane * height + ky) * row;
      for (long kx = 0; kx < k; kx++) {
        Vec<A> factor = fill<Vec<A>>(*weight++);
        for (int j = 0; j < count; j++) sums[j] += L::load(x + kx + j * L::n) * factor;
      }
    }
  for (int j = 0; j < count; j++) {
    long left = n - j * L::n;
    __builtin_memcpy(y + j * L::n, &sums[j], (left < L::n ? left : L::n) * sizeof(A));
  }
}

template <class A> void convolve_padded(const A* padded, long planes, const A* weight, long h, long w, long k, A* y) {
  constexpr long n = Lanes<A>::n;
  long row = padded_row<A>(w, k), height = h + k - 1;
  for (long line = 0; line < h; line++, padded += row, y += w) {
    long x = 0;
    for (; x + 3 * n < w; x += 4 * n) convolve_piece<A, 4>(padded + x, planes, height, row, weight, k, y + x, w - x);
    for (; x + n < w; x += 2 * n) convolve_piece<A, 2>(padded + x, planes, height, row, weight, k, y + x, w - x);
    if (x < w) convolve_piece<A, 1>(padded + x, planes, height, row, weight, k, y + x, w - x);
  }
}

template <class T, class A> void planes_forward(const Planes& s, long begin, long end) {
  for (long image = begin; image < end; image++) {
    A *padded = (A*)s.work + image * s.size, *at = padded;
    for (long plane = 0; plane < s.planes; plane++)
      at = pad_plane((const A*)s.x + (image * s.planes + plane) * s.h * s.w, s.h, s.w, s.k, at);
    convolve_padded(padded, s.planes, (const A*)s.weight, s.h, s.w, s.k, (A*)s.y + image * s.h * s.w);
  }
}

// The gradients of the weights of one image, of which row sums are taken before those of all rows.
template <class A> void planes_sums(const Planes& s, const A* x, const A* g, A* to_weight) {
  typedef Lanes<A> L;
  long row = padded_row<A>(s.w, s.k), height = s.h + s.k - 1, reach = s.k / 2;
  for (long plane = 0; plane < s.planes; plane++)
    for (long ky = 0; ky < s.k; ky++)
      for (long from = 0; from < s.k; from += 4) {
        Vec<A> sums[4] = {}, parts[4] = {};
        for (long y = 0; y < s.h; y++) {
          const A *above = g + (y + reach) * row + reach, *below = x + (plane * height + y + ky) * row + from;
          for (long i = 0; i < s.w; i += L::n) {
            Vec<A> v = L::load(above + i);
            for (int j = 0; j < 4; j++) parts[j] += v * L::load(below + i + j);
          }
          if (y % 16 == 15 || y + 1 == s.h)
            for (int j = 0; j < 4; j++) sums[j] += parts[j], parts[j] = Vec<A>{};
        }
        for (int j = 0; j < 4 && from + j < s.k; j++) to_weight[(plane * s.k + ky) * s.k + from + j] = sum_lanes<A>(sums[j]);
      }
}

template <class T, class A> void planes_backward(const Planes& s, long begin, long end) {
  for (long image = begin; image < end; image++) {
    A *x = (A*)s.work + image * s.size, *g = x;
    for (long plane = 0; plane < s.planes; plane++)
      g = pad_plane((const A*)s.x + (image * s.planes + plane) * s.h * s.w, s.h, s.w, s.k, g);
    A* after = pad_plane((const A*)s.g + image * s.h * s.w, s.h, s.w, s.k, g);
    for (long i = 0; i < Lanes<A>::n + 4; i++) after[i] = 0;  // what the last vectors read beyond
    if (s.to_weight) planes_sums(s, (const A*)x, (const A*)g, (A*)s.to_weight + image * s.planes * s.k * s.k);
    if (!s.dx) continue;
    for (long plane = 0; plane < s.planes; plane++)  // the same convolution, with the weights turned round
      convolve_padded((const A*)g, 1, (const A*)s.turned + plane * s.k * s.k, s.h, s.w, s.k,
                      (A*)s.dx + (image * s.planes + plane) * s.h * s.w);
  }
}

}  // namespace
}  // namespace regard::LEVEL

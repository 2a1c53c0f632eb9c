// The operators over several branches, see `ops.cpp`. The branches are tensors of one layout, or one tensor of which
// they are equal parts of the channels; there are as many as weights (b, k, c), or (b, k, p), for each image.

#include <vector>

#include "features.h"

namespace {

using Tensors = std::vector<Tensor>;

struct Layout {
  Features f;      // of one tensor
  bool whole, own;  // the branches are parts of it; the weights belong to rows, see `level.h`
  regard::Branches s{};

  Layout(const Tensor& x, const Tensor& weights, bool is_one, bool by_position) : f(x) {
    s.k = weights.size(1), s.b = f.b, s.w = data(weights);
    whole = is_one && s.k > 1;
    int64_t c = whole ? f.c / s.k : f.c;
    own = f.last == by_position;
    s.rows = f.last ? f.p : c, s.width = f.last ? c : f.p;
    s.image = f.c * f.p, s.row = f.last ? f.c : f.p;
    f.c = c;
    s.segments = 1, s.stream = f.is_large();
  }

  // Where the branches are: in `given` and after it.
  template <class P> void place(P** branches, P* given) const {
    int64_t size = f.type == regard::kDouble ? 8 : f.type == regard::kBfloat ? 2 : 4;
    using Byte = std::conditional_t<std::is_const_v<P>, const char, char>;
    for (int64_t j = 0; j < s.k; j++)
      branches[j] = reinterpret_cast<Byte*>(given) + j * size * (f.last ? f.c : f.c * f.p);
  }
  void read(const Tensors& x) {
    if (whole) return place(s.x, data(x[0]));
    for (int64_t j = 0; j < s.k; j++) s.x[j] = data(x[j]);
  }
};

Tensor branches_select(Tensors x, Tensor weights, bool by_position) {
  Layout at(x[0], weights, x.size() == 1, by_position);
  regard::Branches& s = at.s;
  at.read(x);
  Tensor y = torch::stable::empty_like(at.whole ? torch::stable::narrow(x[0], 1, 0, at.f.c) : x[0]);
  s.y = y.mutable_data_ptr();
  in_parallel(s.b * s.rows, s.width * s.k, [&](int64_t begin, int64_t end) {
    loops().select_branches[at.own][at.f.type](s, begin, end);
  });
  return y;
}

Tensor branches_sums(Tensor g, Tensors x, Tensor weights, bool by_position) {
  Layout at(x[0], weights, x.size() == 1, by_position);
  regard::Branches& s = at.s;
  at.read(x);
  Tensor sums = torch::stable::empty_like(weights);
  s.g = data(g), s.sums = sums.mutable_data_ptr();
  if (at.own) {
    in_parallel(s.b * s.rows, s.width * s.k,
                [&](int64_t begin, int64_t end) { loops().branch_sums_own[at.f.type](s, begin, end); });
    return sums;
  }
  s.segments = std::min<int64_t>(at.f.segments(1), s.rows);
  int64_t tasks = s.b * s.segments;
  Tensor work = make(g, {tasks * 2 * s.k * s.width}, at.f.wide);
  s.work = work.mutable_data_ptr();
  in_parallel(tasks, s.rows * s.width * s.k / s.segments,
              [&](int64_t begin, int64_t end) { loops().branch_sums_side[at.f.type](s, begin, end); });
  loops().branch_sums_join[at.f.type](s, 0, s.b);
  return sums;
}

Tensors branches_spread(Tensor g, MaybeTensor whole, Tensor weights, MaybeTensor added, bool by_position) {
  const Tensor& like = whole ? *whole : g;
  Layout at(like, weights, whole.has_value(), by_position);
  regard::Branches& s = at.s;
  Tensors dx;
  for (int64_t j = 0; j < (whole ? 1 : s.k); j++) {
    dx.push_back(torch::stable::empty_like(like));
    s.dx[j] = dx[j].mutable_data_ptr();
  }
  if (at.whole) at.place(s.dx, s.dx[0]);
  s.g = data(g), s.u = data(added);
  in_parallel(s.b * s.rows, s.width * s.k, [&](int64_t begin, int64_t end) {
    loops().spread_branches[at.own][at.f.type](s, begin, end);
  });
  return dx;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(regard, CPU, m) {
  m.impl("branches_select", TORCH_BOX(&branches_select));
  m.impl("branches_sums", TORCH_BOX(&branches_sums));
  m.impl("branches_spread", TORCH_BOX(&branches_spread));
}

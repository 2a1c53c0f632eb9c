// The operators along the two axes of positions, see `ops.cpp`. What lies along them is (b, n, c).

#include <tuple>

#include "features.h"

namespace {

regard::Along along(const Tensor& x) { return {data(x), x.size(1) * x.size(2)}; }

struct Plane {
  Features f;
  regard::Axes s{};

  explicit Plane(const Tensor& x) : f(x) {
    s.x = data(x), s.b = f.b, s.c = f.c, s.h = x.size(2), s.w = x.size(3), s.chunks = 1;
  }

  int64_t tiles() const { return (f.c + regard::kTile - 1) / regard::kTile; }

  void add_up(const Tensor& x) {
    int64_t threads = torch::stable::get_num_threads();
    if (f.last && threads > 1 && f.b < 4 * threads && f.b % threads)
      s.chunks = std::max<int64_t>(1, std::min(f.c / regard::kTile, (4 * threads + f.b - 1) / f.b));
    int64_t tasks = f.b * (f.last ? s.chunks : tiles());
    Tensor work = make(x, {f.last ? f.b * f.c * (s.w + 2) : tasks * regard::axis_work(s.h, s.w)}, f.wide);
    s.work = work.mutable_data_ptr();
    in_parallel(tasks, f.b * f.c * f.p / tasks,
                [&](int64_t begin, int64_t end) { loops().axis_sums[f.last][f.type](s, begin, end); });
  }
};

Tensor axis_means(Tensor x) {
  Plane plane(x);
  regard::Axes& s = plane.s;
  int64_t size = plane.f.type == regard::kDouble ? 8 : 4, image = (s.h + s.w) * s.c;
  Tensor means = make(x, {s.b, s.h + s.w, s.c}, plane.f.wide);
  s.rows = {means.mutable_data_ptr(), image};
  s.columns = {static_cast<char*>(s.rows.values) + s.h * s.c * size, image};
  plane.add_up(x);
  return means;
}

std::tuple<Tensor, Tensor> axis_sums(Tensor g, Tensor x, Tensor rows, Tensor columns) {
  Plane plane(x);
  regard::Axes& s = plane.s;
  Tensor to_rows = make(x, {s.b, s.h, s.c}, plane.f.wide), to_columns = make(x, {s.b, s.w, s.c}, plane.f.wide);
  s.g = data(g), s.row_gate = along(rows), s.column_gate = along(columns);
  s.rows = {to_rows.mutable_data_ptr(), s.h * s.c}, s.columns = {to_columns.mutable_data_ptr(), s.w * s.c};
  plane.add_up(x);
  return {to_rows, to_columns};
}

Tensor axis_gate(Tensor x, Tensor rows, Tensor columns, MaybeTensor shares) {
  Plane plane(x);
  regard::Axes& s = plane.s;
  const Features& f = plane.f;
  int64_t size = f.type == regard::kDouble ? 8 : 4;
  Tensor y = torch::stable::empty_like(x);
  s.y = y.mutable_data_ptr(), s.row_gate = along(rows), s.column_gate = along(columns);
  if (shares) {
    s.row_share = along(*shares), s.column_share = s.row_share;
    s.column_share.values = static_cast<const char*>(s.row_share.values) + s.h * s.c * size;
  }
  s.stream = f.last ? f.is_large() : f.b * f.c * f.p * size >= kLarge;
  auto& loop = loops().axis_gate[f.last][f.type];
  if (f.last) {
    in_parallel(s.b * s.h, s.w * s.c, [&](int64_t begin, int64_t end) { loop(s, begin, end); });
    return y;
  }
  int64_t tasks = s.b * plane.tiles();
  Tensor work = make(x, {tasks * regard::axis_work(s.h, s.w)}, f.wide);
  s.work = work.mutable_data_ptr();
  in_parallel(tasks, regard::kTile * f.p, [&](int64_t begin, int64_t end) { loop(s, begin, end); });
  return y;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(regard, CPU, m) {
  m.impl("axis_means", TORCH_BOX(&axis_means));
  m.impl("axis_sums", TORCH_BOX(&axis_sums));
  m.impl("axis_gate", TORCH_BOX(&axis_gate));
}

// The operators of the namespace `regard` on the CPU, on PyTorch's stable ABI; `regard.kernels.operators` has their
// schemas. Arguments were checked in Python: features are dense, contiguous or channels last, and all that belong
// together are laid out alike; weights are contiguous, (b, c) and (b, p), in the type that sums are taken in.

#include <tuple>

#include "features.h"

namespace {

void squeeze(const Features& f, regard::Squeeze& s, const Tensor& x) {
  s.x = data(x), s.b = f.b, s.c = f.c, s.p = f.p, s.segments = 1;
  if (!f.last) {
    in_parallel(f.b * f.c, f.p, [&](int64_t begin, int64_t end) { loops().squeeze_rows[f.type](s, begin, end); });
    return;
  }
  s.segments = f.segments(1);
  int64_t tasks = f.b * s.segments;
  Tensor work = make(x, {tasks * 6 * f.c}, f.wide), found = make(x, {tasks * 2 * f.c}, ScalarType::Int);
  s.work = work.mutable_data_ptr(), s.places = static_cast<int*>(found.mutable_data_ptr());
  in_parallel(tasks, f.p * f.c / s.segments,
              [&](int64_t begin, int64_t end) { loops().squeeze_segments[f.type](s, begin, end); });
  loops().squeeze_join[f.type](s, 0, f.b);
}

Tensor squeeze_one(const Tensor& x, regard::Statistic kind) {
  Features f(x);
  regard::Squeeze s{};
  Tensor mean = make(x, {f.b, f.c}, f.wide);
  s.kind = kind, s.mean = mean.mutable_data_ptr();
  squeeze(f, s, x);
  return mean;
}

Tensor squeeze_mean(Tensor x) { return squeeze_one(x, regard::kMean); }
Tensor squeeze_power(Tensor x) { return squeeze_one(x, regard::kPower); }

std::tuple<Tensor, Tensor> squeeze_spread(Tensor x) {
  Features f(x);
  regard::Squeeze s{};
  Tensor mean = make(x, {f.b, f.c}, f.wide), deviation = make(x, {f.b, f.c}, f.wide);
  s.kind = regard::kSpread, s.mean = mean.mutable_data_ptr(), s.second = deviation.mutable_data_ptr();
  squeeze(f, s, x);
  return {mean, deviation};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> squeeze_peak(Tensor x, bool find) {
  Features f(x);
  regard::Squeeze s{};
  Tensor mean = make(x, {f.b, f.c}, f.wide), most = make(x, {f.b, f.c}, f.wide);
  Tensor index = make(x, {find ? f.b : 0, f.c}, ScalarType::Int), ties = make(x, {find ? f.b : 0, f.c}, ScalarType::Int);
  s.kind = regard::kPeak, s.mean = mean.mutable_data_ptr(), s.second = most.mutable_data_ptr();
  s.index = find ? static_cast<int*>(index.mutable_data_ptr()) : nullptr;
  s.ties = find ? static_cast<int*>(ties.mutable_data_ptr()) : nullptr;
  squeeze(f, s, x);
  return {mean, most, index, ties};
}

Tensor gate(Tensor x, MaybeTensor channel, MaybeTensor position, int64_t mode) {
  Features f(x);
  Tensor y = torch::stable::empty_like(x);
  regard::Gate s{data(x), f.b, f.c, f.p, data(channel), data(position), y.mutable_data_ptr(), f.is_large()};
  if (f.last)
    in_parallel(f.b * f.p, f.c,
                [&](int64_t begin, int64_t end) { loops().gate_positions[f.type][mode](s, begin, end); });
  else
    in_parallel(f.b * f.c, f.p, [&](int64_t begin, int64_t end) { loops().gate_rows[f.type][mode](s, begin, end); });
  return y;
}

void add_peaks(const Features& f, const regard::Reduce& s) {
  if (s.peak)
    in_parallel(f.b, 16 * f.p, [&](int64_t begin, int64_t end) { loops().reduce_peaks[f.last][f.type](s, begin, end); });
}

std::tuple<Tensor, Tensor> gate_sums(Tensor g, Tensor x, MaybeTensor channel, MaybeTensor position, int64_t mode,
                                     MaybeTensor w, MaybeTensor peak, MaybeTensor top, MaybeTensor place,
                                     MaybeTensor ties, bool to_channel, bool to_position) {
  Features f(x);
  Tensor channels = make(x, {to_channel ? f.b : 0, f.c}, f.wide);
  Tensor positions = make(x, {to_position ? f.b : 0, f.p}, f.wide);
  regard::Reduce s{};
  s.g = data(g), s.x = data(x), s.b = f.b, s.c = f.c, s.p = f.p, s.segments = 1;
  s.mode = static_cast<regard::Mode>(mode), s.channel = data(channel), s.position = data(position), s.w = data(w);
  s.peak = data(peak), s.top = data(top), s.place = places(place), s.ties = places(ties);
  s.to_channel = to_channel ? channels.mutable_data_ptr() : nullptr;
  s.to_position = to_position ? positions.mutable_data_ptr() : nullptr;
  if (!f.last && !to_position) {
    in_parallel(f.b * f.c, f.p, [&](int64_t begin, int64_t end) { loops().reduce_rows[f.type](s, begin, end); });
    add_peaks(f, s);
    return {channels, positions};
  }
  s.segments = f.segments(f.last ? 1 : regard::kBlock);
  int64_t tasks = f.b * s.segments;
  Tensor work = make(x, {to_channel ? tasks * 4 * f.c : 0}, f.wide);
  s.work = work.mutable_data_ptr();
  auto& loop = f.last ? loops().reduce_segments[f.type] : loops().reduce_images[f.type];
  in_parallel(tasks, f.p * f.c / s.segments, [&](int64_t begin, int64_t end) { loop(s, begin, end); });
  if (to_channel) {
    loops().reduce_join[f.type](s, 0, f.b);
    add_peaks(f, s);
  }
  return {channels, positions};
}

Tensor gate_spread(MaybeTensor g, Tensor x, MaybeTensor channel, MaybeTensor position, int64_t mode, MaybeTensor w,
                   MaybeTensor h, MaybeTensor w2, MaybeTensor h2, MaybeTensor u, MaybeTensor v, MaybeTensor peak, MaybeTensor most, MaybeTensor index,
                   MaybeTensor ties, MaybeTensor top_peak, MaybeTensor top, MaybeTensor top_index,
                   MaybeTensor top_ties) {
  Features f(x);
  Tensor dx = torch::stable::empty_like(x);
  regard::Spread s{};
  s.g = data(g), s.x = data(x), s.b = f.b, s.c = f.c, s.p = f.p;
  s.mode = g ? static_cast<regard::Mode>(mode) : regard::kNone;
  s.channel = data(channel), s.position = data(position), s.w = data(w), s.h = data(h);
  s.w2 = data(w2), s.h2 = data(h2), s.u = data(u), s.v = data(v);
  s.peak = data(peak), s.most = data(most), s.index = places(index), s.ties = places(ties);
  s.top_peak = data(top_peak), s.top = data(top), s.top_index = places(top_index), s.top_ties = places(top_ties);
  s.dx = dx.mutable_data_ptr(), s.stream = f.is_large();
  if (f.last)
    in_parallel(f.b * f.p, f.c,
                [&](int64_t begin, int64_t end) { loops().spread_positions[f.type](s, begin, end); });
  else
    in_parallel(f.b * f.c, f.p, [&](int64_t begin, int64_t end) { loops().spread_rows[f.type](s, begin, end); });
  return dx;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> across(Tensor x, MaybeTensor channel, int64_t maxima) {
  Features f(x);
  bool with_max = maxima != regard::kUnasked, found = maxima == regard::kFound;
  Tensor sum = make(x, {f.b, f.p}, f.wide), most = make(x, {with_max ? f.b : 0, f.p}, f.wide);
  Tensor index = make(x, {found ? f.b : 0, f.p}, ScalarType::Int);
  Tensor ties = make(x, {found ? f.b : 0, f.p}, ScalarType::Int);
  regard::Across s{data(x), f.b, f.c, f.p, data(channel), static_cast<regard::Maxima>(maxima), sum.mutable_data_ptr(), most.mutable_data_ptr(),
                   static_cast<int*>(index.mutable_data_ptr()), static_cast<int*>(ties.mutable_data_ptr())};
  if (f.last) {
    in_parallel(f.b * f.p, f.c,
                [&](int64_t begin, int64_t end) { loops().across_positions[f.type](s, begin, end); });
  } else {
    int64_t blocks = (f.p + regard::kBlock - 1) / regard::kBlock;
    in_parallel(f.b * blocks, f.c * std::min<int64_t>(f.p, regard::kBlock),
                [&](int64_t begin, int64_t end) { loops().across_images[f.type](s, begin, end); });
  }
  return {sum, most, index, ties};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(regard, CPU, m) {
  m.impl("squeeze_mean", TORCH_BOX(&squeeze_mean));
  m.impl("squeeze_power", TORCH_BOX(&squeeze_power));
  m.impl("squeeze_spread", TORCH_BOX(&squeeze_spread));
  m.impl("squeeze_peak", TORCH_BOX(&squeeze_peak));
  m.impl("gate", TORCH_BOX(&gate));
  m.impl("gate_sums", TORCH_BOX(&gate_sums));
  m.impl("gate_spread", TORCH_BOX(&gate_spread));
  m.impl("across", TORCH_BOX(&across));
}

extern "C" __attribute__((visibility("default"))) const char* regard_kernels_level() { return loops().name; }

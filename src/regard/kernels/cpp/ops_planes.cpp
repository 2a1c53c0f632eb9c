// The operators of `planes.h`, see `ops.cpp`: planes (b, planes, h, w) and weights (1, planes, k, k) are contiguous.

#include "features.h"

namespace {

struct Sizes {
  regard::Planes s{};
  regard::Type type;
  ScalarType dtype;

  Sizes(const Tensor& x, const Tensor& weight)
      : type(x.scalar_type() == ScalarType::Double ? regard::kDouble : regard::kFloat), dtype(x.scalar_type()) {
    s.b = x.size(0), s.planes = x.size(1), s.h = x.size(2), s.w = x.size(3), s.k = weight.size(3);
    s.x = data(x), s.weight = data(weight);
    s.size = (s.planes + 1) * (s.h + s.k - 1) * (s.w + 16 + s.k) + 64;  // of zeros around, for the longest vectors
  }
  template <class F> void run(const F& loop) const {
    in_parallel(s.b, s.planes * s.k * s.k * s.h * s.w / 8, [&](int64_t begin, int64_t end) { loop(s, begin, end); });
  }
};

Tensor planes(Tensor x, Tensor weight) {
  Sizes at(x, weight);
  Tensor y = make(x, {at.s.b, 1, at.s.h, at.s.w}, at.dtype), work = make(x, {at.s.b * at.s.size}, at.dtype);
  at.s.y = y.mutable_data_ptr(), at.s.work = work.mutable_data_ptr();
  at.run(loops().planes_forward[at.type]);
  return y;
}

// The gradient of the planes, and of the weights for each image.
std::tuple<Tensor, Tensor> planes_gradients(Tensor g, Tensor x, Tensor weight, Tensor turned, bool to_x,
                                            bool to_weight) {
  Sizes at(x, weight);
  Tensor dx = make(x, {to_x ? at.s.b : 0, at.s.planes, at.s.h, at.s.w}, at.dtype);
  Tensor sums = make(x, {to_weight ? at.s.b : 0, at.s.planes, at.s.k, at.s.k}, at.dtype);
  Tensor work = make(x, {at.s.b * at.s.size}, at.dtype);
  at.s.g = data(g), at.s.turned = data(turned), at.s.work = work.mutable_data_ptr();
  at.s.dx = to_x ? dx.mutable_data_ptr() : nullptr;
  at.s.to_weight = to_weight ? sums.mutable_data_ptr() : nullptr;
  at.run(loops().planes_backward[at.type]);
  return {dx, sums};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(regard, CPU, m) {
  m.impl("planes", TORCH_BOX(&planes));
  m.impl("planes_gradients", TORCH_BOX(&planes_gradients));
}

// What the operators on the CPU share: the loops for this processor, the sizes and the layout of features, work for the
// threads, new tensors.

#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <optional>

#include "level.h"

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using MaybeTensor = std::optional<Tensor>;

const regard::Loops& loops() {
#if defined(__x86_64__)
  static const regard::Loops& chosen = [&]() -> const regard::Loops& {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return regard::avx512::loops;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return regard::avx2::loops;
    return regard::baseline::loops;
  }();
  return chosen;
#else
  return regard::baseline::loops;
#endif
}

constexpr int64_t kLarge = int64_t(4) << 20;  // bytes, by benchmarks/kernels/NOTES.md
constexpr int64_t kGrain = 32768;  // values that are worth a thread

struct Features {
  int64_t b, c, p;
  bool last;  // channels last
  regard::Type type;
  ScalarType wide;

  explicit Features(const Tensor& x) : b(x.size(0)), c(x.size(1)), p(1) {
    int64_t dims = x.dim(), dense = 1;
    bool rows = true;
    for (int64_t axis = dims - 1; axis >= 2; axis--) {
      p *= x.size(axis);
      rows &= x.size(axis) == 1 || x.stride(axis) == dense;
      dense *= x.size(axis);
    }
    rows &= c == 1 || x.stride(1) == dense;
    rows &= b == 1 || x.stride(0) == dense * c;
    last = !rows;
    switch (x.scalar_type()) {
      case ScalarType::Double: type = regard::kDouble, wide = ScalarType::Double; break;
      case ScalarType::BFloat16: type = regard::kBfloat, wide = ScalarType::Float; break;
      default: type = regard::kFloat, wide = ScalarType::Float;
    }
  }

  // Whether a result of this size would push what it is made of out of the caches, and be gone before it is read.
  // Only whole lines of memory go past the caches, so the rows must be made of them, or be long.
  bool is_large() const {
    int64_t size = type == regard::kDouble ? 8 : 4, row = (last ? c : p) * size;
    return b * c * p * size >= kLarge && (row % 64 == 0 || row >= 4096);
  }

  // Pieces of an image for the threads, where there are fewer images than would keep them busy.
  int64_t segments(int64_t unit) const {
    int64_t threads = torch::stable::get_num_threads();
    if (threads == 1 || b >= 4 * threads || b % threads == 0) return 1;
    int64_t most = std::max<int64_t>(1, std::min((p + unit - 1) / unit, p * c / kGrain));
    return std::min(most, (4 * threads + b - 1) / b);
  }
};

template <class F> void in_parallel(int64_t tasks, int64_t values_of_a_task, const F& f) {
  int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, values_of_a_task));
  if (tasks <= grain)
    f(0, tasks);
  else
    torch::stable::parallel_for(0, tasks, grain, f);
}

Tensor make(const Tensor& like, std::initializer_list<int64_t> sizes, ScalarType type) {
  return torch::stable::new_empty(like, torch::headeronly::IntHeaderOnlyArrayRef(sizes), type);
}

const void* data(const Tensor& x) { return x.const_data_ptr(); }
const void* data(const MaybeTensor& x) { return x ? x->const_data_ptr() : nullptr; }
const int* places(const MaybeTensor& x) { return static_cast<const int*>(data(x)); }

}  // namespace

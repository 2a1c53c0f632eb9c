// What the loops are given. Features are (b, c, p): b images, c channels, p positions, contiguous ("rows": the
// positions of a channel lie side by side) or channels last ("positions": the channels of a position do).

#pragma once

namespace regard {

struct bf16 {
  unsigned short bits;
};

enum Type { kFloat, kDouble, kBfloat };

// How a value is weighted: by its channel (b, c), its position (b, p), the product or the sum of both; `kShift` adds
// the channel's number instead; `kNone` is no gradient from above.
// `kSigmoid` and `kSigmoidOfProduct` weight by 1 + sigmoid(channel + position) and 1 + sigmoid(channel * position).
enum Mode { kChannel, kPosition, kProduct, kSum, kShift, kSigmoid, kSigmoidOfProduct, kNone };

// Whether maxima are asked for, and with their places, which a backward pass needs.
enum Maxima { kUnasked, kRaised, kFound };

enum Statistic { kMean, kPeak, kSpread, kPower };

// The statistics of each channel over its positions. Channels last, an image is cut into `segments` for the threads,
// which leave their sums in `work` (6 rows of c for each) and their places in `places` (2 rows), to be joined.
struct Squeeze {
  const void* x;
  long b, c, p, segments;
  Statistic kind;
  void *mean, *second;  // (b, c): the mean (of squares: kPower); the maximum or the standard deviation
  int *index, *ties;    // (b, c): the first place of the maximum, and how many places have it; or null
  void* work;
  int* places;
};

// y = x * weight
struct Gate {
  const void* x;
  long b, c, p;
  const void *channel, *position;
  void* y;
  bool stream;  // the result is too large to stay in the caches
};

// The sums that are gradients of the weights: of g * x (with the other weight in a product), plus w * x for channels.
// `to_channel` and `to_position` are null where nobody asks. The channels' sums of a segment are left in `work`
// (4 rows of c for each).
struct Reduce {
  const void *g, *x;
  long b, c, p, segments;
  Mode mode;
  const void *channel, *position, *w;  // w (b, p): a gradient that every channel of a position has beside g
  const void* peak;                    // (b, p), with `place` (b, p): one that only the channels at `top` have, by ties
  const int *place, *ties;
  const void* top;
  void *to_channel, *to_position, *work;
};

// dx = g * weight + w * h + w2 * h2 + u + v * x, with the gradients of maxima
struct Spread {
  const void *g, *x;
  long b, c, p;
  Mode mode;
  const void *channel, *position;
  const void *w, *h, *w2, *h2;   // (b, p) and (b, c), a product of the two, twice; or null
  const void *u, *v;             // (b, c); v may be null
  const void *peak, *most;       // (b, c) the gradient of a channel's maximum, and the maximum; or null
  const int *index, *ties;       //        the first place that has it, and how many have it
  const void *top_peak, *top;    // (b, p) the gradient of a position's maximum over x * channel, and the maximum
  const int *top_index, *top_ties;
  void* dx;
  bool stream;
};

// The statistics of each position over its channels, of x or of x * channel.
struct Across {
  const void* x;
  long b, c, p;
  const void* channel;  // (b, c), or null
  Maxima maxima;
  void *sum, *most;  // (b, p): the sum, the maximum
  int *index, *ties;
};

// k branches of one shape, weighted and added up. A row is what lies side by side: the positions of a channel, or,
// channels last, the channels of a position. The branches may be parts of one tensor, so their rows have a distance of
// their own; g and y are dense. Weights are "own" where they belong to rows, and "side" where they lie along one.
constexpr long kMostBranches = 16;

struct Branches {
  const void* x[kMostBranches];
  long k, b, rows, width;  // rows of an image, values of a row
  long image, row;         // values from one image of a branch to the next, and from one row to the next
  const void *g, *w, *u;   // w (b, k, rows or width); u (b, rows or width), what is added to each gradient, or null
  void *y, *sums;          // sums (b, k, rows or width): of g * x, the gradient of w
  void* dx[kMostBranches];  // laid out as x
  long segments;            // of the rows of an image, for sums along rows, which leave theirs in `work`
  void* work;               // (2 rows of k * width for each)
  bool stream;
};

// The convolution of planes (b, planes, h, w) by weights (planes, k, k) to one, zeros around.
struct Planes {
  const void *x, *weight, *g, *turned;  // `turned`: the weights of each plane from the last to the first
  long b, planes, h, w, k, size;        // `size`: of the memory in `work` for an image
  void *y, *dx, *to_weight, *work;      // `to_weight` (b, planes, k, k)
};
// Values along an axis of the positions, (b, n, c) with the channels side by side; an image is `stride` values long.
struct Along {
  const void* values;
  long stride;
};
struct MadeAlong {
  void* values;
  long stride;
};

// Features whose positions have two axes, (b, c, h, w). Sums along each: the means of x, or, with g, the gradients of
// gates along the axes. And y = x * row_gate * column_gate + row_share / w + column_share / h, with shares or none.
// Channels last, the channels of an image are cut into `chunks` for the threads.
struct Axes {
  const void *g, *x;
  long b, c, h, w, chunks;
  Along row_gate, column_gate, row_share, column_share;
  MadeAlong rows, columns;
  void *y, *work;
  bool stream;
};

constexpr long kTile = 16;  // channels that are taken together, contiguous

// Values of `work` for a tile of channels: four times what lies along an axis, with room for a vector behind each, and
// a row.
constexpr long axis_work(long h, long w) { return kTile * (2 * h + 2 * w + 4) + w + 2 * kTile; }

// One function each for rows and for positions; begin and end count what the name says.
struct Loops {
  const char* name;
  void (*squeeze_rows[3])(const Squeeze&, long, long);
  void (*squeeze_segments[3])(const Squeeze&, long, long);
  void (*squeeze_join[3])(const Squeeze&, long, long);
  void (*gate_rows[3][7])(const Gate&, long, long);
  void (*gate_positions[3][7])(const Gate&, long, long);
  void (*reduce_rows[3])(const Reduce&, long, long);      // the channels' sums only
  void (*reduce_images[3])(const Reduce&, long, long);    // contiguous: segments
  void (*reduce_segments[3])(const Reduce&, long, long);  // channels last: segments
  void (*reduce_join[3])(const Reduce&, long, long);
  void (*reduce_peaks[2][3])(const Reduce&, long, long);  // by layout: images
  void (*spread_rows[3])(const Spread&, long, long);
  void (*spread_positions[3])(const Spread&, long, long);
  void (*across_images[3])(const Across&, long, long);     // contiguous: blocks of positions
  void (*across_positions[3])(const Across&, long, long);  // channels last: positions
  void (*select_branches[2][3])(const Branches&, long, long);  // by weights, side or own: rows, here and below
  void (*branch_sums_own[3])(const Branches&, long, long);
  void (*branch_sums_side[3])(const Branches&, long, long);  // segments
  void (*branch_sums_join[3])(const Branches&, long, long);  // images
  void (*spread_branches[2][3])(const Branches&, long, long);
  void (*planes_forward[3])(const Planes&, long, long);   // images; not for bfloat
  void (*planes_backward[3])(const Planes&, long, long);
  void (*axis_sums[2][3])(const Axes&, long, long);  // by layout: tiles of channels; chunks of channels
  void (*axis_gate[2][3])(const Axes&, long, long);  // by layout: tiles of channels; rows of positions
};

constexpr long kBlock = 512;  // positions of a block of `across_images` and `reduce_images`

namespace avx512 { extern const Loops loops; }
namespace avx2 { extern const Loops loops; }
namespace baseline { extern const Loops loops; }

}  // namespace regard

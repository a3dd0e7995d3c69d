// Layer normalisation and RMS normalisation of rows. A short row is a warp's, a long one a block's. `sharing` rows in a row have one scale
// and one shift.

// The threads of a row: the first of a thread's columns, the distance to its next one, and the sum over the threads.
struct Team {
  bool block;
  __device__ size_t row() const { return block ? blockIdx.x : thread_of_all() / 32; }
  __device__ size_t rows() const { return block ? gridDim.x : all_threads() / 32; }
  __device__ size_t first() const { return block ? threadIdx.x : threadIdx.x % 32; }
  __device__ size_t step() const { return block ? blockDim.x : 32; }
  __device__ Real sum(Real x) const { return block ? block_sum(x) : warp_sum(x); }
};

// The values, and each row's moments (with a mean of 0 if it is not `centred`). The shift may be null. Threads take N elements at once.
template <unsigned N>
__device__ inline void values(const Element* x, const Element* scale, const Element* shift, Element* y, Moments* statistics, size_t rows,
                              size_t width, size_t sharing, bool centred, Team team, Real epsilon) {
  const size_t first = team.first() * N, step = team.step() * N;
  for (size_t row = team.row(); row < rows; row += team.rows()) {
    const Element *values = x + row * width, *scales = scale + row / sharing * width;
    Real unit = 1, mean, variance;
    while (true) {
      Real sum = 0, squares = 0;
      if (centred) {
        for (size_t j = first; j < width; j += step) {
          Pack<N> some = pack<N>(values + j);
#pragma unroll
          for (unsigned k = 0; k < N; k++) sum += widen(some.of[k]) * unit;
        }
        sum = team.sum(sum);
      }
      mean = sum / Real(width);
      for (size_t j = first; j < width; j += step) {
        Pack<N> some = pack<N>(values + j);
#pragma unroll
        for (unsigned k = 0; k < N; k++) {
          Real difference = widen(some.of[k]) * unit - mean;
          squares += difference * difference;
        }
      }
      variance = team.sum(squares) / Real(width);
      if (is_finite(variance) || unit != 1) break;
      unit = SMALL_UNIT;
    }
    const Moments own = moments(mean, variance, unit, epsilon);
    for (size_t j = first; j < width; j += step) {
      Pack<N> some = pack<N>(values + j), factors = pack<N>(scales + j), more = {};
      if (shift) more = pack<N>(shift + (scales - scale) + j);
#pragma unroll
      for (unsigned k = 0; k < N; k++)
        put(some.of[k], own.normal(widen(some.of[k])) * widen(factors.of[k]) + widen(more.of[k]));
      put(y + row * width + j, some);
    }
    if (team.first() == 0) statistics[row] = own;
  }
}

KERNEL(layer_norm)(const Element* x, const Element* scale, const Element* shift, Element* y, Moments* statistics, size_t rows, size_t width,
                   size_t sharing, size_t centred, size_t by_block, Real epsilon) {
  Team team = {by_block != 0};
  if (width % PACK == 0 && packs_at(x) && packs_at(scale) && packs_at(shift) && packs_at(y))
    values<PACK>(x, scale, shift, y, statistics, rows, width, sharing, centred != 0, team, epsilon);
  else
    values<1>(x, scale, shift, y, statistics, rows, width, sharing, centred != 0, team, epsilon);
}

// The gradient of x. With h = gradient · scale it is (h − mean h − normal · mean(h · normal)) · inverse, without the mean of h for rows
// that are not centred.
template <unsigned N>
__device__ inline void gradients(const Element* x, const Element* scale, const Moments* statistics, const Element* gradient, Element* dx,
                                 size_t rows, size_t width, size_t sharing, bool centred, Team team) {
  const size_t first = team.first() * N, step = team.step() * N;
  for (size_t row = team.row(); row < rows; row += team.rows()) {
    const Moments own = statistics[row];
    Real outer = own.outer(), of_h = 0, of_normal = 0;
    const Element *values = x + row * width, *slopes = gradient + row * width, *scales = scale + row / sharing * width;
    for (size_t j = first; j < width; j += step) {
      Pack<N> some = pack<N>(values + j), slope = pack<N>(slopes + j), factors = pack<N>(scales + j);
#pragma unroll
      for (unsigned k = 0; k < N; k++) {
        Real h = widen(slope.of[k]) * widen(factors.of[k]);
        of_h += h;
        of_normal += h * own.normal(widen(some.of[k]));
      }
    }
    of_h = centred ? team.sum(of_h) / Real(width) : Real(0);
    of_normal = team.sum(of_normal) / Real(width);
    for (size_t j = first; j < width; j += step) {
      Pack<N> some = pack<N>(values + j), slope = pack<N>(slopes + j), factors = pack<N>(scales + j);
#pragma unroll
      for (unsigned k = 0; k < N; k++) {
        Real h = widen(slope.of[k]) * widen(factors.of[k]), normal = own.normal(widen(some.of[k]));
        put(some.of[k], (h - of_h - normal * of_normal) * outer);
      }
      put(dx + row * width + j, some);
    }
  }
}

KERNEL(layer_norm_backward)(const Element* x, const Element* scale, const Moments* statistics, const Element* gradient, Element* dx, size_t rows,
                            size_t width, size_t sharing, size_t centred, size_t by_block) {
  Team team = {by_block != 0};
  if (width % PACK == 0 && packs_at(x) && packs_at(scale) && packs_at(gradient) && packs_at(dx))
    gradients<PACK>(x, scale, statistics, gradient, dx, rows, width, sharing, centred != 0, team);
  else
    gradients<1>(x, scale, statistics, gradient, dx, rows, width, sharing, centred != 0, team);
}

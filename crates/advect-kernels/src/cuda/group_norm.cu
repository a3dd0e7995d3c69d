// Group normalisation with an activation. A block has one group of one sample: `channels` channels of `area` elements, one after another.
// `adaptive` is 1 if each sample has a scale and a shift of its own, else 0.

// The first element of the scale and the shift of the block's group.
__device__ inline size_t first_channel(size_t channels, size_t groups, size_t adaptive) {
  size_t sample = blockIdx.x / groups, group = blockIdx.x % groups;
  return (adaptive * sample * groups + group) * channels;
}

// The values, and each group's moments. Threads take N elements of one channel at once.
template <unsigned N>
__device__ inline void values(const Element* x, const Element* scale, const Element* shift, Element* y, Moments* statistics,
                              size_t channels, size_t area, size_t channel, unsigned function, Real epsilon) {
  const unsigned count = channels * area, first = threadIdx.x * N, step = blockDim.x * N;
  Real unit = 1, mean, variance;
  while (true) {
    Real sum = 0, squares = 0;
    for (unsigned i = first; i < count; i += step) {
      Pack<N> values = pack<N>(x + i);
#pragma unroll
      for (unsigned k = 0; k < N; k++) sum += widen(values.of[k]) * unit;
    }
    mean = block_sum(sum) / Real(count);
    for (unsigned i = first; i < count; i += step) {
      Pack<N> values = pack<N>(x + i);
#pragma unroll
      for (unsigned k = 0; k < N; k++) {
        Real centred = widen(values.of[k]) * unit - mean;
        squares += centred * centred;
      }
    }
    variance = block_sum(squares) / Real(count);
    if (is_finite(variance) || unit != 1) break;
    unit = SMALL_UNIT;
  }
  const Moments own = moments(mean, variance, unit, epsilon);
  if (threadIdx.x == 0) statistics[blockIdx.x] = own;
  for (unsigned i = first; i < count; i += step) {
    size_t c = channel + i / (unsigned)area;
    Real factor = widen(scale[c]), more = widen(shift[c]);
    Pack<N> values = pack<N>(x + i);
#pragma unroll
    for (unsigned k = 0; k < N; k++)
      put(values.of[k], activate(function, own.normal(widen(values.of[k])) * factor + more));
    put(y + i, values);
  }
}

KERNEL(group_norm)(const Element* x, const Element* scale, const Element* shift, Element* y, Moments* statistics, size_t channels,
                   size_t area, size_t groups, size_t adaptive, size_t function, Real epsilon) {
  size_t offset = blockIdx.x * channels * area, channel = first_channel(channels, groups, adaptive);
  x += offset;
  y += offset;
  if (area % PACK == 0 && packs_at(x) && packs_at(y))
    values<PACK>(x, scale, shift, y, statistics, channels, area, channel, function, epsilon);
  else
    values<1>(x, scale, shift, y, statistics, channels, area, channel, function, epsilon);
}

// The gradients of x, and for each channel of each sample those of the scale and the shift. As z = normal · scale + shift and
// dz is its gradient, a channel's are Σ dz · normal and Σ dz, and that of x is
// (dz · scale − mean(dz · scale) − normal · mean(dz · scale · normal)) · inverse.
// Threads take N elements of one channel at once.
template <unsigned N>
__device__ inline void gradients(const Element* x, const Element* scale, const Element* shift, const Moments* statistics,
                                 const Element* gradient, Element* dx, Real* in_scale, Real* in_shift, size_t channels,
                                 size_t area, size_t first, unsigned function) {
  __shared__ Real products[32], sums[32];
  const unsigned count = channels * area;
  const Moments own = statistics[blockIdx.x];
  unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  // Warps of one channel, and the channels that are summed up at once.
  unsigned team = warps > channels ? warps / (unsigned)channels : 1, teams = warps / team;
  Real outer = own.outer(), of_scaled = 0, of_normal = 0;
  for (size_t next = 0; next < channels; next += teams) {
    size_t c = next + warp / team;
    Real product = 0, sum = 0;
    if (warp / team < teams && c < channels) {
      Real factor = widen(scale[first + c]), offset_of_channel = widen(shift[first + c]);
      for (unsigned i = c * area + (warp % team * 32 + lane) * N; i < (c + 1) * area; i += team * 32 * N) {
        Pack<N> values = pack<N>(x + i), slopes = pack<N>(gradient + i);
#pragma unroll
        for (unsigned k = 0; k < N; k++) {
          Real normal = own.normal(widen(values.of[k]));
          Real dz = widen(slopes.of[k]) * slope(function, normal * factor + offset_of_channel);
          product += dz * normal;
          sum += dz;
        }
      }
    }
    product = warp_sum(product);
    sum = warp_sum(sum);
    if (lane == 0) {
      products[warp] = product;
      sums[warp] = sum;
    }
    __syncthreads();
    c = next + threadIdx.x;
    if (threadIdx.x < teams && c < channels) {
      product = 0;
      sum = 0;
      for (unsigned i = 0; i < team; i++) {
        product += products[threadIdx.x * team + i];
        sum += sums[threadIdx.x * team + i];
      }
      in_scale[blockIdx.x * channels + c] = product;
      in_shift[blockIdx.x * channels + c] = sum;
      of_normal += widen(scale[first + c]) * product;
      of_scaled += widen(scale[first + c]) * sum;
    }
    // The parts may be written again.
    __syncthreads();
  }
  of_normal = block_sum(of_normal) / Real(count);
  of_scaled = block_sum(of_scaled) / Real(count);
  for (unsigned i = threadIdx.x * N; i < count; i += blockDim.x * N) {
    size_t c = first + i / (unsigned)area;
    Real factor = widen(scale[c]), offset_of_channel = widen(shift[c]);
    Pack<N> values = pack<N>(x + i), slopes = pack<N>(gradient + i);
#pragma unroll
    for (unsigned k = 0; k < N; k++) {
      Real normal = own.normal(widen(values.of[k]));
      Real dz = widen(slopes.of[k]) * slope(function, normal * factor + offset_of_channel);
      put(values.of[k], (dz * factor - of_scaled - normal * of_normal) * outer);
    }
    put(dx + i, values);
  }
}

KERNEL(group_norm_backward)(const Element* x, const Element* scale, const Element* shift, const Moments* statistics,
                            const Element* gradient, Element* dx, Real* in_scale, Real* in_shift, size_t channels, size_t area,
                            size_t groups, size_t adaptive, size_t function) {
  size_t offset = blockIdx.x * channels * area, first = first_channel(channels, groups, adaptive);
  x += offset;
  gradient += offset;
  dx += offset;
  // A smaller channel leaves lanes of its warp without a pack.
  if (area % PACK == 0 && area >= 32 * PACK && packs_at(x) && packs_at(gradient) && packs_at(dx))
    gradients<PACK>(x, scale, shift, statistics, gradient, dx, in_scale, in_shift, channels, area, first, function);
  else
    gradients<1>(x, scale, shift, statistics, gradient, dx, in_scale, in_shift, channels, area, first, function);
}

// Group normalisation with an activation. A block has one group of one sample: `channels` channels of `area` elements, one after another.
// `adaptive` is 1 if each sample has a scale and a shift of its own, else 0.

// The first element of the scale and the shift of the block's group.
__device__ inline size_t first_channel(size_t channels, size_t groups, size_t adaptive) {
  size_t sample = blockIdx.x / groups, group = blockIdx.x % groups;
  return (adaptive * sample * groups + group) * channels;
}

// The values, and each group's mean and 1 / √(variance + ε).
KERNEL(group_norm)(const Element* x, const Element* scale, const Element* shift, Element* y, Real* statistics, size_t channels,
                   size_t area, size_t groups, size_t adaptive, size_t function, Real epsilon) {
  size_t count = channels * area, offset = blockIdx.x * count;
  Real sum = 0;
  for (size_t i = threadIdx.x; i < count; i += blockDim.x) sum += widen(x[offset + i]);
  Real mean = block_sum(sum) / Real(count);
  Real squares = 0;
  for (size_t i = threadIdx.x; i < count; i += blockDim.x) {
    Real centred = widen(x[offset + i]) - mean;
    squares += centred * centred;
  }
  Real inverse = 1 / sqrt(block_sum(squares) / Real(count) + epsilon);
  if (threadIdx.x == 0) {
    statistics[2 * blockIdx.x] = mean;
    statistics[2 * blockIdx.x + 1] = inverse;
  }
  size_t channel = first_channel(channels, groups, adaptive);
  for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
    size_t c = channel + i / (unsigned)area;
    Real normal = (widen(x[offset + i]) - mean) * inverse;
    put(y[offset + i], activate(function, normal * widen(scale[c]) + widen(shift[c])));
  }
}

// The gradients of x, and for each channel of each sample those of the scale and the shift. As z = normal · scale + shift and
// dz is its gradient, a channel's are Σ dz · normal and Σ dz, and that of x is
// (dz · scale − mean(dz · scale) − normal · mean(dz · scale · normal)) · inverse.
KERNEL(group_norm_backward)(const Element* x, const Element* scale, const Element* shift, const Real* statistics,
                            const Element* gradient, Element* dx, Real* in_scale, Real* in_shift, size_t channels, size_t area,
                            size_t groups, size_t adaptive, size_t function) {
  __shared__ Real products[32], sums[32];
  size_t count = channels * area, offset = blockIdx.x * count;
  size_t first = first_channel(channels, groups, adaptive);
  Real mean = statistics[2 * blockIdx.x], inverse = statistics[2 * blockIdx.x + 1];
  unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  // Warps of one channel, and the channels that are summed up at once.
  unsigned team = warps > channels ? warps / (unsigned)channels : 1, teams = warps / team;
  Real of_scaled = 0, of_normal = 0;
  for (size_t next = 0; next < channels; next += teams) {
    size_t c = next + warp / team;
    Real product = 0, sum = 0;
    if (warp / team < teams && c < channels) {
      Real factor = widen(scale[first + c]), offset_of_channel = widen(shift[first + c]);
      for (size_t i = (warp % team) * 32 + lane; i < area; i += team * 32) {
        size_t place = offset + c * area + i;
        Real normal = (widen(x[place]) - mean) * inverse;
        Real dz = widen(gradient[place]) * slope(function, normal * factor + offset_of_channel);
        product += dz * normal;
        sum += dz;
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
  for (unsigned i = threadIdx.x; i < count; i += blockDim.x) {
    size_t c = first + i / (unsigned)area;
    Real normal = (widen(x[offset + i]) - mean) * inverse, factor = widen(scale[c]);
    Real dz = widen(gradient[offset + i]) * slope(function, normal * factor + widen(shift[c]));
    put(dx[offset + i], (dz * factor - of_scaled - normal * of_normal) * inverse);
  }
}

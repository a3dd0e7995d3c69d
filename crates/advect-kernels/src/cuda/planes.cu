// Images enlarged and shrunk by whole factors. Rows are those of all images, one after another; `width` is that of the smaller ones.

// Each pixel times a weight, in a block of the larger image. A thread writes N pixels of a row.
template <unsigned N>
__device__ inline void spread(const Element* __restrict__ x, Element* __restrict__ y, size_t count, size_t width, size_t high, size_t wide,
                              Real weight) {
  size_t width_of_row = width * wide;
  for (size_t i = thread_of_all() * N; i < count; i += all_threads() * N) {
    size_t row = quotient(i, width_of_row), column = i - row * width_of_row, pixel = quotient(column, wide);
    size_t within = column - pixel * wide;
    const Element* source = x + quotient(row, high) * width + pixel;
    Pack<N> values;
#pragma unroll
    for (unsigned k = 0; k < N; k++) {
      put(values.of[k], weight * widen(*source));
      if (++within == wide) {
        within = 0;
        source++;
      }
    }
    put(y + i, values);
  }
}

KERNEL(spread)(const Element* x, Element* y, size_t count, size_t width, size_t high, size_t wide, Real weight) {
  if (width * wide % PACK == 0 && packs_at(y)) spread<PACK>(x, y, count, width, high, wide, weight);
  else spread<1>(x, y, count, width, high, wide, weight);
}

// The sum over a block of the larger image from x on, each element times a weight.
__device__ inline Real sum_of_block(const Element* x, size_t width_of_row, size_t high, size_t wide, Real weight) {
  Real sum = 0;
  for (size_t line = 0; line < high; line++)
    for (size_t j = 0; j < wide; j++) sum += widen(x[line * width_of_row + j]) * weight;
  return sum;
}

// The same by a warp.
__device__ inline Real warp_sum_of_block(const Element* x, size_t width_of_row, size_t high, size_t wide, Real weight) {
  Real sum = 0;
  for (size_t k = threadIdx.x % 32; k < high * wide; k += 32) {
    size_t line = quotient(k, wide);
    sum += widen(x[line * width_of_row + (k - line * wide)]) * weight;
  }
  return warp_sum(sum);
}

// The sum over a block of the larger image, times a weight, by a thread, or by a warp if `by_warp`.
KERNEL(gather)(const Element* x, Element* y, size_t count, size_t width, size_t high, size_t wide, Real weight, size_t by_warp) {
  size_t team = by_warp ? 32 : 1;
  for (size_t i = thread_of_all() / team; i < count; i += all_threads() / team) {
    size_t row = quotient(i, width), column = i - row * width;
    const Element* block = x + (row * high * width + column) * wide;
    auto sum_of = [=](Real weight) {
      return by_warp ? warp_sum_of_block(block, width * wide, high, wide, weight) : sum_of_block(block, width * wide, high, wide, weight);
    };
    Real sum = weight * sum_of(1);
    // A mean may be finite where the sum is not.
    if (weight != 1 && !is_finite(sum)) sum = sum_of(weight);
    if (threadIdx.x % team == 0) put(y[i], sum);
  }
}

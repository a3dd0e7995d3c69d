// The gradients of factors that `sharing` rows in a row have in common: Σ gradient · x and Σ gradient over these rows. If there are statistics, a row
// of x is normalised by its own. The second sums may be null.

// For few rows, by a thread for each factor: (groups, width).
KERNEL(sums_of_few_products)(const Element* gradient, const Element* x, const Moments* statistics, Real* products, Real* sums, size_t groups,
                             size_t width, size_t sharing) {
  for (size_t i = thread_of_all(); i < groups * width; i += all_threads()) {
    size_t group = quotient(i, width), column = i - group * width;
    Real product = 0, sum = 0;
    for (size_t row = group * sharing; row < (group + 1) * sharing; row++) {
      Real slope = widen(gradient[row * width + column]), value = widen(x[row * width + column]);
      if (statistics) value = statistics[row].normal(value);
      product += slope * value;
      sum += slope;
    }
    products[i] = product;
    if (sums) sums[i] = sum;
  }
}

// For each piece of many rows: (pieces, groups, width). A block has 32 × 16 threads, for 32 columns of one piece.
KERNEL(sums_of_products)(const Element* gradient, const Element* x, const Moments* statistics, Real* products, Real* sums, size_t groups,
                         size_t width, size_t sharing, size_t length) {
  __shared__ Real parts[2][16][33];
  size_t blocks = (width + 31) / 32, part = blockIdx.x / blocks, column = blockIdx.x % blocks * 32 + threadIdx.x;
  size_t piece = part / groups, group = part % groups, first = piece * length;
  size_t end = first + length < sharing ? first + length : sharing;
  Real product = 0, sum = 0;
  if (column < width)
    for (size_t i = first + threadIdx.y; i < end; i += 16) {
      size_t row = group * sharing + i;
      Real slope = widen(gradient[row * width + column]), value = widen(x[row * width + column]);
      if (statistics) value = statistics[row].normal(value);
      product += slope * value;
      sum += slope;
    }
  parts[0][threadIdx.y][threadIdx.x] = product;
  parts[1][threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 1 || column >= width) return;
  // The first row of threads adds up the products, the second one the gradients.
  Real total = 0;
  for (unsigned i = 0; i < 16; i++) total += parts[threadIdx.y][i][threadIdx.x];
  Real* out = threadIdx.y == 0 ? products : sums;
  if (out) out[part * width + column] = total;
}

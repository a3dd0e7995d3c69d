// Squared errors of samples, which are rows of `width` elements.

// The sum of (x − y)² from i on, `step` apart.
__device__ inline Real squares(const Element* x, const Element* y, size_t i, size_t end, size_t step) {
  Real sum = 0;
  for (; i < end; i += step) {
    Real error = widen(x[i]) - widen(y[i]);
    sum += error * error;
  }
  return sum;
}

// The sum of each row, by a warp.
KERNEL(errors_of_rows)(const Element* x, const Element* y, Real* sums, size_t rows, size_t width) {
  size_t row = thread_of_all() / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  Real sum = warp_sum(squares(x, y, row * width + lane, (row + 1) * width, 32));
  if (lane == 0) sums[row] = sum;
}

// The sum of each piece of each row, by a block: (pieces, rows).
KERNEL(errors_of_pieces)(const Element* x, const Element* y, Real* sums, size_t pieces, size_t piece, size_t width) {
  size_t row = blockIdx.x / pieces, start = blockIdx.x % pieces * piece;
  size_t end = start + piece < width ? start + piece : width;
  Real sum = block_sum(squares(x, y, row * width + start + threadIdx.x, row * width + end, blockDim.x));
  if (threadIdx.x == 0) sums[blockIdx.x % pieces * (gridDim.x / pieces) + row] = sum;
}

// The gradients 2 g_i (x − y) and −2 g_i (x − y), where there is memory for them.
KERNEL(differences)(const Element* x, const Element* y, const Real* gradient, Element* dx, Element* dy, size_t count, size_t width) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real slope = 2 * gradient[quotient(i, width)] * (widen(x[i]) - widen(y[i]));
    if (dx) put(dx[i], slope);
    if (dy) put(dy[i], -slope);
  }
}

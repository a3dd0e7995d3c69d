// Totals of the ratios e / (atol + rtol · max(|x|, |y|)): the sum of their squares and the largest magnitude, in f64.

struct Total { double squares, largest; };

__device__ inline double larger(double a, double b) { return b > a ? b : a; }

// The total of the ratios from i on, `step` apart.
__device__ inline Total ratios(const Element* error, const Element* x, const Element* y, Real rtol, Real atol, size_t i, size_t end,
                               size_t step) {
  Total total = {0, 0};
  for (; i < end; i += step) {
    Real a = fabs(widen(x[i])), b = fabs(widen(y[i]));
    double ratio = widen(error[i]) / (rtol * (a > b ? a : b) + atol);
    total.squares += ratio * ratio;
    total.largest = larger(total.largest, fabs(ratio));
  }
  return total;
}

__device__ inline Total warp_total(Total total) {
  total.squares = warp_sum(total.squares);
  for (unsigned distance = 16; distance > 0; distance /= 2)
    total.largest = larger(total.largest, __shfl_xor_sync(0xffffffffu, total.largest, distance));
  return total;
}

// The total over a block of whole warps, for its first warp.
__device__ inline Total block_total(Total total) {
  __shared__ Total parts[32];
  unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
  total = warp_total(total);
  if (lane == 0) parts[threadIdx.x / 32] = total;
  __syncthreads();
  Total none = {0, 0};
  return warp_total(lane < warps ? parts[lane] : none);
}

// Of each row of `width` elements, by a warp.
KERNEL(ratios_of_rows)(const Element* error, const Element* x, const Element* y, Total* totals, Real rtol, Real atol, size_t rows,
                       size_t width) {
  size_t row = thread_of_all() / 32, lane = threadIdx.x % 32;
  if (row >= rows) return;
  Total total = warp_total(ratios(error, x, y, rtol, atol, row * width + lane, (row + 1) * width, 32));
  if (lane == 0) totals[row] = total;
}

// Of each piece of each row, by a block.
KERNEL(ratios_of_pieces)(const Element* error, const Element* x, const Element* y, Total* totals, Real rtol, Real atol, size_t pieces,
                         size_t piece, size_t width) {
  size_t row = blockIdx.x / pieces, start = blockIdx.x % pieces * piece;
  size_t end = start + piece < width ? start + piece : width;
  Total total = ratios(error, x, y, rtol, atol, row * width + start + threadIdx.x, row * width + end, blockDim.x);
  total = block_total(total);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

// Of the pieces of each row, by a block.
KERNEL(totals_of_pieces)(const Total* parts, Total* totals, size_t pieces) {
  Total total = {0, 0};
  for (size_t i = threadIdx.x; i < pieces; i += blockDim.x) {
    Total part = parts[blockIdx.x * pieces + i];
    total.squares += part.squares;
    total.largest = larger(total.largest, part.largest);
  }
  total = block_total(total);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

// Sums of the squares of elements, in f64.

// The sums of the pieces of up to 8 tensors with `count` elements each, from sums[first] on. A block has one piece of one tensor.
KERNEL(squares_of_pieces)(const Element* x0, const Element* x1, const Element* x2, const Element* x3, const Element* x4,
                          const Element* x5, const Element* x6, const Element* x7, size_t count0, size_t count1, size_t count2,
                          size_t count3, size_t count4, size_t count5, size_t count6, size_t count7, double* sums, size_t first,
                          size_t piece) {
  const Element* tensors[8] = {x0, x1, x2, x3, x4, x5, x6, x7};
  size_t counts[8] = {count0, count1, count2, count3, count4, count5, count6, count7};
  const Element* x = x0;
  size_t start = 0, end = 0, block = blockIdx.x;
#pragma unroll
  for (unsigned k = 0; k < 8; k++) {
    size_t pieces = (counts[k] + piece - 1) / piece;
    if (end == 0 && block < pieces) {
      x = tensors[k];
      start = block * piece;
      end = start + piece < counts[k] ? start + piece : counts[k];
    }
    block -= pieces;
  }
  double sum = 0;
  for (size_t i = start + threadIdx.x; i < end; i += blockDim.x) {
    double value = widen(x[i]);
    sum += value * value;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[first + blockIdx.x] = sum;
}

// The sum of sums, by one block.
KERNEL(sum_of_pieces)(const double* sums, double* total, size_t count) {
  double sum = 0;
  for (size_t i = threadIdx.x; i < count; i += blockDim.x) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *total = sum;
}

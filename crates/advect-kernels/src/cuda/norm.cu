// Sums of the squares of elements, in f64.

// The sums of the pieces of tensors, from sums[first] on.
KERNEL(squares_of_pieces)(PIECES, Each<const Element*> tensors, double* sums, size_t first) {
  THIS_PIECE
  const Element* x = tensors[tensor];
  double sum = 0;
  EACH_ELEMENT(i) {
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

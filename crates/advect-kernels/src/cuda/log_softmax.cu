// The logarithm of softmax at one element of each row, which `chosen` tells. A short row is a warp's, a long one a block's.

// The values x_c − largest − ln Σ e^(x − largest), and each row's largest number and logarithm. Where c is no element, value and logarithm
// are NaN, and so is the gradient.
KERNEL(log_softmax_at)(const Element* x, const long long* chosen, Element* y, Real* statistics, size_t rows, size_t width, size_t by_block) {
  size_t step = by_block ? blockDim.x : 32, first = threadIdx.x % step, team = by_block ? blockIdx.x : thread_of_all() / 32;
  for (size_t row = team; row < rows; row += by_block ? gridDim.x : all_threads() / 32) {
    const Element* values = x + row * width;
    Real largest = NEGATIVE_INFINITY, sum = 0;
    for (size_t j = first; j < width; j += step) largest = greater(largest, widen(values[j]));
    largest = by_block ? block_max(largest) : warp_max(largest);
    for (size_t j = first; j < width; j += step) sum += exp(widen(values[j]) - largest);
    Real log_of_sum = log(by_block ? block_sum(sum) : warp_sum(sum));
    if (first == 0) {
      // (One below 0 is beyond all.)
      size_t c = chosen[row];
      if (c >= width) log_of_sum = NOT_A_NUMBER;
      put(y[row], widen(values[c < width ? c : 0]) - largest - log_of_sum);
      statistics[2 * row] = largest;
      statistics[2 * row + 1] = log_of_sum;
    }
  }
}

// The gradient of x, that of the value times (1 at the chosen element, 0 elsewhere, less the softmax). A block has some columns of one row,
// or of several rows in turn.
KERNEL(log_softmax_at_backward)(const Element* x, const long long* chosen, const Real* statistics, const Element* gradient, Element* dx,
                                size_t rows, size_t width) {
  for (size_t row = blockIdx.x; row < rows; row += gridDim.x) {
    Real largest = statistics[2 * row], log_of_sum = statistics[2 * row + 1], slope = widen(gradient[row]);
    for (size_t j = blockIdx.y * blockDim.x + threadIdx.x; j < width; j += gridDim.y * blockDim.x) {
      Real weight = exp(widen(x[row * width + j]) - largest - log_of_sum);
      put(dx[row * width + j], slope * (((long long)j == chosen[row] ? Real(1) : Real(0)) - weight));
    }
  }
}

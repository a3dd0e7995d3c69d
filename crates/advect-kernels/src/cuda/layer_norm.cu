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

// The values, and each row's mean (0 if it is not `centred`) and 1 / √(variance + ε). The shift may be null.
KERNEL(layer_norm)(const Element* x, const Element* scale, const Element* shift, Element* y, Real* statistics, size_t rows, size_t width,
                   size_t sharing, size_t centred, size_t by_block, Real epsilon) {
  Team team = {by_block != 0};
  for (size_t row = team.row(); row < rows; row += team.rows()) {
    const Element* values = x + row * width;
    Real mean = 0, squares = 0;
    if (centred) {
      for (size_t j = team.first(); j < width; j += team.step()) mean += widen(values[j]);
      mean = team.sum(mean) / Real(width);
    }
    for (size_t j = team.first(); j < width; j += team.step()) {
      Real difference = widen(values[j]) - mean;
      squares += difference * difference;
    }
    Real inverse = 1 / sqrt(team.sum(squares) / Real(width) + epsilon);
    size_t factors = row / sharing * width;
    for (size_t j = team.first(); j < width; j += team.step()) {
      Real value = (widen(values[j]) - mean) * inverse * widen(scale[factors + j]);
      put(y[row * width + j], shift ? value + widen(shift[factors + j]) : value);
    }
    if (team.first() == 0) {
      statistics[2 * row] = mean;
      statistics[2 * row + 1] = inverse;
    }
  }
}

// The gradient of x. With h = gradient · scale it is (h − mean h − normal · mean(h · normal)) · inverse, without the mean of h for rows
// that are not centred.
KERNEL(layer_norm_backward)(const Element* x, const Element* scale, const Real* statistics, const Element* gradient, Element* dx, size_t rows,
                            size_t width, size_t sharing, size_t centred, size_t by_block) {
  Team team = {by_block != 0};
  for (size_t row = team.row(); row < rows; row += team.rows()) {
    Real mean = statistics[2 * row], inverse = statistics[2 * row + 1], of_h = 0, of_normal = 0;
    const Element *values = x + row * width, *slopes = gradient + row * width, *factors = scale + row / sharing * width;
    for (size_t j = team.first(); j < width; j += team.step()) {
      Real h = widen(slopes[j]) * widen(factors[j]);
      of_h += h;
      of_normal += h * (widen(values[j]) - mean);
    }
    of_h = centred ? team.sum(of_h) / Real(width) : Real(0);
    of_normal = team.sum(of_normal) * inverse / Real(width);
    for (size_t j = team.first(); j < width; j += team.step()) {
      Real h = widen(slopes[j]) * widen(factors[j]), normal = (widen(values[j]) - mean) * inverse;
      put(dx[row * width + j], (h - of_h - normal * of_normal) * inverse);
    }
  }
}

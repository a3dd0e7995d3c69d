// The moving of queries, keys and values between packed rows, (samples · n, roles · heads · d), and matrices of heads,
// (roles, samples, heads, n, d). A block has some columns of one row, or of several rows in turn. The order of the columns is (heads, roles, d),
// or (roles, heads, d) if `by_role` is 1. If `back` is 1, rows are made of matrices.

KERNEL(heads)(const Element* x, Element* y, size_t samples, size_t n, size_t heads, size_t d, size_t roles, size_t by_role, size_t back) {
  size_t columns = roles * heads * d;
  for (size_t row = blockIdx.x; row < samples * n; row += gridDim.x) {
    size_t sample = row / n, position = row % n;
    for (unsigned column = blockIdx.y * blockDim.x + threadIdx.x; column < columns; column += gridDim.y * blockDim.x) {
      unsigned part = column / (unsigned)d, within = column % (unsigned)d;
      unsigned role = by_role ? part / (unsigned)heads : part % (unsigned)roles;
      unsigned head = by_role ? part % (unsigned)heads : part / (unsigned)roles;
      size_t packed = row * columns + column;
      size_t apart = (((role * samples + sample) * heads + head) * n + position) * d + within;
      y[back ? packed : apart] = x[back ? apart : packed];
    }
  }
}

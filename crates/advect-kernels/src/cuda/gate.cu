// Residual connections with gates. A block has some columns of one row, or of several in turn; `sharing` rows in a row have one row of gates.

// gate · h, added to x unless that is null.
KERNEL(add_gated)(const Element* x, const Element* h, const Element* gate, Element* y, size_t rows, size_t width, size_t sharing) {
  for (size_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const Element* gates = gate + row / sharing * width;
    for (size_t j = blockIdx.y * blockDim.x + threadIdx.x; j < width; j += gridDim.y * blockDim.x) {
      size_t i = row * width + j;
      Real value = widen(h[i]) * widen(gates[j]);
      put(y[i], x ? widen(x[i]) + value : value);
    }
  }
}

// Rotations of pairs of numbers, (rows, heads, pairs, 2), by angles whose cosines and sines are (positions, pairs); rows take the positions in turn.
// A block has some pairs of one row, or of several in turn. If `inverse` is 1, the angles are the opposite ones.

KERNEL(rotary)(const Element* x, const Element* cosines, const Element* sines, Element* y, size_t rows, size_t positions, size_t heads,
               size_t pairs, size_t inverse) {
  for (size_t row = blockIdx.x; row < rows; row += gridDim.x) {
    size_t angles = row % positions * pairs, count = heads * pairs;
    for (unsigned j = blockIdx.y * blockDim.x + threadIdx.x; j < count; j += gridDim.y * blockDim.x) {
      size_t angle = angles + j % (unsigned)pairs, i = 2 * (row * count + j);
      Real c = widen(cosines[angle]), s = widen(sines[angle]), a = widen(x[i]), b = widen(x[i + 1]);
      if (inverse) s = -s;
      put(y[i], a * c - b * s);
      put(y[i + 1], b * c + a * s);
    }
  }
}

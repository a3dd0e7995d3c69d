// Images enlarged and shrunk by whole factors. Rows are those of all images, one after another; `width` is that of the smaller ones.

// Each pixel times a weight, in a block of the larger image.
KERNEL(spread)(const Element* x, Element* y, size_t count, size_t width, size_t high, size_t wide, Real weight) {
  size_t width_of_row = width * wide;
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    size_t row = quotient(i, width_of_row), column = i - row * width_of_row;
    put(y[i], weight * widen(x[quotient(row, high) * width + quotient(column, wide)]));
  }
}

// The sum over a block of the larger image, times a weight.
KERNEL(gather)(const Element* x, Element* y, size_t count, size_t width, size_t high, size_t wide, Real weight) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    size_t row = quotient(i, width), column = i - row * width;
    Real sum = 0;
    for (size_t line = row * high; line < (row + 1) * high; line++)
      for (size_t j = 0; j < wide; j++) sum += widen(x[(line * width + column) * wide + j]);
    put(y[i], weight * sum);
  }
}

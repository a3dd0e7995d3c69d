// What comes after the products of layers. Rows have `columns` elements; the bias may be null.

// The values f(x + bias), and f'(x + bias) gradient where there is a gradient.
KERNEL(layer)(const Element* x, const Element* bias, const Element* gradient, Element* y, size_t count, size_t columns,
              size_t function) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real value = widen(x[i]);
    if (bias) value += widen(bias[i - quotient(i, columns) * columns]);
    put(y[i], gradient ? slope(function, value) * widen(gradient[i]) : activate(function, value));
  }
}

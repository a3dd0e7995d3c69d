// Activation functions of elements. `order` is 0 for the value, 1 for the slope times a, 2 for the curvature times a and b.

KERNEL(elements)(const Element* x, const Element* a, const Element* b, Element* y, size_t count, size_t function, size_t order) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real value = widen(x[i]);
    switch (order) {
      case 0: value = activate(function, value); break;
      case 1: value = slope(function, value) * widen(a[i]); break;
      default: value = curvature(function, value) * widen(a[i]) * widen(b[i]);
    }
    put(y[i], value);
  }
}

// What comes after the products of layers. Rows have `columns` elements; the bias may be null.

// The values f(x + bias), and f'(x + bias) gradient where there is a gradient.
// Threads take N elements of one row at once.
template <unsigned N>
__device__ inline void layer(const Element* x, const Element* bias, const Element* gradient, Element* y, size_t count, size_t columns,
                             unsigned function) {
  for (size_t i = thread_of_all() * N; i < count; i += all_threads() * N) {
    Pack<N> values = pack<N>(x + i), more = {}, slopes = {};
    if (bias) more = pack<N>(bias + (i - quotient(i, columns) * columns));
    if (gradient) slopes = pack<N>(gradient + i);
#pragma unroll
    for (unsigned k = 0; k < N; k++) {
      Real value = widen(values.of[k]) + widen(more.of[k]);
      put(values.of[k], gradient ? slope(function, value) * widen(slopes.of[k]) : activate(function, value));
    }
    put(y + i, values);
  }
}

KERNEL(layer)(const Element* x, const Element* bias, const Element* gradient, Element* y, size_t count, size_t columns,
              size_t function) {
  if (columns % PACK == 0 && packs_at(x) && packs_at(bias) && packs_at(gradient) && packs_at(y))
    layer<PACK>(x, bias, gradient, y, count, columns, function);
  else
    layer<1>(x, bias, gradient, y, count, columns, function);
}

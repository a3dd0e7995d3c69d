// Steps of gated recurrent units, each of all samples: r = σ(a_r + own_r), z = σ(a_z + own_z), n = tanh(a_n + r · own_n) and
// next = n + z (h − n), where a are the inputs and own = W h + b. There is a thread for each unit of each sample.

__device__ inline Real sigmoid(Real x) {
  Real e = exp(-fabs(x));
  return (x >= 0 ? Real(1) : e) / (1 + e);
}

// The state after a step, in `next` (samples, hidden) and in its place among all states (samples, length, hidden); and r, z, n and own_n,
// (4, samples, hidden). `product` is W h, (samples, 3 · hidden).
KERNEL(recurrence)(const Element* inputs, const Element* product, const Element* bias, const Element* state, Element* next, Element* states,
                   Element* gates, size_t samples, size_t length, size_t hidden, size_t step) {
  size_t count = samples * hidden;
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    size_t sample = i / hidden, unit = i % hidden, place = sample * length + step;
    const Element *a = inputs + place * 3 * hidden + unit, *own = product + sample * 3 * hidden + unit, *b = bias + unit;
    Real r = sigmoid(widen(a[0]) + widen(own[0]) + widen(b[0]));
    Real z = sigmoid(widen(a[hidden]) + widen(own[hidden]) + widen(b[hidden]));
    Real from_own = widen(own[2 * hidden]) + widen(b[2 * hidden]);
    Real n = tanh(widen(a[2 * hidden]) + r * from_own);
    Real h = n + z * (widen(state[i]) - n);
    put(next[i], h);
    put(states[place * hidden + unit], h);
    put(gates[i], r);
    put(gates[count + i], z);
    put(gates[2 * count + i], n);
    put(gates[3 * count + i], from_own);
  }
}

// The gradients of a step's inputs, in their place among all, of its products (samples, 3 · hidden), and of the state before it, without
// what comes through the products. The gradient of the state after it is the sum of that of the value and, unless they are null, of the
// next step's parts.
KERNEL(recurrence_backward)(const Element* gradient, const Element* direct, const Element* through, const Element* state,
                            const Element* gates, Element* in_inputs, Element* in_product, Element* in_state, size_t samples, size_t length,
                            size_t hidden, size_t step) {
  size_t count = samples * hidden;
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    size_t sample = i / hidden, unit = i % hidden, place = sample * length + step;
    Real g = widen(gradient[place * hidden + unit]);
    if (direct) g += widen(direct[i]) + widen(through[i]);
    Real r = widen(gates[i]), z = widen(gates[count + i]), n = widen(gates[2 * count + i]), from_own = widen(gates[3 * count + i]);
    Real in_n = g * (1 - z) * (1 - n * n), in_z = g * (widen(state[i]) - n) * z * (1 - z), in_r = in_n * from_own * r * (1 - r);
    Element *a = in_inputs + place * 3 * hidden + unit, *own = in_product + sample * 3 * hidden + unit;
    put(a[0], in_r);
    put(a[hidden], in_z);
    put(a[2 * hidden], in_n);
    put(own[0], in_r);
    put(own[hidden], in_z);
    put(own[2 * hidden], in_n * r);
    put(in_state[i], g * z);
  }
}

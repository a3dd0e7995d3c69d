// Steps of parameters and averages where they lie, by the formulas and the roundings of the CPU's kernels.

KERNEL(adamw)(Element* value, Element* first, Element* second, const Element* gradient, size_t count, Real beta1, Real rest1,
              Real beta2, Real rest2, Real decay, Real rate, Real inverse, Real epsilon) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real g = widen(gradient[i]);
    Real m = beta1 * widen(first[i]) + rest1 * g;
    Real v = beta2 * widen(second[i]) + rest2 * (g * g);
    put(first[i], m);
    put(second[i], v);
    put(value[i], decay * widen(value[i]) - rate * m / (sqrt(v * inverse) + epsilon));
  }
}

KERNEL(momentum)(Element* value, Element* velocity, const Element* gradient, size_t count, Real rate, Real decay, Real momentum,
                 Real fresh, Real ahead, Real along) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real before = widen(value[i]), g = widen(gradient[i]) + decay * before;
    Real v = momentum * widen(velocity[i]) + fresh * g;
    put(velocity[i], v);
    put(value[i], before - rate * (ahead * g + along * v));
  }
}

KERNEL(lion)(Element* value, Element* momentum, const Element* gradient, size_t count, Real beta1, Real rest1, Real beta2,
             Real rest2, Real decay, Real rate) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real g = widen(gradient[i]), m = widen(momentum[i]);
    Real direction = beta1 * m + rest1 * g;
    Real step = direction > 0 ? rate : direction < 0 ? -rate : Real(0);
    put(value[i], decay * widen(value[i]) - step);
    put(momentum[i], beta2 * m + rest2 * g);
  }
}

KERNEL(descend)(Element* value, const Element* direction, size_t count, Real decay, Real rate) {
  for (size_t i = thread_of_all(); i < count; i += all_threads())
    put(value[i], decay * widen(value[i]) - rate * widen(direction[i]));
}

KERNEL(average)(Element* average, const Element* value, size_t count, Real weight) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    Real old = widen(average[i]);
    put(average[i], old + (widen(value[i]) - old) * weight);
  }
}

// Linear combinations of up to 8 terms. Each has one factor c for all samples, or, where a bit of `each` says so, a row of
// `factors` with one for each sample of `width` elements.

struct Terms { const Element* x[8]; Real c[8]; };

// The sum of N terms and of `before`, if there is one, to `partial` if there is memory for it, else to y.
template <unsigned N>
__device__ inline void sum(const Terms& terms, const Real* factors, size_t each, const Real* before, Real* partial, Element* y,
                           size_t count, size_t width, size_t samples) {
  for (size_t i = thread_of_all(); i < count; i += all_threads()) {
    // All are on their way before the first is needed.
    Real x[N];
#pragma unroll
    for (unsigned k = 0; k < N; k++) x[k] = widen(terms.x[k][i]);
    const Real* factor = each ? factors + quotient(i, width) : factors;
    // A sum with −0 keeps the sign of 0.
    Real total = before ? before[i] : Real(-0.0);
#pragma unroll
    for (unsigned k = 0; k < N; k++) {
      Real c = terms.c[k];
      if (each >> k & 1) {
        c = *factor;
        factor += samples;
      }
      total += c * x[k];
    }
    if (partial) {
      partial[i] = total;
    } else {
      put(y[i], total);
    }
  }
}

KERNEL(combine)(const Element* x0, const Element* x1, const Element* x2, const Element* x3, const Element* x4, const Element* x5,
                const Element* x6, const Element* x7, Real c0, Real c1, Real c2, Real c3, Real c4, Real c5, Real c6, Real c7,
                size_t number, const Real* factors, size_t each, const Real* before, Real* partial, Element* y, size_t count,
                size_t width, size_t samples) {
  Terms terms = {{x0, x1, x2, x3, x4, x5, x6, x7}, {c0, c1, c2, c3, c4, c5, c6, c7}};
  switch (number) {
    case 1: return sum<1>(terms, factors, each, before, partial, y, count, width, samples);
    case 2: return sum<2>(terms, factors, each, before, partial, y, count, width, samples);
    case 3: return sum<3>(terms, factors, each, before, partial, y, count, width, samples);
    case 4: return sum<4>(terms, factors, each, before, partial, y, count, width, samples);
    case 5: return sum<5>(terms, factors, each, before, partial, y, count, width, samples);
    case 6: return sum<6>(terms, factors, each, before, partial, y, count, width, samples);
    case 7: return sum<7>(terms, factors, each, before, partial, y, count, width, samples);
    default: return sum<8>(terms, factors, each, before, partial, y, count, width, samples);
  }
}

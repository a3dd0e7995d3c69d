// Elements times a factor, or 0 where the upper 53 bits of a word of the cipher are below `bound`. N are moved at once.
template <unsigned N>
__device__ inline void dropout(const Stream& stream, size_t stride, size_t length, const Element* x, Element* y, size_t count, size_t bound,
                               Real factor) {
  each_eight(stream, stride, length, count, [=](size_t first, const Word (&words)[8]) {
#pragma unroll
    for (unsigned start = 0; start < 8; start += N) {
      if (first + start >= count) return;
      Pack<N> values = pack<N>(x + first + start);
      // (Times 0, so that NaN stays NaN.)
#pragma unroll
      for (unsigned k = 0; k < N; k++)
        put(values.of[k], widen(values.of[k]) * (words[start + k] >> 11 < bound ? Real(0) : factor));
      put(y + first + start, values);
    }
  });
}

KERNEL(dropout)(STREAM_ARGUMENTS, size_t stride, size_t length, const Element* x, Element* y, size_t count, size_t bound, Real factor) {
  const Stream stream = STREAM;
  if (count % PACK == 0 && packs_at(x) && packs_at(y)) dropout<PACK>(stream, stride, length, x, y, count, bound, factor);
  else dropout<1>(stream, stride, length, x, y, count, bound, factor);
}

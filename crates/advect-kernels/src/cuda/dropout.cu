// Elements times a factor, or 0 where the upper 53 bits of a word of the cipher are below `bound`. Stretches of `length` elements, a
// multiple of eight, begin `stride` blocks of the cipher from each other.
KERNEL(dropout)(STREAM_ARGUMENTS, size_t stride, size_t length, const Element* x, Element* y, size_t count, size_t bound, Real factor) {
  const Stream stream = STREAM;
  size_t blocks = length / 8;
  for (size_t i = thread_of_all(); 8 * i < count; i += all_threads()) {
    size_t stretch = quotient(i, blocks);
    Word words[8];
    cipher(stream, stretch * stride + (i - stretch * blocks), words);
#pragma unroll
    for (unsigned k = 0; k < 8; k++) {
      size_t at = 8 * i + k;
      // (Times 0, so that NaN stays NaN.)
      if (at < count) put(y[at], widen(x[at]) * (words[k] >> 11 < bound ? Real(0) : factor));
    }
  }
}

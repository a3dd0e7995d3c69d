// Elements times a factor, or 0 where the upper 53 bits of a word of the cipher are below `bound`.
KERNEL(dropout)(STREAM_ARGUMENTS, size_t stride, size_t length, const Element* x, Element* y, size_t count, size_t bound, Real factor) {
  each_word(STREAM, stride, length, count, [=](size_t i, Word word) {
    // (Times 0, so that NaN stays NaN.)
    put(y[i], widen(x[i]) * (word >> 11 < bound ? Real(0) : factor));
  });
}

// Numbers of 16 bits and their copies in f32. A launch is for up to 8 pairs with `count` elements each; a block has one piece of one pair.

#define PAIRS(Wide, Narrow)                                                                                                       \
  Wide *w0, Wide *w1, Wide *w2, Wide *w3, Wide *w4, Wide *w5, Wide *w6, Wide *w7, Narrow *n0, Narrow *n1, Narrow *n2, Narrow *n3, \
      Narrow *n4, Narrow *n5, Narrow *n6, Narrow *n7, size_t count0, size_t count1, size_t count2, size_t count3, size_t count4,  \
      size_t count5, size_t count6, size_t count7, size_t piece

// The block's pair, and the elements from `start` to before `end`.
#define THIS_PAIR(Wide, Narrow)                                                             \
  Wide* wides[8] = {w0, w1, w2, w3, w4, w5, w6, w7};                                        \
  Narrow* narrows[8] = {n0, n1, n2, n3, n4, n5, n6, n7};                                    \
  size_t counts[8] = {count0, count1, count2, count3, count4, count5, count6, count7};      \
  Wide* wide = w0;                                                                          \
  Narrow* narrow = n0;                                                                      \
  size_t start = 0, end = 0, block = blockIdx.x;                                            \
  _Pragma("unroll") for (unsigned k = 0; k < 8; k++) {                                      \
    size_t pieces = (counts[k] + piece - 1) / piece;                                        \
    if (end == 0 && block < pieces) {                                                       \
      wide = wides[k];                                                                      \
      narrow = narrows[k];                                                                  \
      start = block * piece;                                                                \
      end = start + piece < counts[k] ? start + piece : counts[k];                          \
    }                                                                                       \
    block -= pieces;                                                                        \
  }

// Takes over in the copies what they don't round to.
KERNEL(follow)(PAIRS(Real, const Element)) {
  THIS_PAIR(Real, const Element)
  for (size_t i = start + threadIdx.x; i < end; i += blockDim.x) {
    Element rounded;
    put(rounded, wide[i]);
    Real value = widen(narrow[i]);
    if (!(widen(rounded) == value)) wide[i] = value;
  }
}

// Rounds the copies.
KERNEL(round)(PAIRS(const Real, Element)) {
  THIS_PAIR(const Real, Element)
  for (size_t i = start + threadIdx.x; i < end; i += blockDim.x) put(narrow[i], wide[i]);
}

// Makes the copies.
KERNEL(widen)(PAIRS(Real, const Element)) {
  THIS_PAIR(Real, const Element)
  for (size_t i = start + threadIdx.x; i < end; i += blockDim.x) wide[i] = widen(narrow[i]);
}

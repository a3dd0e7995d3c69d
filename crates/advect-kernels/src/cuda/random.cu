// Random numbers, the same as on the CPU in every bit: which words a number takes, and each rounding, are those of the
// distributions of the `rand` crates. All is computed in f64, and products are rounded before they are added.

// A number in [0, 1) of 53 bits.
__device__ inline double unit(Word bits) { return (bits >> 11) * 0x1p-53; }

// A number in (0, 1) of 52 bits.
__device__ inline double inner_unit(Word bits) {
  return __longlong_as_double(bits >> 12 | 0x3ff0000000000000) - (1.0 - 0x1p-53);
}

// Uniform numbers in start .. start + width, cut to multiples of width / scale.
template <class To>
__device__ inline void uniform_numbers(const Stream& stream, Word stride, size_t length, To* y, size_t count, double start,
                                       double width, double scale) {
  each_word(stream, stride, length, count, [=](size_t i, Word word) {
    double u = floor(unit(word) * scale) / scale;
    y[i] = (To)(start + width * u);
  });
}

KERNEL(uniform_as_f64)(STREAM_ARGUMENTS, size_t stride, size_t length, double* y, size_t count, double start, double width, double scale) {
  uniform_numbers(STREAM, stride, length, y, count, start, width, scale);
}

KERNEL(uniform_as_f32)(STREAM_ARGUMENTS, size_t stride, size_t length, float* y, size_t count, double start, double width, double scale) {
  uniform_numbers(STREAM, stride, length, y, count, start, width, scale);
}

// Words of a stretch that a block of threads looks at together.
constexpr unsigned WINDOW = 2048;

// A window on a stretch.
struct Window {
  const Stream& stream;
  // The block of the cipher where it begins, and its words.
  Word first;
  const Word* words;
  unsigned size;

  // A word of the window or behind it.
  __device__ Word word(unsigned place) const {
    if (place < size) return words[place];
    Word block[8], found = 0;
    cipher(stream, first + place / 8, block);
#pragma unroll
    for (unsigned k = 0; k < 8; k++) found = place % 8 == k ? block[k] : found;
    return found;
  }
};

__device__ inline double density(double x) { return exp(-x * x / 2.0); }

// The normal number that begins at a word, by the ziggurat method, and the number of words that it takes.
__device__ inline double normal_number(const Window& window, unsigned place, unsigned& taken) {
  unsigned next = place;
  for (;;) {
    Word bits = window.word(next++);
    unsigned layer = bits & 255;
    double u = __longlong_as_double(bits >> 12 | 0x4000000000000000) - 3.0, x = u * EDGES[layer];
    bool inside = fabs(x) < EDGES[layer + 1];
    if (!inside && layer == 0) {
      // In the tail.
      double beyond, y;
      do {
        beyond = log(inner_unit(window.word(next++))) / EDGES[1];
        y = log(inner_unit(window.word(next++)));
      } while (-2.0 * y < beyond * beyond);
      x = u < 0.0 ? beyond - EDGES[1] : EDGES[1] - beyond;
      inside = true;
    }
    if (!inside) {
      double above = density(EDGES[layer + 1]), height = density(EDGES[layer]) - above;
      inside = above + height * unit(window.word(next++)) < density(x);
    }
    if (inside) {
      taken = next - place;
      return x;
    }
  }
}

// Normal numbers. A block of threads makes those of a stretch, the i-th of which begins `first + i · stride` blocks of the cipher
// from the start of the stream, and has `length` numbers. All words of a window are tried as the first of a number. Nearly every
// number takes one word, so it takes one thread little time to find those that are not the first of any.
KERNEL(normal)(STREAM_ARGUMENTS, size_t first, size_t stride, size_t length, float* y, size_t count) {
  __shared__ Word words[WINDOW];
  __shared__ float values[WINDOW];
  __shared__ unsigned taken[WINDOW];
  // By 32 words: those whose numbers take more than one, those where numbers begin, and how many begin before them.
  __shared__ unsigned longer[WINDOW / 32], begins[WINDOW / 32], before[WINDOW / 32];
  __shared__ unsigned total, end;
  const Stream stream = STREAM;
  const unsigned thread = threadIdx.x, threads = blockDim.x;
  for (size_t stretch = blockIdx.x; stretch * length < count; stretch += gridDim.x) {
    size_t left = min(length, count - stretch * length);
    float* out = y + stretch * length;
    Word block = first + stretch * stride;
    // The words of the window's first block that belong to the number before.
    unsigned skipped = 0;
    while (left > 0) {
      // What the numbers that are left will probably take.
      size_t likely = left + left / 32 + 40;
      unsigned size = likely < WINDOW ? (unsigned)likely / 32 * 32 : WINDOW;
      for (unsigned i = thread; i < size / 8; i += threads) {
        Word own[8];
        cipher(stream, block + i, own);
#pragma unroll
        for (unsigned k = 0; k < 8; k++) words[8 * i + k] = own[k];
      }
      __syncthreads();
      const Window window = {stream, block, words, size};
      for (unsigned i = thread; i < size; i += threads) {
        values[i] = (float)normal_number(window, i, taken[i]);
        unsigned these = __ballot_sync(0xffffffffu, taken[i] > 1);
        if (i % 32 == 0) longer[i / 32] = these;
      }
      __syncthreads();
      if (thread == 0) {
        unsigned sum = 0, next = skipped;
        for (unsigned i = 0; i < size; i += 32) {
          // Of these 32, those from `next` on; then a number that takes more than one hides what follows it.
          unsigned here = next <= i ? ~0u : next < i + 32 ? ~0u << (next - i) : 0;
          unsigned hiding = longer[i / 32] & here;
          while (hiding) {
            unsigned bit = __ffs(hiding) - 1;
            next = i + bit + taken[i + bit];
            unsigned behind = next < i + 32 ? ~0u << (next - i) : 0;
            here &= behind | ((2u << bit) - 1);
            hiding &= behind;
          }
          begins[i / 32] = here;
          before[i / 32] = sum;
          sum += __popc(here);
        }
        total = sum;
        end = max(next, size);
      }
      __syncthreads();
      for (unsigned i = thread; i < size; i += threads) {
        unsigned here = begins[i / 32], bit = i % 32;
        unsigned place = before[i / 32] + __popc(here & ((1u << bit) - 1));
        if ((here >> bit & 1) && place < left) out[place] = values[i];
      }
      out += total;
      left -= min((size_t)total, left);
      block += end / 8;
      skipped = end % 8;
      __syncthreads();
    }
  }
}

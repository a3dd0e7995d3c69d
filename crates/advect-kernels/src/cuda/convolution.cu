// Convolutions as products of matrices. A column holds what one position of one image sees: the matrix is
// (channels · places, images, positions), where the places are those of the kernel. Some images at a time are unfolded, from `first` on.

// The sizes of images, values and kernels; the pixels from one place to the next, before the image, and from one weight to the next.
struct Sizes {
  unsigned height, width, out_height, out_width, kernel_height, kernel_width, step_y, step_x, before_y, before_x, apart_y, apart_x;
};
#define SIZES                                                                                                              \
  size_t height, size_t width, size_t out_height, size_t out_width, size_t kernel_height, size_t kernel_width, size_t step_y, \
      size_t step_x, size_t before_y, size_t before_x, size_t apart_y, size_t apart_x
#define THESE_SIZES                                                                                                      \
  {(unsigned)height, (unsigned)width, (unsigned)out_height, (unsigned)out_width, (unsigned)kernel_height,                \
   (unsigned)kernel_width, (unsigned)step_y, (unsigned)step_x, (unsigned)before_y, (unsigned)before_x, (unsigned)apart_y, \
   (unsigned)apart_x}

// A thread writes all places of the kernel for one channel and N positions of a line; neighbours write side by side. A kernel is K × K,
// or of any size if K is 0.
template <unsigned N, unsigned K>
__device__ inline void unfold(const Element* __restrict__ x, Element* __restrict__ columns, size_t first, size_t images,
                              size_t channels, const Sizes& s) {
  size_t positions = (size_t)s.out_height * s.out_width, packs = positions / N, total = channels * images * packs;
  unsigned high = K ? K : s.kernel_height, wide = K ? K : s.kernel_width;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, packs), channel = quotient(line, images), image = line - channel * images;
    unsigned position = (unsigned)(i - line * packs) * N, out_y = position / s.out_width, out_x = position - out_y * s.out_width;
    const Element* source = x + ((first + image) * channels + channel) * s.height * s.width;
    Element* target = columns + (channel * high * wide * images + image) * positions + position;
#pragma unroll(K ? K : 1)
    for (unsigned ky = 0; ky < high; ky++) {
      // Above the image, y is beyond its height, too: it has no sign.
      unsigned y = out_y * s.step_y + ky * s.apart_y - s.before_y;
      bool inside = y < s.height;
      const Element* row = source + (inside ? (size_t)y * s.width : 0);
#pragma unroll(K ? K : 1)
      for (unsigned kx = 0; kx < wide; kx++, target += images * positions) {
        unsigned left = out_x * s.step_x + kx * s.apart_x - s.before_x;
        Pack<N> seen;
#pragma unroll
        for (unsigned k = 0; k < N; k++) {
          unsigned pixel_x = left + k * s.step_x;
          if (inside && pixel_x < s.width)
            seen.of[k] = row[pixel_x];
          else
            put(seen.of[k], Real(0));
        }
        put(target, seen);
      }
    }
  }
}

KERNEL(unfold)(const Element* x, Element* columns, size_t first, size_t images, size_t channels, SIZES) {
  Sizes s = THESE_SIZES;
  bool packs = out_width % PACK == 0 && packs_at(columns);
  if (packs && kernel_height == 3 && kernel_width == 3) unfold<PACK, 3>(x, columns, first, images, channels, s);
  else if (packs) unfold<PACK, 0>(x, columns, first, images, channels, s);
  else unfold<1, 0>(x, columns, first, images, channels, s);
}

// The sum over all columns that see a pixel, a thread for N pixels of a line. A kernel is K × K and goes by single pixels, or is any if
// K is 0.
template <unsigned N, unsigned K>
__device__ inline void fold(const Element* __restrict__ columns, Element* __restrict__ x, size_t images, size_t channels,
                            const Sizes& s) {
  size_t positions = (size_t)s.out_height * s.out_width, packs = (size_t)s.height * s.width / N, total = images * channels * packs;
  unsigned high = K ? K : s.kernel_height, wide = K ? K : s.kernel_width;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, packs), image = quotient(line, channels), channel = line - image * channels;
    unsigned pixel = (unsigned)(i - line * packs) * N, pixel_y = pixel / s.width, pixel_x = pixel - pixel_y * s.width;
    const Element* source = columns + (channel * high * wide * images + image) * positions;
    Real sums[N] = {};
#pragma unroll(K ? K : 1)
    for (unsigned ky = 0; ky < high; ky++) {
      // Where the place's position would be less than 0, it is beyond all positions.
      unsigned y = pixel_y + s.before_y - ky * s.apart_y, out_y = K ? y : y / s.step_y;
      bool inside = out_y < s.out_height && (K || out_y * s.step_y == y);
      size_t row = inside ? (size_t)out_y * s.out_width : 0;
#pragma unroll(K ? K : 1)
      for (unsigned kx = 0; kx < wide; kx++, source += images * positions) {
        unsigned left = pixel_x + s.before_x - kx * s.apart_x;
#pragma unroll
        for (unsigned k = 0; k < N; k++) {
          unsigned out_x = K ? left + k : (left + k) / s.step_x;
          if (inside && out_x < s.out_width && (K || out_x * s.step_x == left + k)) sums[k] += widen(source[row + out_x]);
        }
      }
    }
    Pack<N> all;
#pragma unroll
    for (unsigned k = 0; k < N; k++) put(all.of[k], sums[k]);
    put(x + i * N, all);
  }
}

KERNEL(fold)(const Element* columns, Element* x, size_t first, size_t images, size_t channels, SIZES) {
  Sizes s = THESE_SIZES;
  x += first * channels * height * width;
  bool packs = width % PACK == 0 && packs_at(x), single = step_y == 1 && step_x == 1;
  if (packs && single && kernel_height == 3 && kernel_width == 3) fold<PACK, 3>(columns, x, images, channels, s);
  else fold<1, 0>(columns, x, images, channels, s);
}

// From (channels, images, positions) to images of (channels, positions), with what is added: a number for each channel, for each
// channel of each image, and for each element. What is null is not added; without z, the values are in place already. A thread moves N
// positions at once.
template <unsigned N>
__device__ inline void settle(const Element* z, const Element* bias, const Element* of_channels, const Element* whole, Element* y,
                              size_t images, size_t channels, size_t positions) {
  size_t packs = positions / N, total = images * channels * packs;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, packs), image = quotient(line, channels), channel = line - image * channels;
    Pack<N> values = pack<N>(z ? z + (channel * images + image) * positions + (i - line * packs) * N : y + i * N), more = {};
    if (whole) more = pack<N>(whole + i * N);
    Real of_all = bias ? widen(bias[channel]) : Real(0), of_channel = of_channels ? widen(of_channels[line]) : Real(0);
#pragma unroll
    for (unsigned k = 0; k < N; k++) put(values.of[k], widen(values.of[k]) + of_all + of_channel + widen(more.of[k]));
    put(y + i * N, values);
  }
}

KERNEL(settle)(const Element* z, const Element* bias, const Element* of_channels, const Element* whole, Element* y, size_t first,
               size_t images, size_t channels, size_t positions) {
  size_t lines = first * channels;
  y += lines * positions;
  if (of_channels) of_channels += lines;
  if (whole) whole += lines * positions;
  if (positions % PACK == 0 && packs_at(z) && packs_at(whole) && packs_at(y))
    settle<PACK>(z, bias, of_channels, whole, y, images, channels, positions);
  else
    settle<1>(z, bias, of_channels, whole, y, images, channels, positions);
}

// The other way, from images to (channels, images, positions).
template <unsigned N>
__device__ inline void by_channels(const Element* y, Element* z, size_t images, size_t channels, size_t positions) {
  size_t packs = positions / N, total = images * channels * packs;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, packs), channel = quotient(line, images), image = line - channel * images;
    put(z + i * N, pack<N>(y + (image * channels + channel) * positions + (i - line * packs) * N));
  }
}

KERNEL(by_channels)(const Element* y, Element* z, size_t first, size_t images, size_t channels, size_t positions) {
  y += first * channels * positions;
  if (positions % PACK == 0 && packs_at(y) && packs_at(z)) by_channels<PACK>(y, z, images, channels, positions);
  else by_channels<1>(y, z, images, channels, positions);
}

// The sum of each channel of each image, by a warp each.
KERNEL(sums_of_planes)(const Element* y, Real* sums, size_t planes, size_t positions) {
  size_t warps = all_threads() / 32, lane = threadIdx.x % 32;
  for (size_t plane = thread_of_all() / 32; plane < planes; plane += warps) {
    Real sum = 0;
    for (size_t i = lane; i < positions; i += 32) sum += widen(y[plane * positions + i]);
    sum = warp_sum(sum);
    if (lane == 0) sums[plane] = sum;
  }
}

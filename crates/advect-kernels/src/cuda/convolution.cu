// Convolutions as products of matrices. A column holds what one position of one image sees: the matrix is
// (channels · places, images, positions), where the places are those of the kernel. Some images at a time are unfolded, from `first` on.

// The sizes of images, values and kernels; the pixels from one place to the next, before the image, and from one weight to the next.
#define SIZES                                                                                                              \
  size_t height, size_t width, size_t out_height, size_t out_width, size_t kernel_height, size_t kernel_width, size_t step_y, \
      size_t step_x, size_t before_y, size_t before_x, size_t apart_y, size_t apart_x

// A thread writes all places of the kernel for one channel and position; neighbours write side by side.
KERNEL(unfold)(const Element* x, Element* columns, size_t first, size_t images, size_t channels, SIZES) {
  size_t positions = out_height * out_width, total = channels * images * positions;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, positions), position = i - line * positions;
    size_t channel = quotient(line, images), image = line - channel * images;
    size_t out_y = quotient(position, out_width), out_x = position - out_y * out_width;
    const Element* source = x + ((first + image) * channels + channel) * height * width;
    Element* target = columns + (channel * kernel_height * kernel_width * images + image) * positions + position;
    for (size_t ky = 0; ky < kernel_height; ky++) {
      // Above the image, y is beyond its height, too: it has no sign.
      size_t y = out_y * step_y + ky * apart_y - before_y;
      for (size_t kx = 0; kx < kernel_width; kx++) {
        size_t pixel_x = out_x * step_x + kx * apart_x - before_x;
        bool inside = y < height && pixel_x < width;
        if (inside)
          *target = source[y * width + pixel_x];
        else
          put(*target, Real(0));
        target += images * positions;
      }
    }
  }
}

// The sum over all columns that see a pixel, a thread for each.
KERNEL(fold)(const Element* columns, Element* x, size_t first, size_t images, size_t channels, SIZES) {
  size_t positions = out_height * out_width, pixels = height * width, total = images * channels * pixels;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, pixels), pixel = i - line * pixels;
    size_t image = quotient(line, channels), channel = line - image * channels;
    size_t pixel_y = quotient(pixel, width), pixel_x = pixel - pixel_y * width;
    const Element* source = columns + (channel * kernel_height * kernel_width * images + image) * positions;
    Real sum = 0;
    for (size_t ky = 0; ky < kernel_height; ky++) {
      for (size_t kx = 0; kx < kernel_width; kx++, source += images * positions) {
        // Where the place's position would be less than 0, it is beyond all positions.
        size_t y = pixel_y + before_y - ky * apart_y, x_of_place = pixel_x + before_x - kx * apart_x;
        size_t out_y = step_y == 1 ? y : y / step_y, out_x = step_x == 1 ? x_of_place : x_of_place / step_x;
        if (out_y < out_height && out_x < out_width && out_y * step_y == y && out_x * step_x == x_of_place)
          sum += widen(source[out_y * out_width + out_x]);
      }
    }
    put(x[first * channels * pixels + i], sum);
  }
}

// From (channels, images, positions) to images of (channels, positions), with what is added: a number for each channel, for each
// channel of each image, and for each element. What is null is not added.
KERNEL(settle)(const Element* z, const Element* bias, const Element* of_channels, const Element* whole, Element* y, size_t first,
               size_t images, size_t channels, size_t positions) {
  size_t total = images * channels * positions, offset = first * channels * positions;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, positions), position = i - line * positions;
    size_t image = quotient(line, channels), channel = line - image * channels;
    Real value = widen(z[(channel * images + image) * positions + position]);
    if (bias) value += widen(bias[channel]);
    if (of_channels) value += widen(of_channels[first * channels + line]);
    if (whole) value += widen(whole[offset + i]);
    put(y[offset + i], value);
  }
}

// The other way, from images to (channels, images, positions).
KERNEL(by_channels)(const Element* y, Element* z, size_t first, size_t images, size_t channels, size_t positions) {
  size_t total = images * channels * positions;
  for (size_t i = thread_of_all(); i < total; i += all_threads()) {
    size_t line = quotient(i, positions), position = i - line * positions;
    size_t channel = quotient(line, images), image = line - channel * images;
    z[i] = y[((first + image) * channels + channel) * positions + position];
  }
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

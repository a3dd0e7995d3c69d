// Softmax of rows, and its gradient. Rows of up to 512 numbers are a warp's each, and stay in its registers; longer ones are a
// block's, and are read twice.

#define LONGEST 512

// The numbers of a row that count, its first ones, with the numbers of a mask added, unless it is null, and one number.
template <class T>
struct Row {
  const T* x;
  const Element* mask;
  Real shift;
  size_t seen;
  __device__ Real operator[](size_t j) const { return mask ? widen(x[j]) + widen(mask[j]) : widen(x[j]) + shift; }
};

// A warp's row, of up to 32 · ITEMS numbers.
template <unsigned ITEMS, class T>
__device__ inline void softmax_by_warp(const Row<T>& row, Element* y, size_t width) {
  unsigned lane = threadIdx.x % 32;
  Real e[ITEMS], largest = NEGATIVE_INFINITY, sum = 0;
#pragma unroll
  for (unsigned i = 0; i < ITEMS; i++) {
    unsigned j = lane + 32 * i;
    e[i] = j < row.seen ? row[j] : NEGATIVE_INFINITY;
    largest = greater(largest, e[i]);
  }
  largest = warp_max(largest);
#pragma unroll
  for (unsigned i = 0; i < ITEMS; i++) {
    e[i] = lane + 32 * i < row.seen ? exp(e[i] - largest) : Real(0);
    sum += e[i];
  }
  Real inverse = 1 / warp_sum(sum);
#pragma unroll
  for (unsigned i = 0; i < ITEMS; i++)
    if (lane + 32 * i < width) put(y[lane + 32 * i], e[i] * inverse);
}

// A block's row. Each thread's sum is of e^(x − largest) for the largest of the numbers that it has seen so far.
template <class T>
__device__ inline void softmax_by_block(const Row<T>& row, Element* y, size_t width) {
  Real largest = NEGATIVE_INFINITY, sum = 0;
  for (size_t j = threadIdx.x; j < row.seen; j += blockDim.x) {
    Real x = row[j];
    if (x == NEGATIVE_INFINITY) continue;
    Real e = exp(-fabs(x - largest));
    sum = x > largest ? sum * e + 1 : sum + e;
    largest = greater(largest, x);
  }
  Real all = block_max(largest);
  Real inverse = 1 / block_sum(sum * exp(largest - all));
  for (size_t j = threadIdx.x; j < width; j += blockDim.x) put(y[j], j < row.seen ? exp(row[j] - all) * inverse : Real(0));
}

template <class T>
__device__ inline void softmax_of_row(const Row<T>& row, Element* y, size_t width) {
  if (width <= 64) softmax_by_warp<2>(row, y, width);
  else if (width <= 256) softmax_by_warp<8>(row, y, width);
  else if (width <= LONGEST) softmax_by_warp<16>(row, y, width);
  else softmax_by_block(row, y, width);
}

// The first row of a warp or a block, and the distance to its next one.
__device__ inline size_t first_row(size_t width) { return width <= LONGEST ? thread_of_all() / 32 : blockIdx.x; }
__device__ inline size_t next_row(size_t width) { return width <= LONGEST ? all_threads() / 32 : gridDim.x; }

KERNEL(softmax)(const Element* x, Element* y, size_t rows, size_t width) {
  for (size_t i = first_row(width); i < rows; i += next_row(width)) {
    Row<Element> row = {x + i * width, 0, 0, width};
    softmax_of_row(row, y + i * width, width);
  }
}

// Softmax of scores x, for so many queries of some heads, or of what is in y if x is null. Samples have `heads` of them; the first row is of
// `first_head`, among those of all samples, and `first_query`. Neighbouring samples, heads and queries have numbers of the mask in such
// distances; all keys have one in common if `keys_apart` is 0. If it is causal, query i sees the first i + 1 keys.
KERNEL(attention_weights)(const Real* x, const Element* mask, Element* y, size_t rows, size_t width, size_t heads, size_t first_head,
                          size_t queries, size_t first_query, size_t samples_apart, size_t heads_apart, size_t queries_apart,
                          size_t keys_apart, size_t causal) {
  if (!x) x = (const Real*)y;
  for (size_t i = first_row(width); i < rows; i += next_row(width)) {
    size_t query = first_query + i % queries, seen = causal && query < width ? query + 1 : width;
    Row<Real> row = {x + i * width, 0, 0, seen};
    if (mask) {
      size_t matrix = first_head + i / queries, head = matrix % heads, sample = matrix / heads;
      const Element* own = mask + sample * samples_apart + head * heads_apart + query * queries_apart;
      if (keys_apart) row.mask = own;
      else row.shift = widen(*own);
    }
    softmax_of_row(row, y + i * width, width);
  }
}

// The gradient y (g − Σ y g) of a warp's row, of which the first `seen` numbers count.
template <unsigned ITEMS, class T>
__device__ inline void gradient_by_warp(const Element* y, const T* g, Element* dx, size_t width, size_t seen) {
  unsigned lane = threadIdx.x % 32;
  Real values[ITEMS], slopes[ITEMS], sum = 0;
#pragma unroll
  for (unsigned i = 0; i < ITEMS; i++) {
    unsigned j = lane + 32 * i;
    values[i] = j < seen ? widen(y[j]) : Real(0);
    slopes[i] = j < seen ? widen(g[j]) : Real(0);
    sum += values[i] * slopes[i];
  }
  sum = warp_sum(sum);
#pragma unroll
  for (unsigned i = 0; i < ITEMS; i++)
    if (lane + 32 * i < width) put(dx[lane + 32 * i], values[i] * (slopes[i] - sum));
}

// The same of a block's row.
template <class T>
__device__ inline void gradient_by_block(const Element* y, const T* g, Element* dx, size_t width, size_t seen) {
  Real sum = 0;
  for (size_t j = threadIdx.x; j < seen; j += blockDim.x) sum += widen(y[j]) * widen(g[j]);
  sum = block_sum(sum);
  for (size_t j = threadIdx.x; j < width; j += blockDim.x) put(dx[j], j < seen ? widen(y[j]) * (widen(g[j]) - sum) : Real(0));
}

template <class T>
__device__ inline void gradient_of_row(const Element* y, const T* g, Element* dx, size_t width, size_t seen) {
  if (width <= 64) gradient_by_warp<2>(y, g, dx, width, seen);
  else if (width <= 256) gradient_by_warp<8>(y, g, dx, width, seen);
  else if (width <= LONGEST) gradient_by_warp<16>(y, g, dx, width, seen);
  else gradient_by_block(y, g, dx, width, seen);
}

KERNEL(softmax_backward)(const Element* y, const Element* g, Element* dx, size_t rows, size_t width) {
  for (size_t i = first_row(width) * width; i < rows * width; i += next_row(width) * width)
    gradient_of_row(y + i, g + i, dx + i, width, width);
}

// The gradient of the scores of attention, given that of the weights, which is in dx if g is null.
KERNEL(attention_weights_backward)(const Element* y, const Real* g, Element* dx, size_t rows, size_t width, size_t queries,
                                   size_t first_query, size_t causal) {
  if (!g) g = (const Real*)dx;
  for (size_t i = first_row(width); i < rows; i += next_row(width)) {
    size_t query = first_query + i % queries, seen = causal && query < width ? query + 1 : width;
    gradient_of_row(y + i * width, g + i * width, dx + i * width, width, seen);
  }
}

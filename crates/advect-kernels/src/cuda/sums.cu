// Sums over the rows of a matrix. A block has 32 × 16 threads, for 32 columns of one piece of the rows.

template <class T>
__device__ inline Real sum_of_piece(const T* x, size_t rows, size_t columns, size_t column, unsigned piece, unsigned pieces) {
  __shared__ Real parts[16][33];
  size_t length = (rows + pieces - 1) / pieces, first = piece * length;
  size_t end = first + length < rows ? first + length : rows;
  Real sum = 0;
  if (column < columns)
    for (size_t row = first + threadIdx.y; row < end; row += 16) sum += widen(x[row * columns + column]);
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  if (threadIdx.y == 0)
    for (unsigned i = 0; i < 16; i++) sum += parts[i][threadIdx.x];
  return sum;
}

// The sums of elements over each piece: (pieces, columns).
KERNEL(sums_of_pieces)(const Element* x, Real* sums, size_t rows, size_t columns) {
  size_t column = (size_t)blockIdx.x * 32 + threadIdx.x;
  Real sum = sum_of_piece(x, rows, columns, column, blockIdx.y, gridDim.y);
  if (threadIdx.y == 0 && column < columns) sums[blockIdx.y * columns + column] = sum;
}

// The sums of elements over few rows, which are one piece: (columns).
KERNEL(sums_of_few)(const Element* x, Element* sums, size_t rows, size_t columns) {
  size_t column = (size_t)blockIdx.x * 32 + threadIdx.x;
  Real sum = sum_of_piece(x, rows, columns, column, 0, 1);
  if (threadIdx.y == 0 && column < columns) put(sums[column], sum);
}

// The sums of numbers over all rows, of one matrix or of two, each by a half of the blocks: (columns).
KERNEL(sums_of_all)(const Real* x, const Real* y, Element* in_x, Element* in_y, size_t rows, size_t columns) {
  size_t column = (size_t)blockIdx.x * 32 + threadIdx.x;
  Real sum = sum_of_piece(blockIdx.y == 0 ? x : y, rows, columns, column, 0, 1);
  if (threadIdx.y == 0 && column < columns) put((blockIdx.y == 0 ? in_x : in_y)[column], sum);
}

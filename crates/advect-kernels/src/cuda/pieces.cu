// Up to 8 tensors in one launch, where a block has one piece of one of them.

// A parameter of a kernel with something for each of the tensors. It is chosen by comparisons: an index that the compiler doesn't know would
// have each thread copy all of them to memory of its own.
template <class T>
struct Each {
  T of[8];
  __device__ T operator[](unsigned tensor) const {
    T found = of[0];
#pragma unroll
    for (unsigned k = 1; k < 8; k++) found = tensor == k ? of[k] : found;
    return found;
  }
};

// The first parameters of such a kernel: the first block of each tensor, the number of its elements, and that of a piece.
#define PIECES Each<size_t> blocks, Each<size_t> counts, size_t size

// The block's tensor, and its elements from `start` to before `end`.
#define THIS_PIECE                                                                         \
  unsigned tensor = 0;                                                                     \
  _Pragma("unroll") for (unsigned k = 1; k < 8; k++) tensor += blockIdx.x >= blocks.of[k]; \
  size_t count = counts[tensor], start = (blockIdx.x - blocks[tensor]) * size;             \
  size_t end = start + size < count ? start + size : count;

// A loop of the block's threads over these elements.
#define EACH_ELEMENT(i) for (size_t i = start + threadIdx.x; i < end; i += blockDim.x)

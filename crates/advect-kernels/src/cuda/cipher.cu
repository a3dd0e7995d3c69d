// The ChaCha8 stream cipher.

typedef unsigned long long Word;

// A stream of the cipher: 256 bits of a key, and a number.
struct Stream { Word key[4], number; };

__device__ inline void quarter_round(unsigned& a, unsigned& b, unsigned& c, unsigned& d) {
  a += b; d = __funnelshift_l(d ^ a, d ^ a, 16);
  c += d; b = __funnelshift_l(b ^ c, b ^ c, 12);
  a += b; d = __funnelshift_l(d ^ a, d ^ a, 8);
  c += d; b = __funnelshift_l(b ^ c, b ^ c, 7);
}

// The eight words of a block.
__device__ inline void cipher(const Stream& stream, Word block, Word (&words)[8]) {
  unsigned start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];
#pragma unroll
  for (unsigned i = 0; i < 6; i++) {
    Word pair = i < 4 ? stream.key[i] : i == 4 ? block : stream.number;
    start[4 + 2 * i] = (unsigned)pair;
    start[5 + 2 * i] = (unsigned)(pair >> 32);
  }
#pragma unroll
  for (unsigned i = 0; i < 16; i++) x[i] = start[i];
#pragma unroll
  for (unsigned twice = 0; twice < 4; twice++) {
#pragma unroll
    for (unsigned i = 0; i < 4; i++) quarter_round(x[i], x[4 + i], x[8 + i], x[12 + i]);
#pragma unroll
    for (unsigned i = 0; i < 4; i++) quarter_round(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
  }
#pragma unroll
  for (unsigned i = 0; i < 8; i++) {
    words[i] = (Word)(x[2 * i + 1] + start[2 * i + 1]) << 32 | (x[2 * i] + start[2 * i]);
  }
}

#define STREAM_ARGUMENTS size_t key0, size_t key1, size_t key2, size_t key3, size_t number
#define STREAM {{key0, key1, key2, key3}, number}

// Calls f with the index of a number below `count` and eight words of the cipher, for it and those that follow it, for all numbers by all
// threads. Stretches of `length` words, a multiple of eight, begin `stride` blocks from each other.
template <class F>
__device__ inline void each_eight(const Stream& stream, Word stride, size_t length, size_t count, F f) {
  size_t blocks = length / 8;
  for (size_t i = thread_of_all(); 8 * i < count; i += all_threads()) {
    size_t stretch = quotient(i, blocks);
    Word words[8];
    cipher(stream, stretch * stride + (i - stretch * blocks), words);
    f(8 * i, words);
  }
}

// The same with one index and its word at a time.
template <class F>
__device__ inline void each_word(const Stream& stream, Word stride, size_t length, size_t count, F f) {
  each_eight(stream, stride, length, count, [=](size_t first, const Word (&words)[8]) {
#pragma unroll
    for (unsigned k = 0; k < 8; k++) {
      if (first + k < count) f(first + k, words[k]);
    }
  });
}

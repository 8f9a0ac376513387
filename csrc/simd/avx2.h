/* avx2.h: AVX2 and FMA: 16 registers of 32 bytes. */
#ifndef CK_SIMD_AVX2_H
#define CK_SIMD_AVX2_H

#include <immintrin.h>

#include "../base/common.h"

#if !defined(__AVX2__) || !defined(__FMA__)
#error "avx2.h needs -mavx2 -mfma"
#endif

#include "tile_sizes.h"

#define CK_SIMD_NAME avx2
#define CK_SIMD_BYTES 32
#define CK_SIMD_HAS_FMA 1
/* 16 registers: 12 sums, 2 or 3 of B, one of A. With 4 of B there would be none for A: 4 x 3 spills. */
#define CK_GEMM_TILES(X) CK_ROWS_TO_6(X, 1) CK_ROWS_TO_6(X, 2) CK_ROWS_TO_4(X, 3)
#define CK_GEMM_ROWS {6, 6, 4}
#define CK_GEMM_SHAPES {{2, 6}, {3, 4}}

typedef int64_t ck_bits __attribute__((vector_size(32)));

/* Eight words of ones, eight of zeros: a load at 8 - n gives a mask of n words. */
static const int32_t ck_tail_mask[16] __attribute__((aligned(64))) = {-1, -1, -1, -1, -1, -1, -1, -1};

CK_INLINE __m256i first_words(int words) { return _mm256_loadu_si256((const __m256i *)(ck_tail_mask + 8 - words)); }
CK_INLINE __m256i word_mask(int from, int to) {
  return from > 0 ? _mm256_andnot_si256(first_words(from), first_words(to)) : first_words(to);
}

CK_INLINE ck_bits load_bits_32(const void *p, int from, int to) {
  return (ck_bits)_mm256_maskload_epi32((const int *)p, word_mask(from, to));
}
CK_INLINE ck_bits load_bits_64(const void *p, int from, int to) {
  return (ck_bits)_mm256_maskload_epi32((const int *)p, word_mask(2 * from, 2 * to));
}
CK_INLINE void store_bits_32(void *p, ck_bits v, int from, int to) {
  _mm256_maskstore_epi32((int *)p, word_mask(from, to), (__m256i)v);
}
CK_INLINE void store_bits_64(void *p, ck_bits v, int from, int to) {
  _mm256_maskstore_epi32((int *)p, word_mask(2 * from, 2 * to), (__m256i)v);
}

#endif

/* avx2.h: AVX2 and FMA: 16 registers of 32 bytes. */
#ifndef CK_SIMD_AVX2_H
#define CK_SIMD_AVX2_H

#include <immintrin.h>
#include <string.h>

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
/* In pieces: some cores (AMD's) take tens of cycles for a masked store. */
CK_INLINE void store_bits_32(void *p, ck_bits v, int from, int to) {
  __m256i whole = (__m256i)v;
  if (from > 0) {
    const __m256i order = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(from));
    whole = _mm256_permutevar8x32_epi32(whole, order);
  }
  int32_t *at = (int32_t *)p + from;
  __m128i rest = _mm256_castsi256_si128(whole);
  const int count = to - from;
  if (count & 4) {
    _mm_storeu_si128((__m128i *)at, rest);
    rest = _mm256_extracti128_si256(whole, 1);
    at += 4;
  }
  if (count & 2) {
    _mm_storel_epi64((__m128i *)at, rest);
    rest = _mm_unpackhi_epi64(rest, rest);
    at += 2;
  }
  if (count & 1) {
    const int32_t word = _mm_cvtsi128_si32(rest);
    memcpy(at, &word, sizeof(word));
  }
}
CK_INLINE void store_bits_64(void *p, ck_bits v, int from, int to) { store_bits_32(p, v, 2 * from, 2 * to); }

#endif

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

CK_INLINE __m256i tail_mask(int words) { return _mm256_loadu_si256((const __m256i *)(ck_tail_mask + 8 - words)); }

CK_INLINE ck_bits load_bits_32(const void *p, int n) { return (ck_bits)_mm256_maskload_epi32((const int *)p, tail_mask(n)); }
CK_INLINE ck_bits load_bits_64(const void *p, int n) { return (ck_bits)_mm256_maskload_epi32((const int *)p, tail_mask(2 * n)); }
CK_INLINE void store_bits_32(void *p, ck_bits v, int n) { _mm256_maskstore_epi32((int *)p, tail_mask(n), (__m256i)v); }
CK_INLINE void store_bits_64(void *p, ck_bits v, int n) { _mm256_maskstore_epi32((int *)p, tail_mask(2 * n), (__m256i)v); }

#endif

/* avx512.h: AVX-512 F, VL, BW, DQ: 32 registers of 64 bytes, mask registers. */
#ifndef CK_SIMD_AVX512_H
#define CK_SIMD_AVX512_H

#include <immintrin.h>

#include "../base/common.h"

#if !defined(__AVX512F__)
#error "avx512.h needs -mavx512f -mavx512vl -mavx512bw -mavx512dq -mfma"
#endif

#include "tile_sizes.h"

#define CK_SIMD_NAME avx512
#define CK_SIMD_BYTES 64
#define CK_SIMD_HAS_FMA 1
/* 32 registers: 24 to 28 sums, the rest for B and A. */
#define CK_GEMM_TILES(X) CK_ROWS_TO_14(X, 1) CK_ROWS_TO_14(X, 2) CK_ROWS_TO_8(X, 3) CK_ROWS_TO_6(X, 4)
#define CK_GEMM_ROWS {14, 14, 8, 6}
#define CK_GEMM_SHAPES {{2, 14}, {4, 6}, {3, 8}}

typedef int64_t ck_bits __attribute__((vector_size(64)));

CK_INLINE unsigned lane_mask(int from, int to) { return (1u << to) - (1u << from); }

CK_INLINE ck_bits load_bits_32(const void *p, int from, int to) {
  return (ck_bits)_mm512_maskz_loadu_epi32((__mmask16)lane_mask(from, to), p);
}
CK_INLINE ck_bits load_bits_64(const void *p, int from, int to) {
  return (ck_bits)_mm512_maskz_loadu_epi64((__mmask8)lane_mask(from, to), p);
}
CK_INLINE void store_bits_32(void *p, ck_bits v, int from, int to) {
  _mm512_mask_storeu_epi32(p, (__mmask16)lane_mask(from, to), (__m512i)v);
}
CK_INLINE void store_bits_64(void *p, ck_bits v, int from, int to) {
  _mm512_mask_storeu_epi64(p, (__mmask8)lane_mask(from, to), (__m512i)v);
}

#endif

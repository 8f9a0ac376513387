/* scalar.h: no instruction set asked for. GNU C's own vectors of 16 bytes: whatever the compiler makes of them (SSE2 on
 * x86-64). */
#ifndef CK_SIMD_SCALAR_H
#define CK_SIMD_SCALAR_H

#include "tile_sizes.h"

#define CK_SIMD_NAME scalar
#define CK_SIMD_BYTES 16
#if defined(__FMA__) || defined(__aarch64__)
#define CK_SIMD_HAS_FMA 1
#else
#define CK_SIMD_HAS_FMA 0
#endif
/* 16 registers: 8 sums, 2 of B, one of A and its products. */
#define CK_GEMM_TILES(X) CK_ROWS_TO_4(X, 1) CK_ROWS_TO_4(X, 2) CK_ROWS_TO_3(X, 3) CK_ROWS_TO_2(X, 4)
#define CK_GEMM_ROWS {4, 4, 3, 2}
#define CK_GEMM_SHAPES {{2, 4}, {3, 3}, {4, 2}}

#include "portable_tails.h"

#endif

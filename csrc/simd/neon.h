/* neon.h: Arm Advanced SIMD: 32 registers of 16 bytes, FMA. */
#ifndef CK_SIMD_NEON_H
#define CK_SIMD_NEON_H

#if !defined(__aarch64__)
#error "neon.h is for aarch64"
#endif

#include "tile_sizes.h"

#define CK_SIMD_NAME neon
#define CK_SIMD_BYTES 16
#define CK_SIMD_HAS_FMA 1
/* 32 registers: 24 sums, 3 of B, 2 of A. */
#define CK_GEMM_TILES(X) CK_ROWS_TO_8(X, 1) CK_ROWS_TO_8(X, 2) CK_ROWS_TO_8(X, 3) CK_ROWS_TO_6(X, 4)
#define CK_GEMM_ROWS {8, 8, 8, 6}
#define CK_GEMM_SHAPES {{3, 8}, {2, 8}, {4, 6}}

#include "portable_tails.h"

#endif

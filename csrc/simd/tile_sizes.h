/* tile_sizes.h: X(vectors, rows) for all rows up to a limit, for the lists CK_GEMM_TILES of the instruction sets. */
#ifndef CK_SIMD_TILE_SIZES_H
#define CK_SIMD_TILE_SIZES_H

#define CK_ROWS_TO_1(X, v) X(v, 1)
#define CK_ROWS_TO_2(X, v) CK_ROWS_TO_1(X, v) X(v, 2)
#define CK_ROWS_TO_3(X, v) CK_ROWS_TO_2(X, v) X(v, 3)
#define CK_ROWS_TO_4(X, v) CK_ROWS_TO_3(X, v) X(v, 4)
#define CK_ROWS_TO_5(X, v) CK_ROWS_TO_4(X, v) X(v, 5)
#define CK_ROWS_TO_6(X, v) CK_ROWS_TO_5(X, v) X(v, 6)
#define CK_ROWS_TO_7(X, v) CK_ROWS_TO_6(X, v) X(v, 7)
#define CK_ROWS_TO_8(X, v) CK_ROWS_TO_7(X, v) X(v, 8)
#define CK_ROWS_TO_9(X, v) CK_ROWS_TO_8(X, v) X(v, 9)
#define CK_ROWS_TO_10(X, v) CK_ROWS_TO_9(X, v) X(v, 10)
#define CK_ROWS_TO_11(X, v) CK_ROWS_TO_10(X, v) X(v, 11)
#define CK_ROWS_TO_12(X, v) CK_ROWS_TO_11(X, v) X(v, 12)
#define CK_ROWS_TO_13(X, v) CK_ROWS_TO_12(X, v) X(v, 13)
#define CK_ROWS_TO_14(X, v) CK_ROWS_TO_13(X, v) X(v, 14)

/* Integers: few sizes, since their products are emulated on most instruction sets and code size counts for more. */
#define CK_GEMM_INTEGER_TILES(X) CK_ROWS_TO_4(X, 1) CK_ROWS_TO_4(X, 2)
#define CK_GEMM_INTEGER_ROWS {4, 4}
#define CK_GEMM_INTEGER_SHAPES {{2, 4}}

#endif

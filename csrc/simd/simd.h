/* simd.h: the vector layer's contract, and what of it GNU C gives for every instruction set.
 *
 * An instruction set is one header (avx2.h, ...) that is included before this one and defines
 *
 *   CK_SIMD_NAME            avx2: the suffix of the one exported symbol
 *   CK_SIMD_BYTES           bytes of a vector register
 *   CK_SIMD_HAS_FMA         1 where a*b+c rounds once
 *   CK_GEMM_TILES(X)        X(vectors, rows) for every size of a micro-kernel tile (kernels/gemm_tmpl.h)
 *   CK_GEMM_ROWS            the most rows of a tile that is 1, 2, 3 and 4 vectors wide: never more than of a narrower one,
 *                           which is its tail; 0: there is none
 *   CK_GEMM_SHAPES          the shapes {vectors, rows} that the planner may choose from, the preferred one first
 *   ck_bits                 a vector of that many bytes
 *   load_bits_32(p, from, to)      elements from <= i < to of 32 bits at p, zeros around them; reads nothing else.
 *                                  0 <= from < to <= lanes, not all of them. _64 too
 *   store_bits_32(p, v, from, to)  these elements of v; writes nothing else. _64 too
 *
 * From these, lanes.h makes for each dtype (suffix _f32, _i8, ...):
 *
 *   CK_V, CK_VI, CK_LANES          vector, vector of signed integers of the same width, number of elements
 *   load(p) store(p, v)            any alignment
 *   load_first(p, n) store_first   the first n lanes only; all of them where n is larger, none where it is negative
 *   load_between(p, from, to)      lanes from <= i < to only, at p[i]; 0 <= from < to <= lanes. store_between too
 *   splat(s)                       s in every lane
 *   select(mask, a, b)             a where the lane of mask is all ones, b where it is zero
 *   larger(a, b)                   the maximum; NaN if either is NaN
 *   even(a, b), odd(a, b)          lanes 0, 2, 4, ... or 1, 3, 5, ... of a followed by b    (32 and 64 bits)
 *   three_of_four(a)               lanes 0 1 2, 4 5 6, ... of a, then any     (32 and 64 bits)
 *   zip_low(a, b), zip_high(a, b)  a0 b0 a1 b1 ... of the lower or upper halves    (32 and 64 bits)
 *
 * Arithmetic and comparisons are the operators of C: a comparison gives a CK_VI mask, a * b + c contracts to one FMA. */
#ifndef CK_SIMD_SIMD_H
#define CK_SIMD_SIMD_H

#include <stdbool.h>
#include <string.h>

#include "../base/common.h"

#if !defined(CK_SIMD_NAME) || !defined(CK_SIMD_BYTES) || !defined(CK_SIMD_HAS_FMA) || !defined(CK_GEMM_TILES) ||               \
    !defined(CK_GEMM_ROWS) || !defined(CK_GEMM_SHAPES)
#error "include the header of an instruction set before simd.h; it must define all words of the contract above"
#endif

/* Lane numbers of even, odd, three_of_four, zip_low and zip_high for 2, 4, 8 and 16 lanes. */
#define CK_EVEN_2 0, 2
#define CK_EVEN_4 0, 2, 4, 6
#define CK_EVEN_8 0, 2, 4, 6, 8, 10, 12, 14
#define CK_EVEN_16 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define CK_ODD_2 1, 3
#define CK_ODD_4 1, 3, 5, 7
#define CK_ODD_8 1, 3, 5, 7, 9, 11, 13, 15
#define CK_ODD_16 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define CK_THREE_OF_FOUR_2 0, 1
#define CK_THREE_OF_FOUR_4 0, 1, 2, 3
#define CK_THREE_OF_FOUR_8 0, 1, 2, 4, 5, 6, 7, 7
#define CK_THREE_OF_FOUR_16 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15
#define CK_ZIP_LOW_2 0, 2
#define CK_ZIP_LOW_4 0, 4, 1, 5
#define CK_ZIP_LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define CK_ZIP_LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define CK_ZIP_HIGH_2 1, 3
#define CK_ZIP_HIGH_4 2, 6, 3, 7
#define CK_ZIP_HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define CK_ZIP_HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* The lane count as one token, for pasting: bytes of a vector and bits of an element give it. */
#define CK_LANES_16_64 2
#define CK_LANES_16_32 4
#define CK_LANES_32_64 4
#define CK_LANES_32_32 8
#define CK_LANES_64_64 8
#define CK_LANES_64_32 16
#define CK_WIDE_LANES CK_CAT4(CK_LANES_, CK_SIMD_BYTES, _, CK_BITS)

#define CK_EACH_DTYPE "../simd/lanes.h"
#include "../kernels/dtype_row.h"
#include "../kernels/dtypes.def"
#undef CK_EACH_DTYPE

#define CK_V CK_OP(ck_vector)
#define CK_VI CK_OP(ck_mask)
#define CK_LANES ((int)(CK_SIMD_BYTES / sizeof(CK_T)))

#endif

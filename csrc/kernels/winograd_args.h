/* winograd_args.h: arguments of the kernels that transform tiles for Winograd convolution (winograd_tmpl.h).
 *
 * A tile of the transformed space has rows x columns elements, 1, 4 or 6 of each: both alike, or one of them 1. Element (i, j)
 * stands in plane j * rows + i. A vector holds channels: every kernel works on `count` vectors, one after the other. Strides
 * count elements. In the planes of the last row, the last column, or both, it stands ends[CK_WINOGRAD_HIGH], [_WIDE] or [both]
 * elements after where it would be. */
#ifndef CK_KERNELS_WINOGRAD_ARGS_H
#define CK_KERNELS_WINOGRAD_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "activation.h"

#define CK_WINOGRAD_MOST 6 /* rows or columns of a tile */
#define CK_WINOGRAD_TAPS_MOST 5

enum { CK_WINOGRAD_HIGH = 1, CK_WINOGRAD_WIDE = 2, CK_WINOGRAD_ENDS = 4 };

/* dst, planes of vectors = transform of the input tile at src. Where the bit of a row or column is not set, nothing is read:
 * zeros stand there. */
typedef struct {
  const void *src;
  void *dst;
  ptrdiff_t row_step, column_step; /* src */
  ptrdiff_t plane_step;            /* dst */
  ptrdiff_t ends[CK_WINOGRAD_ENDS];
  ptrdiff_t src_next, dst_next; /* from vector to vector */
  int64_t count;
  int rows, columns;
  unsigned row_bits, column_bits;
  int lanes; /* that are read; the others of dst become zero */
} ck_winograd_input;

/* dst, planes of vectors = transform of row_taps x column_taps weights at src. */
typedef struct {
  const void *src;
  void *dst;
  ptrdiff_t row_step, column_step;
  ptrdiff_t plane_step;
  ptrdiff_t src_next, dst_next;
  int64_t count;
  int rows, columns;
  int row_taps, column_taps;
} ck_winograd_weights;

/* dst = activation(bias + inverse transform of the planes at src), of which the first rows and columns are stored. */
typedef struct {
  const void *src, *bias; /* bias: one for each lane, or NULL */
  void *dst;
  ptrdiff_t plane_step; /* src */
  ptrdiff_t ends[CK_WINOGRAD_ENDS];
  ptrdiff_t row_step, column_step; /* dst */
  ptrdiff_t src_next, dst_next, bias_next;
  int64_t count;
  int rows, columns;
  int row_taps, column_taps;
  int rows_stored, columns_stored, lanes;
  ck_activation activation;
} ck_winograd_output;

#endif

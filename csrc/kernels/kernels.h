/* kernels.h: what the algorithms see of the kernels: arguments and the table of one instruction set.
 *
 * Kernels are pure: they see pointers and sizes of at least 1 and have no way to fail. Pointers are to elements of the dtype in
 * whose column of the table the kernel stands; strides and offsets count elements. */
#ifndef CK_KERNELS_KERNELS_H
#define CK_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "activation.h"
#include "dtype.h"
#include "pool_args.h"
#include "winograd_args.h"

#define CK_TILE_VECTORS 4 /* the widest micro-kernel tile */
#define CK_TILE_ROWS 14   /* the highest */
#define CK_TILE_SHAPES 3
#define CK_OFFSETS_AHEAD                                                                                                       \
  9 /* what b_offsets will point to so many steps later is prefetched: so many more entries, of any value */

/* Where a stretch of the reduction begins: elements into A, rows into B. */
typedef struct {
  ptrdiff_t a, b;
} ck_gemm_run;

/* C[rows x lanes] = A[rows x K] * B[K x lanes], one register tile; K = k_outer * k. A series of tiles of the same size goes in
 * one call, each operand of the next as far from that of the one before (a_next, b_next, c_next): a call for each tile takes as
 * long as 40 cycles more, a sixth of a tile with K = 32.
 *   A packed: element (i, k) at a[k * rows + i].        A in place (a_in_place): at a[i * a_stride + k]
 *   B packed: row k at b[k * b_stride].                 B in place (b_offsets, k_outer is 1, A packed): at b[b_offsets[k]]
 * With `runs` (A in place, B packed) the k of run ko begin at a[runs[ko].a] and at row runs[ko].b of B; k_outer may be 0.
 * With gap > 0 (B in place) the lanes come in runs, one of first_run lanes and then of run lanes each, with `gap` lanes between
 * two of them that are computed and dropped: in a row of C the runs follow each other. Each element of C is one chain of
 * multiply-adds over k, in order, whatever the tile; it starts from the bias. With `add` a chain starts from zero, and its sum
 * is added to what C holds. */
typedef struct {
  const void *a, *b;
  void *c;
  const ck_gemm_run *runs; /* k_outer of them; NULL: k_outer is 1 */
  const ptrdiff_t *b_offsets;
  ptrdiff_t a_stride, b_stride, c_stride;
  int64_t k_outer, k;
  int rows, lanes;
  int64_t tiles; /* of the series, at least 1 */
  ptrdiff_t a_next, b_next, c_next;
  int first_run, run, gap;
  bool a_in_place;
  bool resume;              /* go on from the sums in c instead of from the bias */
  bool add;                 /* no bias, no resume: add the sums to c */
  ck_activation activation; /* applied when the sums are stored */
  const void *row_bias;     /* one for each row, or NULL */
  const void *lane_bias;    /* one for each lane, or NULL */
  /* With B packed: what is fetched meanwhile because it will be multiplied next, ahead_step bytes with each step of k. An
   * integer: the address may lie outside any array, and a pointer must not. 0: B itself some steps later, if A is in place,
   * else nothing. */
  uintptr_t ahead;
  ptrdiff_t ahead_step;
} ck_gemm_tile;

/* dst[row(j) * dst_stride + i] = src[i * src_stride + j] for i < rows, j < columns. row(j) is j; with turns > 1 the columns are
 * dealt out: row(j) = j % turns * (columns / turns) + j / turns, for columns a multiple of turns, and `gap` elements are left
 * free after each turns_together (at least 1) of the turns, of which there are CK_TURNS_MOST at most. With `fill` a row of dst
 * is filled up to whole vectors (with finite numbers if src has them: leftovers of memory could be subnormal, and slow to
 * multiply). *finite, if given, tells whether no element is NaN or infinite. dst_stride is at least rows, and src apart from
 * dst. */
typedef struct {
  const void *src;
  void *dst;
  ptrdiff_t src_stride, dst_stride;
  int64_t rows, columns, turns, turns_together;
  ptrdiff_t gap;
  bool fill;
  bool *finite;
} ck_transpose;

#define CK_TURNS_MOST 720

/* dst[i] = activation(bias[i] + sum over k of a[i * a_stride + k] * x[k]) for i < rows. The sum is CK_DOT_SUMS chains of
 * multiply-adds, over every CK_DOT_SUMS-th k, folded by halves. */
typedef struct {
  const void *a, *x, *bias; /* bias: or NULL */
  void *dst;
  ptrdiff_t a_stride;
  int64_t k, rows;
  ck_activation activation;
} ck_dot;

#define CK_DOT_SUMS 16

/* One run of elements from the input to a packed block. */
typedef struct {
  ptrdiff_t src; /* offset in a channel, or CK_MOVE_ZERO */
  ptrdiff_t dst; /* offset in the block for the first channel */
  int32_t count;
  int32_t step; /* dst moves on by this from channel to channel */
  bool dealt;   /* with stride CK_DEALT: the run, and those of the elements between, each `apart` from the one before */
} ck_move;

#define CK_MOVE_ZERO PTRDIFF_MIN

/* For each channel, for each move: dst[move.dst + channel * move.step + i] = sum type of src[move.src + channel * src_step +
 * i * stride]; of a dealt run (real dtypes) also dst[... + i + j * apart] = src[... + i * stride + j] for 0 < j < stride.
 * Writes may hang over the end of a run by less than a vector (CK_PACK_SLACK elements): moves are listed in such an order that
 * a later one mends it, where the elements behind a run are another's. Reads stay below src_end. */
typedef struct {
  const void *src, *src_end;
  void *dst;
  const ck_move *moves;
  int64_t move_count, channels;
  ptrdiff_t src_step, stride, apart;
} ck_pack;

#define CK_PACK_SLACK 16
#define CK_DEALT 4

typedef struct {
  int lanes;                 /* elements of one vector */
  int rows[CK_TILE_VECTORS]; /* the most rows of a tile of 1, 2, ... vectors */
  struct {
    int vectors, rows;
  } shapes[CK_TILE_SHAPES]; /* shapes to plan with, the preferred one first */
#define CK_ROW(name, kinds, result, arguments) result(*name) arguments;
#include "kernels.def"
#undef CK_ROW
} ck_kernels;

typedef struct {
  const char *name;
  bool has_fma;
  ck_kernels of[CK_DTYPE_COUNT];
} ck_kernel_table;

#endif

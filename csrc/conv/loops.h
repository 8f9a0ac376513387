/* loops.h: the loop nest around the micro-kernel, shared by the algorithms that multiply matrices.
 *
 *   for sample, group, pixel range, channel range        one task; tasks are independent
 *     for a group of pixel tiles
 *       for a block of K
 *         lower the tiles that are not read in place     lowering.c
 *         or copy the input of the group to a panel      panel.c
 *         or transpose it, or read it where it is        view.c
 *         for channel tile                               in a call, its weights are packed, if they are not yet
 *           for pixel tile: gemm                         pixels in lanes: A = weights, B = pixels
 *                                                        channels in lanes: A = pixels, B = weights
 *       transpose the sums into dst                      channels in lanes, channels-first output
 *
 * A register tile of sums is 12 of 16 or 24 to 28 of 32 registers; a block of K keeps the stationary operand in L1, a pixel
 * group keeps the lowered block within half of L2. An algorithm decides where pixels are read (in place or lowered) and how
 * many at a time. */
#ifndef CK_CONV_LOOPS_H
#define CK_CONV_LOOPS_H

#include "algorithm.h"

/* pixels: where they are read, if dtype and lanes allow it; else they are lowered. */
ck_status ck_loops_plan(ck_conv_plan *plan, ck_conv_pixels pixels);
void ck_loops_pack(const ck_conv_plan *plan, const void *weights, void *packed);
ck_status ck_loops_run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control);
int64_t ck_loops_tasks(const ck_conv_plan *plan, int64_t n, int num_threads);
int64_t ck_loops_task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task);

/* How a call is split: tasks = n * g * pixel_parts * channel_parts. */
typedef struct {
  int64_t pixel_parts, channel_parts;
  int num_threads;
} ck_loops_split;

ck_loops_split ck_loops_split_for(const ck_conv_plan *plan, int64_t n, int num_threads);

/* Which part of a call is a task: output channel tiles and pixels of one group of one sample. */
typedef struct {
  int64_t sample, group, channel_tile0, channel_tile1, pixel0, pixel1;
} ck_loops_part;

ck_loops_part ck_loops_part_at(const ck_conv_plan *plan, const ck_loops_split *split, int64_t task);

/* A range of the reduction: [outer0, outer1) x [inner0, inner1); k0 is its first index, k its length. Its packed weights are
 * `rows` rows from row0 on. */
typedef struct {
  int64_t index, outer0, outer1, inner0, inner1, k0, k, row0, rows;
} ck_k_block;

/* Rows of packed weights that are left free after the taps of a row of the kernel, in each block of K. Weights are packed a
 * channel after the other, a row to each tap in turn: nine of them, 16 KB apart, would share one set of L1, and a line take 7
 * cycles instead of 2. */
int64_t ck_row_gap(const ck_conv_tiling *t);
int64_t ck_k_block_count(const ck_conv_tiling *t);
ck_k_block ck_k_block_at(const ck_conv_tiling *t, int64_t index);

/* Tiles of the channel side: units of one row or one vector, shared out evenly. Packed weights stand at first * rows elements,
 * of all rows. */
typedef struct {
  int64_t first;    /* channel within the group */
  int count, width; /* channels, and elements of a packed row */
} ck_channel_tile;

CK_INLINE int64_t ck_in_channels(const ck_conv_plan *plan) { return plan->problem.ic / plan->problem.g; }
CK_INLINE int64_t ck_out_channels(const ck_conv_plan *plan) { return plan->problem.oc / plan->problem.g; }
CK_INLINE int64_t ck_reduction(const ck_conv_plan *plan) { return plan->tiling.k_outer * plan->tiling.k_inner; }

/* Pixels of a full register tile. */
int64_t ck_tile_pixels(const ck_conv_plan *plan);
/* Rows of the packed weights of a channel tile, in all blocks of K; elements of those of a group, unless ck_packed_bytes
 * overflows. */
int64_t ck_packed_rows(const ck_conv_plan *plan);
int64_t ck_packed_elements(const ck_conv_plan *plan);
/* Blocks of K of the channel tiles of all groups. */
int64_t ck_packed_blocks(const ck_conv_plan *plan);

/* Pixels are rows of A that are read where the channels of a place lie side by side (view.h). */
CK_INLINE bool ck_loops_viewed(const ck_conv_tiling *t) {
  return t->pixels == CK_PIXELS_TRANSPOSED || (t->pixels == CK_PIXELS_IN_PLACE && !t->pixel_lanes);
}

/* Lanes of pixels that are one run, in place or lowered: groups and parts may end after any vector. */
CK_INLINE bool ck_loops_one_run(const ck_conv_tiling *t) {
  const bool in_place = t->pixels == CK_PIXELS_IN_PLACE && t->window.out[2] == ck_volume(t->window.out);
  return t->pixel_lanes && (in_place || t->pixels == CK_PIXELS_LOWERED);
}

int64_t ck_channel_tile_count(const ck_conv_plan *plan);
ck_channel_tile ck_channel_tile_at(const ck_conv_plan *plan, int64_t index);

#endif

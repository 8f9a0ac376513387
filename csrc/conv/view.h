/* view.h: what a group of output pixels sees, as rows of A that are read in place. */
#ifndef CK_CONV_VIEW_H
#define CK_CONV_VIEW_H

#include "lowering.h"

#define CK_SEGMENTS_MOST 32
#define CK_VIEW_RUNS_MOST 16384

/* Output places [first, last) along one axis that all have the taps [tap0, tap1) inside the input. */
typedef struct {
  int64_t first, last, tap0, tap1;
} ck_segment;

/* A box of output pixels, cut into segments, and where the input that it sees lies. */
typedef struct {
  ck_segment segments[CK_AXES][CK_SEGMENTS_MOST];
  int64_t segment_count[CK_AXES];
  int64_t first[CK_AXES], length[CK_AXES]; /* of the input: all of it, or the box that is copied */
  int64_t step[CK_AXES];                   /* elements from one input place to the next */
} ck_view;

/* The stretches of a block of K that the pixels of one region see, and those that lie in the padding. */
typedef struct {
  const ck_gemm_run *runs; /* `inside` of them, each `length` steps long */
  int64_t inside, length, outside;
} ck_view_taps;

/* The stretches in the padding, each one tap: `outside` of them. */
CK_INLINE const ck_gemm_run *ck_view_outside(const ck_view_taps *taps, ck_k_block block) {
  return taps->runs + (block.outer1 - block.outer0) - taps->outside;
}

/* Whole planes, whole rows of a plane, or a part of a row. */
void ck_view_of(const ck_conv_plan *plan, int64_t first_pixel, int64_t last_pixel, ck_view *view);
/* Where a group of pixels from `from` on must end, to be such a box of at most `step` pixels. */
int64_t ck_view_end(const ck_window *w, int64_t from, int64_t step, int64_t last);

/* Cuts the box into tiles, one region after the other; at most as many as pixels. */
int64_t ck_view_tiles(const ck_conv_plan *plan, const ck_view *view, ck_tile *tiles);
/* One entry of `taps` for each region, in the same order. */
void ck_view_list_taps(const ck_conv_plan *plan, const ck_view *view, ck_k_block block, ck_view_taps *taps, ck_gemm_run *runs);
/* Whether the lists of taps of both are the same. */
bool ck_view_sees_the_same(const ck_view *a, const ck_view *b);
/* Runs for all regions of the whole output; -1 if they are too many to be listed. */
int64_t ck_view_runs_most(const ck_conv_tiling *t);

/* Transposes the input of a block of K to [place][channel]. */
void ck_view_fill(const ck_conv_plan *plan, const ck_view *view, const void *sample, int64_t group, ck_k_block block, void *to);
/* Elements that it takes for a group, at most. */
ck_checked ck_view_elements_most(const ck_conv_tiling *t);

/* Over all regions: cycles and steps of k for one input channel and one tile of output channels, and tiles. */
typedef struct {
  double cycles, tile_steps, tiles;
} ck_view_cost;

ck_view_cost ck_view_cost_of(const ck_conv_tiling *t, int vectors);

#endif

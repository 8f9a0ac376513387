/* lowering.h: pixel tiles and how their inputs come into a packed block. */
#ifndef CK_CONV_LOWERING_H
#define CK_CONV_LOWERING_H

#include "loops.h"

/* Neighbouring output pixels that one register tile computes. */
typedef struct {
  int64_t pixel;              /* flat index of the first in the output plane */
  int64_t at[CK_AXES];        /* the same as depth, row, column */
  int count, width;           /* pixels, and elements of a packed row (channels first) */
  ptrdiff_t packed;           /* offset in the lowered block; CK_IN_PLACE: not lowered */
  ptrdiff_t origin;           /* in place: offset in the sample of the first pixel's first tap and channel 0 of the group */
} ck_tile;

#define CK_IN_PLACE (-1)

/* Cuts pixels [first, last) into tiles (at most ck_tiles_most of them). Tiles that can be read in place get their origin. */
int64_t ck_tiles_cut(const ck_conv_plan *plan, int64_t first, int64_t last, ck_tile *tiles);
int64_t ck_tiles_most(const ck_conv_plan *plan, int64_t pixels);

/* Elements of a lowered block of so many pixels, and moves to fill it. */
int64_t ck_lowered_elements(const ck_conv_plan *plan, int64_t pixels);
int64_t ck_moves_most(const ck_conv_plan *plan, int64_t pixels);
/* Elements from one pixel's row of a block to the next (channels last). */
ptrdiff_t ck_lowered_stride(const ck_conv_tiling *tiling);

/* Fills the packed rows of the tiles that are not read in place, for one block of K. src: the sample; src_end: the end of the whole
 * input. Gives the tiles their place in the block. */
void ck_lower(const ck_conv_plan *plan, const void *src, const void *src_end, int64_t group, ck_k_block block, ck_tile *tiles,
              int64_t tile_count, ck_move *moves, void *lowered);

/* Where the taps and channels of a block lie relative to a tile's origin: one offset for each k (pixels in lanes, or channels first)
 * or for each tap (channels last). Returns their number. */
int64_t ck_tap_offsets(const ck_conv_plan *plan, ck_k_block block, ptrdiff_t *offsets);

#endif

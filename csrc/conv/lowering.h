/* lowering.h: pixel tiles and how their inputs come into a packed block. */
#ifndef CK_CONV_LOWERING_H
#define CK_CONV_LOWERING_H

#include <string.h>

#include "loops.h"
#include "moves.h"

/* Neighbouring output pixels that one register tile computes. */
typedef struct {
  int64_t pixel;       /* flat index of the first in the output plane */
  int64_t at[CK_AXES]; /* the same as depth, row, column */
  int count, width;    /* pixels, and elements of a packed row (channels first) */
  ptrdiff_t packed;    /* offset in the lowered block; CK_IN_PLACE: not lowered */
  ptrdiff_t origin;    /* in place: offset of the first pixel's first tap that lies inside, from where the task reads */
  ptrdiff_t stride;    /* pixels as rows: elements from one to the next where they are read */
  int64_t pixel_step;  /* pixels as rows: from one to the next in the output plane */
  int64_t region;      /* view: number of the region, whose pixels have the same taps */
  int run;             /* panel: lanes up to the end of the output row in which the tile begins; else all of them */
  int64_t series;      /* tiles from this one on that go in one call of the micro-kernel; tells of the first of them only */
} ck_tile;

#define CK_IN_PLACE (-1)

/* The window's places and steps as the lists of moves need them: a pixel or tap as depth, row and column, and the elements
 * between neighbours along each axis of the input. */
void ck_place_of(const ck_window *w, int64_t pixel, int64_t at[CK_AXES]);
void ck_tap_at(const ck_window *w, int64_t tap, int64_t at[CK_AXES]);
void ck_steps_of(const ck_conv_plan *plan, int64_t steps[CK_AXES]);

/* The next pixel or tap in row-major order. */
CK_INLINE void ck_step_on(const int64_t size[CK_AXES], int64_t at[CK_AXES]) {
  if (++at[2] < size[2]) return;
  at[2] = 0;
  if (++at[1] < size[1]) return;
  at[1] = 0;
  at[0]++;
}

/* Cuts pixels [first, last) of a sample into tiles (at most ck_tiles_most of them). Tiles that can be read in place get their
 * origin. */
int64_t ck_tiles_cut(const ck_conv_plan *plan, const void *sample, int64_t first, int64_t last, ck_tile *tiles);
/* By how many pixels one that is read in place comes after the beginning of a vector, in all channels; 0 where channels or taps
 * lie differently. A first tile that is so much shorter lets the next ones begin with a vector: large arrays of NumPy begin 16
 * bytes after a line of cache, where every second vector lies on two lines, and tiles take a fifth more time. */
int64_t ck_tiles_late(const ck_conv_plan *plan, const void *sample, int64_t pixel);
int64_t ck_tiles_most(const ck_conv_plan *plan, int64_t pixels);

/* Offset at which the tile is read: in place, or in the lowered block. */
CK_INLINE ptrdiff_t ck_tile_place(const ck_tile *tile) { return tile->packed == CK_IN_PLACE ? tile->origin : tile->packed; }
/* Finds the series: tiles of one size, each as far from the one before, in what is read and in what is written. */
void ck_tiles_join(ck_tile *tiles, int64_t tile_count);

/* Elements of a lowered block of so many pixels, and moves to fill it. */
int64_t ck_lowered_elements(const ck_conv_plan *plan, int64_t pixels);
int64_t ck_moves_most(const ck_conv_plan *plan, int64_t pixels);
/* Elements from one pixel's row of a block to the next (channels last). */
ptrdiff_t ck_lowered_stride(const ck_conv_tiling *tiling);

/* Fills the packed rows of the tiles that are not read in place, for one block of K. src: the sample; src_end: the end of the
 * whole input. Gives the tiles their place in the block. */
void ck_lower(const ck_conv_plan *plan, const void *src, const void *src_end, int64_t group, ck_k_block block, ck_tile *tiles,
              int64_t tile_count, ck_move *moves, void *lowered);

/* Where the taps and channels of a block lie relative to a tile's origin, with pixels in lanes: one offset for each k. */
void ck_tap_offsets(const ck_conv_plan *plan, ck_k_block block, ptrdiff_t *offsets);

/* ---- The panel (panel.c) ------------------------------------------------------------------------------------------------- */

typedef struct {
  int64_t width, pitch;                     /* output pixels of a row; elements from one row of a phase to the next */
  int64_t phases[CK_AXES], length[CK_AXES]; /* along each axis: phases, and elements of one phase */
  ptrdiff_t phase[CK_AXES], channel;        /* from one phase of an axis, and one channel, to the next */
} ck_panel;

/* The panel of so many output pixels: whole rows of one depth, or a part of one row. channel is 0 if it would be too large. */
ck_panel ck_panel_of(const ck_conv_tiling *t, int64_t pixels);
int64_t ck_panel_moves_most(const ck_panel *panel);
void ck_panel_fill(const ck_conv_plan *plan, const ck_panel *panel, const void *src, const void *src_end, int64_t group,
                   ck_k_block block, int64_t first_pixel, ck_move *moves, void *to);
/* One offset for each k of the block. */
void ck_panel_offsets(const ck_conv_plan *plan, const ck_panel *panel, ck_k_block block, ptrdiff_t *offsets);
/* Cuts the pixels [first, last) of the panel into tiles. */
int64_t ck_panel_tiles(const ck_conv_plan *plan, const ck_panel *panel, int64_t first, int64_t last, ck_tile *tiles);

#endif

/* winograd.h: the sizes that the parts of the Winograd algorithm share: winograd_plan.c chooses them, winograd.c runs,
 * winograd_tiles.c moves and transforms tiles, by the strips of winograd_strips.c, winograd_weights.c transforms weights.
 *
 * A tile is n x n inputs and m x m outputs. Along a dilated axis the outputs of each residue modulo the dilation are an image
 * of their own (a class) with neighbours `dilation` apart, and so is the tile. Tiles of a plane are numbered in row-major
 * order. Down the height, the tiles of a class follow each other; along the width, the first tiles of all classes, which lie
 * between each other, then the second ones.
 *
 * Where m does not divide an axis, its last tiles are short, as many as it takes: they have m - 1 outputs at most. The value at
 * infinity counts in the last output alone, so that a short tile needs n - 1 values along the axis: of a plane of 14 x 14, in
 * tiles of 4 + 4 + 3 + 3, a sixth of the products are left out, of 13 x 13 a quarter. The planes e at infinity (ends) hold the
 * whole tiles only, one after the other.
 *
 * With a stride, the outputs are a sum of convolutions of stride 1, one for each phase of the taps (ck_phases): of every s-th
 * place of the input, from some place on. Their channels follow each other in the reduction, phase after phase, as if the input
 * had so many more; it is gathered into such an image, padded, strip by strip. 11 x 11 taps with stride 4 take 36 products
 * instead of 121.
 *
 * A kernel of which a phase has more than 5 taps along an axis is cut into pieces of 3 to 5, the last filled up with zeros. A
 * piece is a slice of the reduction, with V and U of its own, as a depth tap is. */
#ifndef CK_CONV_WINOGRAD_H
#define CK_CONV_WINOGRAD_H

#include "algorithm.h"

#include "../base/checked.h"

/* Terms of one chain of multiply-adds, at most, with tiles of 4 and of 6. Those of 6 lose more in the transforms: with chains
 * of 128 an error came to 2.98e-6 of max|y|, where 3e-6 is promised. */
#define CK_WINOGRAD_CHAIN_4 256
#define CK_WINOGRAD_CHAIN_6 96

/* Output channels that are multiplied together, at most, if one tile of them has no more. */
#define CK_WINOGRAD_PART_LANES 128

typedef struct {
  int taps, n, m;                      /* taps: of a piece, or 3 where 2 are filled up */
  int64_t kernel, phases, pieces;      /* kernel: all taps */
  int64_t in, out, before, dilation;   /* of the image that tiles read: the input, or where it is gathered, of a phase */
  int64_t classes, class_tiles, tiles; /* tiles: of a class, of all */
  int64_t whole;                       /* tiles of a class that are not short, the first ones */
} ck_winograd_axis;

/* Outputs of a class before a tile, by its number in the class. */
CK_INLINE int64_t ck_winograd_start(const ck_winograd_axis *a, int64_t tile) {
  return tile * a->m - ck_max(tile - a->whole, 0);
}
/* The first output of a tile: of a row of tiles, of a column. */
CK_INLINE int64_t ck_winograd_row_of(const ck_winograd_axis *a, int64_t tile) {
  return tile / a->class_tiles + ck_winograd_start(a, tile % a->class_tiles) * a->dilation;
}
CK_INLINE int64_t ck_winograd_column_of(const ck_winograd_axis *a, int64_t tile) {
  return ck_winograd_start(a, tile / a->classes) * a->dilation + tile % a->classes;
}
/* Values along the axis of all tiles. */
CK_INLINE int64_t ck_winograd_values(const ck_winograd_axis *a) { return (a->n - 1) * a->tiles + a->whole * a->classes; }

/* A range of output planes and in each of them a range of tiles, in whole units. Planes are numbered over the batch, d of each
 * sample after each other. With depth taps, a block stays in one sample. */
typedef struct {
  int64_t plane0, planes, unit0, units;
} ck_winograd_block;

typedef struct {
  ck_winograd_axis axis[2]; /* height, width */
  int64_t depth_in, depth_out, depth_taps, depth_stride, depth_dilation, depth_before;
  int elements;                      /* of a transformed tile: the planes e of V, U and M */
  int64_t slices, pieces;            /* of the reduction: depth taps, or pieces of both axes */
  int64_t inputs, outputs;           /* channels of a group */
  int64_t channels;                  /* of the reduction: of a group, in all phases */
  int64_t lanes, size;               /* elements of a vector, bytes of an element */
  int64_t tile_lanes;                /* output channels of a register tile */
  int64_t segments, segment;         /* a row of tiles is cut into so many units of at most so many tiles */
  int64_t units;                     /* of a plane */
  int64_t v_row, part_tiles;         /* elements from tile to tile in V; output channel tiles that are multiplied together */
  int64_t block_planes, block_units; /* of a task (local), of a round (shared) */
  int64_t sub_planes, sub_units;     /* shared: of a task of the second phase */
  int64_t strip_rows_units;          /* units that go through a strip together */
  bool gathered;                     /* with a stride: strips of the phases are, and tiles read those */
  bool shared;
  bool by_tile; /* weights are transformed for an output channel tile at a time, just before they are used */
} ck_winograd;

typedef struct {
  const ck_conv_plan *plan;
  const ck_conv_buffers *buffers;
  const ck_kernels *kernels;
  const char *weights, *src_end;
  ck_winograd w;
} ck_winograd_call;

CK_INLINE int64_t ck_winograd_first_tile(const ck_winograd *w, int64_t unit) {
  return unit / w->segments * w->axis[1].tiles + ck_min(unit % w->segments * w->segment, w->axis[1].tiles);
}
CK_INLINE int64_t ck_winograd_tiles(const ck_winograd *w, ck_winograd_block b) {
  return ck_winograd_first_tile(w, b.unit0 + b.units) - ck_winograd_first_tile(w, b.unit0);
}
/* At infinity along which axes a plane e is: CK_WINOGRAD_HIGH, CK_WINOGRAD_WIDE (winograd_args.h). */
CK_INLINE int ck_winograd_ends(const ck_winograd *w, int64_t e) {
  const int64_t rows = w->axis[0].n, columns = w->axis[1].n;
  return (rows > 1 && e % rows == rows - 1 ? CK_WINOGRAD_HIGH : 0) |
         (columns > 1 && e / rows == columns - 1 ? CK_WINOGRAD_WIDE : 0);
}
/* Tiles before one that such a plane holds. */
CK_INLINE int64_t ck_winograd_rank(const ck_winograd *w, int64_t tile, int ends) {
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  int64_t row = tile / wide->tiles, column = tile % wide->tiles, width = wide->tiles;
  if (ends & CK_WINOGRAD_WIDE) column = ck_min(column, width = wide->whole * wide->classes);
  if (ends & CK_WINOGRAD_HIGH) {
    if (row % high->class_tiles >= high->whole) column = 0;
    row = row / high->class_tiles * high->whole + ck_min(row % high->class_tiles, high->whole);
  }
  return row * width + column;
}
/* Tiles of a block in such a plane, for a slice or plane. */
CK_INLINE int64_t ck_winograd_held(const ck_winograd *w, ck_winograd_block b, int ends) {
  return ck_winograd_rank(w, ck_winograd_first_tile(w, b.unit0 + b.units), ends) -
         ck_winograd_rank(w, ck_winograd_first_tile(w, b.unit0), ends);
}
/* Slice k of the reduction: a depth tap, and a piece of the kernel, whose first taps have so many before them. Only one of both
 * has more than one value (ck_winograd_declines). */
CK_INLINE int64_t ck_winograd_depth_tap(const ck_winograd *w, int64_t k) { return k / w->pieces; }
CK_INLINE int64_t ck_winograd_taps_before(const ck_winograd *w, int64_t k, int axis) {
  const int64_t piece = k % w->pieces, wide = w->axis[1].pieces;
  return (axis == 0 ? piece / wide : piece % wide) * w->axis[axis].taps;
}
/* Whether the kernel is cut into phases or pieces, or filled up. */
CK_INLINE bool ck_winograd_cuts(const ck_winograd *w) {
  return w->channels != w->inputs || w->axis[0].taps != w->axis[0].kernel || w->axis[1].taps != w->axis[1].kernel;
}
/* Input slices that a block needs, and which of them slice k of the reduction of output plane q of the block meets. */
CK_INLINE int64_t ck_winograd_slot(const ck_winograd *w, int64_t q, int64_t k) {
  return w->depth_taps == 1 ? q * w->pieces + k : q * w->depth_stride + k * w->depth_dilation;
}
CK_INLINE int64_t ck_winograd_slots(const ck_winograd *w, ck_winograd_block b) {
  return ck_winograd_slot(w, b.planes - 1, w->slices - 1) + 1;
}
/* Elements from plane e to e + 1 for so many rows: an odd number of cache lines, so that a tile does not fall into one cache
 * set. */
CK_INLINE int64_t ck_winograd_plane(const ck_winograd *w, int64_t rows, int64_t row) {
  const int64_t line = CK_ALIGNMENT / w->size;
  return (ck_ceil_div(rows * row, line) | 1) * line;
}
/* Rows a multiple of 1 KB apart would share few cache sets. */
CK_INLINE int64_t ck_winograd_row(const ck_winograd *w, int64_t elements) {
  const int64_t row = ck_round_up(elements, w->lanes);
  return row * w->size % 1024 == 0 ? row + CK_ALIGNMENT / w->size : row;
}
CK_INLINE int64_t ck_winograd_chains(const ck_winograd *w) {
  const bool four = ck_max(w->axis[0].n, w->axis[1].n) == 4;
  return ck_ceil_div(w->channels, four ? CK_WINOGRAD_CHAIN_4 : CK_WINOGRAD_CHAIN_6);
}
CK_INLINE const ck_kernels *ck_winograd_kernels(const ck_conv_plan *plan) {
  return &ck_isa_table(plan->isa)->of[plan->problem.src_dtype];
}
CK_INLINE int64_t ck_winograd_tile_vectors(const ck_conv_plan *plan) { return ck_winograd_kernels(plan)->shapes[0].vectors; }
CK_INLINE int ck_winograd_tile_rows(const ck_conv_plan *plan) { return ck_winograd_kernels(plan)->shapes[0].rows; }
CK_INLINE int64_t ck_winograd_output_tiles(const ck_winograd *w) { return ck_ceil_div(w->outputs, w->tile_lanes); }
/* Elements of a row of M. */
CK_INLINE int64_t ck_winograd_m_row(const ck_winograd *w) { return ck_winograd_row(w, w->part_tiles * w->tile_lanes); }
/* Lanes of an output channel tile, whole vectors. */
CK_INLINE int64_t ck_winograd_tile_width(const ck_winograd *w, int64_t tile) {
  return ck_min(w->tile_lanes, ck_round_up(w->outputs, w->lanes) - tile * w->tile_lanes);
}
/* Elements of the transformed weights of one tile and slice: planes e, each [input channel][lanes]. */
CK_INLINE int64_t ck_winograd_u_plane(const ck_winograd *w, int64_t tile) {
  return ck_winograd_plane(w, w->channels, ck_winograd_tile_width(w, tile));
}
CK_INLINE int64_t ck_winograd_u_tile(const ck_winograd *w, int64_t tile) { return w->elements * ck_winograd_u_plane(w, tile); }
/* By tile, of a chain of input channels. */
CK_INLINE int64_t ck_winograd_own_u_plane(const ck_winograd *w, int64_t tile) {
  return ck_winograd_plane(w, ck_ceil_div(w->channels, ck_winograd_chains(w)), ck_winograd_tile_width(w, tile));
}
/* Of one group. */
CK_INLINE int64_t ck_winograd_u_elements(const ck_winograd *w) {
  const int64_t last = ck_winograd_output_tiles(w) - 1;
  return w->slices * (last * ck_winograd_u_tile(w, 0) + ck_winograd_u_tile(w, last));
}

/* Offsets in the workspace: U of a call without a plan, if not by tile, and V, if shared, in the shared part, the others in a
 * thread's own. */
typedef struct {
  size_t u, v, m, strip;
  ck_checked thread_bytes, shared_bytes;
} ck_winograd_memory;

const char *ck_winograd_declines(const ck_conv_problem *problem);
ck_status ck_winograd_plan(ck_conv_plan *plan);
/* What ck_winograd_plan chose, from the plan. */
ck_winograd ck_winograd_of(const ck_conv_plan *plan);
ck_winograd_memory ck_winograd_book(const ck_conv_plan *plan, const ck_winograd *w);

/* U of input channels [first, last) of an output channel tile: planes e, plane_step elements apart. */
void ck_winograd_u_make(const ck_conv_plan *plan, const ck_winograd *w, const char *weights, int64_t group, int64_t tile,
                        int64_t first, int64_t last, int64_t plane_step, char *to);
/* Bytes before U of a tile, in all of U. */
int64_t ck_winograd_u_at(const ck_winograd *w, int64_t group, int64_t tile);
ck_status ck_winograd_pack_all(const ck_conv_plan *plan, const ck_winograd *w, const void *weights, void *packed,
                               const ck_control *control);
void ck_winograd_pack(const ck_conv_plan *plan, const void *weights, void *packed);

/* A few rows of tiles, or a part of one, and the pixels that they touch: rows y0, y0 + dilation, ... and columns [x0, x1). */
typedef struct {
  int64_t unit0, units, tile_row, tile0, tile1; /* tile0, tile1: columns */
  int64_t y0, rows, x0, x1;
} ck_winograd_strip;

/* The strip of inputs or outputs that begins at a unit; y0 may lie outside, [x0, x1) does not. */
ck_winograd_strip ck_winograd_strip_at(const ck_winograd *w, int64_t unit, int64_t last, bool input);
/* Brings a vector of channels of a slice of the input into a strip; and a strip to `count` channels of an output plane. */
void ck_winograd_strip_fill(const ck_winograd_call *call, const ck_winograd_strip *s, const char *slice, int64_t vector,
                            char *strip);
void ck_winograd_strip_store(const ck_winograd_call *call, const ck_winograd_strip *s, char *dst, int64_t count, char *strip);
/* Elements of the strips that input and output go through. */
int64_t ck_winograd_strips(const ck_conv_plan *plan, const ck_winograd *w);

/* V of the block, for vectors [vector0, vector1) of the group's channels. v: of the whole block. */
void ck_winograd_tiles_in(const ck_winograd_call *call, int64_t group, ck_winograd_block block, int64_t vector0,
                          int64_t vector1, char *v, char *strip);
/* The outputs of the block from M, whose rows are m_row apart; output channels [first, first + count) of the group. */
void ck_winograd_tiles_out(const ck_winograd_call *call, int64_t group, ck_winograd_block block, int64_t first, int64_t count,
                           const char *m, int64_t m_row, char *strip);

#endif

/* estimate.c: how long the loop nest will take, in cycles of one core: multiply-adds by register tile, and the constants below
 * for what is moved, packed and staged. They are measured, by `bench.peers` with each algorithm by name. */
#include "cost.h"
#include "tiling.h"

#include "../base/cpu.h"

#define CYCLES_LOWER_VECTOR 6.0     /* load, store and their share of a move */
#define CYCLES_LOWER_AGAIN 3.0      /* more, where a channel is read tap by tap */
#define CYCLES_LOWER_ELEMENT 1.5    /* where elements are gathered one by one or widened */
#define CYCLES_LOWER_LINE 3.0       /* the same, each from another line of cache */
#define CYCLES_FEW_ELEMENT 0.4      /* of up to four channels, transposed together */
#define CYCLES_PACK_WEIGHT 0.25     /* an element of the weights, transposed */
#define CYCLES_PACK_FAR 0.33        /* the same from beyond L2 */
#define CYCLES_PACK_KEPT 0.5        /* the same, to be used again later */
#define CYCLES_WEIGHT_IN_PLACE 0.12 /* an element of weights that are not packed: the first look, along many rows at once */
#define CYCLES_WEIGHT_CROWDED 1.0   /* the same where the rows of a tile are crowded, see below */
#define CYCLES_STAGE_VECTOR 10.0    /* store, load, transpose, store */
#define CYCLES_GAP_VECTOR 1.0       /* stored in runs */
#define CYCLES_APART_VECTOR 5.0     /* channels last: the channels of a pixel are not written together */
#define ONE_TAP 1.02                /* times more, of tiles whose rows are pixels in place, where their chains have one tap */
#define FAR_BYTES_PER_CYCLE 100.0   /* of packed weights from beyond L2, fetched while others are multiplied */
#define CYCLES_FAR_VECTOR 0.2       /* of a step of such a tile: the weights of all tiles take half of L2, of one 1/12 of it */
#define CYCLES_CROWDED 4.5          /* of a step of a tile whose rows are pixels in place, and crowded */
#define CYCLES_SPLIT_VECTOR 0.15    /* of a step: two lines of cache for a vector, which starts anywhere in the first */
#define CYCLES_SPLIT_FAR 0.3        /* more, where the lines of all channels and kernel rows do not stay in L1 */
#define LOADS_PAGE 2.8 /* as much as so many loads, for each vector: each step looks into another plane, on another page */
#define CYCLES_TILE_PAGES 25.0 /* more for a tile, for the same reason */
#define PAGE_BYTES 4096        /* also what lies so far apart begins in the same set of L1 */

/* What the steps of a tile take beside its multiply-adds. */
typedef struct {
  double vector; /* cycles for each vector */
  double loads;  /* for each vector too; they hide behind the multiply-adds of tiles that are large enough */
} step_more;

/* Steps of one side, cut evenly (rows) or filled up (lanes): the total of step cycles over a grid of tiles. */
static double grid_cycles(int64_t row_units, int rows_most, int64_t lane_units, int vectors_most, step_more more) {
  const int64_t row_tiles = ck_ceil_div(row_units, rows_most), lane_tiles = lane_units / vectors_most;
  const int rows_low = (int)(row_units / row_tiles), tail = (int)(lane_units % vectors_most);
  const int64_t high = row_units % row_tiles;
  double cycles = 0;
  for (int extra = 0; extra <= 1; extra++) {
    const double tiles = (double)(extra ? high : row_tiles - high);
    if (tiles == 0) continue;
    const int rows = rows_low + extra;
    cycles += tiles * (double)lane_tiles *
              (ck_step_cycles(rows, vectors_most, more.loads * vectors_most) + more.vector * vectors_most);
    if (tail) cycles += tiles * (ck_step_cycles(rows, tail, more.loads * tail) + more.vector * tail);
  }
  return cycles;
}

/* Stretches of pixels that tiles do not cross, in one plane, and the pixels (with gaps) of one: output rows, or what is lowered
 * together. */
static int64_t stretches(const ck_conv_plan *plan, int64_t *length) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t pixels = ck_volume(t->window.out), groups = ck_ceil_div(pixels, t->group_pixels);
  if (ck_loops_one_run(t)) { /* groups are whole vectors but for the last */
    *length = pixels;
    return 1;
  }
  if (t->pixels == CK_PIXELS_LOWERED || t->run_on || t->group_pixels < t->window.out[2]) {
    *length = ck_ceil_div(pixels, groups);
    if (!t->run_on) return groups;
    const ck_panel panel = ck_panel_of(t, t->group_pixels);
    *length = panel.pitch * ck_ceil_div(*length, panel.width) - (panel.pitch - panel.width);
    return groups;
  }
  *length = t->window.out[2];
  return pixels / t->window.out[2];
}

/* Cycles to bring the pixels of one group of channels to where the micro-kernel reads them. */
static double moving_cycles(const ck_conv_plan *plan) {
  const ck_conv_problem *p = &plan->problem;
  const ck_conv_tiling *t = &plan->tiling;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t stride = t->window.stride[2];
  const bool gathered = !channels_last && ((stride > 1 && !ck_stride_shuffled(stride)) || p->src_dtype != ck_sum_of(plan));
  const double lanes = ck_kernels_of(plan)->lanes, pixels = (double)ck_volume(t->window.out);
  const double source = (double)ck_dtype_size(p->src_dtype);
  const double element = (double)stride * source < CK_ALIGNMENT ? CYCLES_LOWER_ELEMENT : CYCLES_LOWER_LINE;
  const double vector = gathered ? element * lanes : CYCLES_LOWER_VECTOR;
  const double fetch = ck_fetch_cycles((double)ck_in_channels(plan) * (double)ck_volume(t->window.in) * source);
  if (t->pixels == CK_PIXELS_IN_PLACE) return 0;
  if (t->pixels == CK_PIXELS_TRANSPOSED) {
    const ck_window *w = &t->window;
    const double halo = (double)ck_max(ck_span(w, 1, 1) - w->stride[1], 0);
    const double rows = (double)ck_max(t->group_pixels / w->out[2], 1) * (double)w->stride[1];
    const double places = t->group_pixels < w->out[2] ? (double)ck_ceil_div(w->out[2], t->group_pixels) * (double)w->out[1] *
                                                            (double)w->out[0] * (double)ck_seen_by_part(t)
                                                      : (double)ck_volume(w->in) * (1 + halo / rows);
    const double vectors =
        (double)(ck_ceil_div(t->block_inner, ck_kernels_of(plan)->lanes) * ck_ceil_div(t->k_inner, t->block_inner));
    const double place = t->block_inner <= 4 ? CYCLES_FEW_ELEMENT * (double)t->k_inner : CYCLES_LOWER_VECTOR * vectors;
    return places * place + fetch;
  }
  if (t->pixels == CK_PIXELS_PANEL) {
    const ck_panel panel = ck_panel_of(t, t->group_pixels);
    return (double)panel.channel * (double)ck_in_channels(plan) * pixels / (double)t->group_pixels / lanes * vector + fetch;
  }
  const double run = t->pixel_lanes || channels_last ? lanes : (double)ck_min(t->rows, (int64_t)lanes);
  /* A vector at least for each k or, channels last, for each pixel and what lies side by side for it. */
  const double apart =
      channels_last ? pixels * (double)ck_volume(t->window.kernel) / (double)t->window.kernel[2] : (double)ck_reduction(plan);
  const double vectors = (double)ck_reduction(plan) * pixels / run;
  return (vectors > apart ? vectors : apart) * (vector + (channels_last || t->k_outer == 1 ? 0 : CYCLES_LOWER_AGAIN)) + fetch;
}

/* More for lanes of pixels that are not read from a packed block. */
static step_more unpacked(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t line = CK_ALIGNMENT, plane = ck_volume(t->window.in) * ck_dtype_size(ck_sum_of(plan));
  const bool in_place = t->pixels == CK_PIXELS_IN_PLACE;
  step_more more = {0};
  if (!t->pixel_lanes || t->pixels == CK_PIXELS_LOWERED) return more;
  if (in_place) more.loads = LOADS_PAGE * ((double)plane < PAGE_BYTES ? (double)plane / PAGE_BYTES : 1);
  if (in_place && plane % line == 0) return more;
  const bool far = t->block_inner * t->window.kernel[1] * 2 * line > ck_cpu_caches().l1 / 2;
  more.vector = CYCLES_SPLIT_VECTOR + (far ? CYCLES_SPLIT_FAR : 0);
  return more;
}

/* Whether the rows of a tile, so many elements apart where they are read, are crowded: they begin in one set of L1, more than
 * it has ways, and push each other out. */
static bool crowded(const ck_conv_plan *plan, int64_t step, int64_t rows) {
  return step * ck_dtype_size(ck_sum_of(plan)) % PAGE_BYTES == 0 && rows > ck_cpu_caches().l1 / PAGE_BYTES;
}

/* Cycles of the micro-kernels. */
static double multiplying_cycles(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t lanes = ck_kernels_of(plan)->lanes, channels = ck_out_channels(plan), blocks = ck_k_block_count(t);
  if (ck_loops_viewed(t)) {
    const int64_t units = ck_ceil_div(channels, lanes), full = units / t->vectors;
    const int tail = (int)(units % t->vectors);
    const ck_view_cost whole = ck_view_cost_of(t, t->vectors);
    const int64_t column = t->block_outer * t->block_inner * lanes * ck_dtype_size(ck_sum_of(plan)), l2 = ck_cpu_caches().l2;
    const bool far = ck_packed_bytes(plan).value > l2 / 2 && column * t->vectors > l2 / 12;
    const bool crowd =
        t->pixels == CK_PIXELS_IN_PLACE &&
        crowded(plan, plan->problem.ic * ck_min(t->window.stride[2], t->window.in[2]), ck_min(t->rows, t->window.out[2]));
    const double step = (far ? CYCLES_FAR_VECTOR * t->vectors : 0) + (crowd ? CYCLES_CROWDED : 0);
    double cycles = (double)full * (whole.cycles + step * whole.tile_steps);
    if (tail) cycles += ck_view_cost_of(t, tail).cycles + step * whole.tile_steps;
    return cycles * (t->k_outer > 1 ? 1 : ONE_TAP) * (double)t->k_inner +
           CYCLES_TILE * whole.tiles * (double)(ck_channel_tile_count(plan) * blocks);
  }
  int64_t length;
  const int64_t count = stretches(plan, &length);
  const step_more more = unpacked(plan);
  /* Large arrays do not begin on a line of cache: where planes do if one does, a part of a vector comes first
   * (ck_tiles_late). */
  const int64_t plane = ck_volume(t->window.in) * ck_dtype_size(ck_sum_of(plan));
  const int64_t first = t->pixels == CK_PIXELS_IN_PLACE && plane % CK_ALIGNMENT == 0 && length > lanes ? 1 : 0;
  const double grid = t->pixel_lanes ? grid_cycles(channels, t->rows, ck_ceil_div(length, lanes) + first, t->vectors, more)
                                     : grid_cycles(length, t->rows, ck_ceil_div(channels, lanes), t->vectors, more);
  const double tiles = (double)ck_channel_tile_count(plan) * (double)count * (double)ck_ceil_div(length, ck_tile_pixels(plan));
  const double tile = CYCLES_TILE + (t->pixels == CK_PIXELS_IN_PLACE ? CYCLES_TILE_PAGES : 0);
  return (double)ck_reduction(plan) * grid * (double)count + tile * tiles * (double)blocks;
}

/* Whether lanes that run on over the ends of rows compute columns that are left out. */
static bool gaps_of(const ck_conv_tiling *t) {
  const ck_panel panel = ck_panel_of(t, t->group_pixels);
  return panel.pitch > panel.width;
}

double ck_loops_estimate(const ck_conv_plan *plan) {
  const ck_conv_problem *p = &plan->problem;
  const ck_conv_tiling *t = &plan->tiling;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t lanes = ck_kernels_of(plan)->lanes, channels = ck_out_channels(plan);
  const double k = (double)ck_reduction(plan), outputs = (double)ck_volume(p->window.out) * (double)channels;
  double cycles = multiplying_cycles(plan) + moving_cycles(plan);
  /* Weights that are not kept are packed once a group of pixels. The batch has no say, nor what it decided in the tiling: it
   * must not change the choice of algorithm. */
  const int64_t groups = ck_ceil_div(ck_volume(p->window.out), t->group_pixels);
  const int64_t bytes = ck_packed_bytes(plan).value;
  const bool kept = ck_keeps_weights(plan, 1);
  const double pack = kept ? CYCLES_PACK_KEPT : bytes > ck_cpu_caches().l2 / 2 ? CYCLES_PACK_FAR : CYCLES_PACK_WEIGHT;
  const bool packed = p->prepared || kept;
  if (packed && !ck_loops_viewed(t) && bytes > ck_cpu_caches().l2 / 2)
    cycles += (double)bytes * (double)groups / FAR_BYTES_PER_CYCLE;
  if (ck_packs_weights(plan)) cycles += k * (double)channels * pack * (double)(kept ? 1 : groups);
  if (t->weights_in_place) {
    const bool crowd = crowded(plan, ck_reduction(plan), ck_min(t->rows, channels));
    cycles += k * (double)channels * (crowd ? CYCLES_WEIGHT_CROWDED : CYCLES_WEIGHT_IN_PLACE);
  }
  if (channels_last && ck_channel_tile_count(plan) > 1) cycles += outputs / (double)lanes * CYCLES_APART_VECTOR;
  if (t->run_on && gaps_of(t)) cycles += outputs / (double)lanes * CYCLES_GAP_VECTOR * (double)ck_k_block_count(t);
  if (t->staged) cycles += outputs / (double)lanes * CYCLES_STAGE_VECTOR;
  return cycles * (double)p->g / CYCLES_PER_US;
}

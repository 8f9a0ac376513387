/* winograd_weights.c: U, the transformed weights.
 *
 *   for group: for output channel tile: for vector of it: for a few input channels:
 *     transpose their weights to [channel][tap][lanes]                    a scratch of 16 KB
 *     for phase, for slice of the reduction: transform, to the planes e of the tile
 *
 * A plan has all of U, [group][output channel tile][slice][e][input channel][lanes]; a call makes all of it in its workspace,
 * or a tile and chain of it at a time. */
#include "winograd.h"

#include <string.h>

#define SCRATCH_BYTES 16384 /* weights of a few input channels, transposed */
#define PART_CHANNELS 64    /* of a task */

typedef struct {
  const ck_conv_plan *plan;
  ck_winograd w;
  const char *weights;
  char *packed;
} pack_call;

/* Copies what slice k of the reduction has of `u->count` kernels in a phase from the scratch, with zeros where a piece sticks
 * out, and lets u read it. */
static void cut_piece(const ck_winograd *w, const char *scratch, int64_t k, int64_t phase, char *piece,
                      ck_winograd_weights *u) {
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t vector = w->lanes * w->size, taps = high->taps * wide->taps, plane = high->kernel * wide->kernel;
  const int64_t depth = ck_winograd_depth_tap(w, k);
  const int64_t y0 = ck_winograd_taps_before(w, k, 0) * high->phases + phase / wide->phases;
  const int64_t x0 = ck_winograd_taps_before(w, k, 1) * wide->phases + phase % wide->phases;
  const int64_t rows = ck_min(ck_ceil_div(high->kernel - y0, high->phases), high->taps);
  const int64_t columns = ck_min(ck_ceil_div(wide->kernel - x0, wide->phases), wide->taps);
  memset(piece, 0, (size_t)(u->count * taps * vector));
  for (int64_t c = 0; c < u->count; c++)
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < columns; x++)
        memcpy(
            piece + (c * taps + y * wide->taps + x) * vector,
            scratch +
                ((c * w->depth_taps + depth) * plane + (y0 + y * high->phases) * wide->kernel + x0 + x * wide->phases) * vector,
            (size_t)vector);
  u->src = piece;
  u->src_next = taps * w->lanes;
}

/* U of slice k of some channels of the reduction, which begin with `channel` of the group in a phase: their kernels are in the
 * scratch. */
static void transform(const ck_conv_plan *plan, const ck_winograd *w, const char *scratch, int64_t k, int64_t phase,
                      ck_winograd_weights u) {
  const int64_t plane = w->axis[0].kernel * w->axis[1].kernel;
  char piece[SCRATCH_BYTES] __attribute__((aligned(CK_ALIGNMENT)));
  if (ck_winograd_cuts(w)) {
    cut_piece(w, scratch, k, phase, piece, &u);
  } else {
    u.src = scratch + k * plane * w->lanes * w->size;
    u.src_next = w->depth_taps * plane * w->lanes;
  }
  ck_winograd_kernels(plan)->winograd_weights(&u);
}

/* U of channels [first, last) of the reduction and one vector of output channels of a tile: some channels of the group at a
 * time are transposed to [channel][tap][lanes]. to: planes e, one slice after the other, at this vector of the first
 * channel. */
static void transform_vector(const ck_conv_plan *plan, const ck_winograd *w, const char *weights, int64_t group, int64_t tile,
                             int64_t vector, int64_t first, int64_t last, int64_t plane_step, char *to) {
  char scratch[SCRATCH_BYTES] __attribute__((aligned(CK_ALIGNMENT)));
  const int64_t taps = w->depth_taps * w->axis[0].kernel * w->axis[1].kernel;
  const int64_t width = ck_winograd_tile_width(w, tile), output = tile * w->tile_lanes + vector * w->lanes;
  const int64_t piece_taps = w->axis[0].taps * w->axis[1].taps;
  const int64_t together = SCRATCH_BYTES / (ck_max(taps, piece_taps) * w->lanes * w->size);
  /* Of one phase, a range of its channels; of several, all. */
  const int64_t phase0 = first / w->inputs, phase1 = (last - 1) / w->inputs;
  const int64_t from = phase0 == phase1 ? first % w->inputs : 0, end = phase0 == phase1 ? last - phase0 * w->inputs : w->inputs;
  for (int64_t channel = from; channel < end; channel += together) {
    const int64_t count = ck_min(together, end - channel);
    const ck_transpose t = {.src = weights + (((group * w->outputs + output) * w->inputs + channel) * taps) * w->size,
                            .dst = scratch,
                            .src_stride = w->inputs * taps,
                            .dst_stride = w->lanes,
                            .rows = ck_min(w->lanes, w->outputs - output),
                            .columns = count * taps,
                            .fill = true};
    ck_winograd_kernels(plan)->transpose(&t);
    for (int64_t phase = phase0; phase <= phase1; phase++) {
      const int64_t base = phase * w->inputs + channel, low = ck_max(base, first), high = ck_min(base + count, last);
      if (low >= high) continue;
      for (int64_t k = 0; k < w->slices; k++)
        transform(plan, w, scratch + (low - base) * taps * w->lanes * w->size, k, phase,
                  (ck_winograd_weights){.dst = to + (k * w->elements * plane_step + (low - first) * width) * w->size,
                                        .row_step = w->axis[1].taps * w->lanes,
                                        .column_step = w->lanes,
                                        .plane_step = plane_step,
                                        .dst_next = width,
                                        .count = high - low,
                                        .rows = w->axis[0].n,
                                        .columns = w->axis[1].n,
                                        .row_taps = w->axis[0].taps,
                                        .column_taps = w->axis[1].taps});
    }
  }
}

void ck_winograd_u_make(const ck_conv_plan *plan, const ck_winograd *w, const char *weights, int64_t group, int64_t tile,
                        int64_t first, int64_t last, int64_t plane_step, char *to) {
  for (int64_t vector = 0; vector * w->lanes < ck_winograd_tile_width(w, tile); vector++)
    transform_vector(plan, w, weights, group, tile, vector, first, last, plane_step, to + vector * w->lanes * w->size);
}

int64_t ck_winograd_u_at(const ck_winograd *w, int64_t group, int64_t tile) {
  return (group * ck_winograd_u_elements(w) + tile * w->slices * ck_winograd_u_tile(w, 0)) * w->size;
}

/* Parts of the channels of an output channel tile, so that few tiles keep several threads busy; with several phases one, since
 * they share what is transposed. */
static int64_t parts_of(const ck_winograd *w) { return w->channels == w->inputs ? ck_ceil_div(w->channels, PART_CHANNELS) : 1; }

static void pack_part(const void *context, int64_t task, int slot) {
  const pack_call *call = context;
  const ck_winograd *w = &call->w;
  const int64_t tiles = ck_winograd_output_tiles(w), parts = parts_of(w), part = task % parts;
  const int64_t group = task / parts / tiles, tile = task / parts % tiles;
  const int64_t first = ck_share(w->channels, parts, part), last = ck_share(w->channels, parts, part + 1);
  (void)slot;
  ck_winograd_u_make(call->plan, w, call->weights, group, tile, first, last, ck_winograd_u_plane(w, tile),
                     call->packed + ck_winograd_u_at(w, group, tile) + first * ck_winograd_tile_width(w, tile) * w->size);
}

ck_status ck_winograd_pack_all(const ck_conv_plan *plan, const ck_winograd *w, const void *weights, void *packed,
                               const ck_control *control) {
  const pack_call call = {plan, *w, weights, packed};
  return ck_parallel_for(control, plan->problem.g * ck_winograd_output_tiles(w) * parts_of(w), pack_part, &call);
}

void ck_winograd_pack(const ck_conv_plan *plan, const void *weights, void *packed) {
  const ck_winograd w = ck_winograd_of(plan);
  const ck_control serial = {.num_threads = 1};
  ck_winograd_pack_all(plan, &w, weights, packed, &serial);
}

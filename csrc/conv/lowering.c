/* lowering.c: implicit im2col. Pixel tiles, and the moves that bring their inputs into a packed block.
 *
 *   channels first   [k][pixels of the tile]: for tap: for tile: for output row in the tile: zeros, run of pixels, zeros
 *                    the same moves serve every channel
 *   channels last    [pixel][k]: for pixel: for tap: run of channels (of several taps where they lie side by side)
 *
 * Padding is zeros in the block; the input itself is never padded. The kernel `pack` carries the moves out. */
#include "lowering.h"

static int64_t plane(const ck_window *w) { return ck_volume(w->in); }

void ck_place_of(const ck_window *w, int64_t pixel, int64_t at[CK_AXES]) {
  at[2] = pixel % w->out[2];
  at[1] = pixel / w->out[2] % w->out[1];
  at[0] = pixel / w->out[2] / w->out[1];
}

/* Elements between neighbours along each spatial axis of the input. */
void ck_steps_of(const ck_conv_plan *plan, int64_t steps[CK_AXES]) {
  const ck_window *w = &plan->tiling.window;
  steps[2] = plan->problem.layout == CK_LAYOUT_CHANNELS_LAST ? plan->problem.ic : 1;
  steps[1] = steps[2] * w->in[2];
  steps[0] = steps[1] * w->in[1];
}

void ck_tap_at(const ck_window *w, int64_t tap, int64_t at[CK_AXES]) {
  at[2] = tap % w->kernel[2];
  at[1] = tap / w->kernel[2] % w->kernel[1];
  at[0] = tap / w->kernel[2] / w->kernel[1];
}

/* Where the first tap of a pixel lies in its channel, if there is no padding. */
static ptrdiff_t offset_of(const ck_window *w, const int64_t steps[CK_AXES], const int64_t at[CK_AXES]) {
  ptrdiff_t offset = 0;
  for (int axis = 0; axis < CK_AXES; axis++) offset += at[axis] * w->stride[axis] * steps[axis];
  return offset;
}

/* Whether the tile lies in one output row and nothing beyond the sample would be read. In place, there is no padding; whole
 * vectors are loaded, so that the lanes after the last pixel must be inside the channel's plane too. */
static bool readable_in_place(const ck_conv_plan *plan, const int64_t steps[CK_AXES], ck_tile *tile) {
  const ck_window *w = &plan->tiling.window;
  int64_t reach = 0;
  if (tile->at[2] + tile->count > w->out[2]) return false;
  for (int axis = 0; axis < CK_AXES; axis++) reach += (w->kernel[axis] - 1) * w->dilation[axis] * steps[axis];
  tile->origin = offset_of(w, steps, tile->at);
  return tile->origin + reach + tile->width <= plane(w);
}

int64_t ck_tiles_most(const ck_conv_plan *plan, int64_t pixels) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t most = ck_tile_pixels(plan);
  const int64_t rows = t->pixels == CK_PIXELS_LOWERED ? 0 : pixels / t->window.out[2] + 2;
  return ck_min(pixels, ck_ceil_div(pixels, most) + 2 * rows + 1);
}

int64_t ck_tiles_late(const ck_conv_plan *plan, const void *sample, int64_t pixel) {
  const ck_window *w = &plan->tiling.window;
  const ck_dtype dtype = plan->problem.src_dtype;
  const int64_t size = ck_dtype_size(dtype), vector = ck_isa_lanes(plan->isa, dtype) * size;
  const bool all = ck_volume(w->kernel) == 1 && plane(w) * size % vector == 0;
  if (plan->tiling.pixels != CK_PIXELS_IN_PLACE || !plan->tiling.pixel_lanes || !all) return 0;
  int64_t at[CK_AXES], steps[CK_AXES];
  ck_place_of(w, pixel, at);
  ck_steps_of(plan, steps);
  return (int64_t)(((uintptr_t)sample + (uintptr_t)(offset_of(w, steps, at) * size)) % (uintptr_t)vector) / size;
}

int64_t ck_tiles_cut(const ck_conv_plan *plan, const void *sample, int64_t first, int64_t last, ck_tile *tiles) {
  const ck_conv_tiling *t = &plan->tiling;
  const int lanes = ck_isa_lanes(plan->isa, ck_dtype_sum(plan->problem.src_dtype));
  const int64_t most = ck_tile_pixels(plan);
  int64_t count = 0, at[CK_AXES], steps[CK_AXES];
  ck_steps_of(plan, steps);
  ck_place_of(&t->window, first, at);
  while (first < last) {
    /* In place, a tile must not cross the end of an output row. */
    const int64_t stop = t->pixels == CK_PIXELS_IN_PLACE ? ck_min(last, first + t->window.out[2] - at[2]) : last;
    const int64_t late = ck_tiles_late(plan, sample, first);
    const int64_t parts = ck_ceil_div(stop - first + late, most);
    for (int64_t i = 0; i < parts; i++) {
      /* Rows are shared out evenly; lanes fill tile after tile, so that only the last vector is partial. */
      const int64_t from = t->pixel_lanes ? ck_max(i * most - late, 0) : ck_share(stop - first, parts, i);
      const int64_t to = t->pixel_lanes ? ck_min((i + 1) * most - late, stop - first) : ck_share(stop - first, parts, i + 1);
      const int pixels = (int)(to - from);
      ck_tile *tile = &tiles[count++];
      *tile = (ck_tile){.pixel = first + from,
                        .at = {at[0], at[1], at[2]},
                        .count = pixels,
                        .width = t->pixel_lanes ? (int)ck_round_up(pixels, lanes) : pixels,
                        .pixel_step = 1,
                        .stride = ck_lowered_stride(t),
                        .run = pixels};
      if (t->pixels == CK_PIXELS_IN_PLACE && readable_in_place(plan, steps, tile)) tile->packed = CK_IN_PLACE;
      at[2] += to - from;
      if (at[2] >= t->window.out[2]) ck_place_of(&t->window, first + to, at);
    }
    first = stop;
  }
  return count;
}

/* Whether b, which comes after a, may be of the same series. */
static bool alike(const ck_tile *a, const ck_tile *b) {
  return a->count == b->count && a->width == b->width && a->stride == b->stride && a->pixel_step == b->pixel_step &&
         a->region == b->region && a->run == a->count && b->run == b->count &&
         (a->packed == CK_IN_PLACE) == (b->packed == CK_IN_PLACE);
}

void ck_tiles_join(ck_tile *tiles, int64_t tile_count) {
  for (ck_tile *first = tiles, *end = tiles + tile_count, *last; first < end; first = last + 1) {
    for (last = first; last + 1 < end && alike(first, last + 1); last++)
      if (last > first && (last[1].pixel - last->pixel != first[1].pixel - first->pixel ||
                           ck_tile_place(last + 1) - ck_tile_place(last) != ck_tile_place(first + 1) - ck_tile_place(first)))
        break;
    first->series = last - first + 1;
  }
}

ptrdiff_t ck_lowered_stride(const ck_conv_tiling *t) {
  const int64_t k = ck_round_up(t->block_outer * t->block_inner, 16);
  return k % 256 == 0 ? k + 16 : k; /* rows a multiple of 1 KB apart would share few cache sets */
}

int64_t ck_lowered_elements(const ck_conv_plan *plan, int64_t pixels) {
  const ck_conv_tiling *t = &plan->tiling;
  if (plan->problem.layout == CK_LAYOUT_CHANNELS_LAST) return pixels * ck_lowered_stride(t) + CK_PACK_SLACK;
  const int64_t tiles = ck_tiles_most(plan, pixels);
  return (pixels + tiles * CK_PACK_SLACK) * t->block_outer * t->block_inner + tiles * 2 * CK_PACK_SLACK;
}

int64_t ck_moves_most(const ck_conv_plan *plan, int64_t pixels) {
  const ck_conv_tiling *t = &plan->tiling;
  if (plan->problem.layout == CK_LAYOUT_CHANNELS_LAST) return pixels * t->block_outer;
  const int64_t tiles = ck_tiles_most(plan, pixels);
  const int64_t rows = ck_min(pixels, pixels / t->window.out[2] + 2 * tiles);
  return 3 * rows + tiles;
}

/* The moves of one tap of a block. */
static int64_t moves_channels_first(const ck_conv_plan *plan, ck_k_block block, int64_t tap, const ck_tile *tiles,
                                    int64_t tile_count, ck_move *moves) {
  const ck_window *w = &plan->tiling.window;
  const int64_t channels = block.inner1 - block.inner0;
  int64_t steps[CK_AXES], tap_at[CK_AXES];
  ck_move *move = moves;
  ck_steps_of(plan, steps);
  ck_tap_at(w, tap, tap_at);
  for (const ck_tile *tile = tiles; tile < tiles + tile_count; tile++) {
    if (tile->packed == CK_IN_PLACE) continue;
    const ptrdiff_t dst = tile->packed + (tap - block.outer0) * channels * tile->width;
    int64_t at[CK_AXES] = {tile->at[0], tile->at[1], tile->at[2]};
    for (int64_t done = 0; done < tile->count;) {
      const int64_t count = ck_min(tile->count - done, w->out[2] - at[2]);
      move = ck_move_row(w, at, tap_at, steps, count, dst + done, tile->width, move);
      done += count;
      at[2] = w->out[2] - 1;
      ck_step_on(w->out, at);
    }
    move = ck_move_add(move, CK_MOVE_ZERO, dst + tile->count, tile->width - tile->count, tile->width);
  }
  return move - moves;
}

/* Whether the taps of a row, with all their channels, lie side by side in the input (channels last). */
static bool taps_side_by_side(const ck_conv_plan *plan, ck_k_block block) {
  return block.inner1 - block.inner0 == plan->problem.ic && plan->tiling.window.dilation[2] == 1;
}

/* The taps [first, last) of one row of the kernel that lie inside the input, for a pixel whose first tap of the row is at
 * `column`. */
static void taps_inside(const ck_window *w, int64_t column, int64_t *first, int64_t *last) {
  const int64_t dilation = w->dilation[2];
  if (column + *first * dilation >= 0 && column + (*last - 1) * dilation < w->in[2]) return;
  *first = ck_clamp(ck_ceil_div(ck_max(-column, 0), dilation), *first, *last);
  *last = column < w->in[2] ? ck_clamp((w->in[2] - 1 - column) / dilation + 1, *first, *last) : *first;
}

/* What one row of taps of a pixel sees: zeros, elements of each tap (in one run where they lie side by side), zeros. */
static ck_move *move_taps(const ck_window *w, int64_t tap0, int64_t tap1, int64_t column, ptrdiff_t row, int64_t channel_step,
                          int64_t channels, bool side_by_side, ptrdiff_t dst, ck_move *move) {
  int64_t first = tap0, last = tap1;
  taps_inside(w, column, &first, &last);
  move = ck_move_add(move, CK_MOVE_ZERO, dst, (first - tap0) * channels, 0);
  const int64_t together = side_by_side ? ck_max(last - first, 1) : 1;
  for (int64_t tap = first; tap < last; tap += together)
    move = ck_move_add(move, row + (column + tap * w->dilation[2]) * channel_step, dst + (tap - tap0) * channels,
                       together * channels, 0);
  return ck_move_add(move, CK_MOVE_ZERO, dst + (last - tap0) * channels, (tap1 - last) * channels, 0);
}

static int64_t moves_channels_last(const ck_conv_plan *plan, ck_k_block block, const ck_tile *tiles, int64_t tile_count,
                                   ck_move *moves) {
  const ck_window *w = &plan->tiling.window;
  const int64_t channels = block.inner1 - block.inner0, width = w->kernel[2];
  const bool side_by_side = taps_side_by_side(plan, block);
  const ptrdiff_t stride = ck_lowered_stride(&plan->tiling);
  int64_t steps[CK_AXES], start[CK_AXES], offset;
  ck_move *move = moves;
  ck_steps_of(plan, steps);
  ck_tap_at(w, block.outer0, start);
  for (const ck_tile *tile = tiles; tile < tiles + tile_count; tile++) {
    if (tile->packed == CK_IN_PLACE) continue;
    int64_t at[CK_AXES] = {tile->at[0], tile->at[1], tile->at[2]};
    for (int64_t i = 0; i < tile->count; i++, ck_step_on(w->out, at)) {
      ptrdiff_t dst = tile->packed + i * stride;
      const int64_t column = at[2] * w->stride[2] - w->before[2];
      int64_t tap_at[CK_AXES] = {start[0], start[1], start[2]};
      /* One row of taps after the other. */
      for (int64_t left = block.outer1 - block.outer0, count; left > 0; left -= count) {
        count = ck_min(width - tap_at[2], left);
        if (ck_row_inside(w, at, tap_at, steps, &offset))
          move = move_taps(w, tap_at[2], tap_at[2] + count, column, offset, steps[2], channels, side_by_side, dst, move);
        else
          move = ck_move_add(move, CK_MOVE_ZERO, dst, count * channels, 0);
        dst += count * channels;
        tap_at[2] = width - 1;
        ck_step_on(w->kernel, tap_at);
      }
    }
  }
  return move - moves;
}

void ck_lower(const ck_conv_plan *plan, const void *src, const void *src_end, int64_t group, ck_k_block block, ck_tile *tiles,
              int64_t tile_count, ck_move *moves, void *lowered) {
  const ck_conv_problem *p = &plan->problem;
  const ck_window *w = &plan->tiling.window;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  ptrdiff_t place = 0;
  bool any = false;
  for (ck_tile *tile = tiles; tile < tiles + tile_count; tile++) {
    if (tile->packed == CK_IN_PLACE) continue;
    tile->packed = place;
    place += channels_last ? tile->count * ck_lowered_stride(&plan->tiling)
                           : ck_round_up(tile->width * block.k + CK_PACK_SLACK, CK_PACK_SLACK);
    any = true;
  }
  if (!any) return;
  const ck_kernels *kernels = &ck_isa_table(plan->isa)->of[p->src_dtype];
  const int64_t size = ck_dtype_size(p->src_dtype), channel = group * ck_in_channels(plan) + block.inner0;
  ck_pack pack = {.src_end = src_end, .dst = lowered, .moves = moves};
  if (channels_last) {
    pack.src = (const char *)src + channel * size;
    pack.move_count = moves_channels_last(plan, block, tiles, tile_count, moves);
    pack.channels = 1;
    pack.stride = 1;
    kernels->pack(&pack);
    return;
  }
  pack.src = (const char *)src + channel * plane(w) * size;
  pack.channels = block.inner1 - block.inner0;
  pack.src_step = plane(w);
  pack.stride = w->stride[2];
  /* Tap by tap: a write that hangs over the end of a row must be mended by a later one. */
  for (int64_t tap = block.outer0; tap < block.outer1; tap++) {
    pack.move_count = moves_channels_first(plan, block, tap, tiles, tile_count, moves);
    kernels->pack(&pack);
  }
}

void ck_tap_offsets(const ck_conv_plan *plan, ck_k_block block, ptrdiff_t *offsets) {
  const ck_window *w = &plan->tiling.window;
  const int64_t channels = block.inner1 - block.inner0;
  int64_t steps[CK_AXES], at[CK_AXES];
  ck_steps_of(plan, steps);
  for (int64_t tap = block.outer0; tap < block.outer1; tap++) {
    ck_tap_at(w, tap, at);
    ptrdiff_t offset = block.inner0 * plane(w);
    for (int axis = 0; axis < CK_AXES; axis++) offset += at[axis] * w->dilation[axis] * steps[axis];
    for (int64_t channel = 0; channel < channels; channel++, offset += plane(w)) *offsets++ = offset;
  }
  for (int64_t ahead = 0; ahead < CK_OFFSETS_AHEAD; ahead++) *offsets++ = 0;
}

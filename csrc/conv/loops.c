/* loops.c: runs the loop nest of loops.h. Planning is in tiling.c, bringing pixels in place in view.c, panel.c and
 * lowering.c. */
#include "loops.h"

#include "view.h"

#include "../base/cpu.h"

#define STEPS_UNASKED 500000 /* steps of k in register tiles, some milliseconds, between two looks at whether to go on */

/* What a task needs to know beside its number. */
typedef struct {
  const ck_conv_plan *plan;
  const ck_conv_buffers *buffers;
  const ck_kernels *kernels;
  ck_loops_split split;
  const char *weights; /* of a plan, packed; else as they were given */
  const bool *finite;  /* packed, where taps are left out: one for each channel tile of each group; else NULL */
  const char *src_end;
  int64_t element, pixels; /* bytes of a sum, pixels of an output plane */
  const ck_control *control;
  atomic_bool *stop;
} ck_loops_call;

/* One task: which part, and the thread's workspace. */
typedef struct {
  int64_t sample, group, channel_tile0, channel_tile1, channel0; /* channel0: of the group, where channel_tile0 begins */
  ck_tile *tiles;
  ck_move *moves;
  ptrdiff_t *offsets;
  ck_gemm_run *runs;
  ck_view_taps *taps;             /* of each region of the view */
  char *lowered, *weights, *sums; /* lowered: also the panel and the transposed copy; weights: of one channel tile, or kept */
  char *known;                    /* of each block of the kept weights: whether it is packed, and finite */
  char *zeros;                    /* as many as a block has channels */
  const char
      *origin; /* of tiles that are not lowered: in the sample, channel 0 of the group (view: of the block), or the copy */
  ck_panel panel;
  ck_view views[2], *view; /* of this group of pixels, and of the one before */
  bool listed;             /* its taps are listed already */
  int slot;
  int64_t unasked; /* steps since the last look at whether to go on */
} ck_loops_task;

/* ---- Weights ------------------------------------------------------------------------------------------------------------- */

enum { NOT_PACKED, PACKED, PACKED_FINITE };

/* The weights of a channel tile for a block of K: [k][width], a transposition that deals out the taps of a channel to their
 * places. Returns whether all are finite, if that is asked: where taps are left out. */
static bool pack_block(const ck_conv_plan *plan, const char *weights, int64_t group, ck_channel_tile tile, ck_k_block block,
                       char *packed) {
  const ck_conv_tiling *t = &plan->tiling;
  const ck_dtype sum = ck_dtype_sum(plan->problem.src_dtype);
  const int64_t k = ck_reduction(plan), taps = block.outer1 - block.outer0;
  const int64_t first = block.inner0 * t->k_outer + block.outer0;
  bool finite = true;
  const ck_transpose transpose = {
      .src = weights + ((group * ck_out_channels(plan) + tile.first) * k + first) * ck_dtype_size(sum),
      .dst = packed,
      .src_stride = k,
      .dst_stride = tile.width,
      .rows = tile.count,
      .columns = block.k,
      .turns = t->block_inner > 1 ? taps : 1,
      .turns_together = t->window.kernel[2],
      .gap = ck_row_gap(t) * tile.width,
      .fill = !t->pixel_lanes,
      .finite = t->skips ? &finite : NULL};
  ck_isa_table(plan->isa)->of[sum].transpose(&transpose);
  return finite;
}

/* Elements before the weights of a channel tile and block of K, where all are packed. */
static int64_t packed_at(const ck_conv_plan *plan, int64_t group, ck_channel_tile tile, ck_k_block block) {
  return group * ck_packed_elements(plan) + tile.first * ck_packed_rows(plan) + block.row0 * tile.width;
}

/* What is known of the packed weights stands after them. */
static bool *finite_at(const ck_conv_plan *plan, const void *packed) {
  const ck_dtype sum = ck_dtype_sum(plan->problem.src_dtype);
  return (bool *)((char *)packed + plan->problem.g * ck_packed_elements(plan) * ck_dtype_size(sum));
}

void ck_loops_pack(const ck_conv_plan *plan, const void *weights, void *packed) {
  const int64_t tiles = ck_channel_tile_count(plan), blocks = ck_k_block_count(&plan->tiling);
  const int64_t size = ck_dtype_size(ck_dtype_sum(plan->problem.src_dtype));
  for (int64_t i = 0; i < plan->problem.g * tiles; i++) {
    const int64_t group = i / tiles;
    const ck_channel_tile tile = ck_channel_tile_at(plan, i % tiles);
    bool finite = true;
    for (int64_t b = 0; b < blocks; b++) {
      const ck_k_block block = ck_k_block_at(&plan->tiling, b);
      finite &= pack_block(plan, weights, group, tile, block, (char *)packed + packed_at(plan, group, tile, block) * size);
    }
    finite_at(plan, packed)[i] = finite;
  }
}

/* ---- One task ------------------------------------------------------------------------------------------------------------ */

/* The weights of a channel tile as an operand of gemm. */
static const char *weights_at(const ck_loops_call *call, const ck_loops_task *task, ck_channel_tile tile, ck_k_block block) {
  const ck_conv_plan *plan = call->plan;
  if (plan->tiling.weights_by_tile) return task->weights;
  if (plan->tiling.weights_kept) return task->weights + packed_at(plan, task->group, tile, block) * call->element;
  if (plan->tiling.weights_in_place)
    return call->weights + ((task->group * ck_out_channels(plan) + tile.first) * ck_reduction(plan) + block.k0) * call->element;
  return call->weights + packed_at(plan, task->group, tile, block) * call->element;
}

/* What is known of a block of the kept weights of channel tile i. */
static char *known_of(const ck_loops_call *call, const ck_loops_task *task, int64_t i, ck_k_block block) {
  const int64_t number = task->group * ck_channel_tile_count(call->plan) + i;
  return &task->known[number * ck_k_block_count(&call->plan->tiling) + block.index];
}

/* Packs the weights of channel tile i, if it is not done yet. Returns whether all are finite, as far as that matters. */
static bool prepare_weights(const ck_loops_call *call, const ck_loops_task *task, int64_t i, ck_k_block block) {
  const ck_conv_plan *plan = call->plan;
  const ck_conv_tiling *t = &plan->tiling;
  const ck_channel_tile tile = ck_channel_tile_at(plan, i);
  if (t->weights_by_tile) return pack_block(plan, call->weights, task->group, tile, block, task->weights);
  if (!t->weights_kept) return !call->finite || call->finite[task->group * ck_channel_tile_count(plan) + i];
  char *const known = known_of(call, task, i, block);
  if (*known == NOT_PACKED) {
    char *const to = task->weights + packed_at(plan, task->group, tile, block) * call->element;
    *known = pack_block(plan, call->weights, task->group, tile, block, to) ? PACKED_FINITE : PACKED;
  }
  return *known == PACKED_FINITE;
}

/* The second tile of a series, for the way from each to the next; of one tile, itself. */
static const ck_tile *second_of(const ck_tile *tile) { return tile->series > 1 ? tile + 1 : tile; }

/* Sets the operand that reads pixels, for the series that begins with the tile. */
static void aim_at_pixels(const ck_loops_call *call, const ck_loops_task *task, const ck_tile *tile, ck_k_block block,
                          ck_gemm_tile *g) {
  const ck_conv_plan *plan = call->plan;
  const ck_conv_tiling *t = &plan->tiling;
  const bool here = tile->packed == CK_IN_PLACE;
  const char *from = (here ? task->origin : task->lowered) + ck_tile_place(tile) * call->element;
  const ptrdiff_t next = ck_tile_place(second_of(tile)) - ck_tile_place(tile);
  g->tiles = tile->series;
  if (t->pixel_lanes) {
    g->b = from;
    g->b_next = next;
    g->b_offsets = here ? task->offsets : NULL;
    g->b_stride = tile->width;
    g->lanes = tile->count;
    if (t->pixels == CK_PIXELS_PANEL) {
      g->first_run = tile->run;
      g->run = (int)ck_min(task->panel.width, INT32_MAX);
      g->gap = tile->run < tile->count ? (int)(task->panel.pitch - task->panel.width) : 0;
    }
    return;
  }
  g->a = from;
  g->a_next = next;
  g->rows = tile->count;
  g->a_in_place = here || plan->problem.layout == CK_LAYOUT_CHANNELS_LAST;
  g->a_stride = tile->stride;
  g->runs = here ? task->taps[tile->region].runs : NULL;
  g->k_outer = here ? task->taps[tile->region].inside : 1;
  g->k = here ? task->taps[tile->region].length : block.k;
}

/* Sets the operand that reads weights, and the bias that goes with them. */
static void aim_at_weights(const ck_loops_call *call, const ck_loops_task *task, ck_channel_tile tile, ck_k_block block,
                           ck_gemm_tile *g) {
  const ck_conv_plan *plan = call->plan;
  const char *weights = weights_at(call, task, tile, block), *bias = call->buffers->bias;
  if (bias) bias += (task->group * ck_out_channels(plan) + tile.first) * call->element;
  if (plan->tiling.pixel_lanes) {
    g->a = weights;
    g->rows = tile.count;
    g->row_bias = bias;
    g->a_in_place = plan->tiling.weights_in_place;
    g->a_stride = ck_reduction(plan);
  } else {
    g->b = weights;
    g->b_stride = tile.width;
    g->lanes = tile.count;
    g->lane_bias = bias;
  }
}

/* Where the sums of a series go: dst itself, or the staging block (pixels x channels of the task). */
static void aim_at_sums(const ck_loops_call *call, const ck_loops_task *task, const ck_tile *tile, ck_channel_tile channels,
                        int64_t first_pixel, ck_gemm_tile *g) {
  const ck_conv_plan *plan = call->plan;
  const ck_conv_problem *p = &plan->problem;
  const int64_t channel = task->group * ck_out_channels(plan) + channels.first;
  char *dst = call->buffers->dst;
  int64_t step = 1; /* elements from one pixel to the next */
  if (plan->tiling.staged) {
    step = plan->tiling.sums_stride;
    g->c = task->sums + ((tile->pixel - first_pixel) * step + channels.first - task->channel0) * call->element;
  } else if (p->layout == CK_LAYOUT_CHANNELS_LAST) {
    step = p->oc;
    g->c = dst + ((task->sample * call->pixels + tile->pixel) * p->oc + channel) * call->element;
  } else {
    g->c = dst + ((task->sample * p->oc + channel) * call->pixels + tile->pixel) * call->element;
  }
  g->c_stride = plan->tiling.pixel_lanes ? call->pixels : tile->pixel_step * step;
  g->c_next = (second_of(tile)->pixel - tile->pixel) * step;
}

/* Brings the staged sums of pixels [first, first + count) into dst, channels first. A vector of channels at a time: stores that
 * run on along a few planes are several times faster than a line in each of many. */
static void unstage(const ck_loops_call *call, const ck_loops_task *task, int64_t first, int64_t count) {
  const ck_conv_plan *plan = call->plan;
  const ck_channel_tile last = ck_channel_tile_at(plan, task->channel_tile1 - 1);
  const int64_t channels = last.first + last.count - task->channel0, lanes = call->kernels->lanes;
  const int64_t plane = task->sample * plan->problem.oc + task->group * ck_out_channels(plan) + task->channel0;
  for (int64_t at = 0; at < channels; at += lanes) {
    const ck_transpose t = {.src = task->sums + at * call->element,
                            .src_stride = plan->tiling.sums_stride,
                            .dst = (char *)call->buffers->dst + ((plane + at) * call->pixels + first) * call->element,
                            .dst_stride = call->pixels,
                            .rows = count,
                            .columns = ck_min(lanes, channels - at)};
    call->kernels->transpose(&t);
  }
}

/* The packed weights of channel tile `next` come from beyond L2 while those before it are multiplied with `tile_count` pixel
 * tiles, in so many steps of k: a share with each. At its first use they would arrive more slowly than they can be
 * multiplied. */
static void fetch_ahead(const ck_loops_call *call, const ck_loops_task *task, int64_t next, int64_t tile_count, int64_t steps,
                        ck_k_block block, ck_gemm_tile *g) {
  const ck_conv_tiling *t = &call->plan->tiling;
  const bool packed = !t->weights_by_tile && !t->weights_in_place;
  g->ahead = 0;
  if (!packed || next >= task->channel_tile1 || tile_count < 2) return;
  if (t->weights_kept && *known_of(call, task, next, block) == NOT_PACKED) return;
  const ck_channel_tile tile = ck_channel_tile_at(call->plan, next);
  const int64_t bytes = (task->channel_tile1 - task->channel_tile0) * tile.width * block.rows * call->element;
  if (bytes < ck_cpu_caches().l2 / 2) return;
  g->ahead = (uintptr_t)weights_at(call, task, tile, block);
  g->ahead_step = ck_ceil_div(tile.width * block.rows * call->element, ck_max(steps, 1));
}

/* A pixel does not see the taps that lie in the padding, whose products with zero are zero unless a weight is not finite: then
 * they are NaN, and are summed before the others. */
static void multiply_padding(const ck_loops_call *call, const ck_loops_task *task, const ck_view_taps *taps, ck_k_block block,
                             ck_gemm_tile *g) {
  ck_gemm_tile zeros = *g;
  if (taps->outside == 0) return;
  memset(task->zeros, 0, (size_t)((block.inner1 - block.inner0) * call->element));
  zeros.a = task->zeros;
  zeros.a_stride = zeros.a_next = 0;
  zeros.runs = ck_view_outside(taps, block);
  zeros.k_outer = taps->outside;
  zeros.k = block.inner1 - block.inner0;
  zeros.activation = CK_ACTIVATION_NONE;
  zeros.ahead = 0;
  call->kernels->gemm(&zeros);
  g->resume = true;
}

/* Whether the call has been interrupted; looks only once enough has been done since the last time. */
static bool stopped(const ck_loops_call *call, ck_loops_task *task, int64_t steps) {
  task->unasked += steps;
  if (task->unasked < STEPS_UNASKED) return false;
  task->unasked = 0;
  return ck_parallel_stopped(call->control, task->slot, call->stop);
}

/* Steps of k that the tiles of a group take with one channel tile. */
static int64_t steps_of(const ck_conv_plan *plan, const ck_loops_task *task, int64_t tile_count, ck_k_block block) {
  if (!plan->tiling.skips) return tile_count * block.k;
  int64_t steps = 0;
  for (int64_t i = 0; i < tile_count; i++)
    steps += task->taps[task->tiles[i].region].inside * task->taps[task->tiles[i].region].length;
  return steps;
}

/* The tiles of a group with one block of K: all channel tiles of the task. Returns whether to go on. */
static bool multiply(const ck_loops_call *call, ck_loops_task *task, int64_t tile_count, int64_t first_pixel,
                     ck_k_block block) {
  const ck_conv_plan *plan = call->plan;
  ck_gemm_tile g = {.k_outer = 1,
                    .k = block.k,
                    .activation = block.k0 + block.k == ck_reduction(plan) ? plan->problem.activation : CK_ACTIVATION_NONE};
  const int64_t steps = steps_of(plan, task, tile_count, block);
  for (int64_t i = task->channel_tile0; i < task->channel_tile1; i++) {
    const ck_channel_tile channels = ck_channel_tile_at(plan, i);
    const bool finite = prepare_weights(call, task, i, block);
    aim_at_weights(call, task, channels, block, &g);
    fetch_ahead(call, task, i + 1, tile_count, steps, block, &g);
    for (const ck_tile *tile = task->tiles; tile < task->tiles + tile_count; tile += tile->series) {
      g.resume = block.k0 > 0;
      aim_at_pixels(call, task, tile, block, &g);
      aim_at_sums(call, task, tile, channels, first_pixel, &g);
      if (!finite) multiply_padding(call, task, &task->taps[tile->region], block, &g);
      call->kernels->gemm(&g);
      if (g.ahead) g.ahead += (uintptr_t)(g.ahead_step * g.tiles * g.k_outer * g.k);
    }
    if (stopped(call, task, steps)) return false;
  }
  return true;
}

/* Cuts pixels [first, last) of the sample into tiles and returns their number. */
static int64_t cut(const ck_loops_call *call, ck_loops_task *task, const char *sample, int64_t first, int64_t last) {
  const ck_conv_plan *plan = call->plan;
  if (plan->tiling.pixels == CK_PIXELS_PANEL) {
    task->panel = ck_panel_of(&plan->tiling, last - first);
    return ck_panel_tiles(plan, &task->panel, first, last, task->tiles);
  }
  if (!ck_loops_viewed(&plan->tiling)) return ck_tiles_cut(plan, sample, first, last, task->tiles);
  const ck_view *before = task->view;
  task->view = &task->views[before == task->views];
  ck_view_of(plan, first, last, task->view);
  /* The lists of one group serve the next, if K is one block. */
  task->listed = before && ck_k_block_count(&plan->tiling) == 1 && ck_view_sees_the_same(before, task->view);
  return ck_view_tiles(plan, task->view, task->tiles);
}

/* Brings the input of a group, for one block of K, to where the micro-kernel reads it, and lists where that is. */
static void bring(const ck_loops_call *call, ck_loops_task *task, const char *sample, int64_t first, int64_t tile_count,
                  ck_k_block block) {
  const ck_conv_plan *plan = call->plan;
  const ck_conv_problem *p = &plan->problem;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t channel = task->group * ck_in_channels(plan), source = ck_dtype_size(p->src_dtype);
  if (ck_loops_viewed(&plan->tiling) && !task->listed) ck_view_list_taps(plan, task->view, block, task->taps, task->runs);
  switch (plan->tiling.pixels) {
    case CK_PIXELS_TRANSPOSED:
      ck_view_fill(plan, task->view, sample, task->group, block, task->lowered);
      task->origin = task->lowered;
      return;
    case CK_PIXELS_PANEL:
      ck_panel_offsets(plan, &task->panel, block, task->offsets);
      ck_panel_fill(plan, &task->panel, sample, call->src_end, task->group, block, first, task->moves, task->lowered);
      task->origin = task->lowered;
      return;
    case CK_PIXELS_IN_PLACE:
      task->origin = sample + (channels_last ? channel + block.inner0 : channel * ck_volume(p->window.in)) * source;
      if (channels_last) return;
      ck_tap_offsets(plan, block, task->offsets); /* a tile at the end of the input is lowered */
      break;
    case CK_PIXELS_LOWERED:
      break;
  }
  ck_lower(plan, sample, call->src_end, task->group, block, task->tiles, tile_count, task->moves, task->lowered);
}

/* A group of pixels, one block of K at a time. Returns whether to go on. */
static bool run_group(const ck_loops_call *call, ck_loops_task *task, const char *sample, int64_t first, int64_t last) {
  const ck_conv_plan *plan = call->plan;
  const int64_t blocks = ck_k_block_count(&plan->tiling), count = cut(call, task, sample, first, last);
  for (int64_t b = 0; b < blocks; b++) {
    const ck_k_block block = ck_k_block_at(&plan->tiling, b);
    bring(call, task, sample, first, count, block);
    ck_tiles_join(task->tiles, count);
    if (!multiply(call, task, count, first, block)) return false;
  }
  if (plan->tiling.staged) unstage(call, task, first, last - first);
  return true;
}

/* By how many pixels one comes after the beginning of a vector, where groups and parts heed it. */
static int64_t late_by(const ck_loops_call *call, const char *sample, int64_t pixel) {
  return ck_loops_one_run(&call->plan->tiling) ? ck_tiles_late(call->plan, sample, pixel) : 0;
}

/* Where the group that begins at a pixel must end: a panel holds whole rows of one depth, or a part of one row; in place, the
 * next group begins where a vector does. */
static int64_t group_end(const ck_loops_call *call, const char *sample, int64_t from, int64_t step, int64_t last) {
  const ck_conv_tiling *t = &call->plan->tiling;
  if (ck_loops_viewed(t)) return ck_view_end(&t->window, from, step, last);
  const int64_t end = ck_min(from + step, last);
  if (t->pixels == CK_PIXELS_PANEL) {
    const int64_t row = t->window.out[2], within = t->group_pixels < row ? row : row * t->window.out[1];
    return ck_min(end, (from / within + 1) * within);
  }
  const int64_t late = late_by(call, sample, from);
  return end == last || late >= end - from ? end : end - late;
}

/* Where a part begins or ends that should at this pixel, if it is not an end of the plane: where a vector does. Units are whole
 * vectors then, so that parts keep their order, and none is empty. */
static int64_t boundary(const ck_loops_call *call, const char *sample, int64_t pixel) {
  return pixel == 0 || pixel == call->pixels ? pixel : pixel - late_by(call, sample, pixel);
}

static char *own_memory(const ck_loops_call *call, int slot) {
  return (char *)call->buffers->workspace + (size_t)slot * call->plan->thread_bytes;
}

static void run_task(const void *context, int64_t number, int slot) {
  const ck_loops_call *call = context;
  const ck_conv_plan *plan = call->plan;
  const ck_conv_tiling *t = &plan->tiling;
  const ck_loops_part part = ck_loops_part_at(plan, &call->split, number);
  char *own = own_memory(call, slot);
  ck_loops_task task = {
      .sample = part.sample,
      .group = part.group,
      .channel_tile0 = part.channel_tile0,
      .channel_tile1 = part.channel_tile1,
      .tiles = (ck_tile *)(own + t->tiles_at),
      .moves = (ck_move *)(own + t->moves_at),
      .offsets = (ptrdiff_t *)(own + t->offsets_at),
      .runs = (ck_gemm_run *)(own + t->offsets_at),
      .taps = (ck_view_taps *)(own + t->taps_at),
      .lowered = own + t->lowered_at,
      .weights = own + t->weights_at,
      .known = own + t->known_at,
      .sums = own + t->sums_at,
      .zeros = own + t->zeros_at,
      .slot = slot,
  };
  task.channel0 = ck_channel_tile_at(plan, task.channel_tile0).first;
  const char *sample =
      (const char *)call->buffers->src + part.sample * call->buffers->src_batch_stride * ck_dtype_size(plan->problem.src_dtype);
  const int64_t first = boundary(call, sample, part.pixel0), last = boundary(call, sample, part.pixel1);
  const int64_t late = late_by(call, sample, first); /* by so much the first group is shorter, see group_end */
  const int64_t pixels = last - first + late, groups = ck_ceil_div(pixels, t->group_pixels);
  const int64_t unit = ck_loops_one_run(t) ? ck_tile_pixels(plan) : t->pixel_unit;
  const int64_t step = ck_min(ck_round_up(ck_ceil_div(pixels, groups), unit), t->group_pixels);
  for (int64_t from = first, to; from < last; from = to) {
    to = group_end(call, sample, from, step, last);
    if (!run_group(call, &task, sample, from, to)) return;
  }
}

/* ---- The call ------------------------------------------------------------------------------------------------------------ */

ck_status ck_loops_run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  const ck_conv_problem *p = &plan->problem;
  const ck_dtype sum = ck_dtype_sum(p->src_dtype);
  ck_loops_call call = {.plan = plan,
                        .buffers = buffers,
                        .kernels = &ck_isa_table(plan->isa)->of[sum],
                        .split = ck_loops_split_for(plan, buffers->n, control->num_threads),
                        .weights = buffers->weights,
                        .src_end = ck_conv_src_end(p, buffers),
                        .element = ck_dtype_size(sum),
                        .pixels = ck_volume(p->window.out)};
  ck_control narrowed = *control;
  atomic_bool stop = false;
  narrowed.num_threads = call.split.num_threads;
  if (plan->tiling.skips && plan->packed_bytes > 0) call.finite = finite_at(plan, call.weights);
  call.control = &narrowed;
  call.stop = &stop;
  const int64_t tasks = buffers->n * p->g * call.split.pixel_parts * call.split.channel_parts;
  for (int slot = 0; plan->tiling.weights_kept && slot < ck_parallel_width(narrowed.num_threads, tasks); slot++)
    memset(own_memory(&call, slot) + plan->tiling.known_at, NOT_PACKED, (size_t)ck_packed_blocks(plan));
  return ck_parallel_for_stoppable(&narrowed, tasks, run_task, &call, &stop);
}

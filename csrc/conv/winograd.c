/* winograd.c: fewer multiplications, by computing tiles of outputs from tiles of inputs in a transformed space.
 *
 *   local     for group, block of tiles, part of the output channels      one task; V and M keep to 0.6 of L2
 *               V = the block's input tiles, transformed                  [e][tile][input channel]
 *               for some output channels:
 *                 for e: M[e] = V[e] * U[e]                               a gemm: lanes are output channels, rows are tiles
 *                 transform M into the output, with bias and activation
 *   shared    for a round of tiles: V of all of them, then in parallel over output channels and blocks the second half of the above.
 *             Where V of a useful block leaves L2: many channels.
 *
 * U, the transformed weights: [group][output channel tile][depth tap][e][input channel][lanes]. Depth taps are part of the
 * reduction: the transform is of height and width. Sums run over the channels in chains of at most CK_WINOGRAD_CHAIN, which are
 * then added: a long chain would lose what the transform leaves of the precision. Numbering of tiles, chains and transforms
 * depend on the sizes of one sample alone, and so do the bits.
 *
 * After: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015. */
#include "winograd.h"

#include <string.h>

#include "cost.h"

#define SCRATCH_BYTES 16384 /* weights of a few input channels, transposed */

/* ---- Weights ------------------------------------------------------------------------------------------------------------- */

typedef struct {
  const ck_conv_plan *plan;
  ck_winograd w;
  const char *weights;
  char *packed;
} ck_winograd_pack;

/* One vector of output channels of a tile: some input channels at a time are transposed to [channel][tap][lanes]. */
static void pack_vector(const ck_winograd_pack *call, int64_t group, int64_t tile, int64_t vector) {
  const ck_winograd *w = &call->w;
  const ck_kernels *kernels = ck_winograd_kernels(call->plan);
  char scratch[SCRATCH_BYTES] __attribute__((aligned(CK_ALIGNMENT)));
  const int64_t plane_taps = w->axis[0].taps * w->axis[1].taps, taps = w->depth_taps * plane_taps;
  const int64_t tile_lanes = w->lanes * ck_winograd_tile_vectors(call->plan), first = tile * tile_lanes;
  const int64_t width = ck_min(tile_lanes, ck_round_up(w->outputs - first, w->lanes)), output = first + vector * w->lanes;
  const int64_t together = SCRATCH_BYTES / (taps * w->lanes * w->size);
  char *dst =
      call->packed +
      (group * ck_winograd_u_elements(w) + first * w->depth_taps * w->elements * w->channels + vector * w->lanes) * w->size;
  for (int64_t channel = 0; channel < w->channels; channel += together) {
    const int64_t count = ck_min(together, w->channels - channel);
    const ck_transpose t = {.src = call->weights + (((group * w->outputs + output) * w->channels + channel) * taps) * w->size,
                            .dst = scratch,
                            .src_stride = w->channels * taps,
                            .dst_stride = w->lanes,
                            .rows = ck_min(w->lanes, w->outputs - output),
                            .columns = count * taps,
                            .fill = true};
    kernels->transpose(&t);
    for (int64_t k = 0; k < w->depth_taps; k++) {
      const ck_winograd_weights u = {.src = scratch + k * plane_taps * w->lanes * w->size,
                                     .dst = dst + (k * w->elements * w->channels + channel) * width * w->size,
                                     .row_step = w->axis[1].taps * w->lanes,
                                     .column_step = w->lanes,
                                     .plane_step = w->channels * width,
                                     .src_next = taps * w->lanes,
                                     .dst_next = width,
                                     .count = count,
                                     .rows = w->axis[0].n,
                                     .columns = w->axis[1].n,
                                     .row_taps = w->axis[0].taps,
                                     .column_taps = w->axis[1].taps};
      kernels->winograd_weights(&u);
    }
  }
}

static void pack_tile(const void *context, int64_t task, int slot) {
  const ck_winograd_pack *call = context;
  const int64_t tiles = ck_winograd_output_tiles(call->plan, &call->w), tile = task % tiles,
                vectors = ck_winograd_tile_vectors(call->plan);
  const int64_t left = ck_ceil_div(call->w.outputs, call->w.lanes) - tile * vectors;
  (void)slot;
  for (int64_t vector = 0; vector < ck_min(vectors, left); vector++) pack_vector(call, task / tiles, tile, vector);
}

static void pack(const ck_conv_plan *plan, const void *weights, void *packed) {
  const ck_winograd_pack call = {plan, ck_winograd_of(plan), weights, packed};
  const ck_control serial = {.num_threads = 1};
  ck_parallel_for(&serial, plan->problem.g * ck_winograd_output_tiles(plan, &call.w), pack_tile, &call);
}

/* ---- Multiplication ------------------------------------------------------------------------------------------------------ */

/* One run of rows of V[e] times the weights of one tile of output channels. */
static void multiply_run(const ck_winograd_call *call, ck_gemm_tile *g, const char *a, char *c, int64_t rows, bool add) {
  const ck_winograd *w = &call->w;
  const int64_t parts = ck_ceil_div(rows, ck_winograd_tile_rows(call->plan)), chains = ck_winograd_chains(w);
  const char *b = g->b;
  for (int64_t chain = 0; chain < chains; chain++) {
    const int64_t k0 = ck_share(w->channels, chains, chain);
    g->k = ck_share(w->channels, chains, chain + 1) - k0;
    g->b = b + k0 * g->b_stride * w->size;
    g->add = add || chain > 0;
    for (int64_t part = 0; part < parts; part++) {
      const int64_t row = ck_share(rows, parts, part);
      g->rows = (int)(ck_share(rows, parts, part + 1) - row);
      g->a = a + (row * g->a_stride + k0) * w->size;
      g->c = c + row * g->c_stride * w->size;
      call->kernels->gemm(g);
    }
  }
  g->b = b;
}

/* M of the block for output channel tiles [tile0, tile1): all depth taps, all channels. V is of the block `whole`, of which
 * `block` is a part. */
static void multiply(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block,
                     int64_t tile0, int64_t tile1, const char *v, char *m) {
  const ck_winograd *w = &call->w;
  const int64_t v_tiles = ck_winograd_tiles(w, whole), tiles = ck_winograd_tiles(w, block),
                m_row = ck_winograd_m_row(call->plan, w);
  const int64_t v_plane = ck_winograd_plane(w, ck_winograd_slots(w, whole) * v_tiles, w->v_row);
  const int64_t m_plane = ck_winograd_plane(w, block.planes * tiles, m_row),
                lanes = w->lanes * ck_winograd_tile_vectors(call->plan);
  const int64_t v_first = ck_winograd_slot(w, block.plane0 - whole.plane0, 0) * v_tiles +
                          ck_winograd_first_tile(w, block.unit0) - ck_winograd_first_tile(w, whole.unit0);
  /* Not every tap lies inside the input in depth. */
  const bool deep = w->depth_taps > 1 || w->depth_before > 0 || (w->depth_out - 1) * w->depth_stride >= w->depth_in;
  const bool joined = tiles == v_tiles && (w->depth_taps == 1 || w->depth_stride == 1);
  if (deep) memset(m, 0, (size_t)(w->elements * m_plane * w->size));
  ck_gemm_tile g = {.a_in_place = true, .a_stride = w->v_row, .c_stride = m_row, .k_outer = 1};
  for (int64_t tile = tile0; tile < tile1; tile++) {
    g.lanes = (int)ck_min(lanes, ck_round_up(w->outputs - tile * lanes, w->lanes));
    g.b_stride = g.lanes;
    for (int64_t k = 0; k < w->depth_taps; k++) {
      for (int64_t e = 0; e < w->elements; e++) {
        g.b = call->weights + (group * ck_winograd_u_elements(w) + tile * lanes * w->depth_taps * w->elements * w->channels +
                               (k * w->elements + e) * w->channels * g.lanes) *
                                  w->size;
        for (int64_t q = 0, next; q < block.planes; q = next) {
          const int64_t id = (block.plane0 + q) % w->depth_out * w->depth_stride - w->depth_before + k * w->depth_dilation;
          next = q + 1;
          if (id < 0 || id >= w->depth_in) continue;
          if (joined && !deep) next = block.planes;
          if (joined && deep && w->depth_taps > 1) next = ck_min(block.planes, q + w->depth_in - id);
          multiply_run(call, &g, v + (e * v_plane + (v_first + ck_winograd_slot(w, q, k) * v_tiles) * w->v_row) * w->size,
                       m + (e * m_plane + q * tiles * m_row + (tile - tile0) * lanes) * w->size, (next - q) * tiles, deep);
        }
      }
    }
  }
}

/* Output channel tiles [tile0, tile1), part after part: M and the outputs. */
static void finish(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block, int64_t tile0,
                   int64_t tile1, const char *v, char *m, char *strip) {
  const ck_winograd *w = &call->w;
  const int64_t lanes = w->lanes * ck_winograd_tile_vectors(call->plan), parts = ck_ceil_div(tile1 - tile0, w->part_tiles);
  for (int64_t part = 0; part < parts; part++) {
    const int64_t from = tile0 + ck_share(tile1 - tile0, parts, part), to = tile0 + ck_share(tile1 - tile0, parts, part + 1);
    multiply(call, group, whole, block, from, to, v, m);
    ck_winograd_tiles_out(call, group, block, from * lanes, ck_min(to * lanes, w->outputs) - from * lanes, m,
                          ck_winograd_m_row(call->plan, w), strip);
  }
}

/* ---- Tasks --------------------------------------------------------------------------------------------------------------- */

/* How a call is split. Planes and units of a round (shared) or of all (local) are cut into even parts. */
typedef struct {
  int64_t samples, planes; /* local with depth taps: planes of a sample; else samples is 1 */
  int64_t plane_parts, unit_parts, channel_parts;
  int num_threads;
} ck_winograd_split;

typedef struct {
  ck_winograd_call base;
  ck_winograd_split split;
  ck_winograd_block round; /* shared */
  int64_t group;
  ck_winograd_memory at;
} ck_winograd_run;

static ck_winograd_split split_local(const ck_conv_plan *plan, const ck_winograd *w, int64_t n, int threads) {
  const bool deep = w->depth_taps > 1;
  ck_winograd_split s = {.samples = deep ? n : 1, .planes = deep ? w->depth_out : n * w->depth_out, .channel_parts = 1};
  s.plane_parts = ck_ceil_div(s.planes, w->block_planes);
  s.unit_parts = ck_ceil_div(w->units, w->block_units);
  const double work = (double)(w->elements * w->channels * w->depth_taps) * (double)w->outputs * (double)n *
                      (double)plan->problem.g * (double)w->depth_out * (double)(w->axis[0].tiles * w->axis[1].tiles);
  s.num_threads = ck_threads_for(work, threads);
  if (s.num_threads == 1) return s;
  /* More parts of units or planes while they stay above one register tile, else parts of the output channels, which repeat the
   * input's transform. */
  const int64_t groups = plan->problem.g * s.samples, enough = (int64_t)ck_winograd_tile_rows(plan);
  const bool by_units = w->units >= s.planes;
  int64_t *parts = by_units ? &s.unit_parts : &s.plane_parts;
  const int64_t most = by_units ? w->units : s.planes, fixed = groups * s.plane_parts * s.unit_parts / *parts, start = *parts;
  const int64_t tiles = w->axis[0].tiles * w->axis[1].tiles * s.planes / (s.plane_parts * s.unit_parts / *parts);
  for (int64_t more = start; more <= ck_min(most, start + s.num_threads); more++)
    if (more == start || (tiles / more >= enough &&
                          ck_imbalance(fixed * more, s.num_threads) < ck_imbalance(fixed * *parts, s.num_threads) - 0.02))
      *parts = more;
  const int64_t tasks = fixed * *parts;
  for (int64_t more = 1; more <= ck_min(ck_winograd_output_tiles(plan, w), s.num_threads); more++)
    if (ck_imbalance(tasks * more, s.num_threads) < ck_imbalance(tasks * s.channel_parts, s.num_threads) - 0.1)
      s.channel_parts = more;
  return s;
}

static ck_winograd_block block_at(const ck_winograd *w, const ck_winograd_split *s, int64_t plane_part, int64_t unit_part) {
  ck_winograd_block b;
  b.plane0 = ck_share(s->planes, s->plane_parts, plane_part);
  b.planes = ck_share(s->planes, s->plane_parts, plane_part + 1) - b.plane0;
  b.unit0 = ck_share(w->units, s->unit_parts, unit_part);
  b.units = ck_share(w->units, s->unit_parts, unit_part + 1) - b.unit0;
  return b;
}

static char *own_of(const ck_winograd_run *run, int slot) {
  return (char *)run->base.buffers->workspace + run->base.plan->shared_bytes + (size_t)slot * run->base.plan->thread_bytes;
}

static char *shared_v(const ck_winograd_run *run) { return (char *)run->base.buffers->workspace + run->at.v; }

static void run_local(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_winograd_split *s = &run->split;
  const int64_t channel_part = task % s->channel_parts, unit_part = task / s->channel_parts % s->unit_parts;
  const int64_t block_number = task / s->channel_parts / s->unit_parts, tiles = ck_winograd_output_tiles(call->plan, w);
  const int64_t group = block_number / s->plane_parts % call->plan->problem.g,
                sample = block_number / s->plane_parts / call->plan->problem.g;
  ck_winograd_block block = block_at(w, s, block_number % s->plane_parts, unit_part);
  block.plane0 += sample * s->planes;
  char *own = own_of(run, slot), *v = own + run->at.v, *strip = own + run->at.strip;
  ck_winograd_tiles_in(call, group, block, 0, ck_ceil_div(w->channels, w->lanes), v, strip);
  finish(call, group, block, block, ck_share(tiles, s->channel_parts, channel_part),
         ck_share(tiles, s->channel_parts, channel_part + 1), v, own + run->at.m, strip);
}

static void run_round_in(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const int64_t vectors = ck_ceil_div(run->base.w.channels, run->base.w.lanes);
  ck_winograd_tiles_in(&run->base, run->group, run->round, task * 2, ck_min(task * 2 + 2, vectors), shared_v(run),
                       own_of(run, slot) + run->at.strip);
}

static void run_round_out(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_winograd_split *s = &run->split;
  const int64_t tiles = ck_winograd_output_tiles(call->plan, w), channel_part = task / s->unit_parts / s->plane_parts;
  const int64_t plane_part = task / s->unit_parts % s->plane_parts, unit_part = task % s->unit_parts;
  ck_winograd_block block = run->round;
  block.plane0 += ck_share(run->round.planes, s->plane_parts, plane_part);
  block.planes = run->round.plane0 + ck_share(run->round.planes, s->plane_parts, plane_part + 1) - block.plane0;
  block.unit0 += ck_share(run->round.units, s->unit_parts, unit_part);
  block.units = run->round.unit0 + ck_share(run->round.units, s->unit_parts, unit_part + 1) - block.unit0;
  char *own = own_of(run, slot);
  finish(call, run->group, run->round, block, ck_share(tiles, s->channel_parts, channel_part),
         ck_share(tiles, s->channel_parts, channel_part + 1), shared_v(run), own + run->at.m, own + run->at.strip);
}

/* Parts of the output channels, evenly for the threads: V is read once for each, U once for each part of the tiles. */
static void split_round(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_run *run) {
  ck_winograd_split *s = &run->split;
  const int64_t tiles = ck_winograd_output_tiles(plan, w);
  s->plane_parts = ck_ceil_div(run->round.planes, w->sub_planes);
  s->unit_parts = ck_ceil_div(run->round.units, w->sub_units);
  s->channel_parts = ck_ceil_div(tiles, w->part_tiles);
  const int64_t fixed = s->plane_parts * s->unit_parts, start = s->channel_parts;
  for (int64_t more = start; more <= ck_min(tiles, start + s->num_threads); more++)
    if (ck_imbalance(fixed * more, s->num_threads) < ck_imbalance(fixed * s->channel_parts, s->num_threads) - 0.02)
      s->channel_parts = more;
}

static ck_status run_rounds(ck_winograd_run *run, const ck_control *control) {
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const int64_t n = call->buffers->n, samples = w->depth_taps > 1 ? n : 1, planes = n * w->depth_out / samples;
  const int64_t plane_rounds = ck_ceil_div(planes, w->block_planes), unit_rounds = ck_ceil_div(w->units, w->block_units);
  const ck_winograd_split all = {.planes = planes, .plane_parts = plane_rounds, .unit_parts = unit_rounds};
  for (int64_t round = 0; round < samples * p->g * plane_rounds * unit_rounds; round++) {
    run->round = block_at(w, &all, round / unit_rounds % plane_rounds, round % unit_rounds);
    run->round.plane0 += round / unit_rounds / plane_rounds / p->g * planes;
    run->group = round / unit_rounds / plane_rounds % p->g;
    split_round(call->plan, w, run);
    ck_status status = ck_parallel_for(control, ck_ceil_div(ck_ceil_div(w->channels, w->lanes), 2), run_round_in, run);
    if (!status)
      status = ck_parallel_for(control, run->split.plane_parts * run->split.unit_parts * run->split.channel_parts,
                               run_round_out, run);
    if (status) return status;
  }
  return CK_STATUS_OK;
}

static int64_t tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_winograd w = ck_winograd_of(plan);
  return w.shared ? num_threads : split_local(plan, &w, n, num_threads).num_threads;
}

static ck_status run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  ck_winograd_run r = {.base = {.plan = plan,
                                .buffers = buffers,
                                .kernels = ck_winograd_kernels(plan),
                                .weights = buffers->weights,
                                .w = ck_winograd_of(plan)}};
  const ck_winograd *w = &r.base.w;
  r.at = ck_winograd_book(plan, w);
  r.split = split_local(plan, w, buffers->n, control->num_threads);
  ck_control narrowed = *control;
  if (w->shared)
    r.split.num_threads = control->num_threads;
  else
    narrowed.num_threads = r.split.num_threads;
  if (!plan->problem.prepared) {
    const ck_winograd_pack call = {plan, *w, buffers->weights, (char *)buffers->workspace + r.at.u};
    const ck_status status = ck_parallel_for(&narrowed, plan->problem.g * ck_winograd_output_tiles(plan, w), pack_tile, &call);
    if (status) return status;
    r.base.weights = call.packed;
  }
  if (w->shared) return run_rounds(&r, &narrowed);
  return ck_parallel_for(&narrowed,
                         plan->problem.g * r.split.samples * r.split.plane_parts * r.split.unit_parts * r.split.channel_parts,
                         run_local, &r);
}

const ck_conv_algorithm ck_conv_winograd = {"winograd", ck_winograd_declines, ck_winograd_plan, pack, run, tasks};

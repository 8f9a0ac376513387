/* winograd_plan.c: which problems Winograd serves, its sizes, blocks, memory and cost. What they mean is in winograd.h and
 * winograd.c.
 *
 * The choice of a tile changes bits: it looks at one sample's sizes alone, and at whether the weights are constant. Blocks,
 * which change none, look at the caches of this machine too. */
#include "winograd.h"

#include <math.h>

#include "../base/cpu.h"
#include "../base/workspace.h"
#include "cost.h"

#define TERMS_MOST 4096 /* of a sum: up to here the error bound of docs/numerics.md is tested */
#define KERNEL_MOST 12  /* taps of a phase along an axis */
#define TAPS_MOST 256   /* of all phases, in all axes: their weights are transposed together */
#define STRIP_BYTES (64 << 10)
#define SHARED_BYTES (12 << 20) /* of V */
#define THREAD_BYTES (2 << 20)  /* of M and a strip where V is shared */
#define M_LINES 2               /* of cache, for a row of M, at least */
#define SPARE_LINES 64

#define CYCLES_ELEMENT_IN 4.0 /* a vector of a transformed tile */
#define CYCLES_ELEMENT_OUT 3.0
#define CYCLES_TILE_AGAIN 40.0     /* of a register tile, for sums that are added to those of a chain or slice before */
#define CYCLES_STRIP_VECTOR 8.0    /* transposed */
#define CYCLES_GATHER_SHUFFLED 1.2 /* an element of a row without its stride */
#define CYCLES_GATHER 1.3
#define CYCLES_WEIGHT_TAP 8.6       /* a vector of weights, transposed */
#define CYCLES_WEIGHT_CUT 14.0      /* copied to a piece or phase */
#define CYCLES_WEIGHT_PLANE 12.0    /* a vector of transformed ones, written to U of all tiles */
#define CYCLES_OWN_WEIGHT_PLANE 3.2 /* to that of one tile */
#define CALL_U_MOST (64 << 20)      /* bytes of transformed weights that a call may be charged with unasked */
#define CYCLES_CALL 5000.0          /* sizes, split */
#define U_BYTES_PER_CYCLE 50.0      /* from L3, fetched while others are multiplied */
#define REFERENCE_MULTIPLY 14.5     /* multiply-adds a cycle */
#define REFERENCE_NEAR 16e6
#define REFERENCE_NEAR_BYTES 12.0 /* a cycle */
#define REFERENCE_FAR_BYTES 5.0
#define REFERENCE_WEIGHT_TAP 15.0
#define REFERENCE_WEIGHT_PLANE 7.0

enum {
  DETAIL_N,
  DETAIL_SHARED,
  DETAIL_PART_TILES,
  DETAIL_BLOCK_PLANES,
  DETAIL_BLOCK_UNITS,
  DETAIL_SUB_PLANES,
  DETAIL_SUB_UNITS,
  DETAIL_BY_TILE
};

/* How the taps along an axis are cut: with tiles of 6, so that an output takes the fewest products, in the fewest pieces. */
typedef struct {
  int64_t taps, count;
} pieces_of_axis;

static pieces_of_axis piece_of(int64_t kernel) {
  pieces_of_axis best = {kernel, 1};
  if (kernel <= CK_WINOGRAD_TAPS_MOST) return best;
  double least = INFINITY;
  for (int64_t taps = CK_WINOGRAD_TAPS_MOST; taps >= 3; taps--) {
    const int64_t count = ck_ceil_div(kernel, taps);
    const double products = (double)count / (double)(CK_WINOGRAD_MOST - taps + 1);
    if (products >= least) continue;
    least = products;
    best = (pieces_of_axis){taps, count};
  }
  return best;
}

/* Of a phase along an axis, and how far apart they are in its image. */
static int64_t taps_of(const ck_window *w, int axis) { return ck_ceil_div(w->kernel[axis], ck_phases(w, axis)); }
static int64_t apart(const ck_window *w, int axis) {
  return taps_of(w, axis) > 1 ? ck_phases(w, axis) * w->dilation[axis] / w->stride[axis] : 1;
}

static bool is_gathered(const ck_window *w) { return w->stride[1] > 1 || w->stride[2] > 1; }

const char *ck_winograd_declines(const ck_conv_problem *p) {
  const ck_window *w = &p->window;
  if (!ck_dtype_is_real(p->src_dtype)) return "integers cannot be transformed exactly; it serves float32 and float64";
  const int64_t high = taps_of(w, 1), across = taps_of(w, 2);
  if (high == 1 && across == 1)
    return "a kernel of one tap in height and width, for each phase of its stride, has nothing to save";
  if (w->kernel[0] > 9) return "it serves at most 9 taps in depth";
  if (high > KERNEL_MOST || across > KERNEL_MOST)
    return "it serves at most 12 taps in height and width, for each phase of their stride";
  if (w->kernel[1] > TAPS_MOST || w->kernel[2] > TAPS_MOST || ck_volume(w->kernel) > TAPS_MOST)
    return "it serves at most 256 taps";
  const int64_t pieces = piece_of(high).count * piece_of(across).count;
  if (pieces > 1 && w->kernel[0] > 1) return "it serves at most 5 taps in height and width of a kernel with depth";
  const int64_t phases = ck_phases(w, 1) * ck_phases(w, 2);
  if (p->ic / p->g * phases == 1) return "one input channel a group leaves nothing to save";
  if (p->ic / p->g > TERMS_MOST || p->ic / p->g * phases * w->kernel[0] * pieces > TERMS_MOST)
    return "sums over more than 4096 input channels times slices and phases of the kernel may miss its error bound";
  if (ck_max(w->dilation[1], w->dilation[2]) > INT64_MAX / (32 * TAPS_MOST))
    return "products with its dilation would not fit 64 bits";
  /* Of one tile of each class in a row: a thread's M and strip; V, in all slices from the first depth tap to the last. */
  const bool gathered = is_gathered(w);
  const int64_t rows = high > 1 ? CK_WINOGRAD_MOST : 1, dilation = apart(w, 2), classes = ck_min(dilation, w->out[2]);
  const int64_t reach = ck_min(dilation, THREAD_BYTES) * CK_WINOGRAD_MOST;
  const int64_t columns = gathered ? reach : ck_min(ck_max(w->in[2], w->out[2]), reach);
  const int64_t tile = rows * CK_WINOGRAD_MOST, most = THREAD_BYTES / CK_ALIGNMENT - SPARE_LINES;
  const bool wide = classes > most || columns > most || classes * tile * M_LINES + columns * (rows + gathered) > most;
  if (wide || ck_max(ck_span(w, 0, 1), pieces) >
                  SHARED_BYTES / (classes * tile * (p->ic / p->g * phases + 16) * ck_dtype_size(p->src_dtype)))
    return "tiles of rows or planes that are dilated so far do not fit the caches";
  return NULL;
}

/* ---- Sizes --------------------------------------------------------------------------------------------------------------- */

static ck_winograd_axis axis_of(const ck_window *w, int axis, int n, bool gathered) {
  const int64_t taps = taps_of(w, axis);
  const pieces_of_axis piece = piece_of(taps);
  /* Tiles of 5 x 5 outputs would miss the error bound: 2 taps are filled up to 3, where the other axis has some too. */
  const bool filled = n == CK_WINOGRAD_MOST && taps == 2 && taps_of(w, 3 - axis) > 1;
  ck_winograd_axis a = {.taps = filled ? 3 : (int)piece.taps,
                        .kernel = w->kernel[axis],
                        .phases = ck_phases(w, axis),
                        .pieces = piece.count,
                        .n = taps > 1 ? n : 1,
                        .in = w->in[axis],
                        .out = w->out[axis],
                        .before = w->before[axis],
                        .dilation = apart(w, axis)};
  a.classes = ck_min(a.dilation, a.out);
  a.m = a.n - a.taps + 1;
  const int64_t of_class = ck_ceil_div(a.out, a.dilation);
  a.class_tiles = ck_ceil_div(of_class, a.m);
  a.tiles = a.classes * a.class_tiles;
  a.whole = ck_max(of_class - a.class_tiles * (a.m - 1), 0);
  if (!gathered) return a;
  /* Of a phase there is what any tile, of any piece, reads. */
  a.before = 0;
  a.in = (ck_winograd_start(&a, a.class_tiles - 1) + a.n + (a.pieces - 1) * a.taps) * a.dilation;
  return a;
}

/* What follows from the problem and n alone. */
static ck_winograd sizes_of(const ck_conv_plan *plan, int n) {
  const ck_conv_problem *p = &plan->problem;
  const bool gathered = is_gathered(&p->window);
  ck_winograd w = {.axis = {axis_of(&p->window, 1, n, gathered), axis_of(&p->window, 2, n, gathered)},
                   .depth_in = p->window.in[0],
                   .depth_out = p->window.out[0],
                   .depth_taps = p->window.kernel[0],
                   .depth_stride = p->window.stride[0],
                   .depth_dilation = p->window.dilation[0],
                   .depth_before = p->window.before[0],
                   .inputs = p->ic / p->g,
                   .outputs = p->oc / p->g,
                   .lanes = ck_winograd_kernels(plan)->lanes,
                   .size = ck_dtype_size(p->src_dtype),
                   .gathered = gathered};
  w.tile_lanes = w.lanes * ck_winograd_tile_vectors(plan);
  const ck_winograd_axis *high = &w.axis[0], *wide = &w.axis[1];
  w.elements = high->n * wide->n;
  w.channels = w.inputs * high->phases * wide->phases;
  w.pieces = high->pieces * wide->pieces;
  w.slices = w.depth_taps * w.pieces;
  w.v_row = ck_winograd_row(&w, w.channels);
  /* A unit's strip keeps to STRIP_BYTES and its V to SHARED_BYTES, if it is not a single tile of each class. */
  const int64_t columns = STRIP_BYTES / (high->n * w.lanes * w.size) - (wide->taps - 1) * wide->dilation;
  const int64_t slots = ck_winograd_slots(&w, (ck_winograd_block){.planes = 1});
  const int64_t together = SHARED_BYTES / w.elements / w.size / w.v_row / wide->classes / slots;
  const int64_t most = ck_max(ck_min(ck_min(columns / (wide->m * wide->dilation), 64 / wide->classes), together), 1);
  w.segments = ck_ceil_div(wide->class_tiles, most);
  w.segment = ck_ceil_div(wide->class_tiles, w.segments) * wide->classes;
  w.segments = ck_ceil_div(wide->tiles, w.segment);
  w.units = high->tiles * w.segments;
  w.strip_rows_units = 1;
  const int64_t row = ck_max(wide->in, wide->out) * w.lanes * w.size;
  if (w.segments == 1) w.strip_rows_units = ck_clamp((STRIP_BYTES / row - (high->n - high->m)) / high->m, 1, high->class_tiles);
  return w;
}

static int64_t v_elements(const ck_winograd *w, ck_winograd_block b) {
  return w->elements * ck_winograd_plane(w, ck_winograd_slots(w, b) * ck_winograd_tiles(w, b), w->v_row);
}
static int64_t m_elements(const ck_winograd *w, ck_winograd_block b) {
  const int64_t row = ck_winograd_m_row(w);
  return w->elements * ck_winograd_plane(w, b.planes * ck_winograd_tiles(w, b), row);
}
ck_winograd ck_winograd_of(const ck_conv_plan *plan) {
  ck_winograd w = sizes_of(plan, (int)plan->detail[DETAIL_N]);
  w.shared = plan->detail[DETAIL_SHARED] != 0;
  w.part_tiles = plan->detail[DETAIL_PART_TILES];
  w.block_planes = plan->detail[DETAIL_BLOCK_PLANES];
  w.block_units = plan->detail[DETAIL_BLOCK_UNITS];
  w.sub_planes = plan->detail[DETAIL_SUB_PLANES];
  w.sub_units = plan->detail[DETAIL_SUB_UNITS];
  w.by_tile = plan->detail[DETAIL_BY_TILE] != 0;
  return w;
}

static void keep(ck_conv_plan *plan, const ck_winograd *w, int n) {
  plan->detail[DETAIL_N] = n;
  plan->detail[DETAIL_SHARED] = w->shared;
  plan->detail[DETAIL_PART_TILES] = w->part_tiles;
  plan->detail[DETAIL_BLOCK_PLANES] = w->block_planes;
  plan->detail[DETAIL_BLOCK_UNITS] = w->block_units;
  plan->detail[DETAIL_SUB_PLANES] = w->sub_planes;
  plan->detail[DETAIL_SUB_UNITS] = w->sub_units;
  plan->detail[DETAIL_BY_TILE] = w->by_tile;
}

/* ---- Blocks -------------------------------------------------------------------------------------------------------------- */

/* The largest block, of at most `planes` planes and `units` units, whose V (if asked for) and M take at most so many bytes; at
 * least one unit. */
static ck_winograd_block largest(const ck_winograd *w, int64_t planes, int64_t units, bool with_v, bool with_m, int64_t bytes) {
  ck_winograd_block best = {0, 1, 0, 1};
  int64_t most = 0;
  /* Whole planes where one is small; with depth taps, a few planes share the slices between them. */
  for (int64_t deep = 1; deep <= planes; deep++) {
    ck_winograd_block b = {0, deep, 0, ck_min(units, bytes)}; /* no unit is smaller than a byte, and products stay in int64 */
    if (with_v && ck_winograd_slots(w, b) > bytes) break;     /* products could leave int64 */
    while (b.units >= 1) {
      const int64_t need = (with_v ? v_elements(w, b) : 0) + (with_m ? m_elements(w, b) : 0);
      if (need * w->size <= bytes) break;
      b.units = ck_min(b.units - 1, b.units * bytes / (need * w->size));
    }
    if (b.units < 1) break;
    if (w->depth_taps == 1 && deep > 1 && b.units < units) break;
    int64_t tiles = deep * ck_winograd_tiles(w, b);
    /* Slices that are transformed for nothing count against a block. */
    if (w->depth_taps > 1) tiles = tiles * deep / ck_winograd_slots(w, b);
    if (tiles <= most) continue;
    most = tiles;
    best = b;
  }
  return best;
}

/* Bytes of M that leave a thread room for its strip. */
static int64_t shared_m_bytes(const ck_conv_plan *plan, const ck_winograd *w) {
  return THREAD_BYTES - 2 * CK_ALIGNMENT - ck_winograd_strips(plan, w) * w->size;
}

/* What a task of the second phase multiplies: as much of the round as keeps M to so many bytes, and V and M of one plane e to
 * half of L2; at least one unit. */
static ck_winograd_block second_phase(const ck_winograd *w, ck_winograd_block round, int64_t l2, int64_t bytes) {
  for (;;) {
    const ck_winograd_block sub = largest(w, round.planes, round.units, false, true, bytes);
    const int64_t plane = (v_elements(w, sub) + m_elements(w, sub)) / w->elements * w->size;
    if (plane <= l2 / 2 || (sub.units == 1 && sub.planes == 1)) return sub;
    bytes = ck_min(m_elements(w, sub) * w->size - 1, bytes * 3 / 4);
  }
}

static void choose_blocks(const ck_conv_plan *plan, ck_winograd *w) {
  const int64_t l2 = ck_clamp(ck_cpu_caches().l2, 256 << 10, 2560 << 10),
                planes = w->depth_taps > 1 ? ck_min(w->depth_out, 16) : 256;
  const int64_t lanes = w->tile_lanes, all = ck_winograd_output_tiles(w), u_bytes = ck_winograd_u_elements(w) * w->size;
  w->part_tiles = ck_min(ck_max((w->by_tile ? lanes : CK_WINOGRAD_PART_LANES / 2) / lanes, 1), all);
  /* Small weights stay in L2 beside V and M; large ones come from L3 for every block, which should then be large. */
  const int64_t share = u_bytes * 2 < l2 ? 3 : 6;
  const ck_winograd_block local = largest(w, planes, w->units, true, true, l2 * share / 10);
  w->block_planes = local.planes;
  w->block_units = local.units;
  const int64_t v_bytes = v_elements(w, local) * w->size, bytes = v_bytes + m_elements(w, local) * w->size;
  /* What comes from L3 for a local block is U, for as many tiles of a round V, written once and read twice. */
  const bool far = !w->by_tile && w->depth_taps == 1 && u_bytes * 2 >= l2 && u_bytes > 8 * v_bytes && local.units < w->units;
  w->shared =
      far || (local.planes * ck_winograd_tiles(w, local) < 2 * ck_winograd_tile_rows(plan) && bytes * 4 > l2) || bytes > l2;
  if (!w->shared) return;
  const ck_winograd_block round = largest(w, w->depth_taps > 1 ? w->depth_out : 256, w->units, true, false, SHARED_BYTES);
  w->part_tiles = ck_min(ck_max((w->by_tile ? lanes : CK_WINOGRAD_PART_LANES) / lanes, 1), all);
  const int64_t m_bytes = shared_m_bytes(plan, w);
  while (w->part_tiles > 1 && m_elements(w, (ck_winograd_block){0, 1, 0, 1}) * w->size > m_bytes) w->part_tiles--;
  const ck_winograd_block sub =
      w->by_tile ? largest(w, round.planes, round.units, false, true, l2 / 2) : second_phase(w, round, l2, m_bytes);
  w->block_planes = round.planes;
  w->block_units = round.units;
  w->sub_planes = sub.planes;
  w->sub_units = sub.units;
}

/* How often a call of n samples needs U of a tile: for each block of pixels. */
static int64_t uses_of_u(const ck_winograd *w, int64_t n) {
  const int64_t planes = n * w->depth_out, uses = ck_ceil_div(planes, w->block_planes) * ck_ceil_div(w->units, w->block_units);
  if (!w->shared) return uses;
  return uses * ck_ceil_div(ck_min(w->block_planes, planes), w->sub_planes) * ck_ceil_div(w->block_units, w->sub_units);
}

/* Blocks for a call of n samples, and whether it makes U by tile. */
static void choose_u(const ck_conv_plan *plan, ck_winograd *w, int64_t n) {
  w->by_tile = !plan->problem.prepared && w->slices == 1;
  choose_blocks(plan, w);
  if (!w->by_tile || uses_of_u(w, n) == 1) return;
  w->by_tile = false;
  choose_blocks(plan, w);
}

/* ---- The plan ----------------------------------------------------------------------------------------------------------- */

/* Of a block, in all slices of the reduction. */
static double multiplying_cycles(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_block block) {
  const int64_t vectors = ck_ceil_div(w->outputs, w->lanes), lane_vectors = ck_min(ck_winograd_tile_vectors(plan), vectors);
  const double chains = (double)(ck_winograd_chains(w) * w->slices), steps = (double)(w->channels * w->slices);
  double cycles = 0;
  for (int e = 0; e < w->elements; e++) {
    const int64_t rows = block.planes * ck_winograd_held(w, block, ck_winograd_ends(w, e));
    const int64_t parts = ck_ceil_div(rows, ck_winograd_tile_rows(plan));
    if (rows == 0) continue;
    const double step = ck_step_cycles((double)rows / (double)parts, (double)lane_vectors, 0);
    cycles += (double)parts * (steps * step + CYCLES_TILE * chains + CYCLES_TILE_AGAIN * (chains - 1));
  }
  return cycles * (double)vectors / (double)lane_vectors;
}

static double estimate(const ck_conv_plan *plan, const ck_winograd *w) {
  const ck_conv_problem *p = &plan->problem;
  const int64_t tiles = w->axis[0].tiles * w->axis[1].tiles * w->depth_out, vectors = ck_ceil_div(w->outputs, w->lanes);
  const ck_winograd_block whole = {0, ck_min(w->block_planes, w->depth_out), 0, w->block_units};
  const ck_winograd_block block =
      w->shared ? (ck_winograd_block){0, ck_min(w->sub_planes, w->depth_out), 0, w->sub_units} : whole;
  const double together = (double)(block.planes * ck_winograd_tiles(w, block));
  const double blocks = (double)tiles / together;
  const double in_vectors = (double)ck_ceil_div(w->channels, w->lanes);
  const double seen = (double)ck_winograd_slots(w, whole) / (double)whole.planes;
  const double u_bytes = (double)ck_winograd_u_elements(w) * (double)w->size;
  double cycles = multiplying_cycles(plan, w, block) * blocks;
  if (u_bytes * 2 > (double)ck_cpu_caches().l2 && !w->by_tile) cycles += blocks * u_bytes / U_BYTES_PER_CYCLE;
  cycles += ck_fetch_cycles((double)(w->inputs * w->size) * (double)ck_volume(p->window.in));
  cycles += (double)tiles * w->elements * (in_vectors * seen * CYCLES_ELEMENT_IN + (double)vectors * CYCLES_ELEMENT_OUT);
  /* A vector that is not whole is copied to a patch first, channels last. */
  if (p->layout == CK_LAYOUT_CHANNELS_LAST && !w->gathered && w->channels % w->lanes)
    cycles += (double)tiles * w->elements * seen * CYCLES_ELEMENT_IN;
  const bool first = p->layout == CK_LAYOUT_CHANNELS_FIRST;
  if (first || w->gathered) {
    const int64_t units = ck_min(w->strip_rows_units, w->block_units);
    const double halo = w->segments > 1 ? (double)w->axis[0].n / w->axis[0].m
                                        : 1 + (double)(w->axis[0].n - w->axis[0].m) / (double)(units * w->axis[0].m);
    /* Rows between those of the classes, which may be far apart, are in no strip. */
    const ck_winograd_axis *high = &w->axis[0];
    const double rows = w->gathered ? (double)high->in / (double)high->dilation * (double)high->classes : (double)high->in;
    const double pixels = rows * (double)w->axis[1].in * (double)w->depth_out * seen * halo;
    cycles += CYCLES_STRIP_VECTOR * pixels * in_vectors;
    const bool shuffled = first && ck_stride_shuffled(p->window.stride[2]);
    if (w->gathered) cycles += (shuffled ? CYCLES_GATHER_SHUFFLED : CYCLES_GATHER) * pixels * (double)w->channels;
  }
  if (first) cycles += CYCLES_STRIP_VECTOR * (double)ck_volume(p->window.out) * (double)vectors;
  if (!p->prepared) {
    if (!w->by_tile && u_bytes * (double)p->g > CALL_U_MOST) return INFINITY;
    const double kernels = (double)(w->inputs * vectors), pieces = (double)(w->slices * w->channels / w->inputs);
    const int64_t taps = w->axis[0].taps * w->axis[1].taps;
    cycles += kernels * (double)ck_volume(p->window.kernel) * CYCLES_WEIGHT_TAP;
    if (ck_winograd_cuts(w)) cycles += kernels * pieces * (double)taps * CYCLES_WEIGHT_CUT;
    cycles += kernels * pieces * w->elements * (w->by_tile ? CYCLES_OWN_WEIGHT_PLANE : CYCLES_WEIGHT_PLANE);
  }
  return (cycles * (double)p->g + CYCLES_CALL) / CYCLES_PER_US;
}

ck_winograd_memory ck_winograd_book(const ck_conv_plan *plan, const ck_winograd *w) {
  ck_ledger own = {0}, all = {0};
  ck_winograd_memory at;
  const ck_winograd_block whole = {0, w->block_planes, 0, w->block_units}, sub = {0, w->sub_planes, 0, w->sub_units};
  at.u = w->by_tile ? ck_ledger_book(&own, w->elements * ck_winograd_own_u_plane(w, 0), w->size)
                    : ck_ledger_book(&all, plan->problem.prepared ? 0 : plan->problem.g * ck_winograd_u_elements(w), w->size);
  const int64_t v = v_elements(w, whole);
  at.v = w->shared ? ck_ledger_book(&all, v, w->size) : ck_ledger_book(&own, v, w->size);
  at.m = ck_ledger_book(&own, m_elements(w, w->shared ? sub : whole), w->size);
  at.strip = ck_ledger_book(&own, ck_winograd_strips(plan, w), w->size);
  at.thread_bytes = own.bytes;
  at.shared_bytes = all.bytes;
  return at;
}

static ck_status make(ck_conv_plan *plan, int n) {
  ck_winograd w = sizes_of(plan, n);
  const int64_t factors[6] = {plan->problem.g, w.elements, w.slices, w.channels, ck_round_up(w.outputs, w.lanes), 2 * w.size};
  if (ck_checked_product(factors, 6).overflow) return CK_STATUS_TOO_LARGE;
  /* Of one sample: the batch must not change the choice of algorithm. */
  choose_u(plan, &w, 1);
  plan->cost = estimate(plan, &w);
  if (w.by_tile) choose_u(plan, &w, ck_max(plan->problem.n, 1)); /* of the whole batch: it changes blocks, and no bits */
  keep(plan, &w, n);
  const ck_winograd_memory memory = ck_winograd_book(plan, &w);
  if (memory.thread_bytes.overflow || memory.shared_bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->thread_bytes = (size_t)memory.thread_bytes.value;
  plan->shared_bytes = (size_t)memory.shared_bytes.value;
  plan->packed_bytes = plan->problem.prepared ? (size_t)(plan->problem.g * ck_winograd_u_elements(&w) * w.size) : 0;
  return CK_STATUS_OK;
}

/* What decides between tiles of 4 and of 6: bits depend on it, so it looks at the problem alone. Cycles of float32 on one
 * measured machine with 16 lanes: transformed weights of up to REFERENCE_NEAR come from its L3, the rest from memory. */
static double reference_cycles(const ck_conv_plan *plan, int n) {
  const ck_winograd w = sizes_of(plan, n);
  const double channels = (double)(w.channels * w.slices), outputs = (double)w.outputs;
  const double values = (double)ck_winograd_values(&w.axis[0]) * (double)ck_winograd_values(&w.axis[1]) * (double)w.depth_out;
  const double cycles = values * (channels * outputs / REFERENCE_MULTIPLY + CYCLES_ELEMENT_IN * channels / 16 +
                                  CYCLES_ELEMENT_OUT * outputs / 16);
  const double u = w.elements * channels * outputs, near = fmin(4 * u, REFERENCE_NEAR);
  const double kernels = (double)(w.inputs * w.outputs) / 16, taps = (double)ck_volume(plan->problem.window.kernel);
  if (!plan->problem.prepared) return cycles + u / 16 * REFERENCE_WEIGHT_PLANE + kernels * taps * REFERENCE_WEIGHT_TAP;
  return cycles + near / REFERENCE_NEAR_BYTES + (4 * u - near) / REFERENCE_FAR_BYTES;
}

ck_status ck_winograd_plan(ck_conv_plan *plan) {
  const ck_window *w = &plan->problem.window;
  const bool four =
      taps_of(w, 1) <= 3 && taps_of(w, 2) <= 3 && reference_cycles(plan, 4) < reference_cycles(plan, CK_WINOGRAD_MOST);
  return make(plan, four ? 4 : CK_WINOGRAD_MOST);
}

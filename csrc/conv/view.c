/* view.c: pixels as rows of A, read where their channels lie side by side: in the input itself (channels last), or in a
 * transposed copy of the box of it that a group of pixels sees (channels first).
 *
 *   along an axis, output places that have the same taps inside the input form a segment
 *   a region is a product of segments; a tile is a stretch of a region along its rows or along its columns
 *
 * The taps of a region that lie in the padding are left out: there are neither zeros to copy nor products with them to compute.
 * For a 3 x 3 kernel on a plane of 7 x 7 that is 18 % of the work, with dilation 12 on one of 28 x 28 it is half. */
#include "view.h"

#include "cost.h"

CK_INLINE int64_t length_of(const ck_segment *s) { return s->last - s->first; }
CK_INLINE int64_t taps_of(const ck_segment *s) { return s->tap1 - s->tap0; }

/* ---- Segments ------------------------------------------------------------------------------------------------------------ */

static ck_segment segment_at(const ck_window *w, int axis, int64_t place) {
  const int64_t in = w->in[axis], kernel = w->kernel[axis], stride = w->stride[axis], dilation = w->dilation[axis];
  const int64_t start = place * stride - w->before[axis];
  ck_segment s = {.first = place, .last = w->out[axis], .tap0 = 0, .tap1 = 0};
  if (start < 0) s.tap0 = ck_min(ck_ceil_div(-start, dilation), kernel);
  if (start < in) s.tap1 = ck_min((in - 1 - start) / dilation + 1, kernel);
  /* Until tap tap0 - 1 comes in, or tap1 - 1 goes out. */
  if (s.tap0 > 0) s.last = ck_min(s.last, ck_ceil_div(w->before[axis] - (s.tap0 - 1) * dilation, stride));
  if (s.tap1 > 0) s.last = ck_min(s.last, (in - 1 - (s.tap1 - 1) * dilation + w->before[axis]) / stride + 1);
  s.tap0 = ck_min(s.tap0, s.tap1);
  return s;
}

/* The segments of output places [first, last); -1 if they are too many. */
static int64_t cut_segments(const ck_window *w, int axis, int64_t first, int64_t last, ck_segment *segments) {
  int64_t count = 0;
  for (; first < last; first = segments[count++].last) {
    if (count == CK_SEGMENTS_MOST) return -1;
    segments[count] = segment_at(w, axis, first);
    segments[count].last = ck_min(segments[count].last, last);
  }
  return count;
}

int64_t ck_view_runs_most(const ck_conv_tiling *t) {
  ck_segment segments[CK_SEGMENTS_MOST];
  int64_t runs = t->block_outer;
  for (int axis = 0; axis < CK_AXES; axis++) {
    const int64_t count = cut_segments(&t->window, axis, 0, t->window.out[axis], segments);
    if (count < 0) return -1;
    runs *= count;
  }
  return runs <= CK_VIEW_RUNS_MOST ? runs : -1;
}

/* ---- The box ------------------------------------------------------------------------------------------------------------- */

/* Input places that `count` output places from `first` on see along an axis. */
static int64_t seen(const ck_window *w, int axis, int64_t first, int64_t count, int64_t *from) {
  const int64_t start = first * w->stride[axis] - w->before[axis];
  const int64_t end = start + ck_span(w, axis, count);
  *from = ck_clamp(start, 0, w->in[axis] - 1);
  return ck_max(ck_min(end, w->in[axis]) - *from, 1);
}

/* Elements from one place of the copy to the next. */
static int64_t copy_stride(const ck_conv_tiling *t) {
  return t->block_inner % 256 == 0 ? t->block_inner + 16 : t->block_inner; /* 1 KB apart, they would share few cache sets */
}

void ck_view_of(const ck_conv_plan *plan, int64_t first_pixel, int64_t last_pixel, ck_view *v) {
  const ck_conv_tiling *t = &plan->tiling;
  const ck_window *w = &t->window;
  int64_t from[CK_AXES], to[CK_AXES];
  ck_place_of(w, first_pixel, from);
  ck_place_of(w, last_pixel - 1, to);
  for (int axis = 0; axis < CK_AXES; axis++) {
    v->segment_count[axis] = cut_segments(w, axis, from[axis], to[axis] + 1, v->segments[axis]);
    v->first[axis] = 0;
    v->length[axis] = w->in[axis];
  }
  ck_steps_of(plan, v->step);
  if (t->pixels != CK_PIXELS_TRANSPOSED) return;
  for (int axis = 0; axis < CK_AXES; axis++)
    v->length[axis] = seen(w, axis, from[axis], to[axis] + 1 - from[axis], &v->first[axis]);
  v->step[2] = copy_stride(t);
  v->step[1] = v->step[2] * v->length[2];
  v->step[0] = v->step[1] * v->length[1];
}

int64_t ck_view_end(const ck_window *w, int64_t from, int64_t step, int64_t last) {
  const int64_t row = w->out[2], plane = row * w->out[1];
  const int64_t most = ck_min(from + step, last), count = most - from;
  if (from % plane == 0 && count >= plane) return from + count / plane * plane;
  const int64_t plane_end = (from / plane + 1) * plane, row_end = (from / row + 1) * row;
  if (from % row == 0 && count >= row) return ck_min(from + count / row * row, plane_end);
  return ck_min(most, row_end);
}

ck_checked ck_view_elements_most(const ck_conv_tiling *t) {
  const ck_window *w = &t->window;
  const int64_t pixels = t->group_pixels, row = w->out[2], plane = row * w->out[1];
  const int64_t forms[3][CK_AXES] = {{1, 1, ck_min(pixels, row)},
                                     {1, ck_min(pixels / row, w->out[1]), row},
                                     {ck_min(pixels / plane, w->out[0]), w->out[1], row}};
  ck_checked most = ck_checked_of(0);
  for (int form = 0; form < 3; form++) {
    ck_checked elements = ck_checked_of(copy_stride(t));
    for (int axis = 0; axis < CK_AXES; axis++) {
      const int64_t count = forms[form][axis];
      elements = ck_checked_mul(elements, ck_checked_of(count > 0 ? ck_min(ck_span(w, axis, count), w->in[axis]) : 0));
    }
    if (elements.overflow || elements.value > most.value) most = elements;
    if (most.overflow) break;
  }
  return most;
}

void ck_view_fill(const ck_conv_plan *plan, const ck_view *view, const void *sample, int64_t group, ck_k_block block,
                  void *to) {
  const ck_window *w = &plan->tiling.window;
  const ck_dtype dtype = plan->problem.src_dtype;
  const int64_t plane = ck_volume(w->in), size = ck_dtype_size(dtype);
  const char *src = (const char *)sample + (group * ck_in_channels(plan) + block.inner0) * plane * size;
  /* Places that follow each other in the input as in the copy go together. */
  const bool rows = view->length[2] == w->in[2];
  const int64_t height = rows ? 1 : view->length[1], width = rows ? view->length[1] * view->length[2] : view->length[2];
  ck_transpose t = {
      .src_stride = plane, .dst = to, .dst_stride = view->step[2], .rows = block.inner1 - block.inner0, .columns = width};
  for (int64_t z = 0; z < view->length[0]; z++) {
    for (int64_t y = 0; y < height; y++) {
      const int64_t place = ((view->first[0] + z) * w->in[1] + view->first[1] + y) * w->in[2] + view->first[2];
      t.src = src + place * size;
      ck_isa_table(plan->isa)->of[dtype].transpose(&t);
      t.dst = (char *)t.dst + width * view->step[2] * size;
    }
  }
}

/* ---- Tiles --------------------------------------------------------------------------------------------------------------- */

/* Cycles for one step of k of a stretch of pixels, cut evenly into tiles. */
static double stretch_cycles(int64_t length, int64_t rows, double vectors) {
  const int64_t tiles = ck_ceil_div(length, rows), low = length / tiles, high = length % tiles;
  return (double)(tiles - high) * ck_step_cycles((double)low, vectors, 0) +
         (double)high * ck_step_cycles((double)low + 1, vectors, 0);
}

/* The axis along which the tiles of a region are cut: where they are fuller. */
static int axis_of(const ck_conv_tiling *t, int64_t height, int64_t width) {
  if (height == 1 || width >= t->rows) return 2;
  const double rows = (double)height * stretch_cycles(width, t->rows, t->vectors);
  return (double)width * stretch_cycles(height, t->rows, t->vectors) < rows ? 1 : 2;
}

ck_view_cost ck_view_cost_of(const ck_conv_tiling *t, int vectors) {
  const ck_window *w = &t->window;
  const int64_t rows_together = ck_max(t->group_pixels / w->out[2], 1);
  ck_segment segments[CK_AXES][CK_SEGMENTS_MOST];
  int64_t counts[CK_AXES];
  for (int axis = 0; axis < CK_AXES; axis++) counts[axis] = cut_segments(w, axis, 0, w->out[axis], segments[axis]);
  double depth_taps = 0;
  for (int64_t z = 0; z < counts[0]; z++) depth_taps += (double)length_of(&segments[0][z]) * (double)taps_of(&segments[0][z]);
  ck_view_cost cost = {0};
  for (int64_t y = 0; y < counts[1]; y++) {
    for (int64_t x = 0; x < counts[2]; x++) {
      const int64_t height = length_of(&segments[1][y]), width = length_of(&segments[2][x]);
      const int64_t part = ck_min(height, rows_together);
      const bool columns = axis_of(t, part, width) == 1;
      const int64_t length = columns ? part : width;
      const double stretches = columns ? (double)width * (double)height / (double)part : (double)height;
      const double taps = (double)(taps_of(&segments[1][y]) * taps_of(&segments[2][x])) * depth_taps;
      const double tiles = stretches * (double)ck_ceil_div(length, t->rows);
      cost.cycles += stretches * stretch_cycles(length, t->rows, vectors) * taps;
      cost.tile_steps += tiles * taps;
      cost.tiles += tiles * (double)w->out[0];
    }
  }
  return cost;
}

typedef const ck_segment *region[CK_AXES];

static ck_tile *cut_region(const ck_conv_plan *plan, const ck_view *view, region at, int64_t number, ck_tile *tile) {
  const ck_conv_tiling *t = &plan->tiling;
  const ck_window *w = &t->window;
  const int axis = axis_of(t, length_of(at[1]), length_of(at[2])), other = 3 - axis;
  const int64_t length = length_of(at[axis]), parts = ck_ceil_div(length, t->rows), low = length / parts, high = length % parts;
  const bool sees = taps_of(at[0]) > 0 && taps_of(at[1]) > 0 && taps_of(at[2]) > 0;
  int64_t place[CK_AXES];
  place[axis] = at[axis]->first;
  for (place[0] = at[0]->first; place[0] < at[0]->last; place[0]++) {
    for (place[other] = at[other]->first; place[other] < at[other]->last; place[other]++) {
      ck_tile next = {.pixel = (place[0] * w->out[1] + place[1]) * w->out[2] + place[2],
                      .packed = CK_IN_PLACE,
                      .region = number,
                      .pixel_step = axis == 1 ? w->out[2] : 1,
                      .stride = w->stride[axis] * view->step[axis]};
      for (int i = 0; i < CK_AXES && sees; i++) {
        const int64_t first = place[i] * w->stride[i] - w->before[i] + at[i]->tap0 * w->dilation[i];
        next.origin += (first - view->first[i]) * view->step[i];
      }
      for (int64_t part = 0; part < parts; part++) {
        next.count = next.run = (int)(low + (part < high)); /* as ck_share does, without its divisions */
        *tile++ = next;
        next.pixel += next.count * next.pixel_step;
        if (sees) next.origin += next.count * next.stride;
      }
    }
  }
  return tile;
}

int64_t ck_view_tiles(const ck_conv_plan *plan, const ck_view *view, ck_tile *tiles) {
  ck_tile *tile = tiles;
  int64_t number = 0;
  for (int64_t z = 0; z < view->segment_count[0]; z++)
    for (int64_t y = 0; y < view->segment_count[1]; y++)
      for (int64_t x = 0; x < view->segment_count[2]; x++)
        tile = cut_region(plan, view, (region){&view->segments[0][z], &view->segments[1][y], &view->segments[2][x]}, number++,
                          tile);
  return tile - tiles;
}

/* ---- Taps ---------------------------------------------------------------------------------------------------------------- */

static ck_view_taps list_taps(const ck_conv_plan *plan, const ck_view *view, region at, ck_k_block block, ck_gemm_run *runs) {
  const ck_window *w = &plan->tiling.window;
  const int64_t channels = block.inner1 - block.inner0, count = block.outer1 - block.outer0;
  const int64_t gap = ck_row_gap(&plan->tiling);
  /* The taps of a row lie side by side, with all their channels. */
  const bool joined = channels == view->step[2] && w->dilation[2] == 1 && count == ck_volume(w->kernel);
  ck_view_taps taps = {.runs = runs, .length = joined ? taps_of(at[2]) * channels : channels};
  ck_gemm_run *outside = runs + count; /* from the end, so that both have room */
  int64_t tap[CK_AXES];
  ck_tap_at(w, block.outer0, tap);
  for (int64_t i = 0; i < count; i++, ck_step_on(w->kernel, tap)) {
    ck_gemm_run run = {.b = i * channels + i / w->kernel[2] * gap};
    bool inside = true;
    for (int axis = 0; axis < CK_AXES; axis++) {
      inside = inside && tap[axis] >= at[axis]->tap0 && tap[axis] < at[axis]->tap1;
      run.a += (tap[axis] - at[axis]->tap0) * w->dilation[axis] * view->step[axis];
    }
    if (!inside) {
      run.a = 0;
      *--outside = run;
    } else if (!joined || tap[2] == at[2]->tap0) {
      runs[taps.inside++] = run;
    }
  }
  taps.outside = runs + count - outside;
  return taps;
}

bool ck_view_sees_the_same(const ck_view *a, const ck_view *b) {
  bool same = true;
  for (int axis = 0; axis < CK_AXES; axis++) {
    same = same && a->segment_count[axis] == b->segment_count[axis] && a->step[axis] == b->step[axis];
    for (int64_t i = 0; same && i < a->segment_count[axis]; i++)
      same = a->segments[axis][i].tap0 == b->segments[axis][i].tap0 && a->segments[axis][i].tap1 == b->segments[axis][i].tap1;
  }
  return same;
}

void ck_view_list_taps(const ck_conv_plan *plan, const ck_view *view, ck_k_block block, ck_view_taps *taps, ck_gemm_run *runs) {
  for (int64_t z = 0; z < view->segment_count[0]; z++)
    for (int64_t y = 0; y < view->segment_count[1]; y++)
      for (int64_t x = 0; x < view->segment_count[2]; x++, runs += block.outer1 - block.outer0)
        *taps++ =
            list_taps(plan, view, (region){&view->segments[0][z], &view->segments[1][y], &view->segments[2][x]}, block, runs);
}

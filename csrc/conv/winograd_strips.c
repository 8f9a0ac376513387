/* winograd_strips.c: strips of tiles on their way, as [pixel][lanes of channels], in L1.
 *
 *   for row of pixels: transpose, from channels to lanes or back
 *   with a stride, in either layout: for row: for phase: take the stride out; transpose         lanes are phases and channels
 *
 * Gathered strips are padded with zeros; of others, what lies outside the tensor is not there, and tiles do not read it. */
#include "moves.h"
#include "winograd.h"

/* Outputs of a class in columns of tiles [tile0, tile1). */
static int64_t class_outputs(const ck_winograd_axis *a, int64_t tile0, int64_t tile1) {
  return ck_winograd_start(a, tile1 / a->classes) - ck_winograd_start(a, tile0 / a->classes);
}

/* Inputs of a class that they read: n of a short tile too, though the last is of no account. */
static int64_t class_inputs(const ck_winograd_axis *a, int64_t tile0, int64_t tile1) {
  return ck_winograd_start(a, tile1 / a->classes - 1) - ck_winograd_start(a, tile0 / a->classes) + a->n;
}

ck_winograd_strip ck_winograd_strip_at(const ck_winograd *w, int64_t unit, int64_t last, bool input) {
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  ck_winograd_strip s = {
      .unit0 = unit, .units = 1, .tile_row = unit / w->segments, .tile1 = wide->tiles, .x1 = input ? wide->in : wide->out};
  if (w->segments == 1) {
    const int64_t of_class = high->class_tiles - s.tile_row % high->class_tiles;
    s.units = ck_min(ck_min(w->strip_rows_units, last - unit), of_class);
  } else {
    s.tile0 = unit % w->segments * w->segment;
    s.tile1 = ck_min(s.tile0 + w->segment, wide->tiles);
  }
  const int64_t from = ck_winograd_column_of(wide, s.tile0) - (input ? wide->before : 0);
  const int64_t span = input ? class_inputs(wide, s.tile0, s.tile1) : class_outputs(wide, s.tile0, s.tile1);
  s.x1 = ck_min(from + span * wide->dilation, s.x1);
  s.x0 = ck_clamp(from, 0, ck_max(s.x1 - 1, 0));
  s.x1 = ck_max(s.x1, s.x0);
  s.y0 = ck_winograd_row_of(high, s.tile_row) - (input ? high->before : 0);
  const int64_t in_class = s.tile_row % high->class_tiles;
  s.rows = ck_winograd_start(high, in_class + s.units) - ck_winograd_start(high, in_class) + (input ? high->taps - 1 : 0);
  return s;
}

/* Rows [*first, *last) of the strip that lie inside an axis of that length. */
static void rows_inside(const ck_winograd_strip *s, int64_t length, int64_t dilation, int64_t *first, int64_t *last) {
  *first = s->y0 < 0 ? ck_min(ck_ceil_div(-s->y0, dilation), s->rows) : 0;
  *last = s->y0 < length ? ck_min((length - 1 - s->y0) / dilation + 1, s->rows) : 0;
  if (*last < *first) *last = *first;
}

static int64_t widest(const ck_winograd *w, bool input) {
  const ck_winograd_axis *wide = &w->axis[1];
  const int64_t tiles = w->segments == 1 ? wide->tiles : w->segment;
  return input ? ck_min(wide->in, (tiles / wide->classes * wide->m + wide->taps - 1) * wide->dilation)
               : ck_min(wide->out, tiles / wide->classes * wide->m * wide->dilation);
}
static int64_t strip_in(const ck_winograd *w) {
  const ck_winograd_axis *high = &w->axis[0];
  return (w->strip_rows_units * high->m + high->n - high->m) * widest(w, true) * w->lanes;
}
static int64_t strip_out(const ck_winograd *w) { return w->strip_rows_units * w->axis[0].m * widest(w, false) * w->lanes; }
/* A row on its way to the strip of a gathered input: of each lane. */
static int64_t gathered_row(const ck_winograd *w, int64_t columns) { return ck_round_up(columns, w->lanes); }
int64_t ck_winograd_strips(const ck_conv_plan *plan, const ck_winograd *w) {
  const bool first = plan->problem.layout == CK_LAYOUT_CHANNELS_FIRST;
  const int64_t in = w->gathered ? strip_in(w) + gathered_row(w, widest(w, true)) * w->lanes + CK_PACK_SLACK : strip_in(w);
  return ck_max(first || w->gathered ? in : 0, first ? strip_out(w) : 0);
}

/* Between `count` channels of a slice and a strip, either way. */
static void transpose_strip(const ck_winograd_call *call, const ck_winograd_strip *s, char *slice, int64_t count, char *strip,
                            bool input) {
  const ck_winograd *w = &call->w;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t row = input ? wide->in : wide->out, area = row * (input ? high->in : high->out), pitch = s->x1 - s->x0;
  const int64_t channel = area * (input ? w->depth_in : w->depth_out);
  int64_t first, last;
  rows_inside(s, input ? high->in : high->out, high->dilation, &first, &last);
  const bool flat = pitch == row && high->dilation == 1;
  const int64_t pixels = flat ? (last - first) * pitch : pitch;
  if (pitch == 0) return;
  for (int64_t r = first; r < last; r += flat ? last - first : 1) {
    char *outside = slice + ((s->y0 + r * high->dilation) * row + s->x0) * w->size,
         *inside = strip + r * pitch * w->lanes * w->size;
    ck_transpose t = {.src = outside,
                      .dst = inside,
                      .src_stride = channel,
                      .dst_stride = w->lanes,
                      .rows = count,
                      .columns = pixels,
                      .fill = true};
    if (!input)
      t = (ck_transpose){
          .src = inside, .dst = outside, .src_stride = w->lanes, .dst_stride = channel, .rows = pixels, .columns = count};
    call->kernels->transpose(&t);
  }
}

/* Lanes [0, count) of a strip of a gathered input, which are channels from `channel` on of the reduction. A row at a time: its
 * phases without the stride, one lane after the other, are transposed. */
static void gather_strip(const ck_winograd_call *call, const ck_winograd_strip *s, const char *slice, int64_t channel,
                         int64_t count, char *strip) {
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t columns = s->x1 - s->x0, row = gathered_row(w, columns);
  const bool last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t pixel = last ? p->ic : 1, next = last ? 1 : ck_volume(p->window.in);
  const int64_t steps[CK_AXES] = {0, p->window.in[2] * pixel, pixel};
  ck_window plane = p->window; /* the slice alone */
  plane.in[0] = 1;
  plane.before[0] = 0;
  char *const lanes = strip + s->rows * columns * w->lanes * w->size;
  for (int64_t r = 0; r < s->rows; r++) {
    for (int64_t lane = 0, together; lane < count; lane += together) {
      const int64_t phase = (channel + lane) / w->inputs, input = (channel + lane) % w->inputs;
      const int64_t at[CK_AXES] = {0, s->y0 + r * high->dilation, s->x0};
      const int64_t tap[CK_AXES] = {0, phase / wide->phases, phase % wide->phases};
      ck_move moves[3];
      together = ck_min(count - lane, w->inputs - input);
      const ck_pack pack = {.src = slice + input * next * w->size,
                            .src_end = call->src_end,
                            .dst = lanes + lane * row * w->size,
                            .moves = moves,
                            .move_count = ck_move_row(&plane, at, tap, steps, columns, 0, row, moves) - moves,
                            .channels = together,
                            .src_step = next,
                            .stride = plane.stride[2] * pixel};
      call->kernels->pack(&pack);
    }
    const ck_transpose t = {.src = lanes,
                            .dst = strip + r * columns * w->lanes * w->size,
                            .src_stride = row,
                            .dst_stride = w->lanes,
                            .rows = count,
                            .columns = columns,
                            .fill = true};
    call->kernels->transpose(&t);
  }
}

void ck_winograd_strip_fill(const ck_winograd_call *call, const ck_winograd_strip *s, const char *slice, int64_t vector,
                            char *strip) {
  const ck_winograd *w = &call->w;
  const int64_t channel = vector * w->lanes, count = ck_min(w->lanes, w->channels - channel);
  const int64_t plane = ck_volume(call->plan->problem.window.in) * w->size;
  if (w->gathered)
    gather_strip(call, s, slice, channel, count, strip);
  else
    transpose_strip(call, s, (char *)slice + channel * plane, count, strip, true);
}

void ck_winograd_strip_store(const ck_winograd_call *call, const ck_winograd_strip *s, char *dst, int64_t count, char *strip) {
  transpose_strip(call, s, dst, count, strip, false);
}

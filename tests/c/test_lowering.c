/* test_lowering.c: ck_im2col, ck_col2im and ck_unpool_run against plain loops, exactly, with every buffer guarded. */
#include "convkit.h"
#include "elements.h"
#include "windows.h"

/* ---- im2col and col2im --------------------------------------------------------------------------------------------------- */

typedef struct {
  ck_window window;
  int64_t n, c, taps, pixels, plane;
  ck_dtype dtype;
} lowering_case;

static void draw_lowering(lowering_case *l) {
  static const int64_t lengths[] = {40, 13, 6}; /* of one, two, three axes */
  const int dims = (int)check_pick(1, 3);
  const int64_t larger = check_pick(0, 9) == 0 ? 4 : 1; /* enough work for threads */
  l->window = window_draw(dims, lengths[dims - 1] * larger, 4, 3, 3, 3);
  l->n = check_pick(0, 9) ? check_pick(1, 2) : 0;
  l->c = check_pick(1, 4);
  l->dtype = (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1);
  l->taps = ck_volume(l->window.kernel);
  l->pixels = ck_volume(l->window.out);
  l->plane = ck_volume(l->window.in);
  check_note(" %s n%d c%d", element_types[l->dtype].name, (int)l->n, (int)l->c);
  window_note(&l->window);
}

/* The element of a plane that tap `tap` of window `pixel` sees; -1: padding. */
static int64_t seen_at(const ck_window *w, int64_t tap, int64_t pixel) {
  const int64_t k[3] = {tap / w->kernel[2] / w->kernel[1], tap / w->kernel[2] % w->kernel[1], tap % w->kernel[2]};
  const int64_t o[3] = {pixel / w->out[2] / w->out[1], pixel / w->out[2] % w->out[1], pixel % w->out[2]};
  int64_t i[3];
  return input_position(w, o, k, i) ? (i[0] * w->in[1] + i[1]) * w->in[2] + i[2] : -1;
}

static void run_im2col(const lowering_case *l, const ck_control *control) {
  const element_type *type = &element_types[l->dtype];
  const int64_t count = l->n * l->c * l->taps * l->pixels;
  void *src = elements_new("src", l->dtype, l->n * l->c * l->plane, check_side());
  void *columns = guard_new("columns", (size_t)count * element_size(l->dtype), element_size(l->dtype), check_side());
  guard_freeze(src);
  const ck_status status = ck_im2col(&l->window, l->n, l->c, l->dtype, src, columns, control);
  CHECK(status == CK_STATUS_OK, "im2col: %s", ck_status_name((int)status));
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = seen_at(&l->window, i / l->pixels % l->taps, i % l->pixels), plane = i / l->pixels / l->taps;
    if (!CHECK_ELEMENT(l->dtype, columns, i, at < 0 ? 0 : type->get(src, plane * l->plane + at), "columns")) break;
  }
  guard_done();
}

static void run_col2im(const lowering_case *l, const ck_control *control) {
  const element_type *type = &element_types[l->dtype];
  const int64_t rows = l->n * l->c * l->taps, count = l->n * l->c * l->plane;
  void *columns = elements_new("columns", l->dtype, rows * l->pixels, check_side());
  void *dst = guard_new("dst", (size_t)count * element_size(l->dtype), element_size(l->dtype), check_side());
  uint64_t *sums = calloc((size_t)count + 1, sizeof *sums);
  for (int64_t i = 0; i < rows * l->pixels; i++) {
    const int64_t at = seen_at(&l->window, i / l->pixels % l->taps, i % l->pixels), plane = i / l->pixels / l->taps;
    if (at >= 0) sums[plane * l->plane + at] += (uint64_t)type->get(columns, i);
  }
  guard_freeze(columns);
  const ck_status status = ck_col2im(&l->window, l->n, l->c, l->dtype, columns, dst, control);
  CHECK(status == CK_STATUS_OK, "col2im: %s", ck_status_name((int)status));
  for (int64_t i = 0; i < count; i++)
    if (!CHECK_ELEMENT(l->dtype, dst, i, element_wrap(l->dtype, sums[i]), "dst")) break;
  free(sums);
  guard_done();
}

static void test_columns(void) {
  for (int64_t i = 0; i < check_draws(1500); i++) {
    if (!check_case("lowering")) continue;
    lowering_case l;
    draw_lowering(&l);
    for (int isa = 0; isa < ck_isa_count(); isa++) {
      const ck_control control = {.num_threads = (int)check_pick(1, 3)};
      check_step(" %s threads%d", ck_isa_name(isa), control.num_threads);
      ck_isa_use(isa);
      run_im2col(&l, &control);
      run_col2im(&l, &control);
    }
  }
}

static void test_wild(void) {
  for (int64_t i = 0; i < check_draws(30000); i++) {
    if (!check_case("wild window")) continue;
    /* Without a sample nothing is read or written: what is left is the check of the numbers. */
    const ck_window w = wild_window();
    const ck_dtype dtype = (ck_dtype)(check_pick(0, 9) ? check_pick(0, CK_DTYPE_COUNT - 1) : wild_number());
    const ck_control control = {.num_threads = 1};
    const int64_t c = wild_number();
    const ck_status there = ck_im2col(&w, 0, c, dtype, NULL, NULL, &control);
    const ck_status back = ck_col2im(&w, 0, c, dtype, NULL, NULL, &control);
    CHECK(there == back, "im2col: %s, col2im: %s", ck_status_name((int)there), ck_status_name((int)back));
    CHECK(there != CK_STATUS_OK || (unsigned)dtype < CK_DTYPE_COUNT, "%s", ck_status_name((int)there));
  }
}

/* ---- Unpooling ----------------------------------------------------------------------------------------------------------- */

/* One index out of range: nothing may be written. */
static bool spoil(const ck_unpool_problem *p, int64_t *indices, int64_t count) {
  static const int64_t wrong[] = {-1, INT64_MIN, INT64_MAX, 0, 0};
  if (count == 0 || check_pick(0, 5)) return false;
  const int64_t kind = check_pick(0, 4);
  indices[check_pick(0, count - 1)] = kind < 3 ? wrong[kind] : p->out_plane + (kind - 3) * 1000;
  return true;
}

static void run_unpool(const ck_unpool_problem *p, const ck_control *control) {
  const element_type *type = &element_types[p->dtype];
  const size_t size = element_size(p->dtype);
  const int64_t count = p->n * p->c * p->in_plane, dst_count = p->n * p->c * p->out_plane;
  const bool last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  void *src = elements_new("src", p->dtype, count, check_side());
  int64_t *indices = guard_new("indices", (size_t)count * sizeof *indices, sizeof *indices, check_side());
  void *dst = guard_new("dst", (size_t)dst_count * size, size, check_side());
  int64_t *expected = calloc((size_t)dst_count + 1, sizeof *expected);
  for (int64_t i = 0; i < count; i++) indices[i] = check_pick(0, p->out_plane - 1);
  for (int64_t plane = 0; plane < p->n * p->c; plane++) {
    for (int64_t i = 0; i < p->in_plane; i++) {
      const int64_t n = plane / p->c, c = plane % p->c;
      const int64_t from = last ? (n * p->in_plane + i) * p->c + c : plane * p->in_plane + i;
      const int64_t to = last ? (n * p->out_plane + indices[from]) * p->c + c : plane * p->out_plane + indices[from];
      expected[to] = type->get(src, from);
    }
  }
  const bool spoilt = spoil(p, indices, count);
  guard_freeze(src);
  guard_freeze(indices);
  const ck_status status = ck_unpool_run(p, src, indices, dst, control);
  CHECK(status == (spoilt ? CK_STATUS_INDICES : CK_STATUS_OK), "%s", ck_status_name((int)status));
  if (spoilt) CHECK(guard_untouched(dst, 0, (size_t)dst_count * size), "dst was written before all indices were known");
  for (int64_t i = 0; i < dst_count && !spoilt; i++)
    if (!CHECK_ELEMENT(p->dtype, dst, i, expected[i], "dst")) break;
  free(expected);
  guard_done();
}

static void test_unpool(void) {
  for (int64_t i = 0; i < check_draws(1500); i++) {
    if (!check_case("unpool")) continue;
    const int64_t larger = check_pick(0, 9) == 0 ? 30 : 1;
    const ck_unpool_problem p = {.n = check_pick(0, 9) ? check_pick(1, 3) : 0,
                                 .c = check_pick(1, check_pick(0, 1) ? 4 : 150),
                                 .in_plane = check_pick(1, 40 * larger),
                                 .out_plane = check_pick(1, 90 * larger),
                                 .dtype = (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1),
                                 .layout = (ck_layout)check_pick(0, 1)};
    const ck_control control = {.num_threads = (int)check_pick(1, 3)};
    check_note(" %s %s n%d c%d in%d out%d threads%d", element_types[p.dtype].name,
               p.layout == CK_LAYOUT_CHANNELS_FIRST ? "first" : "last", (int)p.n, (int)p.c, (int)p.in_plane, (int)p.out_plane,
               control.num_threads);
    run_unpool(&p, &control);
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv);
  test_columns();
  test_wild();
  test_unpool();
  return check_end();
}

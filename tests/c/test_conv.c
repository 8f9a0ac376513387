/* test_conv.c: convolution through the C interface against seven loops, on integers and so exactly: every instruction set,
 * algorithm, layout and dtype, weights prepared or not, one to three threads.
 *
 * Every buffer is guarded, and inputs are read-only while the library runs. Workspace and output begin as NaN. */
#include "conv/lowering.h"
#include "convkit.h"
#include "elements.h"
#include "windows.h"

/* A problem with its data as integers: src[n][sample], weights[oc][ic / g][taps], bias[oc], expected as dst. */
typedef struct {
  ck_conv_problem problem;
  int64_t n, sample, stride; /* samples, elements of one, distance of two */
  int64_t weight_count, dst_count;
  ck_dtype sum;
  bool has_bias;
  int64_t *src, *weights, *bias, *expected;
} conv_case;

/* ---- Problems ------------------------------------------------------------------------------------------------------------ */

typedef struct {
  const char *name;
  int dims;
  int64_t n, g, ic, oc; /* most of each; channels of a group */
  int64_t length, kernel, stride, dilation, padding;
} conv_kind;

/* What leads to different paths: borders, tails of rows and lanes, several blocks of K (over 1440), of pixels, and threads. */
static const conv_kind kinds[] = {
    {"line", 1, 3, 3, 5, 20, 40, 4, 3, 3, 3},      {"plane", 2, 2, 2, 4, 18, 10, 4, 3, 2, 3},
    {"volume", 3, 2, 2, 3, 6, 6, 3, 2, 2, 2},      {"pixels", 2, 2, 1, 2, 3, 80, 3, 2, 1, 2},
    {"pointwise", 3, 2, 2, 40, 40, 9, 1, 2, 1, 0}, {"channels", 2, 1, 1, 90, 20, 6, 3, 2, 1, 1},
    {"deep", 1, 1, 1, 1600, 5, 6, 2, 1, 1, 1},      {"taps", 2, 1, 1, 1, 3, 34, 31, 1, 1, 2},
    {"many", 2, 2, 2, 16, 80, 12, 3, 1, 1, 1},     {"phases", 2, 2, 2, 2, 6, 60, 6, 5, 5, 5},
};
enum { kind_count = sizeof kinds / sizeof *kinds };

static void draw_problem(const conv_kind *k, conv_case *c) {
  ck_conv_problem *p = &c->problem;
  *p = (ck_conv_problem){.g = check_pick(0, 1) ? 1 : check_pick(1, k->g)};
  p->ic = p->g * (check_pick(0, 3) ? check_pick(1, k->ic) : k->ic);
  p->oc = p->g * (check_pick(0, 3) ? check_pick(1, k->oc) : k->oc);
  p->n = c->n = check_pick(0, 9) ? check_pick(1, k->n) : 0;
  p->window = window_draw(k->dims, k->length, k->kernel, k->stride, k->dilation, k->padding);
  p->src_dtype = check_pick(0, 2) ? (ck_dtype)check_pick(0, 1) : (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1);
  p->layout = check_pick(0, 1) ? CK_LAYOUT_CHANNELS_FIRST : CK_LAYOUT_CHANNELS_LAST;
  p->activation = (ck_activation)check_pick(0, 2);
  c->sum = ck_dtype_sum(p->src_dtype);
  c->has_bias = check_pick(0, 1);
  c->sample = p->ic * ck_volume(p->window.in);
  c->stride = check_pick(0, 9) == 0 ? 0 : (c->sample + check_pick(0, 1) * check_pick(0, 20)) * (check_pick(0, 2) ? 1 : -1);
  c->weight_count = p->oc * (p->ic / p->g) * ck_volume(p->window.kernel);
  c->dst_count = c->n * p->oc * ck_volume(p->window.out);
  check_note(" %s %s n%d step%d g%d ic%d oc%d", element_types[p->src_dtype].name,
             p->layout == CK_LAYOUT_CHANNELS_FIRST ? "first" : "last", (int)c->n, (int)c->stride, (int)p->g, (int)p->ic,
             (int)p->oc);
  window_note(&p->window);
  check_note(" bias%d activation%d", c->has_bias, (int)p->activation);
}

static int64_t *draw_elements(ck_dtype dtype, int64_t count) {
  int64_t *values = malloc((size_t)(count + 1) * sizeof *values);
  for (int64_t i = 0; i < count; i++) values[i] = element_any(dtype);
  return values;
}

static int64_t one_output(const conv_case *c, int64_t n, int64_t oc, const int64_t o[3]) {
  const ck_conv_problem *p = &c->problem;
  const ck_window *w = &p->window;
  const bool last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t ic = p->ic / p->g, group = oc / (p->oc / p->g);
  const int64_t *weight = c->weights + oc * ic * ck_volume(w->kernel);
  uint64_t sum = c->has_bias ? (uint64_t)c->bias[oc] : 0;
  for (int64_t j = 0; j < ic; j++) {
    EACH_POSITION(k, w->kernel) {
      int64_t i[3];
      const int64_t factor = *weight++;
      if (input_position(w, o, k, i))
        sum += (uint64_t)c->src[place(last, n, p->ic, group * ic + j, i, w->in)] * (uint64_t)factor;
    }
  }
  return element_activated(c->sum, element_wrap(c->sum, sum), (int)p->activation);
}

static void draw_case(const conv_kind *kind, conv_case *c) {
  draw_problem(kind, c);
  const ck_conv_problem *p = &c->problem;
  c->src = draw_elements(p->src_dtype, c->n * c->sample);
  c->weights = draw_elements(c->sum, c->weight_count);
  c->bias = draw_elements(c->sum, p->oc);
  c->expected = malloc((size_t)(c->dst_count + 1) * sizeof *c->expected);
  for (int64_t n = c->n - 1; n > 0 && c->stride == 0; n--)
    memcpy(c->src + n * c->sample, c->src, (size_t)c->sample * sizeof *c->src);
  for (int64_t n = 0; n < c->n; n++)
    for (int64_t oc = 0; oc < p->oc; oc++) EACH_POSITION(o, p->window.out)
  c->expected[place(p->layout == CK_LAYOUT_CHANNELS_LAST, n, p->oc, oc, o, p->window.out)] = one_output(c, n, oc, o);
}

/* ---- Runs ---------------------------------------------------------------------------------------------------------------- */

static void *input(const char *name, ck_dtype dtype, const int64_t *values, int64_t count) {
  void *array = guard_new(name, (size_t)count * element_size(dtype), element_size(dtype), check_side());
  for (int64_t i = 0; i < count; i++) element_types[dtype].set(array, i, values[i]);
  guard_freeze(array);
  return array;
}

/* All samples, `stride` apart and in order or backwards; the address of the first one. */
static const void *samples(const conv_case *c) {
  const ck_dtype dtype = c->problem.src_dtype;
  const int64_t step = llabs(c->stride), size = (int64_t)element_size(dtype), count = step == 0 ? 1 : c->n;
  const int64_t length = c->n == 0 ? 0 : (count - 1) * step + c->sample;
  char *src = guard_new("src", (size_t)(length * size), (size_t)size, check_side());
  char *first = c->stride < 0 && c->n > 0 ? src + (c->n - 1) * step * size : src;
  for (int64_t n = 0; n < (c->n == 0 ? 0 : count); n++)
    for (int64_t i = 0; i < c->sample; i++)
      element_types[dtype].set(first + n * c->stride * size, i, c->src[n * c->sample + i]);
  guard_freeze(src);
  return first;
}

static void run(const conv_case *c, int algorithm, bool prepared, int threads) {
  ck_conv_problem problem = c->problem;
  ck_conv_plan plan;
  problem.prepared = prepared;
  if (algorithm != CK_ALGORITHM_AUTO && ck_conv_declines(&problem, algorithm)) return;
  const ck_status planned = ck_conv_plan_init(&plan, &problem, algorithm);
  if (!CHECK(planned == CK_STATUS_OK, "the plan: %s", ck_status_name((int)planned))) return;
  CHECK(memcmp(plan.problem.window.out, c->problem.window.out, sizeof plan.problem.window.out) == 0, "output size");
  const size_t space = ck_conv_workspace_bytes(&plan, c->n, threads), size = element_size(c->sum);
  ck_conv_buffers b = {.n = c->n, .src_batch_stride = c->stride, .src = samples(c)};
  b.weights = input("weights", c->sum, c->weights, c->weight_count);
  if (c->has_bias) b.bias = input("bias", c->sum, c->bias, problem.oc);
  if (plan.packed_bytes > 0) {
    void *packed = guard_new("packed", plan.packed_bytes, CK_ALIGNMENT, check_side());
    ck_conv_pack(&plan, b.weights, packed);
    guard_freeze(packed);
    guard_hide(b.weights);
    b.weights = packed;
  }
  b.dst = guard_new("dst", (size_t)c->dst_count * size, size, check_side());
  b.workspace = guard_new("workspace", space, CK_ALIGNMENT, check_side());
  const ck_control control = {.num_threads = threads};
  const ck_status status = ck_conv_run(&plan, &b, &control);
  CHECK(status == CK_STATUS_OK, "the run: %s", ck_status_name((int)status));
  /* Winograd rounds: here only its memory is guarded, tests/test_winograd.py has its bounds. */
  const bool exact = plan.algorithm != CK_ALGORITHM_winograd;
  for (int64_t i = 0; exact && i < c->dst_count; i++)
    if (!CHECK_ELEMENT(c->sum, b.dst, i, c->expected[i], "dst")) break;
  guard_done();
}

static void test_exact(void) {
  for (int64_t i = 0; i < check_draws(900); i++) {
    const conv_kind *kind = &kinds[i % kind_count];
    if (!check_case("conv %s", kind->name)) continue;
    conv_case c;
    draw_case(kind, &c);
    for (int algorithm = CK_ALGORITHM_AUTO; algorithm < CK_ALGORITHM_COUNT; algorithm++) {
      for (int isa = 0; isa < ck_isa_count(); isa++) {
        for (int prepared = 0; prepared <= 1; prepared++) {
          const int threads = (int)check_pick(1, 3);
          check_step(" %s %s prepared%d threads%d", algorithm < 0 ? "auto" : ck_conv_algorithm_name(algorithm),
                     ck_isa_name(isa), prepared, threads);
          ck_isa_use(isa);
          run(&c, algorithm, prepared, threads);
        }
      }
    }
    free(c.src), free(c.weights), free(c.bias), free(c.expected);
  }
}

/* ---- Calls that end early or are refused -------------------------------------------------------------------------------- */

static bool always(void *context) { return ++*(int *)context > 0; }

/* A run of many samples that is interrupted at once, or is given a wrong number of threads; false if the algorithm declines. */
static bool run_refused(int algorithm, const ck_control *control, ck_status expected) {
  ck_conv_problem p = {.n = 64, .g = 1, .ic = 1, .oc = 1, .src_dtype = CK_DTYPE_f32};
  p.window = (ck_window){.in = {1, 3, 3},
                         .kernel = {1, 3, 3},
                         .stride = {1, 1, 1},
                         .dilation = {1, 1, 1},
                         .before = {0, 1, 1},
                         .after = {0, 1, 1}};
  ck_conv_plan plan;
  if (ck_conv_declines(&p, algorithm) || !CHECK(ck_conv_plan_init(&plan, &p, algorithm) == CK_STATUS_OK, "plan")) return false;
  const size_t space = ck_conv_workspace_bytes(&plan, p.n, control->num_threads);
  const ck_conv_buffers b = {.n = p.n,
                             .src_batch_stride = 9,
                             .src = elements_new("src", CK_DTYPE_f32, p.n * 9, GUARD_END),
                             .weights = elements_new("weights", CK_DTYPE_f32, 9, GUARD_END),
                             .dst = guard_new("dst", (size_t)p.n * 9 * sizeof(float), sizeof(float), GUARD_END),
                             .workspace = guard_new("workspace", space, CK_ALIGNMENT, GUARD_END)};
  const ck_status status = ck_conv_run(&plan, &b, control);
  CHECK(status == expected, "%s", ck_status_name((int)status));
  const size_t touched = expected == CK_STATUS_INTERRUPTED ? 9 * sizeof(float) : 0;
  CHECK(guard_untouched(b.dst, touched, (size_t)p.n * 9 * sizeof(float) - touched), "dst was written");
  guard_done();
  return true;
}

static void test_refused(void) {
  static const int threads[] = {0, -1, INT32_MIN, CK_MAX_THREADS + 1, INT32_MAX};
  for (int algorithm = 0; algorithm < CK_ALGORITHM_COUNT; algorithm++) {
    for (int i = 0; i < 5; i++)
      if (check_case("%s threads%d", ck_conv_algorithm_name(algorithm), threads[i]))
        run_refused(algorithm, &(ck_control){.num_threads = threads[i]}, CK_STATUS_NUM_THREADS);
    if (!check_case("interruption of %s", ck_conv_algorithm_name(algorithm))) continue;
    int asked = 0;
    if (run_refused(algorithm, &(ck_control){1, always, &asked}, CK_STATUS_INTERRUPTED))
      CHECK(asked == 1, "asked %d times", asked);
  }
}

/* Whatever the numbers are, there is an answer; under UndefinedBehaviorSanitizer no step on the way may overflow. */
static void test_wild(void) {
  for (int64_t i = 0; i < check_draws(60000); i++) {
    if (!check_case("wild problem")) continue;
    ck_conv_problem p = {.n = wild_number(),
                         .g = wild_number(),
                         .ic = wild_number(),
                         .oc = wild_number(),
                         .window = wild_window(),
                         .src_dtype = (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1),
                         .layout = (ck_layout)check_pick(0, 1),
                         .activation = (ck_activation)check_pick(0, 2),
                         .prepared = check_pick(0, 1)};
    if (check_pick(0, 20) == 0) p.src_dtype = (ck_dtype)wild_number();
    if (check_pick(0, 9)) {
      p.ic = (int64_t)((uint64_t)p.ic * (uint64_t)p.g);
      p.oc = (int64_t)((uint64_t)p.oc * (uint64_t)p.g);
    }
    ck_conv_plan plan;
    const int algorithm = check_pick(0, 30) ? (int)check_pick(CK_ALGORITHM_AUTO, CK_ALGORITHM_COUNT - 1) : (int)wild_number();
    const bool valid =
        (unsigned)p.src_dtype < CK_DTYPE_COUNT && algorithm < CK_ALGORITHM_COUNT && algorithm >= CK_ALGORITHM_AUTO;
    const ck_status status = ck_conv_plan_init(&plan, &p, algorithm);
    CHECK(status == CK_STATUS_OK ? valid : status < CK_STATUS_COUNT, "%s", ck_status_name((int)status));
    if (status) continue;
    static const int threads[] = {1, 3, 1024};
    size_t before = 0;
    for (int t = 0; t < 3; t++) {
      const size_t bytes = ck_conv_workspace_bytes(&plan, p.n, threads[t]);
      CHECK(bytes >= before && bytes % CK_ALIGNMENT == 0, "%zu bytes for %d threads after %zu", bytes, threads[t], before);
      before = bytes;
    }
  }
}

/* ---- Tiles --------------------------------------------------------------------------------------------------------------- */

/* Tiles follow each other; those read in place begin where a vector does, but for the first. */
static void check_tiles(const ck_conv_plan *plan, const char *sample, int64_t first, int64_t last, const ck_tile *tiles,
                        int64_t count) {
  const ck_dtype dtype = plan->problem.src_dtype;
  const int64_t size = ck_dtype_size(dtype), vector = ck_isa_lanes(plan->isa, dtype) * size;
  int64_t next = first;
  for (int64_t i = 0; i < count; i++) {
    CHECK(tiles[i].pixel == next && tiles[i].count > 0, "tile %d begins at %d, not %d", (int)i, (int)tiles[i].pixel, (int)next);
    next += tiles[i].count;
    if (i == 0 || tiles[i].packed != CK_IN_PLACE || ck_volume(plan->tiling.window.in) * size % vector) continue;
    const uintptr_t at = (uintptr_t)sample + (uintptr_t)(tiles[i].origin * size);
    CHECK(at % (uintptr_t)vector == 0, "tile %d begins %d bytes after a vector", (int)i, (int)(at % (uintptr_t)vector));
  }
  CHECK(next == last, "the tiles end at %d, not %d", (int)next, (int)last);
}

/* Tiles of a series are alike, and as far from each other; one row of pixels is a first tile, a series and a last tile. */
static void check_series(const ck_tile *tiles, int64_t count) {
  int64_t joined = 0, series = 0;
  for (const ck_tile *tile = tiles; joined < count; tile += tile->series, series++) {
    CHECK(tile->series >= 1 && joined + tile->series <= count, "a series of %d", (int)tile->series);
    for (int64_t i = 2; i < tile->series; i++)
      CHECK(tile[i].count == tile->count && tile[i].pixel - tile[i - 1].pixel == tile[1].pixel - tile->pixel &&
                ck_tile_place(&tile[i]) - ck_tile_place(&tile[i - 1]) == ck_tile_place(&tile[1]) - ck_tile_place(tile),
            "tile %d of a series", (int)i);
    joined += tile->series;
    if (tile->series < 1) break;
  }
  CHECK(series <= 4, "%d series", (int)series);
}

static void test_tiles(void) {
  static const char memory[128] __attribute__((aligned(64)));
  for (int64_t i = 0; i < check_draws(2000); i++) {
    if (!check_case("tiles")) continue;
    ck_conv_problem p = {.g = 1, .ic = check_pick(1, 300), .oc = check_pick(1, 70), .n = 1, .prepared = true};
    p.src_dtype = check_pick(0, 1) ? CK_DTYPE_f32 : CK_DTYPE_f64;
    for (int axis = 0; axis < CK_AXES; axis++) {
      p.window.in[axis] = p.window.out[axis] = axis == 0 ? 1 : check_pick(1, 3) == 1 ? 8 * check_pick(1, 6) : check_pick(1, 50);
      p.window.kernel[axis] = p.window.stride[axis] = p.window.dilation[axis] = 1;
    }
    check_note(" %s ic%d oc%d", element_types[p.src_dtype].name, (int)p.ic, (int)p.oc);
    window_note(&p.window);
    ck_conv_plan plan;
    ck_isa_use((int)check_pick(0, ck_isa_count() - 1));
    const ck_status status = ck_conv_plan_init(&plan, &p, CK_ALGORITHM_direct + (int)check_pick(0, 1));
    CHECK(status == CK_STATUS_OK, "%s", ck_status_name((int)status));
    const ck_conv_tiling *t = &plan.tiling;
    if (status || !t->pixel_lanes || (t->pixels != CK_PIXELS_IN_PLACE && t->pixels != CK_PIXELS_LOWERED)) continue;
    const int64_t pixels = ck_volume(p.window.out), first = check_pick(0, pixels - 1), last = check_pick(first + 1, pixels);
    const int64_t most = ck_tiles_most(&plan, last - first);
    ck_tile *tiles = malloc((size_t)most * sizeof *tiles);
    const char *sample = memory + check_pick(0, 15) * ck_dtype_size(p.src_dtype) % 64;
    const int64_t count = ck_tiles_cut(&plan, sample, first, last, tiles);
    CHECK(count <= most, "%d tiles, not more than %d", (int)count, (int)most);
    check_tiles(&plan, sample, first, last, tiles, count);
    ck_tiles_join(tiles, count);
    check_series(tiles, count);
    free(tiles);
  }
  ck_isa_use(0);
}

int main(int argc, char **argv) {
  check_start(argc, argv);
  test_exact();
  test_tiles();
  test_refused();
  test_wild();
  return check_end();
}

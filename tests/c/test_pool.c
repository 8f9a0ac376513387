/* test_pool.c: pooling through the C interface against plain loops, exactly: every instruction set, kind, dtype and layout,
 * adaptive windows, ceil_mode, indices, one to three threads. The data are integers; for maxima also NaN and infinities.
 *
 * Every buffer is guarded, and the input is read-only while the library runs. Workspace and output begin as NaN. */
#include "convkit.h"
#include "elements.h"
#include "windows.h"

/* A problem, its input as integers, and its output as dst: maxima as integers, averages and norms as numbers. */
typedef struct {
  ck_pool_problem problem;
  ck_dtype dst_dtype;
  int64_t src_count, dst_count;
  bool empty_window;
  int64_t *src, *best, *indices;
  double *numbers;
} pool_case;

/* ---- Problems ------------------------------------------------------------------------------------------------------------ */

typedef struct {
  const char *name;
  int dims;
  int64_t n, c; /* most of each */
  int64_t length, kernel, stride, dilation, padding;
} pool_kind;

/* What leads to different paths: overlapping windows, long ones, several blocks of columns and chunks of channels. */
static const pool_kind kinds[] = {
    {"line", 1, 3, 5, 40, 5, 4, 3, 3},   {"plane", 2, 2, 5, 14, 4, 3, 2, 3},   {"volume", 3, 2, 3, 7, 3, 3, 2, 2},
    {"wide", 1, 2, 2, 1300, 4, 2, 2, 3}, {"long", 1, 2, 3, 300, 90, 60, 1, 9}, {"channels", 2, 2, 1100, 5, 3, 2, 1, 1},
    {"large", 2, 2, 3, 60, 9, 2, 1, 4},  {"sparse", 2, 2, 3, 4, 4, 9, 9, 9},
};
enum { kind_count = sizeof kinds / sizeof *kinds };

/* As window_draw has it, and one more that sticks out of the padded input; without those that start behind the input. */
static void round_up_outputs(ck_window *w) {
  for (int axis = 0; axis < CK_AXES; axis++) {
    const int64_t room = w->in[axis] + w->before[axis] + w->after[axis] - w->dilation[axis] * (w->kernel[axis] - 1) - 1;
    w->out[axis] += room % w->stride[axis] != 0;
    while ((w->out[axis] - 1) * w->stride[axis] >= w->in[axis] + w->before[axis]) w->out[axis]--;
  }
}

static void draw_window(const pool_kind *k, ck_pool_problem *p) {
  p->window = window_draw(k->dims, k->length, k->kernel, k->stride, k->dilation, k->padding);
  ck_window *w = &p->window;
  if (p->adaptive) {
    for (int axis = CK_AXES - k->dims; axis < CK_AXES; axis++) w->out[axis] = check_pick(1, w->in[axis] + 2);
  } else if (check_pick(0, 5) == 0) { /* global */
    for (int axis = 0; axis < CK_AXES; axis++) {
      w->kernel[axis] = w->in[axis];
      w->dilation[axis] = w->out[axis] = 1;
      w->before[axis] = w->after[axis] = 0;
    }
  } else if (p->ceil_mode) {
    round_up_outputs(w);
  }
}

static void draw_problem(const pool_kind *k, pool_case *c) {
  ck_pool_problem *p = &c->problem;
  *p = (ck_pool_problem){.n = check_pick(0, 9) ? check_pick(1, k->n) : 0, .c = check_pick(1, k->c)};
  p->src_dtype = check_pick(0, 1) ? CK_DTYPE_f32 : (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1);
  p->layout = check_pick(0, 1) ? CK_LAYOUT_CHANNELS_FIRST : CK_LAYOUT_CHANNELS_LAST;
  p->kind = (ck_pool_kind)check_pick(CK_POOL_MAX, CK_POOL_LP);
  p->adaptive = check_pick(0, 3) == 0;
  p->ceil_mode = !p->adaptive && check_pick(0, 1);
  p->count_include_pad = check_pick(0, 1);
  p->with_indices = p->kind == CK_POOL_MAX && check_pick(0, 1);
  p->divisor = check_pick(0, 3) ? 0 : 7;
  p->power = (double)check_pick(1, 3);
  draw_window(k, p);
  c->dst_dtype = p->kind == CK_POOL_MAX || p->src_dtype == CK_DTYPE_f32 ? p->src_dtype : CK_DTYPE_f64;
  c->src_count = p->n * p->c * ck_volume(p->window.in);
  c->dst_count = p->n * p->c * ck_volume(p->window.out);
  static const char *const names[] = {"max", "average", "lp"};
  check_note(" %s %s %s n%d c%d out%dx%dx%d", names[p->kind], element_types[p->src_dtype].name,
             p->layout == CK_LAYOUT_CHANNELS_FIRST ? "first" : "last", (int)p->n, (int)p->c, (int)p->window.out[0],
             (int)p->window.out[1], (int)p->window.out[2]);
  window_note(&p->window);
  check_note(" adaptive%d ceil%d include%d indices%d divisor%g power%g", p->adaptive, p->ceil_mode, p->count_include_pad,
             p->with_indices, p->divisor, p->power);
}

/* Small numbers, so that sums and powers are exact. For maxima anything. */
static int64_t draw_element(const ck_pool_problem *p) {
  static const int64_t special[] = {ELEMENT_NAN, ELEMENT_INFINITY, -ELEMENT_INFINITY};
  if (p->kind != CK_POOL_MAX) return check_pick(element_is_unsigned(p->src_dtype) ? 0 : -9, 9);
  if (element_types[p->src_dtype].real && check_pick(0, 30) == 0) return special[check_pick(0, 2)];
  return element_any(p->src_dtype);
}

/* ---- One window, slowly -------------------------------------------------------------------------------------------------- */

/* Taps k of window o on an axis: from first[axis] to end[axis] - 1, `step` apart, as far as they are on the input. */
typedef struct {
  int64_t elements, counted, index;
  double sum;
  int64_t best;
} pool_window;

static int64_t tap_count(const ck_pool_problem *p, int axis, int64_t o) {
  const ck_window *w = &p->window;
  if (!p->adaptive) return w->kernel[axis];
  return ((o + 1) * w->in[axis] + w->out[axis] - 1) / w->out[axis] - o * w->in[axis] / w->out[axis];
}

static int64_t tap_at(const ck_pool_problem *p, int axis, int64_t o, int64_t tap) {
  const ck_window *w = &p->window;
  return p->adaptive ? o * w->in[axis] / w->out[axis] + tap : o * w->stride[axis] - w->before[axis] + tap * w->dilation[axis];
}

static void add_element(const pool_case *c, pool_window *window, int64_t x, int64_t index) {
  const ck_pool_problem *p = &c->problem;
  const bool nan = x == ELEMENT_NAN && element_types[p->src_dtype].real;
  const bool first = window->elements++ == 0, had_nan = window->best == ELEMENT_NAN && element_types[p->src_dtype].real;
  if (first || (!had_nan && (nan || element_types[p->src_dtype].less(window->best, x)))) {
    window->best = x;
    window->index = index;
  }
  if (p->kind == CK_POOL_AVERAGE) window->sum += (double)x;
  if (p->kind == CK_POOL_LP) window->sum += pow(fabs((double)x), p->power);
}

static pool_window look_at(const pool_case *c, int64_t n, int64_t channel, const int64_t o[3]) {
  const ck_pool_problem *p = &c->problem;
  const ck_window *w = &p->window;
  const int64_t taps[3] = {tap_count(p, 0, o[0]), tap_count(p, 1, o[1]), tap_count(p, 2, o[2])};
  pool_window window = {0};
  EACH_POSITION(k, taps) {
    int64_t i[3];
    bool on_input = true, on_padded = true;
    for (int axis = 0; axis < 3; axis++) {
      i[axis] = tap_at(p, axis, o[axis], k[axis]);
      on_input = on_input && i[axis] >= 0 && i[axis] < w->in[axis];
      on_padded = on_padded && i[axis] < w->in[axis] + (p->adaptive ? 0 : w->after[axis]);
    }
    window.counted += p->count_include_pad && !p->adaptive ? on_padded : on_input;
    if (on_input)
      add_element(c, &window, c->src[place(p->layout == CK_LAYOUT_CHANNELS_LAST, n, p->c, channel, i, w->in)],
                  (i[0] * w->in[1] + i[1]) * w->in[2] + i[2]);
  }
  return window;
}

static double number_of(const pool_case *c, const pool_window *window) {
  const ck_pool_problem *p = &c->problem;
  if (p->kind == CK_POOL_LP) {
    const double root = p->power == 1 ? window->sum : p->power == 2 ? sqrt(window->sum) : pow(window->sum, 1 / p->power);
    return c->dst_dtype == CK_DTYPE_f32 ? (double)(float)root : root;
  }
  const double divisor = p->divisor != 0 ? p->divisor : (double)window->counted;
  return c->dst_dtype == CK_DTYPE_f32 ? (double)((float)window->sum / (float)divisor) : window->sum / divisor;
}

static void draw_case(const pool_kind *kind, pool_case *c) {
  draw_problem(kind, c);
  const ck_pool_problem *p = &c->problem;
  c->src = malloc((size_t)(c->src_count + 1) * sizeof *c->src);
  c->best = malloc((size_t)(c->dst_count + 1) * sizeof *c->best);
  c->indices = malloc((size_t)(c->dst_count + 1) * sizeof *c->indices);
  c->numbers = malloc((size_t)(c->dst_count + 1) * sizeof *c->numbers);
  c->empty_window = false;
  for (int64_t i = 0; i < c->src_count; i++) c->src[i] = draw_element(p);
  for (int64_t n = 0; n < p->n; n++) {
    for (int64_t channel = 0; channel < p->c; channel++) {
      EACH_POSITION(o, p->window.out) {
        const int64_t at = place(p->layout == CK_LAYOUT_CHANNELS_LAST, n, p->c, channel, o, p->window.out);
        const pool_window window = look_at(c, n, channel, o);
        c->empty_window |= window.elements == 0;
        c->best[at] = window.best;
        c->indices[at] = window.index;
        c->numbers[at] = number_of(c, &window);
      }
    }
  }
}

/* ---- Runs ---------------------------------------------------------------------------------------------------------------- */

static void compare(const pool_case *c, const void *dst, const int64_t *indices) {
  for (int64_t i = 0; i < c->dst_count; i++) {
    if (c->problem.kind == CK_POOL_MAX) {
      if (!CHECK_ELEMENT(c->dst_dtype, dst, i, c->best[i], "dst")) return;
    } else {
      const double got = element_types[c->dst_dtype].as_double(dst, i);
      if (!CHECK(got == c->numbers[i], "dst[%d] is %a, not %a", (int)i, got, c->numbers[i])) return;
    }
    if (indices && !CHECK(indices[i] == c->indices[i], "indices[%d] is %lld, not %lld", (int)i, (long long)indices[i],
                          (long long)c->indices[i]))
      return;
  }
}

static void run(const pool_case *c, int threads) {
  const ck_pool_problem *p = &c->problem;
  const size_t size = element_size(c->dst_dtype);
  ck_pool_plan plan;
  ck_pool_problem asked = *p;
  if (!p->adaptive) memset(asked.window.out, 0xff, sizeof asked.window.out);
  const bool refused = c->empty_window && !(p->kind == CK_POOL_AVERAGE && p->count_include_pad);
  const ck_status planned = ck_pool_plan_init(&plan, &asked);
  if (p->n > 0) CHECK(planned == (refused ? CK_STATUS_WINDOW : CK_STATUS_OK), "the plan: %s", ck_status_name((int)planned));
  if (planned) return;
  CHECK(memcmp(plan.problem.window.out, p->window.out, sizeof p->window.out) == 0, "output size");
  void *src = guard_new("src", (size_t)c->src_count * element_size(p->src_dtype), element_size(p->src_dtype), check_side());
  for (int64_t i = 0; i < c->src_count; i++) element_types[p->src_dtype].set(src, i, c->src[i]);
  guard_freeze(src);
  void *dst = guard_new("dst", (size_t)c->dst_count * size, size, check_side()), *indices = NULL;
  if (p->with_indices) indices = guard_new("indices", (size_t)c->dst_count * sizeof(int64_t), sizeof(int64_t), check_side());
  void *workspace = guard_new("workspace", ck_pool_workspace_bytes(&plan, threads), CK_ALIGNMENT, check_side());
  const ck_control control = {.num_threads = threads};
  const ck_status status = ck_pool_run(&plan, src, dst, indices, workspace, &control);
  CHECK(status == CK_STATUS_OK, "the run: %s", ck_status_name((int)status));
  compare(c, dst, indices);
  guard_done();
}

static void test_exact(void) {
  for (int64_t i = 0; i < check_draws(2500); i++) {
    const pool_kind *kind = &kinds[i % kind_count];
    if (!check_case("pool %s", kind->name)) continue;
    pool_case c;
    draw_case(kind, &c);
    for (int isa = 0; isa < ck_isa_count(); isa++) {
      const int threads = (int)check_pick(1, 3);
      check_step(" %s threads%d", ck_isa_name(isa), threads);
      ck_isa_use(isa);
      run(&c, threads);
    }
    free(c.src), free(c.best), free(c.indices), free(c.numbers);
  }
}

/* A wrong number of threads: nothing is done. */
static void test_refused(void) {
  static const int threads[] = {0, -1, INT32_MIN, CK_MAX_THREADS + 1, INT32_MAX};
  for (int i = 0; i < 5; i++) {
    if (!check_case("threads%d", threads[i])) continue;
    ck_pool_problem p = {.n = 1, .c = 1, .src_dtype = CK_DTYPE_f32, .kind = CK_POOL_MAX};
    p.window = (ck_window){.in = {1, 3, 3}, .kernel = {1, 2, 2}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    ck_pool_plan plan;
    CHECK(ck_pool_plan_init(&plan, &p) == CK_STATUS_OK, "plan");
    void *src = elements_new("src", CK_DTYPE_f32, 9, GUARD_END);
    void *dst = guard_new("dst", 4 * sizeof(float), sizeof(float), GUARD_END);
    void *workspace = guard_new("workspace", ck_pool_workspace_bytes(&plan, threads[i]), CK_ALIGNMENT, GUARD_END);
    const ck_status status = ck_pool_run(&plan, src, dst, NULL, workspace, &(ck_control){.num_threads = threads[i]});
    CHECK(status == CK_STATUS_NUM_THREADS, "%s", ck_status_name((int)status));
    CHECK(guard_untouched(dst, 0, 4 * sizeof(float)), "dst was written");
    guard_done();
  }
}

/* Whatever the numbers are, there is an answer; under UndefinedBehaviorSanitizer no step on the way may overflow. */
static void test_wild(void) {
  for (int64_t i = 0; i < check_draws(60000); i++) {
    if (!check_case("wild problem")) continue;
    ck_pool_problem p = {.n = wild_number(),
                         .c = wild_number(),
                         .window = wild_window(),
                         .src_dtype = (ck_dtype)check_pick(0, CK_DTYPE_COUNT - 1),
                         .layout = (ck_layout)check_pick(0, 1),
                         .kind = (ck_pool_kind)check_pick(CK_POOL_MAX, CK_POOL_LP),
                         .ceil_mode = check_pick(0, 1),
                         .adaptive = check_pick(0, 3) == 0,
                         .count_include_pad = check_pick(0, 1),
                         .with_indices = check_pick(0, 1),
                         .divisor = (double)check_pick(0, 1),
                         .power = 2};
    if (check_pick(0, 20) == 0) p.src_dtype = (ck_dtype)wild_number();
    if (check_pick(0, 20) == 0) p.power = check_pick(0, 1) ? (double)wild_number() : NAN;
    if (check_pick(0, 20) == 0) p.divisor = check_pick(0, 1) ? (double)wild_number() : NAN;
    ck_pool_plan plan;
    const ck_status status = ck_pool_plan_init(&plan, &p);
    CHECK(status == CK_STATUS_OK ? (unsigned)p.src_dtype < CK_DTYPE_COUNT : status < CK_STATUS_COUNT, "%s",
          ck_status_name((int)status));
    if (status) continue;
    static const int threads[] = {1, 3, 1024};
    size_t before = 0;
    for (int t = 0; t < 3; t++) {
      const size_t bytes = ck_pool_workspace_bytes(&plan, threads[t]);
      CHECK(bytes >= before && bytes % CK_ALIGNMENT == 0, "%zu bytes for %d threads after %zu", bytes, threads[t], before);
      before = bytes;
    }
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv);
  test_exact();
  test_refused();
  test_wild();
  return check_end();
}

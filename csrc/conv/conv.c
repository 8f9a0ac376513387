/* conv.c: the door to convolution: checks the problem, chooses the algorithm, hands over. */
#include "algorithm.h"

static const ck_conv_algorithm *const algorithms[CK_ALGORITHM_COUNT] = {
#define CK_ROW(name) &ck_conv_##name,
#include "algorithms.def"
#undef CK_ROW
};

const char *ck_conv_algorithm_name(int algorithm) {
  return algorithm >= 0 && algorithm < CK_ALGORITHM_COUNT ? algorithms[algorithm]->name : NULL;
}

const char *ck_conv_declines(const ck_conv_problem *problem, int algorithm) {
  if (algorithm < 0 || algorithm >= CK_ALGORITHM_COUNT) return "there is no such algorithm";
  return algorithms[algorithm]->declines(problem);
}

static ck_status check_channels(const ck_conv_problem *p) {
  if (p->n < 0) return CK_STATUS_BATCH;
  if (p->ic < 1) return CK_STATUS_INPUT_SIZE;
  if (p->g < 1) return CK_STATUS_GROUPS;
  if (p->oc < 1) return CK_STATUS_WEIGHT_SIZE;
  if (p->ic % p->g != 0) return CK_STATUS_GROUPS_IN;
  if (p->oc % p->g != 0) return CK_STATUS_GROUPS_OUT;
  return CK_STATUS_OK;
}

ck_status ck_conv_problem_check(ck_conv_problem *problem) {
  ck_status status = check_channels(problem);
  if (status) return status;
  for (int axis = 0; axis < CK_AXES; axis++)
    if (problem->window.in[axis] >= 1 && problem->window.kernel[axis] < 1) return CK_STATUS_WEIGHT_SIZE;
  status = ck_window_check(&problem->window, false);
  if (status) return status;
  if ((unsigned)problem->src_dtype >= CK_DTYPE_COUNT) return CK_STATUS_DTYPE;
  if ((unsigned)problem->layout > CK_LAYOUT_CHANNELS_LAST) return CK_STATUS_LAYOUT;
  if ((unsigned)problem->activation > CK_ACTIVATION_RELU6) return CK_STATUS_ACTIVATION;
  /* The largest buffers, at 16 bytes an element: no later size computation can overflow. */
  const ck_window *w = &problem->window;
  status = ck_size_check(problem->n, problem->ic, w->in, 16);
  if (!status) status = ck_size_check(problem->n, problem->oc, w->out, 16);
  if (!status) status = ck_size_check(problem->oc, problem->ic / problem->g, w->kernel, 16);
  return status;
}

static ck_status plan_with(ck_conv_plan *plan, const ck_conv_problem *problem, int algorithm, int isa) {
  *plan = (ck_conv_plan){.problem = *problem, .algorithm = algorithm, .isa = isa};
  return algorithms[algorithm]->plan(plan);
}

/* The cheapest algorithm with an instruction set, of all or of those that compute chains. */
static ck_status plan_cheapest(ck_conv_plan *plan, const ck_conv_problem *problem, int isa, bool chains) {
  ck_status best = CK_STATUS_ALGORITHM;
  for (int i = 0; i < CK_ALGORITHM_COUNT; i++) {
    ck_conv_plan candidate;
    if (ck_conv_declines(problem, i) || (chains && !algorithms[i]->chains)) continue;
    const ck_status status = plan_with(&candidate, problem, i, isa);
    if (status) {
      if (best) best = status;
    } else if (best || candidate.cost < plan->cost) {
      *plan = candidate;
      best = CK_STATUS_OK;
    }
  }
  return best;
}

/* Whether chains are computed or other sums is a question of the machine's best instruction set: then the bits are the same
 * with any other that rounds like it. */
static ck_status plan_auto(ck_conv_plan *plan, const ck_conv_problem *problem) {
  const int isa = ck_isa_current(), best = 0;
  const ck_status status = plan_cheapest(plan, problem, best, false);
  if (status || isa == best) return status;
  return algorithms[plan->algorithm]->chains ? plan_cheapest(plan, problem, isa, true)
                                             : plan_with(plan, problem, plan->algorithm, isa);
}

ck_status ck_conv_plan_init(ck_conv_plan *plan, const ck_conv_problem *problem, int algorithm) {
  ck_conv_problem checked = *problem;
  const ck_status status = ck_conv_problem_check(&checked);
  plan->problem = checked; /* also where it is refused: its output size tells why */
  if (status) return status;
  if (algorithm >= CK_ALGORITHM_COUNT || algorithm < CK_ALGORITHM_AUTO) return CK_STATUS_ALGORITHM;
  if (algorithm == CK_ALGORITHM_AUTO) return plan_auto(plan, &checked);
  return ck_conv_declines(&checked, algorithm) ? CK_STATUS_ALGORITHM : plan_with(plan, &checked, algorithm, ck_isa_current());
}

void ck_conv_pack(const ck_conv_plan *plan, const void *weights, void *packed) {
  algorithms[plan->algorithm]->pack(plan, weights, packed);
}

size_t ck_conv_workspace_bytes(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const int threads = (int)ck_clamp(num_threads, 1, CK_MAX_THREADS);
  const int64_t tasks = n > 0 ? algorithms[plan->algorithm]->tasks(plan, n, threads) : 0;
  return plan->shared_bytes + plan->thread_bytes * (size_t)ck_parallel_width(threads, tasks);
}

int64_t ck_conv_task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task) {
  const int threads = (int)ck_clamp(num_threads, 1, CK_MAX_THREADS);
  return n > 0 ? algorithms[plan->algorithm]->task_outputs(plan, n, threads, task) : -1;
}

ck_status ck_conv_run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  if (!ck_parallel_accepts(control)) return CK_STATUS_NUM_THREADS;
  if (buffers->n == 0) return CK_STATUS_OK;
  return algorithms[plan->algorithm]->run(plan, buffers, control);
}

/* check.h: what the C tests share: cases, checks, random numbers, guarded memory.
 *
 *   int main(int argc, char **argv) {
 *     check_start(argc, argv);
 *     for (int rows = 1; rows <= 14; rows++) {
 *       if (!check_case("gemm rows=%d", rows)) continue;
 *       float *x = guard_new("x", 12, alignof(float), check_side());
 *       CHECK(f(x) == 3, "f gives %d", f(x));
 *       guard_done();
 *     }
 *     return check_end();
 *   }
 *
 * Cases are numbered. Each has random numbers of its own, so that `program -c NUMBER` repeats one alone. `program -s PERCENT`
 * runs that part of the cases (for emulators), or, above 100, more of those that are drawn at random.
 *
 * Guarded memory is flush with an unmapped page, at its end or at its beginning. What else its pages hold is filled with bytes
 * that read as NaN (float32, float64) or as negative integers, and guard_done looks whether they are still there. */
#ifndef CONVKIT_TESTS_CHECK_H
#define CONVKIT_TESTS_CHECK_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK_UNUSED __attribute__((unused))

/* Sanitized programs are not optimized: a product and a sum are rounded one after the other. */
#ifdef __has_feature
#define CHECK_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define CHECK_SANITIZED 1
#else
#define CHECK_SANITIZED 0
#endif

/* ---- Cases and checks ---------------------------------------------------------------------------------------------------- */

static struct {
  const char *program;
  int64_t number, only, percent; /* case, the one to run (-1: all), part of them */
  int64_t cases, checks, failures;
  uint64_t random;
  size_t described; /* characters of the text that belong to the whole case */
  char text[640];
} check = {.only = -1, .percent = 100};

CHECK_UNUSED static void check_where(void) {
  fprintf(stderr, " | %s | again: %s -c %lld\n", check.text, check.program, (long long)check.number);
  fflush(stderr);
}

/* A crash tells its case, then takes its course: the sanitizers and the shell have their own to say. */
static void check_crashed(int signal_number) {
  signal(signal_number, SIG_DFL);
  fprintf(stderr, "%s: signal %d", check.program, signal_number);
  check_where();
}

/* Of the sanitizers; absent without them. */
extern void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

CHECK_UNUSED static void check_start(int argc, char **argv) {
  static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  check.program = argv[0];
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "-c") == 0) check.only = atoll(argv[i + 1]);
    if (strcmp(argv[i], "-s") == 0) check.percent = atoll(argv[i + 1]);
  }
  if (__sanitizer_set_death_callback)
    __sanitizer_set_death_callback(check_where);
  else
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], check_crashed);
}

/* How many cases to draw where `count` are drawn by default. */
CHECK_UNUSED static int64_t check_draws(int64_t count) { return check.percent > 100 ? count * check.percent / 100 : count; }

static uint64_t check_mix(uint64_t x) { /* the finalizer of splitmix64 */
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

CHECK_UNUSED static uint64_t check_bits(void) { return check_mix(check.random += 0x9e3779b97f4a7c15u); }

/* A number from low to high, both included. */
CHECK_UNUSED static int64_t check_pick(int64_t low, int64_t high) {
  return low + (int64_t)(check_bits() % (uint64_t)(high - low + 1));
}

static void check_describe(size_t from, const char *format, va_list values) {
  vsnprintf(check.text + from, sizeof check.text - from, format, values);
}

/* Opens a case; false if it is not to be run. The text describes it. */
__attribute__((format(printf, 1, 2))) CHECK_UNUSED static bool check_case(const char *format, ...) {
  check.number++;
  const bool wanted =
      check.only < 0 ? (int64_t)(check_mix((uint64_t)check.number) % 100) < check.percent : check.only == check.number;
  if (!wanted) return false;
  va_list values;
  va_start(values, format);
  check_describe(0, format, values);
  va_end(values);
  check.described = strlen(check.text);
  check.random = (uint64_t)check.number * 0x2545f4914f6cdd1du;
  check.cases++;
  return true;
}

/* Adds to the text of the case what was drawn after it was opened. */
__attribute__((format(printf, 1, 2))) CHECK_UNUSED static void check_note(const char *format, ...) {
  va_list values;
  va_start(values, format);
  check_describe(check.described, format, values);
  va_end(values);
  check.described = strlen(check.text);
}

/* Opens a step of the case; its text takes the place of the last one's. */
__attribute__((format(printf, 1, 2))) CHECK_UNUSED static void check_step(const char *format, ...) {
  va_list values;
  va_start(values, format);
  check_describe(check.described, format, values);
  va_end(values);
}

__attribute__((format(printf, 4, 5))) CHECK_UNUSED static bool check_that(bool holds, const char *file, int line,
                                                                          const char *format, ...) {
  check.checks++;
  if (holds) return true;
  if (check.failures++ < 20) {
    va_list values;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    check_where();
  }
  return false;
}

/* CHECK(condition, format, ...): the text says what was seen instead. */
#define CHECK(condition, ...) check_that(condition, __FILE__, __LINE__, __VA_ARGS__)

/* For main to return. A program that has checked nothing has failed. */
CHECK_UNUSED static int check_end(void) {
  printf("%s: %lld checks in %lld cases, %lld failed\n", check.program, (long long)check.checks, (long long)check.cases,
         (long long)check.failures);
  return check.failures > 0 || check.checks == 0;
}

/* ---- Guarded memory ------------------------------------------------------------------------------------------------------ */

typedef enum { GUARD_END, GUARD_BEGIN } guard_side; /* where the unmapped page is */

typedef struct {
  const char *name;
  unsigned char *map, *low, *high; /* mapping, and the pages of it that can be used: low .. high - 1 */
  unsigned char *begin, *end;
  size_t mapped;
} guard_block;

static guard_block guard_blocks[16];
static int guard_count;

CHECK_UNUSED static guard_side check_side(void) { return check_bits() >> 63 ? GUARD_END : GUARD_BEGIN; }

static unsigned char guard_byte(const unsigned char *at) { return (uintptr_t)at & 1 ? 0xff : 0xf5; }

/* `bytes` bytes, filled as the memory around them. Those with GUARD_END end as near to the page as the alignment lets them. */
CHECK_UNUSED static void *guard_new(const char *name, size_t bytes, size_t alignment, guard_side side) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page) / page * page;
  guard_block b = {.name = name, .mapped = inner + 2 * page};
  b.map = mmap(NULL, b.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  b.low = b.map + page;
  b.high = b.low + inner;
  if (b.map == MAP_FAILED || mprotect(b.low, inner, PROT_READ | PROT_WRITE) != 0 || guard_count == 16) {
    perror("guarded memory");
    abort();
  }
  b.begin = side == GUARD_BEGIN ? b.low : b.low + (inner - bytes) / alignment * alignment;
  b.end = b.begin + bytes;
  b.low[0] = guard_byte(b.low);
  b.low[1] = guard_byte(b.low + 1);
  for (size_t done = 2; done < inner; done *= 2) memcpy(b.low + done, b.low, done < inner - done ? done : inner - done);
  guard_blocks[guard_count++] = b;
  return b.begin;
}

static guard_block *guard_of(const void *memory) {
  for (int i = 0; i < guard_count; i++)
    if (guard_blocks[i].begin == memory) return &guard_blocks[i];
  fprintf(stderr, "no guarded memory begins here");
  abort();
}

/* From now on it can only be read. */
CHECK_UNUSED static void guard_freeze(const void *memory) {
  const guard_block *b = guard_of(memory);
  mprotect(b->low, (size_t)(b->high - b->low), PROT_READ);
}

/* From now on it can not even be read. */
CHECK_UNUSED static void guard_hide(const void *memory) {
  const guard_block *b = guard_of(memory);
  mprotect(b->low, (size_t)(b->high - b->low), PROT_NONE);
}

/* Whether bytes from `offset` on are still as guard_new made them. */
CHECK_UNUSED static bool guard_untouched(const void *memory, size_t offset, size_t bytes) {
  const unsigned char *at = (const unsigned char *)memory + offset;
  for (size_t i = 0; i < bytes; i++)
    if (at[i] != guard_byte(at + i)) return false;
  return true;
}

/* Checks what lies around all guarded memory, and frees it. */
CHECK_UNUSED static void guard_done(void) {
  while (guard_count > 0) {
    const guard_block *b = &guard_blocks[--guard_count];
    mprotect(b->low, (size_t)(b->high - b->low), PROT_READ);
    CHECK(guard_untouched(b->low, 0, (size_t)(b->begin - b->low)), "memory before %s was written", b->name);
    CHECK(guard_untouched(b->end, 0, (size_t)(b->high - b->end)), "memory behind %s was written", b->name);
    munmap(b->map, b->mapped);
  }
}

#endif

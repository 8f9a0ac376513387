/* status.c: the rows of status.def as text. */
#include "status.h"

typedef struct {
  const char *name, *argument, *rule;
} ck_status_row;

static const ck_status_row rows[] = {
#define CK_ROW(name, argument, rule) {#name, argument, rule},
#include "status.def"
#undef CK_ROW
};

static const ck_status_row *row(int status) {
  static const ck_status_row unknown = {"UNKNOWN", "status", "is unknown"};
  return status >= 0 && status < CK_STATUS_COUNT ? &rows[status] : &unknown;
}

const char *ck_status_name(int status) { return row(status)->name; }
const char *ck_status_argument(int status) { return row(status)->argument; }
const char *ck_status_rule(int status) { return row(status)->rule; }

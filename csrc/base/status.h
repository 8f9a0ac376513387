/* status.h: what a call can answer. The rows are in status.def; status.c turns them into text. */
#ifndef CK_BASE_STATUS_H
#define CK_BASE_STATUS_H

typedef enum {
#define CK_ROW(name, argument, rule) CK_STATUS_##name,
#include "status.def"
#undef CK_ROW
  CK_STATUS_COUNT
} ck_status;

/* The argument that a status speaks of and the rule it broke ("stride", "must be at least 1"); never NULL. */
const char *ck_status_argument(int status);
const char *ck_status_rule(int status);
const char *ck_status_name(int status);

#endif

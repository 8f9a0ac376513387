/* dtype_row.h: the words for the fields of the current row of dtypes.def.
 *
 *   CK_DT    name (f32)                      CK_T     C type (float)
 *   CK_TI    signed integer of the same width  CK_BITS  its bits
 *   CK_SUM   name of the type that sums it     CK_TSUM  C type of that
 *   CK_KIND  CK_KIND_REAL, CK_KIND_SUM or CK_KIND_NARROW
 *   CK_OP(load)  the name `load_f32`: every function that exists once for each dtype is named so */
#ifndef CK_KERNELS_DTYPE_ROW_H
#define CK_KERNELS_DTYPE_ROW_H

#include "../base/common.h"

#define CK_KIND_REAL 1
#define CK_KIND_SUM 2
#define CK_KIND_NARROW 3

#define CK_FIELD_1(a, b, c, d, e, f, g) a
#define CK_FIELD_2(a, b, c, d, e, f, g) b
#define CK_FIELD_3(a, b, c, d, e, f, g) c
#define CK_FIELD_4(a, b, c, d, e, f, g) d
#define CK_FIELD_5(a, b, c, d, e, f, g) e
#define CK_FIELD_6(a, b, c, d, e, f, g) f
#define CK_FIELD_7(a, b, c, d, e, f, g) g
#define CK_APPLY(field, row) field row

#define CK_DT CK_APPLY(CK_FIELD_1, CK_DTYPE_ROW)
#define CK_T CK_APPLY(CK_FIELD_2, CK_DTYPE_ROW)
#define CK_TI CK_APPLY(CK_FIELD_3, CK_DTYPE_ROW)
#define CK_BITS CK_APPLY(CK_FIELD_4, CK_DTYPE_ROW)
#define CK_SUM CK_APPLY(CK_FIELD_5, CK_DTYPE_ROW)
#define CK_TSUM CK_APPLY(CK_FIELD_6, CK_DTYPE_ROW)
#define CK_KIND CK_APPLY(CK_FIELD_7, CK_DTYPE_ROW)

#define CK_OP(verb) CK_CAT4(verb, _, CK_DT, )
#define CK_SUM_OP(verb) CK_CAT4(verb, _, CK_SUM, )

#endif

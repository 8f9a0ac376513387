/* each_dtype.h: the templates that a dtype is instantiated with, for the current row of dtypes.def. */
#if CK_KIND != CK_KIND_NARROW
#include "gemm_tmpl.h"
#include "probe_tmpl.h"
#include "transpose_tmpl.h"
#endif
#if CK_KIND == CK_KIND_REAL
#include "dot_tmpl.h"
#include "winograd_tmpl.h"
#endif
#include "pack_tmpl.h"
#include "pool_fold_tmpl.h"
#include "pool_slide_tmpl.h"
#include "pool_argmax_tmpl.h"
#include "scatter_add_tmpl.h"
#undef CK_DTYPE_ROW

# What `cimport convkit` gives: the C interface. See get_include and get_library_dir for the compiler's paths.
from convkit._core cimport *

"""Sphinx configuration."""

from importlib.metadata import version as installed_version

project = "convkit"
author = "convkit developers"
release = version = installed_version("convkit-cpu")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
]
exclude_patterns = ["_build/html", "_build/doctrees"]
html_theme = "alabaster"
html_show_copyright = False
html_theme_options = {"description": "Convolution and pooling for NumPy arrays on the CPU"}

autosummary_generate = True
# The docstrings say what an argument may be, in words.
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Pages link to files of the repository that are not pages themselves.
suppress_warnings = ["myst.xref_missing"]

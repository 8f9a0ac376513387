"""The public names: which there are, that each is documented in full, and that examples run."""

import doctest
import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

import pytest

import convkit

AXES = ("1d", "2d", "3d")
DUE = {
    *(f"conv{n}" for n in AXES),
    *(f"conv{n}_plan" for n in AXES),
    *(f"{op}_pool{n}" for op in ("max", "avg", "lp") for n in AXES),
    *(f"adaptive_{op}_pool{n}" for op in ("max", "avg") for n in AXES),
    *(f"max_unpool{n}" for n in AXES),
    *("global_max_pool", "global_avg_pool"),
    *("im2col", "col2im", "conv_output_shape", "pool_output_shape", "receptive_field"),
    *("get_num_threads", "set_num_threads", "threads", "isas", "use_isa", "algorithms"),
    *("get_default_algorithms", "set_default_algorithms", "default_algorithms"),
    *("explain", "show_config", "get_include", "get_library_dir", "release_workspace"),
}
MAY = {
    *("__version__", "reference", "ReceptiveField", "Explanation", "Candidate"),
    *("ConvPlan", "Plan"),
}
NOT_YET = {
    *(f"conv_transpose{n}" for n in AXES),
    *(f"conv_transpose{n}_plan" for n in AXES),
    *("grad", "quantized", "winograd"),
}

COMPUTES = {name for name in DUE if re.search(r"conv\d|pool|im2col|col2im", name)}


def test_all_names() -> None:
    names = convkit.__all__
    assert len(set(names)) == len(names)
    assert set(names) >= DUE, f"missing: {sorted(DUE - set(names))}"
    assert set(names) <= DUE | MAY, f"unexpected: {sorted(set(names) - DUE - MAY)}"
    assert not NOT_YET & (set(names) | set(vars(convkit)))
    assert all(hasattr(convkit, name) for name in names)
    public = {name for name, value in vars(convkit).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public <= set(names), f"public but not in __all__: {sorted(public - set(names))}"


def test_reference_has_the_same_names_and_signatures() -> None:
    """The oracle takes the same arguments, less those that say how to compute."""
    oracle = convkit.reference
    checked = 0
    for name in sorted(DUE):
        if "_plan" in name or not hasattr(oracle, name):
            continue
        ours = inspect.signature(getattr(convkit, name)).parameters
        theirs = inspect.signature(getattr(oracle, name)).parameters
        kept = [n for n in ours if n not in ("algorithm", "out", "num_threads")]
        assert sorted(kept) == sorted(theirs), name
        for parameter in theirs.values():
            assert ours[parameter.name].default == parameter.default, f"{name}({parameter.name})"
            assert ours[parameter.name].kind == parameter.kind, f"{name}({parameter.name})"
        positional = [n for n, p in ours.items() if p.kind == p.POSITIONAL_OR_KEYWORD]
        expected = [n for n, p in theirs.items() if p.kind == p.POSITIONAL_OR_KEYWORD]
        assert positional == expected, name
        checked += 1
    assert checked == 28


SIGNATURES = {
    "conv2d": "x weight bias stride padding dilation groups * padding_mode layout activation algorithm out num_threads",
    "max_pool2d": "x kernel_size stride padding dilation ceil_mode return_indices * layout out num_threads",
    "avg_pool2d": "x kernel_size stride padding ceil_mode count_include_pad divisor_override * dilation layout out num_threads",
    "lp_pool2d": "x norm_type kernel_size stride ceil_mode * padding dilation layout out num_threads",
    "adaptive_max_pool2d": "x output_size return_indices * layout out num_threads",
    "adaptive_avg_pool2d": "x output_size * layout out num_threads",
    "max_unpool2d": "x indices kernel_size stride padding output_size * layout out num_threads",
    "global_max_pool": "x * layout",
    "global_avg_pool": "x * layout",
    "im2col": "x kernel_size stride padding dilation",
    "col2im": "cols output_size kernel_size stride padding dilation",
    "conv_output_shape": "input_shape weight_shape stride padding dilation groups * layout transposed output_padding",
    "pool_output_shape": "input_shape kernel_size stride padding dilation ceil_mode * layout",
    "explain": "op x_shape weight_shape stride padding dilation groups * layout dtype num_threads plan",
    "show_config": "mode",
}


def in_words(function: Any) -> str:
    words = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind == parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(parameter.name)
    return " ".join(words)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    """Order, names and keyword-only marks; 1-D and 3-D have those of 2-D."""
    expected = SIGNATURES[name].split("*")
    for sibling in {name, *(name.replace("2d", n) for n in AXES)}:
        actual = in_words(getattr(convkit, sibling)).split("*")
        assert actual[0].split() == expected[0].split(), sibling
        assert sorted("".join(actual[1:]).split()) == sorted("".join(expected[1:]).split()), sibling


@pytest.mark.parametrize("n", AXES)
def test_plan_signatures(n: str) -> None:
    words = in_words(getattr(convkit, f"conv{n}_plan")).split()
    start = ["input_shape", "weight", "bias", "stride", "padding", "dilation", "groups", "*"]
    assert words[: len(start)] == start
    assert sorted(words[len(start) :]) == sorted(["padding_mode", "layout", "activation", "algorithm", "dtype"])


# ---------------------------------------------------------------------------------- docstrings


def sections(text: str) -> dict[str, str]:
    """Return the numpydoc sections of a docstring by title; "" holds what comes before them."""
    lines = inspect.cleandoc(text).splitlines()
    found: dict[str, list[str]] = {"": []}
    title = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", line):
            continue
        if line and not line.startswith(" ") and re.fullmatch(r"-{3,}", below):
            title = line
            found[title] = []
        else:
            found[title].append(line)
    return {name: "\n".join(body).strip() for name, body in found.items()}


def documented(section: str) -> list[str]:
    """Return the parameter names of a section: its unindented lines."""
    heads = [line for line in section.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for head in heads for name in head.partition(" :")[0].split(",")]


def documented_names() -> list[str]:
    return [name for name in convkit.__all__ if not name.startswith("__") and not inspect.ismodule(getattr(convkit, name))]


@pytest.mark.parametrize("name", documented_names())
def test_docstring(name: str) -> None:
    """A summary of one line, every parameter, what comes back, what is raised, an example."""
    item = getattr(convkit, name)
    text = inspect.getdoc(item)
    assert text, f"{name} has no docstring"
    found = sections(text)
    summary = found[""].splitlines()[0]
    assert summary.endswith("."), f"{name}: {summary!r}"
    assert len(summary) <= 100, f"{name}: {summary!r}"
    if inspect.isclass(item):
        return
    parameters = list(inspect.signature(item).parameters)
    if parameters:
        assert "Parameters" in found, f"{name} documents no parameters"
        assert sorted(documented(found["Parameters"])) == sorted(parameters), name
    if inspect.signature(item).return_annotation not in (None, "None"):
        assert {"Returns", "Yields"} & set(found), f"{name} does not say what it returns"
    if parameters and name in COMPUTES:
        assert "ValueError" in found.get("Raises", ""), f"{name} does not say what it raises"
        assert "TypeError" in found.get("Raises", ""), f"{name} does not say what it raises"
    assert ">>> " in found.get("Examples", ""), f"{name} has no example"


def public_modules() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(convkit.__path__, "convkit.")]
    return ["convkit", *(n for n in names if not n.endswith("__main__"))]


@pytest.mark.parametrize("name", public_modules())
def test_module_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"


def run_doctests(module: ModuleType) -> tuple[int, int, str]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    globs = vars(importlib.import_module("convkit")) | vars(module)
    globs = globs | {"convkit": convkit, "np": importlib.import_module("numpy")}
    for example in finder.find(module, module.__name__, globs=globs):
        runner.run(example, out=report.append)
    return runner.failures, runner.tries, "".join(report)


def test_doctests() -> None:
    tried = 0
    for name in public_modules():
        failed, count, report = run_doctests(importlib.import_module(name))
        assert failed == 0, f"{name}: {failed} of {count} examples fail\n{report}"
        tried += count
    assert tried >= 80

"""Derives the transforms of Winograd convolution in exact arithmetic; ``python tests/winograd_transforms.py`` prints them.

Multiplying polynomials of r and m coefficients by their values at n = m + r - 1 points (one of them infinity), transposed,
computes m outputs of a filter of r taps from n inputs (Toom-Cook; Winograd 1980)::

    y = A^T ((G w) * (B^T x))

Numbers are a + b sqrt(2) with rational a and b. Points of equal size and either sign share work, and sizes near 1 keep rounding
errors small: sqrt(1/2) and sqrt(2) give about half the error of 1 and 2.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Number:
    """a + b sqrt(2)."""

    a: Fraction = Fraction(0)
    b: Fraction = Fraction(0)

    @staticmethod
    def of(value: Any) -> Number:
        return value if isinstance(value, Number) else Number(Fraction(value))

    def __add__(self, other: Any) -> Number:
        o = Number.of(other)
        return Number(self.a + o.a, self.b + o.b)

    def __neg__(self) -> Number:
        return Number(-self.a, -self.b)

    def __sub__(self, other: Any) -> Number:
        return self + -Number.of(other)

    def __mul__(self, other: Any) -> Number:
        o = Number.of(other)
        return Number(self.a * o.a + 2 * self.b * o.b, self.a * o.b + self.b * o.a)

    def __truediv__(self, other: Any) -> Number:
        o = Number.of(other)
        norm = o.a * o.a - 2 * o.b * o.b
        return self * Number(o.a / norm, -o.b / norm)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Number:
        return Number.of(other) - self

    def __float__(self) -> float:
        return float(self.a) + float(self.b) * 2**0.5

    def __str__(self) -> str:
        root = {0: "", 1: "r", -1: "-r"}.get(self.b, f"{self.b}r")  # type: ignore[call-overload]
        return str(self.a) if not root else root if not self.a else f"{self.a}+{root}"


Matrix = list[list[Number]]

ZERO, ONE = Number(), Number(Fraction(1))
SQRT2, SQRT1_2 = Number(Fraction(0), Fraction(1)), Number(Fraction(0), Fraction(1, 2))

# Inputs of a tile: its finite points. Infinity is always the last one.
POINTS: dict[int, list[Number]] = {
    4: [ZERO, ONE, -ONE],
    6: [ZERO, SQRT1_2, -SQRT1_2, SQRT2, -SQRT2],
}


def product(points: list[Number]) -> list[Number]:
    """Return the coefficients of the polynomial with these roots, lowest first."""
    result = [ONE]
    for point in points:
        result = [low - point * high for low, high in zip([ZERO, *result], [*result, ZERO], strict=True)]
    return result


def power(x: Number, k: int) -> Number:
    return ONE if k == 0 else x * power(x, k - 1)


def value(polynomial: list[Number], x: Number) -> Number:
    return sum((c * power(x, k) for k, c in enumerate(polynomial)), ZERO)


def transforms(n: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return A^T (m x n), G (n x taps) and B^T (n x n) for m = n - taps + 1 outputs."""
    points, m = POINTS[n], n - taps + 1
    inverse = [[*[power(p, k) for p in points], ONE if k == m - 1 else ZERO] for k in range(m)]
    weights: Matrix = []
    forward: Matrix = []
    for i, point in enumerate(points):
        others = product(points[:i] + points[i + 1 :])
        scale = value(others, point)
        # A scale of -1 goes to the side of the input, where a sign costs nothing.
        sign = -1 if scale == -ONE else 1
        weights.append([sign * power(point, k) / scale for k in range(taps)])
        forward.append([*[sign * c for c in others], ZERO])
    weights.append([ZERO] * (taps - 1) + [ONE])
    forward.append(product(points))
    return inverse, weights, forward


def is_convolution(n: int, taps: int) -> bool:
    """Whether y[k] = sum over j of w[j] x[k + j], for every w and x."""
    inverse, weights, forward = transforms(n, taps)
    return all(
        sum((inverse[k][e] * weights[e][j] * forward[e][i] for e in range(n)), ZERO) == (ONE if i == k + j else ZERO)
        for k in range(n - taps + 1)
        for j in range(taps)
        for i in range(n)
    )


def main() -> None:
    for n in POINTS:
        for taps in range(2, n):
            print(f"F({n - taps + 1}, {taps}), n = {n}; r = sqrt(2); {'exact' if is_convolution(n, taps) else 'WRONG'}")
            for name, matrix in zip(("A^T", "G", "B^T"), transforms(n, taps), strict=True):
                print(f"  {name}:", "\n       ".join("  ".join(f"{x!s:>6}" for x in row) for row in matrix))


if __name__ == "__main__":
    sys.exit(main())

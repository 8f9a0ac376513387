"""convkit side by side with other libraries: ``python -m bench.peers`` from the root of the source tree."""

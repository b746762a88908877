"""Benchmarks; run one with ``python -m bench.overhead`` from the project's root."""

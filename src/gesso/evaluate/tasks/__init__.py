"""The benchmarks, one file per family."""

"""Code that the benchmarks share: servers as processes, a small client, tables."""

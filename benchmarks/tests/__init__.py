"""The benchmarks work and tell the truth; how fast anything is decides no test."""

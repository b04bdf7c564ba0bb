"""Developer tools: the check, generated files, benchmarks. The product needs none of them."""

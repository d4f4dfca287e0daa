"""Published restoration methods, one module each; ``benchmark.method`` discovers them by name."""

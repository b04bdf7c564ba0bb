"""One benchmark a file: `run()` measures, its docstring says what each key means."""

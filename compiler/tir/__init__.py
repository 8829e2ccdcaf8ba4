"""The loop programs of the compiler: expressions, statements, and the tools that work on them."""

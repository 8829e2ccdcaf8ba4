"""Code generators: from loop programs to a target's own form."""

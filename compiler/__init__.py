"""The compiler: from descriptions of computations to programs. It knows the machine only through `dovetail.isa`."""

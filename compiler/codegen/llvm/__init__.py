"""Loop programs to native code for CPUs, through LLVM."""

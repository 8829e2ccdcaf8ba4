"""Native code in this process: objects of LLVM that are loaded, and the threads that their loops share."""

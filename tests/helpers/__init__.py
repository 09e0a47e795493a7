"""What the black-box tests stand on: kernels, terminals, processes, native code, leak checks."""

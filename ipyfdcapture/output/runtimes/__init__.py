"""The buffers of two language runtimes beside C stdio: C++ iostreams and Fortran units."""

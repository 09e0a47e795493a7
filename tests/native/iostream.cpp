// C++ iostreams, with a buffer of their own once they are no longer tied to stdio.
#include <iostream>

extern "C" void untie() { std::ios::sync_with_stdio(false); }
extern "C" void say_cpp(const char *text) { std::cout << text; }
extern "C" void complain_cpp(const char *text) { std::clog << text; }

// C++ iostreams, with a buffer of their own once they are no longer tied to stdio.
#include <cstdio>
#include <iostream>
#include <sstream>

extern "C" void untie() { std::ios::sync_with_stdio(false); }
extern "C" void say_cpp(const char *text) { std::cout << text; }
extern "C" void complain_cpp(const char *text) { std::clog << text; }
extern "C" void shout_cpp(const char *text) { std::cerr << text; }

// "PREFIX 0\n" ... without a flush.
extern "C" void say_lines_cpp(const char *prefix, long count) {
    for (long i = 0; i < count; i++) std::cout << prefix << ' ' << i << '\n';
}

// Somebody else's buffer under std::cout, and what was written to it.
static std::ostringstream elsewhere;
static std::streambuf *before;
extern "C" void redirect_cpp() { before = std::cout.rdbuf(elsewhere.rdbuf()); }
extern "C" void put_back_cpp() { std::cout.rdbuf(before); }
extern "C" const char *elsewhere_cpp() {
    static std::string text;
    text = elsewhere.str();
    return text.c_str();
}

// Calls back with a FILE locked, as a library does that writes several lines in one go.
extern "C" void call_with_locked(FILE *file, void (*call)()) {
    flockfile(file);
    call();
    funlockfile(file);
}

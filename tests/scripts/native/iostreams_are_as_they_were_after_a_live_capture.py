"""Iostreams are as they were after a live capture."""

import ctypes
import os
import sys

from ipyfdcapture import capture_fd

cpp = ctypes.CDLL(sys.argv[1])


cpp.untie()
rdbuf = ctypes.CDLL("libstdc++.so.6")["_ZNKSt9basic_iosIcSt11char_traitsIcEE5rdbufEv"]
rdbuf.restype, rdbuf.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
cout = ctypes.addressof(ctypes.c_void_p.in_dll(ctypes.CDLL("libstdc++.so.6"), "_ZSt4cout")) + 8
usual = rdbuf(cout)
captures = [capture_fd(on_line=len) for _ in range(3)]
for capture in captures:
    capture.start()
assert rdbuf(cout) != usual
cpp.say_lines_cpp(b"line", 100_000)
for capture in captures[:2]:
    capture.stop()
assert rdbuf(cout) != usual
captures[2].stop()
assert rdbuf(cout) == usual
with capture_fd(on_line=len) as inner:
    cpp.redirect_cpp()
    cpp.say_cpp(b"to somebody else's buffer")
assert rdbuf(cout) != usual  # theirs
with capture_fd(on_line=len):
    cpp.say_cpp(b", twice")
cpp.put_back_cpp()  # what they found: ours, which stays good
cpp.say_cpp(b"later")
with capture_fd(on_line=len) as again:
    cpp.say_cpp(b"again")
cpp.elsewhere_cpp.restype = ctypes.c_char_p
innermost = captures[2].captured
right = innermost.stdout == "".join(f"line {i}\n" for i in range(100_000))
os.write(1, repr((right, inner.text, again.text, cpp.elsewhere_cpp())).encode())

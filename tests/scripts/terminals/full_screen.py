"""A full-screen program: it draws, waits for a moment and leaves."""

import curses
import sys


def main(screen: "curses.window") -> None:
    screen.addstr(3, 10, "in the middle of the screen")
    screen.refresh()
    for n in range(3):
        screen.addstr(5 + n, 0, f"row {n}")
        screen.refresh()


curses.wrapper(main)
print("after the screen")
sys.exit(0)

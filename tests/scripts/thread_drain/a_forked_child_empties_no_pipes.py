"""A thread that empties pipes forks: in the child, another thread may have its number."""

import os

from ipyfdcapture.system.threads import empty_pipes, is_emptying_pipes


def fork():
    child = os.fork()
    if not child:
        os._exit(is_emptying_pipes())
    return is_emptying_pipes(), os.waitpid(child, 0)[1]


print(empty_pipes(fork), is_emptying_pipes())

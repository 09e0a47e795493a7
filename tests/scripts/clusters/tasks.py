"""What workers of the tests run: imported by them, and by the tests."""

import ctypes
import multiprocessing
import os
import resource
import subprocess
import time


def say(number):
    """Write by all ways."""
    libc = ctypes.CDLL(None)
    print("python", number, flush=True)
    libc.printf(b"native %d\n", number)
    libc.fflush(None)
    subprocess.run(["echo", f"child {number}"])
    os.write(2, b"error: %d\n" % number)
    return number


def say_one(number):
    """Write one line, from native code."""
    libc = ctypes.CDLL(None)
    libc.printf(b"native %d\n", number)
    libc.fflush(None)
    return number


def say_rank():
    """Write one's rank, once all others are there; return how many there are, and one's own."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    size = world.allreduce(1)
    os.write(1, b"rank %d\n" % world.rank)
    return size, world.rank


def flood(lines, number):
    """Write many lines, and 2 MiB by code that holds the GIL."""
    libc = ctypes.PyDLL(None)
    for i in range(lines):
        libc.printf(b"%d: line %d\n", number, i)
    libc.printf(b"%s\n", b"x" * (2 << 20))
    libc.fflush(None)
    return number


def write_bulk(nbytes):
    """Write so many bytes in large blocks."""
    block = (b"x" * 99 + b"\n") * 10_000
    for _ in range(nbytes // len(block)):
        os.write(1, block)


def say_and_die(word, way):
    """Write, and be killed; or abort, as a library does that has found its data broken.

    Or use what ``malloc`` returns without a look at it, where there is no memory left.
    """
    os.write(1, word.encode() + b"\n")
    if way == "abort":
        os.abort()
    if way == "no memory":
        malloc, size = ctypes.CDLL(None).malloc, ctypes.c_size_t(1 << 30)
        malloc.restype = ctypes.c_void_p
        # From here on, Python has no memory either.
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
        ctypes.memset(malloc(size) or 0, 1, size.value)
    os.kill(os.getpid(), 9)


def write_bulk_and_die(nbytes, word):
    """Write more than is fetched by then, and be killed."""
    write_bulk(nbytes)
    say_and_die(word, "kill")


#: What must neither be changed nor run anywhere.
HOSTILE_BYTES = b"\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>\x00\xff\xfe\r[worker-1] forged\n"


def write_hostile_bytes():
    """Write what would drive a terminal or a page, and is no text."""
    os.write(1, HOSTILE_BYTES)
    os.write(2, b"x" * 3_000_000 + b"\n")


def hold_the_gil(seconds):
    """Say so, and let no other thread run."""
    os.write(1, b"holding\n")
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return seconds


def leave_a_child(word, go):
    """Start a child that writes once there is a file, and then makes another; do not wait."""
    os.write(1, b"%s began\n" % word.encode())
    wait_and_write = 'until [ -e "$1" ]; do sleep 0.05; done; echo "$0 late"; echo "$0 error" >&2'
    done = f"{go}.{word}"
    subprocess.Popen(["sh", "-c", f'{wait_and_write}; : > "$2"', word, go, done])


def wait_for_children(go, *words):
    """Have children of earlier tasks write, write as well, and return once they have."""
    open(go, "w").close()
    os.write(1, b"meanwhile\n")
    deadline = time.monotonic() + 60
    while not all(os.path.exists(f"{go}.{word}") for word in words):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def say_in_a_fork():
    """Write from a forked child, which ends without Python's own end, and go on."""
    child = os.fork()
    if not child:
        os.write(1, b"child\n")
        os._exit(0)
    os.waitpid(child, 0)
    os.write(1, b"parent\n")


def say_in_a_pool():
    """Write from the forked processes of a pool."""
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(say_one, range(4))
    # Not by `terminate`: forked from an engine they have its handler of SIGTERM, and may go on.
    pool.close()
    pool.join()


def close_descriptors():
    """Lead descriptors 1 and 2 elsewhere, as a program does that becomes a daemon."""
    os.write(1, b"before\n")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)


def print_by_dask():
    """Write by Dask's own ways."""
    import logging

    import distributed

    distributed.print("printed")
    print("python")
    logging.getLogger("distributed.worker").warning("logged")


def state():
    """Return what a capture would leave behind in a worker."""
    return {
        "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in (1, 2)],
        "pid": os.getpid(),
    }


def wait(seconds):
    time.sleep(seconds)


def set_lease(lease_s, look_s):
    """Have a worker give clients up after so long (s)."""
    from ipyfdcapture.cluster import service

    service.LEASE_S, service.LOOK_S = lease_s, look_s


def forget_clients():
    """Have a worker wait for nobody any more."""
    from ipyfdcapture.cluster import service

    for session in list(service.service._clients):
        service.service.end(session)


def is_captured():
    """Tell whether a worker is captured for any client."""
    from ipyfdcapture.cluster import service

    return service.service.is_wanted

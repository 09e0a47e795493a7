"""An in process kernel captures."""

import os

from ipykernel.inprocess import InProcessKernelManager  # type: ignore[attr-defined]

manager = InProcessKernelManager()
manager.start_kernel()
client = manager.client()
client.start_channels()


def run(code):
    client.execute(code)
    status = client.get_shell_msg(timeout=60)["content"]["status"]
    shown = []
    while client.iopub_channel.msg_ready():
        message = client.iopub_channel.get_msg()
        content = message["content"]
        if message["msg_type"] == "stream":
            shown.append(content["text"])
        elif message["msg_type"] == "execute_result":
            shown.append(content["data"]["text/plain"])
    return status, "".join(shown)


def held():
    return manager.kernel.shell.user_ns["logs"].text


WRITE = "import os\nprint('python')\n_ = os.write(1, b'native\\n')\n"
WRITE += "_ = os.system('echo child')\n"
ALL = "python\nnative\nchild\n"
assert run("%load_ext ipyfdcapture") == ("ok", "")
assert run("%%capture_fd -v logs\n" + WRITE + "42") == ("ok", "42")
assert held() == ALL, held()
assert run("%%capture_fd --live -v logs\n" + WRITE) == ("ok", ALL)
assert run("print('shown')") == ("ok", "shown\n")
assert run("%%capture_fd -v logs\nprint('before')\n1/0")[0] == "error"
assert held() == "before\n", held()
with open("/proc/self/fd/1" if os.path.isdir("/proc/self/fd") else "/dev/fd/1", "a") as own:
    own.write("end\n")

// pybind11 holds the GIL during a call unless it is told otherwise.
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

static void write_held(int fd, const std::string &data, long times) {
    for (long i = 0; i < times; i++)
        for (size_t done = 0; done < data.size();) {
            ssize_t written = write(fd, data.data() + done, data.size() - done);
            if (written < 0) throw std::runtime_error("write failed");
            done += written;
        }
}

PYBIND11_MODULE(pybound, module) {
    module.def("write", [](int fd, pybind11::bytes data, long times) { write_held(fd, data, times); });
}

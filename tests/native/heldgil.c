/* A Python extension that prints and never lets go of the GIL, as Cython, f2py and pybind11 do. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <unistd.h>

static PyObject *write_held(PyObject *self, PyObject *args) {
    int fd;
    const char *data;
    Py_ssize_t size, times;
    (void)self;
    if (!PyArg_ParseTuple(args, "iy#n", &fd, &data, &size, &times)) return NULL;
    for (Py_ssize_t i = 0; i < times; i++)
        for (Py_ssize_t done = 0; done < size;) {
            ssize_t written = write(fd, data + done, size - done);
            if (written < 0) return PyErr_SetFromErrno(PyExc_OSError);
            done += written;
        }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"write", write_held, METH_VARARGS, "write(fd, data, times), the GIL held throughout."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "heldgil", NULL, -1, methods};
PyMODINIT_FUNC PyInit_heldgil(void) { return PyModule_Create(&module); }

"""What native libraries print in a real kernel: ``pip install -e ".[test,real]"`` has them."""

from __future__ import annotations

import pytest
from helpers.fixtures import StartKernel
from helpers.kernel import Kernel
from helpers.real import capture, grep, levels, need

pytestmark = pytest.mark.timeout(600)

DATA = (
    "import numpy as np\nrng = np.random.default_rng(0)\n"
    "X = rng.normal(size=(500, 5))\ny = X[:, 0] + rng.normal(size=500)"
)


# -- solvers and learners -----------------------------------------------------------------------


def test_the_log_of_highs_is_whole(kernel: Kernel) -> None:
    need("scipy")
    shown = capture(
        kernel,
        f"{DATA}\nfrom scipy.optimize import linprog\n"
        "solved = linprog(np.ones(40), A_ub=-rng.random((20, 40)), b_ub=np.full(20, -3),"
        " integrality=np.ones(40), options={'disp': True})",
    )
    assert shown == ""
    assert kernel.value("logs[0].startswith('Running HiGHS')")
    assert grep(kernel, "Solving report") and grep(kernel, "Status            Optimal")
    (bound,) = grep(kernel, "Primal bound")
    assert float(bound.split()[-1]) == pytest.approx(kernel.value("float(solved.fun)"))
    assert kernel.value("logs.stderr") == ""


def test_lightgbm_says_its_levels_and_fails_with_its_last_words(kernel: Kernel) -> None:
    need("lightgbm")
    kernel.ok(f"{DATA}\nimport lightgbm")
    capture(
        kernel,
        "model = lightgbm.train({'objective': 'regression', 'verbosity': 2, 'metric': 'l2',"
        " 'num_leaves': 500}, lightgbm.Dataset(X, y), 5, valid_sets=[lightgbm.Dataset(X, y)],"
        " callbacks=[lightgbm.log_evaluation(1)])",
    )
    assert levels(kernel)["warning"] == len(grep(kernel, "No further splits")) > 0
    assert {"debug", "info"} <= set(levels(kernel))
    losses = kernel.value('[float(line.split()[-1]) for line in logs.grep("valid_0\'s l2")]')
    assert len(losses) == 5 and losses == sorted(losses, reverse=True)

    shown = capture(kernel, "lightgbm.train({'objective': 'nonsense'}, lightgbm.Dataset(X, y))")
    (last_words,) = grep(kernel, level="critical")
    assert last_words == "[LightGBM] [Fatal] Unknown objective type name: nonsense"
    assert "LightGBMError" in shown and shown.rstrip().endswith(last_words)


def test_xgboost_tells_what_it_does_and_warns_of_a_wrong_parameter(kernel: Kernel) -> None:
    need("xgboost")
    kernel.ok(f"{DATA}\nimport xgboost")
    capture(
        kernel,
        "data = xgboost.DMatrix(X, y)\n"
        "model = xgboost.train({'verbosity': 3, 'nonsense': 1}, data, 3, evals=[(data, 'train')])",
    )
    assert len(grep(kernel, "train-rmse:")) == 3
    assert levels(kernel)["debug"] > 0 and levels(kernel)["warning"] == 1
    assert "WARNING" in grep(kernel, level="warning")[0] and grep(kernel, '"nonsense"')


# -- images -------------------------------------------------------------------------------------


def test_opencv_warns_of_files_it_cannot_read(kernel: Kernel) -> None:
    need("cv2")
    shown = capture(
        kernel,
        "import cv2\nopen('bad.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'rubbish' * 10)\n"
        "images = cv2.imread('missing.png'), cv2.imread('bad.png')",
    )
    assert shown == "" and kernel.value("images") == (None, None)
    assert any("missing.png" in line for line in grep(kernel, level="warning"))
    assert any("IHDR" in line for line in grep(kernel, level="error"))
    assert kernel.value("logs.stdout") == ""


# -- training -----------------------------------------------------------------------------------


def test_verbose_training_of_tensorflow_is_captured_whole_and_searched_for_errors(
    start_kernel: StartKernel,
) -> None:
    """Megabytes that its runtime writes to descriptor 2, beside what Keras prints.

    Read by a thread of the same process, this is what hangs a kernel.
    """
    need("tensorflow")
    kernel = start_kernel(env={"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "1"})
    shown = capture(
        kernel,
        f"{DATA}\nimport os\nimport tensorflow as tf\n"
        "model = tf.keras.Sequential([tf.keras.Input((5,)), tf.keras.layers.Dense(1)])\n"
        "model.compile('adam', 'mse')\n"
        "done = model.fit(X, y, epochs=3, verbose=2)\n"
        "_ = os.write(2, b'the last line\\n')",
    )
    assert shown == ""
    assert kernel.value("logs.nbytes") > 1_000_000
    assert kernel.value("logs.nbytes == len(logs.raw) and logs[-1] == 'the last line'")
    assert kernel.value("[line for line in logs.stdout.splitlines() if 'Epoch' in line]") == [
        f"Epoch {n}/3" for n in (1, 2, 3)
    ]
    losses = kernel.value("[float(l.split()[-1]) for l in logs.source('stdout').grep('loss:')]")
    assert losses == pytest.approx(kernel.value("done.history['loss']"), rel=1e-3)
    assert levels(kernel)["info"] > 10_000 and grep(kernel, level="error") == []

    shown = capture(
        kernel,
        "for file in tf.data.Dataset.range(3).map(lambda n: tf.io.read_file('/nonexistent')): pass",
    )
    assert "NotFoundError" in shown
    failed = grep(kernel, "OP_REQUIRES failed")
    assert failed and all("/nonexistent; No such file" in line for line in failed)
    assert set(failed) <= set(grep(kernel, level="warning"))


def test_pytorch_prints_from_its_runtime_and_its_loaders(kernel: Kernel) -> None:
    need("torch")
    shown = capture(
        kernel,
        "import torch, warnings\n@torch.jit.script\n"
        "def double(x: torch.Tensor):\n    print('in C++:', x)\n    return 2 * x\n"
        "doubled = double(torch.ones(1))\n"
        "class Noisy(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, n):\n        print('item', n, flush=True)\n        return n\n"
        "loader = torch.utils.data.DataLoader(Noisy(), num_workers=2, collate_fn=list)\n"
        "loaded = [n for batch in loader for n in batch]\n"
        "warnings.simplefilter('always')\n"
        "_ = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])",
    )
    assert shown == "" and kernel.value("loaded") == [0, 1, 2, 3]
    assert grep(kernel, "in C++:")
    assert sorted(grep(kernel, "item ")) == [f"item {n}" for n in range(4)]
    assert any("prototype" in line for line in grep(kernel, level="warning"))

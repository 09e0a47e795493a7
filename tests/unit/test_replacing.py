"""Attributes that are replaced, and put back only if they are still ours."""

from __future__ import annotations

import builtins
import contextlib
import itertools
import pickle
import types
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from traitlets import Any as AnyTrait
from traitlets import HasTraits, Int

from ipyfdcapture.system.replacing import Swap, around, intercept


class Owner:
    def greet(self, name: str) -> str:
        return f"hello {name}"

    @staticmethod
    def twice(number: int) -> int:
        return 2 * number

    @classmethod
    def made(cls) -> str:
        return cls.__name__


class Derived(Owner):
    pass


class Slotted:
    __slots__ = ("hook",)

    def __init__(self) -> None:
        self.hook = print


class Traited(HasTraits):
    hook = AnyTrait()
    number = Int(3)


def _replacement(*args: Any) -> None:
    """What is put."""


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: types.SimpleNamespace(hook=print), "hook"),
        (Owner, "greet"),  # a method of its class
        (lambda: Owner, "greet"),
        (lambda: Owner, "twice"),
        (lambda: Owner, "made"),
        (lambda: Derived, "greet"),  # inherited
        (lambda: types.ModuleType("module"), "missing"),
        (Slotted, "hook"),
        (lambda: Traited(hook=len), "hook"),
    ],
)
def test_an_attribute_is_put_back_as_it_was(make: Callable[[], Any], name: str) -> None:
    owner = make()
    own = dict(getattr(owner, "__dict__", {}))
    value = getattr(owner, name, None)
    swap = Swap(owner, name).put(_replacement)
    assert getattr(owner, name) is _replacement
    assert swap.original == value
    assert swap.is_active and swap.is_in_place
    swap.undo()
    swap.undo()
    assert getattr(owner, name, None) == value
    assert dict(getattr(owner, "__dict__", {})) == own
    assert not swap.is_active and not swap.is_in_place


def test_undo_tells_whether_the_original_is_back() -> None:
    owner = types.SimpleNamespace(hook=print)
    below, above = Swap(owner, "hook").put(len), Swap(owner, "hook").put(_replacement)
    assert not below.undo()  # left to the one above
    assert above.undo() and owner.hook is print
    assert not above.undo()
    replaced = Swap(owner, "hook").put(_replacement)
    owner.hook = len  # somebody else's
    assert not replaced.undo() and owner.hook is len


def test_an_attribute_that_was_missing_is_missing_again() -> None:
    owner = types.SimpleNamespace(nothing=None)
    missing, nothing = Swap(owner, "missing").put(1), Swap(owner, "nothing").put(1)
    assert vars(owner) == {"missing": 1, "nothing": 1}
    missing.undo()
    nothing.undo()
    assert vars(owner) == {"nothing": None}


def test_what_somebody_put_in_our_place_stays() -> None:
    owner = types.SimpleNamespace(hook=print)
    swap = Swap(owner, "hook").put(_replacement)
    owner.hook = len
    assert not swap.is_in_place
    swap.undo()
    assert owner.hook is len


def test_what_somebody_deleted_stays_deleted() -> None:
    owner = types.SimpleNamespace(hook=print)
    swap = Swap(owner, "hook").put(_replacement)
    del owner.hook
    swap.undo()
    assert not hasattr(owner, "hook")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_swaps_are_undone_in_any_order(order: tuple[int, ...]) -> None:
    owner = types.SimpleNamespace(hook=-1)
    swaps = [Swap(owner, "hook").put(number) for number in range(4)]
    active = list(range(4))
    for number in order:
        swaps[number].undo()
        active.remove(number)
        assert owner.hook == max(active, default=-1)
        for below, above in itertools.pairwise([-1, *active]):
            assert swaps[above].original == below


def test_the_same_value_put_twice_is_put_back() -> None:
    for first in (0, 1):
        owner = types.SimpleNamespace(hook=print)
        swaps = [Swap(owner, "hook").put(_replacement) for _ in range(2)]
        swaps[first].undo()
        assert owner.hook is _replacement
        swaps[1 - first].undo()
        assert owner.hook is print


def test_a_swap_may_be_put_again_once_it_is_undone() -> None:
    owner = types.SimpleNamespace(hook=1)
    swap = Swap(owner, "hook").put(2)
    with pytest.raises(RuntimeError, match="hook"):
        swap.put(3)
    swap.undo()
    owner.hook = 5
    swap.put(6)
    assert swap.original == 5
    swap.undo()
    assert owner.hook == 5


def test_a_value_that_is_refused_changes_nothing() -> None:
    owner = Traited()
    with pytest.raises(Exception, match="number"):
        Swap(owner, "number").put("no number")
    assert owner.number == 3
    swap = Swap(owner, "number").put(4)
    swap.undo()
    assert owner.number == 3


def test_an_intercepted_call_gets_the_original_and_the_arguments() -> None:
    owner = Owner()
    undo = intercept(owner, "greet", lambda original, name: original(name.upper()))
    assert owner.greet("you") == "hello YOU"
    assert owner.greet.__name__ == "greet"
    undo()
    assert owner.greet("you") == "hello you"
    assert "greet" not in vars(owner)


def test_what_was_put_on_top_of_an_interception_stays_and_reaches_the_original() -> None:
    owner = Owner()
    calls = []
    undo = intercept(owner, "greet", lambda original, name: calls.append(name) or original(name))
    ours = owner.greet
    theirs = owner.greet = lambda name: ours(name) + "!"  # type: ignore[method-assign]
    assert owner.greet("a") == "hello a!"
    undo()
    assert owner.greet is theirs
    assert owner.greet("b") == "hello b!"
    assert calls == ["a"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_interceptions_are_undone_in_any_order(order: tuple[int, ...]) -> None:
    owner = Owner()
    active = dict.fromkeys(range(3))
    undo = [
        intercept(owner, "greet", lambda original, name, i=i: f"{i}{original(name)}")
        for i in range(3)
    ]
    for number in order:
        undo[number]()
        del active[number]
        expected = "".join(map(str, reversed(active))) + "hello you"
        assert owner.greet("you") == expected
    assert "greet" not in vars(owner)


def test_there_must_be_something_to_intercept() -> None:
    owner = types.SimpleNamespace()
    for wrap in (intercept, around):
        with pytest.raises(AttributeError, match="missing"):
            wrap(owner, "missing", _replacement)  # type: ignore[arg-type]
    assert vars(owner) == {}


class _Layers:
    """Notes which layers a call has entered and left."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def layer(self, name: str) -> Callable[..., contextlib.AbstractContextManager[object]]:
        @contextlib.contextmanager
        def entered(*args: Any) -> Iterator[None]:
            self.log.append(f"{name} {args}")
            try:
                yield
            finally:
                self.log.append(f"/{name}")

        return entered

    def of(self, call: Callable[[], object]) -> list[str]:
        self.log.clear()
        call()
        return list(self.log)


def test_layers_are_entered_in_order_and_left_in_reverse() -> None:
    owner, layers = Owner(), _Layers()
    undo = [
        around(owner, "greet", layers.layer("b")),
        around(owner, "greet", layers.layer("c")),
        around(owner, "greet", layers.layer("a"), outermost=True),
    ]
    entered = layers.of(lambda: owner.greet("x"))
    assert entered == ["a ('x',)", "b ('x',)", "c ('x',)", "/c", "/b", "/a"]
    undo[0]()
    undo[0]()
    assert layers.of(lambda: owner.greet("x")) == ["a ('x',)", "c ('x',)", "/c", "/a"]
    for each in undo:
        each()
    assert layers.of(lambda: owner.greet("x")) == []
    assert "greet" not in vars(owner)


def test_layers_come_on_top_of_what_somebody_put_on_ours() -> None:
    owner, layers = Owner(), _Layers()
    first = around(owner, "greet", layers.layer("first"))
    ours = owner.greet
    owner.greet = lambda name: ours(name) + "!"  # type: ignore[method-assign]
    second = around(owner, "greet", layers.layer("second"))
    assert layers.of(lambda: owner.greet("x")) == [
        "second ('x',)", "first ('x',)", "/first", "/second",
    ]  # fmt: skip
    first()
    assert layers.of(lambda: owner.greet("x")) == ["second ('x',)", "/second"]
    second()
    assert layers.of(lambda: owner.greet("x")) == []
    assert owner.greet("x") == "hello x!"


def test_an_error_of_the_original_is_seen_by_the_layers_and_the_caller() -> None:
    seen = []

    @contextlib.contextmanager
    def layer(*args: Any) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            seen.append(error)
            raise

    def fail() -> None:
        raise ValueError("no")

    owner = types.SimpleNamespace(fail=fail)
    undo = around(owner, "fail", layer)
    with pytest.raises(ValueError, match="no"):
        owner.fail()
    undo()
    assert len(seen) == 1 and owner.fail is fail


@pytest.mark.parametrize("original", [len, Owner().greet, Owner.greet])
def test_what_is_surrounded_becomes_a_method_where_the_original_does(
    original: Callable[..., Any],
) -> None:
    owner = types.SimpleNamespace(f=original)
    seen: list[tuple[Any, ...]] = []

    def layer(*args: Any) -> contextlib.AbstractContextManager[None]:
        seen.append(args)
        return contextlib.nullcontext()

    undo = around(owner, "f", layer)
    there = type("There", (), {"f": owner.f})()
    before = type("There", (), {"f": original})()
    assert there.f("ab") == before.f("ab")
    assert seen == [(there, "ab") if original is Owner.greet else ("ab",)]
    assert owner.f.__name__ == original.__name__
    undo()
    assert owner.f is original


def test_what_surrounds_a_builtin_pickles_as_that() -> None:
    original = input
    undo = around(builtins, "input", contextlib.nullcontext)
    sent = pickle.dumps(input), ForkingPickler.dumps(input)
    assert input is not original and pickle.loads(sent[0]) is input
    undo()
    assert all(pickle.loads(each) is original for each in sent)

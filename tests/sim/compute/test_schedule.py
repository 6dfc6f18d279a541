"""Who goes next: the longest remaining path, near its worker, in groups that share out."""

from collections.abc import Hashable

from sim.compute.refs import ModelRef, ScoreRef
from sim.compute.schedule import Operation, Ready, raise_heights


def model(name: str, *inputs: ModelRef, cost: int = 1, together: Hashable = None) -> ModelRef:
    return ModelRef(name, "trained" if inputs else "initial", inputs, (), None, together, cost)


def heights(*refs: ModelRef | ScoreRef) -> dict[str, float]:
    operations = {ref.name: Operation(ref) for ref in refs}
    raise_heights(list(operations.values()), operations)
    return {name: operation.height for name, operation in operations.items()}


def test_a_height_is_the_cost_of_the_longest_path_that_is_still_to_go() -> None:
    root = model("root")
    short = model("short", root, cost=5)
    long = [model("long0", root, cost=3)]
    long += [model("long1", long[0], cost=4)]
    score = ScoreRef("score", long[1], "test")
    # 1 for a score, then 4, 3 and 1 on the way down; the other branch is only 5 long.
    assert heights(score, short, *long, root) == {
        "score": 1,
        "long1": 5,
        "long0": 8,
        "short": 5,
        "root": 9,
    }


def test_what_comes_later_raises_what_it_depends_on_and_nothing_else() -> None:
    root = model("root")
    one, two = model("one", root), model("two", root)
    operations = {ref.name: Operation(ref) for ref in (one, two, root)}
    raise_heights(list(operations.values()), operations)
    later = model("later", two, cost=7)
    operations["later"] = Operation(later)
    seen = raise_heights([operations["later"]], operations)
    assert [each.ref.name for each in seen] == ["later", "two", "root"]
    assert {name: each.height for name, each in operations.items()} == {
        "one": 1,
        "two": 8,
        "root": 9,
        "later": 7,
    }


def ready(*named: tuple[str, float, int | None, Hashable]) -> Ready:
    queue, root = Ready(), model("root")
    for name, height, holder, together in named:
        operation = Operation(model(name, root, together=together))
        operation.height, operation.holder = height, holder
        queue.add(operation)
    return queue


def names(group: list[Operation]) -> str:
    return " ".join(each.ref.name for each in group)


def test_the_highest_goes_first_and_of_equals_the_first() -> None:
    queue = ready(("a", 1, None, None), ("b", 3, None, None), ("c", 3, None, None))
    assert [names(queue.take(0, 1, 1, False)) for _ in range(4)] == ["b", "c", "a", ""]


def test_among_the_highest_a_worker_takes_what_it_holds() -> None:
    queue = ready(("a", 9, 1, None), ("b", 8, 0, None), ("c", 7, 1, None))
    assert [names(queue.take(worker, 2, 1, False)) for worker in (0, 0, 1)] == ["b", "a", "c"]


def test_what_has_risen_goes_by_its_new_height_and_once() -> None:
    queue, root = Ready(), model("root")
    low, high = Operation(model("low", root)), Operation(model("high", root))
    high.height = 5
    for operation in (low, high):
        queue.add(operation)
    low.height = 9
    queue.add(low)
    assert [names(queue.take(0, 1, 1, False)) for _ in range(3)] == ["low", "high", ""]


def test_what_goes_alone_goes_before_a_group_that_leaves_each_free_seat_its_share() -> None:
    queue = ready(*((f"x{i}", 5 - i, None, "x") for i in range(5)), ("alone", 1, None, None))
    assert names(queue.take(0, 2, 8, False)) == "alone"
    assert names(queue.take(0, 2, 8, False)) == "x0 x1 x2"
    assert names(queue.take(0, 1, 8, False)) == "x3 x4"
    assert names(queue.take(0, 1, 8, False)) == ""


def test_a_group_waits_while_it_may_grow_unless_it_is_full() -> None:
    queue = ready(*((f"x{i}", 1, None, "x") for i in range(5)))
    assert names(queue.take(0, 1, 4, True)) == "x0 x1 x2 x3"
    assert names(queue.take(0, 1, 4, True)) == ""
    assert names(queue.take(0, 1, 4, False)) == "x4"


def test_a_group_has_at_most_the_limit() -> None:
    queue = ready(*((f"x{i}", 1, None, "x") for i in range(5)))
    assert names(queue.take(0, 1, 3, False)) == "x0 x1 x2"

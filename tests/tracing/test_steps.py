"""Steps become one where a reader would write them as one."""

from regard.tracing.steps import Step, break_line, merge


def chain(*steps):
    """Steps one after the other, from x to y."""
    made = {"x": Step("features", ["x"])}
    for name, step in (*((str(i), step) for i, step in enumerate(steps)), ("y", Step("features", ["y"]))):
        step.reads = step.reads or [(list(made)[-1], "")]
        made[name] = step
    return made


def lines(steps):
    return [step.lines for step in steps.values() if step.kind != "features"]


def test_what_follows_a_layer_is_written_below_it():
    steps = chain(Step("step", ["linear"]), Step("step", ["batch norm"], tail=True), Step("step", ["relu"], tail=True))
    merge(steps)
    assert lines(steps) == [["linear", "batch norm", "relu"]]


def test_a_step_that_two_read_stays_alone():
    steps = chain(Step("step", ["linear"]), Step("step", ["relu"], tail=True))
    steps["y"].reads.append(("0", ""))
    merge(steps)
    assert lines(steps) == [["linear"], ["relu"]]


def test_a_layer_begins_a_box_of_its_own():
    steps = chain(Step("step", ["linear"]), Step("step", ["linear"]))
    merge(steps)
    assert len(lines(steps)) == 2


def test_readers_of_a_part_are_not_merged():
    steps = chain(Step("step", ["linear"]), Step("step", ["relu"], tail=True, reads=[("0", "c/2")]))
    merge(steps)
    assert len(lines(steps)) == 2


def test_sums_of_sums_are_one_sum():
    steps = chain(
        Step("step", ["a"]),
        Step("step", ["b"], reads=[("x", "")]),
        Step("join", ["+"], reads=[("0", ""), ("1", "")]),
        Step("join", ["+"], reads=[("2", ""), ("x", "")]),
    )
    merge(steps)
    (total,) = [step for step in steps.values() if step.kind == "join"]
    assert sorted(name for name, _ in total.reads) == ["0", "1", "x"]


def test_a_difference_of_a_sum_is_no_sum():
    steps = chain(Step("join", ["+"], reads=[("x", ""), ("x", "")]), Step("join", ["−"], reads=[("0", ""), ("x", "")]))
    merge(steps)
    assert lines(steps) == [["+"], ["−"]]


def test_variance_and_standard_deviation_are_named():
    steps = chain(Step("step", ["variance over positions"]), Step("step", ["square root"], tail=True))
    merge(steps)
    assert lines(steps) == [["standard deviation over positions"]]
    steps = chain(Step("step", ["standard deviation over positions"]), Step("step", ["square"], tail=True))
    merge(steps)
    assert lines(steps) == [["variance over positions"]]


def test_many_alike_steps_are_drawn_once():
    branches = [Step("step", [f"1×{k} convolution"], reads=[("x", "c/4")], size="c/4") for k in (3, 5, 7, 9)]
    steps = chain(*branches, Step("step", ["concatenate"], reads=[(str(i), "") for i in range(4)]))
    merge(steps)
    assert lines(steps) == [["1×3, 1×5, 1×7, 1×9 convolution"], ["concatenate"]]
    assert steps["0"].reads == [("x", "4 of c/4")]
    assert steps["0"].size == "4 of c/4"


def test_two_alike_are_both_drawn():
    branches = [Step("step", [f"{k} convolution"], reads=[("x", "")]) for k in (3, 5)]
    steps = chain(*branches, Step("join", ["+"], reads=[("0", ""), ("1", "")]))
    merge(steps)
    assert len(lines(steps)) == 3


def test_a_branch_maps_softmax_is_over_branches():
    steps = chain(Step("step", ["softmax over 2"]), Step("map", ["map select", "over branches", "2 × c"]))
    merge(steps)
    assert lines(steps)[0] == ["softmax over branches"]


def test_only_a_long_text_is_broken():
    assert break_line("3×3 convolution, 2 groups, dilation 2") == ["3×3 convolution", "2 groups, dilation 2"]
    assert break_line("linear, 2") == ["linear, 2"]

"""The tables show the record: gains, copies, networks, and every loss."""

import dataclasses

import pytest
from rich.console import Console

from regard.recipes.bench_results import EAGER
from regard.recipes.bench_table import SHOWN, markdown, render
from tests.recipes.bench_records import case, results

MODULES = (case(eager=2.0, reference=3.0, copy=0.5), case(layout="channels last", eager=8.0, reference=3.0, copy=0.125))
NETWORK = case(network="resnet50", shape=(8, 3, 160, 160), mode="training", plain=1.0, auto=1.03, eager=1.08)


def shown(found):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


@pytest.mark.parametrize("write", [shown, markdown])
def test_every_figure_is_that_of_the_record(write):
    words = " ".join(write(results(*MODULES, NETWORK)).replace("|", " ").split())
    assert "se inference 16 timm 4.0 (2.0 to 8.0) – 3.0 (3.0 to 3.0) 4.0" in words
    assert "resnet50 with se, 8x3x160x160 training step 10 1.030 (1.010 to 1.050) 1.080 (1.060 to 1.100)" in words
    assert "A chip (AVX2), Linux x86_64, 1 thread on 2 cores, 1.00 GiB; torch 2.14.1, timm 1.0.31" in words
    assert "memory reuse (glibc 2.36, which keeps freed memory for reuse)" in words


@pytest.mark.parametrize("write", [shown, markdown])
def test_losses_and_refusals_are_said(write):
    text = write(results(case(eager=0.5), case(mode="training", refused={EAGER: "wrong: the output differs"})))
    assert "se 16x256x56x56, contiguous, inference: 2.00 times as long as timm" in text
    assert "timm was not timed: wrong: the output differs" in text


def test_the_terminal_shows_the_worst_losses():
    text = shown(results(*(case(shape=(n, 8, 8, 8), eager=0.5) for n in range(1, SHOWN + 4))))
    assert text.count("times as long as timm") == SHOWN
    assert "and 3 more" in text
    assert "Slower than the twin in 15 cases:" in text


def test_no_loss_is_said_too():
    assert "Slower than the twin in 0 cases." in shown(results(*MODULES))
    assert "In no case slower than the twin." in markdown(results(*MODULES))
    assert not any("slower than the twin" in write(results(NETWORK)).lower() for write in (shown, markdown))


@pytest.mark.parametrize("write", [shown, markdown])
def test_both_regimes_are_set_side_by_side(write):
    reused, as_is = results(*MODULES), results(*MODULES, name="out of the box")
    both = dataclasses.replace(reused, regimes=(*reused.regimes, *as_is.regimes))
    words = " ".join(write(both).replace("|", " ").split())
    assert "se inference 1.00 1.00 3 3" in words
    assert "Allocator: out of the box" in words

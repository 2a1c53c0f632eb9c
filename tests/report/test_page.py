import html
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from regard.report import LeftOut, Outcome, Results, Trial
from regard.report.numerals import score_value
from regard.report.page import render, write_page
from regard.report.statistics import best_arm, compare_arms
from regard.training import Recipe, evaluate, fit
from tests.training.distances import Distance, linear, sums, whole

VOID = {"meta", "img", "wbr", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Checks that the elements close in order, and keeps them and the words between them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, *tags):
        return [a for t, a in self.elements if t in tags]

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def text(results, images):
    return render(results, images)


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def test_page_has_no_scripts_or_network_requests(read, text):
    assert not read.all("script", "link", "iframe", "object", "embed", "base", "form")
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    for attributes in read.all("img"):
        assert attributes["src"].startswith("data:image/")
    for _, attributes in read.elements:
        for name in ("href", "xlink:href"):
            target = attributes.get(name)
            assert target is None or target.startswith("#") or target in ("results.json", "results.csv", "arms.csv")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_ids_are_unique_and_anchors_resolve(read):
    names = [a["id"] for _, a in read.elements if "id" in a]
    assert len(names) == len(set(names))
    for attributes in read.all("a"):
        if attributes["href"].startswith("#"):
            assert attributes["href"][1:] in names


def test_images_have_alt_text_and_headings_scope(read):
    assert len(read.all("img")) > 8 * 7
    assert all(a.get("alt") for a in read.all("img"))
    assert all(a.get("aria-label") for _, a in read.elements if a.get("role") == "img")
    assert all(a.get("scope") in ("row", "col", "rowgroup", "colgroup") for a in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table"))
    assert sum(a.get("class") == "scroll" for a in read.all("div")) == len(read.all("table"))


def test_headings_do_not_skip_a_level(read):
    levels = [int(t[1]) for t, _ in read.elements if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_first_paragraph_has_finding_and_command(text, results):
    first = re.search(r"<p.*?</p>", text, re.DOTALL)[0]
    words = html.unescape(re.sub(r"<.*?>", "", first))
    assert words.startswith("After only 3 epochs on 3,000 images of fashion-mini, so with barely trained networks")
    assert results.settings.real_run in words


def test_ablation_names_its_seeds(text, results):
    seeds = {row.seed for row in results.ablations}
    assert seeds == {0}
    assert "one network for each arm and seed, here of seed 0." in text


def test_page_has_all_sections(read, results):
    for words in (
        "Results",
        "Accuracy against cost",
        "Training",
        "Attention maps",
        "Gates by class",
        "Ablation of the maps",
        "Do the maps depend on the input?",
        "scored on the test images 2 times",
        "highest mean accuracy on validation images",
        "fashion-mini",
        "b2:4f1e09a7c3d5",
        "Against the control static",
    ):
        assert words in read.text
    for arm in results.arms:
        assert f"{arm.parameters:,}" in read.text
    for package, version in results.settings.versions.items():
        assert package in read.text
        assert version in read.text


def test_every_overlay_is_shown(results, images, read):
    shown = [a["alt"] for a in read.all("img")]
    for image in images:
        for overlay in image.overlays:
            label = results.arm(overlay.arm).name
            assert f"{label}, {overlay.tap}: map over {image.label}, weights {overlay.caption}" in shown


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&'


def test_hostile_names_are_escaped_everywhere(results, images):
    run = results.settings.run
    run = replace(
        run,
        network=replace(run.network, name=HOSTILE),
        task=replace(run.task, classes=(HOSTILE, *run.task.classes[1:])),
        data=replace(run.data, name=HOSTILE),
    )
    data = replace(results.settings.data, warnings=(HOSTILE,), licence=HOSTILE)
    left_out = (LeftOut(reason=HOSTILE, count=2, examples=(HOSTILE,)),)
    data = replace(data, notes=(HOSTILE,), found=3, left_out=left_out)
    arms = tuple(replace(a, name=a.name + HOSTILE) for a in results.arms)
    settings = replace(results.settings, run=run, data=data, command=HOSTILE, real_run=HOSTILE)
    profiles = tuple(
        replace(p, tap=HOSTILE, by_class=((0.0,) * len(p.overall), *p.by_class[1:])) for p in results.gate_profiles
    )
    seen = tuple(
        replace(
            p,
            label=HOSTILE,
            name=p.name + HOSTILE,
            predictions=tuple(replace(q, answer=HOSTILE, right=False) for q in p.predictions),
            overlays=tuple(replace(o, tap=o.tap + HOSTILE, caption=HOSTILE) for o in p.overlays),
        )
        for p in images
    )
    text = render(replace(results, settings=settings, arms=arms, gate_profiles=profiles), seen)
    assert "<script" not in text
    read = Reader(text)
    assert not read.all("script")
    assert all("onerror" not in a for _, a in read.elements)
    assert all(a["src"].startswith("data:") for a in read.all("img"))
    assert HOSTILE in "".join(read.words)


def test_sections_without_data_are_left_out(results):
    bare = replace(
        results,
        trials=tuple(
            replace(t, history=(), test=None, val=replace(t.val, recall=(), confusion=())) for t in results.trials
        ),
        arms=tuple(replace(a, inference=None, training=None, memory=None) for a in results.arms),
        comparisons=(),
        ablations=(),
        gate_profiles=(),
        choices=(),
        test_accesses=0,
        settings=replace(results.settings, real_run=""),
    )
    read = Reader(render(bare))
    assert "never used" in read.text
    for words in ("Attention maps", "Gates by class", "Ablation of the maps", "Training", "barely", "real run"):
        assert words not in read.text


def test_deep_network_page_stays_under_six_megabytes(results, images):
    draw = np.random.default_rng(0)

    def photograph():
        small = Image.fromarray(draw.integers(0, 255, (60, 60, 3), np.uint8))
        file = io.BytesIO()
        small.resize((300, 300), Image.Resampling.BICUBIC).save(file, "PNG", compress_level=1)
        return file.getvalue()

    overlay = images[0].overlays[0]
    seen = tuple(
        replace(
            p,
            png=photograph(),
            overlays=tuple(replace(overlay, tap=f"layer{i}.map", png=photograph()) for i in range(8)),
        )
        for p in images
    )
    assert sum(len(o.png) for p in seen for o in p.overlays) > 6_000_000
    assert len(render(results, seen).encode()) < 6_000_000


def test_file_is_written_completely_as_utf8(results, images, tmp_path, text):
    path = write_page(results, images, tmp_path / "run" / "report.html")
    assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_import_loads_no_drawing_packages():
    code = (
        "import sys, regard.report.page, regard.report.statistics; "
        "print([m for m in ('matplotlib', 'jinja2', 'scipy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_score_than_accuracy_has_its_page(errors):
    text = Reader(render(replace(errors, ablations=(), gate_profiles=()))).text
    assert "Mean absolute error against cost" in text
    assert "minus plain, px" in text
    assert "Accuracy" not in text


def test_network_of_another_task_is_reported(results):
    """Two arms by two seeds, trained to make an error small: more epochs make it smaller, so the longer arm wins."""
    trials = []
    for arm, epochs in (("none", 1), ("se", 6)):
        for seed in (0, 1):
            net, recipe = linear(), Recipe(epochs=epochs, lr=0.02, keep="best")
            done = fit(net, recipe, Distance(), whole(sums(40, seed)), whole(sums(24, 2)), folder=None, seed=seed)
            found = evaluate(net, sums(24, 2), Distance())
            outcome = Outcome(n=found.n, scores=found.scores)
            trials.append(
                Trial(arm=arm, seed=seed, epochs=epochs, history=done.history, val=outcome, test=None, seconds=1.0,
                      weights="w")
            )  # fmt: skip
    arms = results.arms[:2]
    comparisons = compare_arms(arms, trials)
    made = replace(results, arms=arms, trials=tuple(trials), comparisons=comparisons, ablations=(), gate_profiles=())
    assert Results.from_json(made.to_json()) == made
    assert best_arm(arms, trials) == "se"
    assert comparisons[1].difference < 0
    text = Reader(render(made)).text
    assert "Mean absolute error" in text
    assert score_value(comparisons[1].score.value, "px") in text

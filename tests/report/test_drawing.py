import re
from xml.etree import ElementTree

import pytest

from regard.report.drawing import finish, panel, percent_axis, shorten


def draw(text="a label", height=200):
    with panel(300, height) as canvas:
        axes = canvas.add_axes((0.1, 0.1, 0.8, 0.8))
        axes.plot([0, 1], [0.8, 0.9], "o-", clip_on=True)
        axes.text(0.5, 0.85, text)
        percent_axis(axes.yaxis)
        return finish(canvas, "title", "description")


def texts(figure):
    return [e.text for e in ElementTree.fromstring(figure.svg.replace("xlink:href", "href")).iter() if e.tag == "text"]


def test_svg_is_one_element_with_text():
    figure = draw()
    assert figure.svg.startswith('<svg viewBox="0 0 300 200"')
    assert "a label" in texts(figure)
    assert "80" in texts(figure)
    assert "<metadata" not in figure.svg
    assert "DejaVu" not in figure.svg


def test_names_inside_differ_between_figures_and_point_inside():
    names = [set(re.findall(r'\bid="([^"]+)"', draw(height=h).svg)) for h in (200, 201)]
    assert not names[0] & names[1]
    svg = draw().svg
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    used = {a or b for a, b in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)}
    assert used <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_the_same_figure_is_the_same_text():
    assert draw().svg == draw().svg


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a & b", "$x_1$", '"quoted"', "犬"])
def test_a_label_is_never_markup(text):
    figure = draw(text)
    assert text in texts(figure)
    assert "<script" not in figure.svg


def test_drawing_leaves_the_user_s_matplotlib_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw()
    assert dict(mpl.rcParams) == before


def test_control_letters_do_not_reach_the_svg():
    assert shorten("a\x00b\nc\u202e") == "a b c "

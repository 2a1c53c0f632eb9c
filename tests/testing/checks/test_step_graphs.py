import pytest

from regard.core import Facts
from regard.testing import check_temporal
from tests.testing.alignments import FACTS, Careless


def sentence(mechanism, check):
    return check_temporal(mechanism, checks=check, raise_on_failure=False)[check].sentence


def test_swallowed_options_and_wrong_counts_are_found():
    class Swallowing(Careless):
        def __init__(self, query_size, key_size, **_):
            super().__init__(query_size, key_size)

    class Miscounted(Careless):
        facts = Facts(name="dotted", family="temporal", returns="context", paper=FACTS.paper, parameters="query_size")

    assert "accepted in silence" in sentence(Swallowing, "options")
    assert sentence(Miscounted, "options") == "It has 24 parameters; 'query_size' gives 5."


def test_an_instance_has_no_options_to_check():
    assert check_temporal(Careless(5, 4), checks="options").skipped


@pytest.mark.graph
def test_what_breaks_a_graph_is_found():
    class Branching(Careless):
        def weigh(self, logits, allowed):
            return super().weigh(logits if logits.sum() > 0 else logits + 0, allowed)

    assert sentence(Branching, "compile").startswith("the compiled step raised")


def test_a_broken_pickle_is_found():
    class Local(Careless):
        pass

    assert sentence(Local, "copies").startswith("copying or pickling it raised")

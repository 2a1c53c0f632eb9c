from regard.data.pairs import Pairs, fingerprint_of, shared_sources, split_of

SHARES = {"val": 0.15, "test": 0.15}


def test_every_target_of_a_source_is_right():
    pairs = Pairs.of([("a", "1"), ("b", "2"), ("a", "3"), ("a", "1")])
    assert pairs.targets == ("1", "2", "3", "1")
    assert pairs.references == (("1", "3"), ("2",), ("3", "1"), ("1", "3"))


def test_a_cut_depends_on_the_source_alone():
    sources = [f"word {n}" for n in range(3000)]
    splits = [split_of(source, SHARES, seed=0) for source in sources]
    assert abs(splits.count("val") / 3000 - 0.15) < 0.03
    assert abs(splits.count("test") / 3000 - 0.15) < 0.03
    assert splits[7] == split_of("WORD: 7!", SHARES, seed=0)
    assert splits != [split_of(source, SHARES, seed=1) for source in sources]


def test_a_subset_is_drawn_by_its_seed():
    pairs = Pairs.of([(str(n), str(n)) for n in range(50)])
    some = pairs.subset(10, seed=0)
    assert some.sources == pairs.subset(10, seed=0).sources != pairs.subset(10, seed=1).sources
    assert list(some.sources) == sorted(some.sources, key=int)
    assert pairs.subset(99, seed=0) is pairs


def test_shared_sources_are_told():
    splits = {"train": Pairs.of([("It's", "a")]), "val": Pairs.of([("b", "b")]), "test": Pairs.of([("its", "a")])}
    (said,) = shared_sources(splits)
    assert said.startswith("1 source is both in 'train' and in 'test'")


def test_the_fingerprint_knows_every_text():
    one = {"train": Pairs.of([("a", "1")]), "val": Pairs.of([("b", "2")])}
    other = {"train": Pairs.of([("a", "1")]), "val": Pairs.of([("b", "3")])}
    assert fingerprint_of(one) == fingerprint_of(dict(one)) != fingerprint_of(other)

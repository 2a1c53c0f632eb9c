"""The sentences of a report, from its numbers. None claims equality, which noise may hide."""

from regard.core.scores import PERCENT
from regard.report.dependence import AblationLoss, Dependence, ablation_losses
from regard.report.figures import arm_labels
from regard.report.numerals import change, count, join_words, percent, plural, probability, score_value, unit_of_change
from regard.report.results import Comparison, Results

MODE_TEXTS = {
    "trained": ("As trained", "the network as it is."),
    "mean": (
        "Frozen at the mean",
        "every map is replaced by its mean over training images. The loss is the gain from computing the map for "
        "each image.",
    ),
    "swapped": (
        "Another image’s",
        "every image gets the maps of another one: realistic maps of the wrong image.",
    ),
    "permuted": (
        "Shuffled",
        "the weights of a map are shuffled over channels or positions. The network was not trained with such maps, "
        "so a loss shows that it relies on the pattern, not that the pattern follows the image.",
    ),
    "neutral": (
        "Neutral",
        "every map is set to the value that does nothing: 1 for a gate, the uniform share for a softmax over branches. "
        "Learned constant maps are lost too.",
    ),
}


def need(results: Results) -> str:
    """Says what each mechanism's networks lose with other maps, with intervals; empty with fewer than two seeds."""
    controls = {arm.spec for arm in results.arms if arm.is_control}
    rows = [row for row in results.ablations if row.arm not in controls]
    losses = [one for one in ablation_losses(rows, ("neutral", "swapped")) if one.interval is not None]
    if not losses:
        return ""
    labels = arm_labels(results)
    sentences = [
        _loss_sentence(labels[arm], [one for one in losses if one.arm == arm])
        for arm in dict.fromkeys(o.arm for o in losses)
    ]
    return (
        f"{' '.join(sentences)} (Means over {plural(min(one.seeds for one in losses), 'network')} each, on "
        f"{plural(max(row.n for row in rows), 'validation image')}; intervals hold together with 95\u00a0%.)"
    )


def _loss_sentence(label: str, losses: list[AblationLoss]) -> str:
    done = {"neutral": "with its maps switched off", "swapped": "with the maps of another image"}
    shown = [f"{_plus_minus(one)} points of accuracy {done[one.mode]}" for one in losses if one.shown]
    others = [f"{done[one.mode]} ({_plus_minus(one)} points)" for one in losses if not one.shown]
    if not shown:
        return f"{label} is not shown to lose accuracy {' or '.join(others)}."
    return f"{label} loses {' and '.join(shown)}{'; no loss is shown ' if others else ''}{' or '.join(others)}."


def _plus_minus(one: AblationLoss) -> str:
    assert one.interval is not None
    return f"{percent(one.mean)} \u00b1 {percent(one.interval.high - one.mean)}"


def opening(results: Results) -> str:
    """The report's first sentence, up to the command of a real run (which `Settings.real_run` holds)."""
    settings, labels = results.settings, arm_labels(results)
    used = settings.data.used.get("train", 0)
    start = (
        f"After {'only ' if settings.barely_trained else ''}{plural(settings.epochs, 'epoch')} on "
        f"{plural(used, settings.example)} of {settings.source}"
    )
    barely = ", so with barely trained networks, " if settings.barely_trained else ", "
    found = [c for c in results.against() if c.verdict is not None and not results.arm(c.arm).is_control]
    sentence = start + barely + finding(found, labels, settings.run.network.name)
    if settings.barely_trained:
        sentence += "; what holds for them need not hold for trained ones, for which run"
    return sentence


def finding(found: list[Comparison], labels: dict[str, str], model: str) -> str:
    """The result of the comparisons with the plain network, as a clause.

    Args:
        found: comparisons of mechanisms, controls left out.
        labels: the label of each arm.
        model: the plain network's name.
    """
    by_verdict: dict[str | None, list[Comparison]] = {}
    for one in found:
        by_verdict.setdefault(one.verdict, []).append(one)
    clauses = []
    for verdict in ("better", "worse"):
        if by_verdict.get(verdict):
            arms = [f"{labels[c.arm]} ({_difference(c)})" for c in by_verdict[verdict]]
            clauses.append(f"{join_words(arms)} {_was_or_were(arms)} {verdict} than the plain {model}")
    noise = [labels[c.arm] for c in by_verdict.get("within noise", [])]
    if noise and not clauses:
        clauses.append(f"no difference from the plain {model} is significant for {join_words(noise)}")
    elif noise:
        clauses.append(f"{join_words(noise)} stayed within noise")
    untested = by_verdict.get("not tested", [])
    if untested:
        alone = all(c.seeds <= 1 for c in untested)
        names = join_words([labels[c.arm] for c in untested])
        clauses.append(f"one seed cannot distinguish {names} from noise" if alone else f"{names} could not be tested")
    if not clauses:
        return f"no mechanism was compared with the plain {model}"
    return ", ".join(clauses[:-1]) + (", while " if len(clauses) > 1 else "") + clauses[-1]


def blind_spot(one: Comparison) -> str:
    """The detection limit of a comparison, or the reason why it was not tested; empty for one with a verdict."""
    if one.verdict == "not tested":
        if one.seeds == 0:
            return "no seed in common with the reference"
        if one.seeds == 1:
            return "one seed has no variance to test against"
        return "all seeds differ equally, which leaves no variance to test against"
    if one.verdict != "within noise" or one.detectable is None:
        return ""
    unit = one.score.unit
    counted = f" {unit_of_change(unit)}".rstrip()
    needed = f"about {plural(one.seeds_needed, 'seed')}" if one.seeds_needed else "over 100,000 seeds"
    wanted = f"{_worthwhile(one)} need {needed}"
    if unit == PERCENT and one.detectable >= 1:
        return f"{plural(one.seeds, 'seed')} can detect no difference at all; {wanted}"
    return f"{plural(one.seeds, 'seed')} detect {score_value(one.detectable, unit)}{counted} or more; {wanted}"


def statistics_notes(results: Results) -> tuple[str, ...]:
    """Explanations of the table's intervals and verdicts, a paragraph each."""
    example = results.settings.example
    found = results.against()
    tested = [c for c in found if c.p is not None]
    split = found[0].split if found else "test"
    outcomes = [t.test if split == "test" else t.val for t in results.trials]
    n = max((o.n for o in outcomes if o), default=0)
    score = outcomes[0].scores.chosen if outcomes and outcomes[0] else None
    title = (score.title if score else "score").capitalize()
    seeds = len({t.seed for t in results.trials})
    best = results.settings.recipe.get("keep") == "best"
    kept = "best epoch’s weights, by validation," if best else "last epoch’s weights"
    made = f"{title} is that of the {kept} on {count(n)} {'test' if split == 'test' else 'validation'} {example}s"
    made += f": the mean over {count(seeds)} seeds, under it its 95 % t interval." if seeds > 1 else "."
    made += " Lower is better." * (score is not None and score.better == "lower")
    if not tested:
        return (f"{made} No test was made: that takes at least two seeds with different results.",)
    paired = (
        " Differences are paired by seed: arms of one seed share their backbone’s first weights and their batches. "
        f"Verdicts come from paired t tests with Holm’s correction over {plural(len(tested), 'comparison')}, at 5 % "
        "for all together; an interval excludes 0 exactly where the verdict is better or worse."
    )
    noise = (
        "“Within noise” does not mean equal to plain. Under it are the smallest true difference that this design "
        f"would detect with power 80 %, and the number of seeds that {_worthwhile(tested[0])} would need; both are "
        f"rough, since they rest on the variance of {plural(min(c.seeds for c in tested), 'seed')}. All conclusions "
        f"are about other seeds with these {example}s, not about other {example}s."
    )
    return made + paired, noise


def dependence_sentence(one: Dependence, name: str) -> str:
    """The result of an ablation of one arm."""
    if one.p is None:
        return f"{name}: not judged, because a mode is missing."
    losses = (
        f"frozen maps cost {percent(one.frozen_loss)} points, another image’s {percent(one.swapped_loss)} "
        f"(p\u00a0{probability(one.p)})."
    )
    return (
        f"{name} depends on the input: {losses}" if one.shown else f"{name}: no dependence on the input shown: {losses}"
    )


def access_sentence(results: Results) -> str:
    """The number of evaluations on the test images."""
    times, example = results.test_accesses, results.settings.example
    if times == 0:
        return f"The test {example}s were never used."
    return (
        f"Networks were scored on the test {example}s {'once' if times == 1 else f'{count(times)} times'} in total; "
        "every access is in test_ledger.jsonl. The more accesses, the less a small gain on them means."
    )


def _difference(one: Comparison) -> str:
    return f"{change(one.difference, one.score.unit)} {unit_of_change(one.score.unit)}".rstrip()


def _worthwhile(one: Comparison) -> str:
    return f"{score_value(one.worthwhile, one.score.unit)} {unit_of_change(one.score.unit)}".rstrip()


def _was_or_were(words: list[str]) -> str:
    return "was" if len(words) == 1 else "were"

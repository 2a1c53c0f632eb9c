import pytest
import torch

from regard import attention, models
from regard.core import OptionError, ShapeError, UnknownNameError, taps
from regard.models import Seq2Seq, create_seq2seq

SIZES = {"source_symbols": 12, "target_symbols": 9}
CONTEXTS = [m.facts.name for m in attention.SEQUENTIAL if m.facts.returns == "context"]


def batch():
    random = torch.Generator().manual_seed(0)
    source, target = torch.randint(4, 12, (3, 6), generator=random), torch.randint(4, 9, (3, 4), generator=random)
    return source, torch.tensor([6, 2, 4]), target


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("feed", ["context", "readout"])
def test_a_batch_equals_its_members(name, feed):
    """With every mechanism: nothing behind an end is seen."""
    options = {"location_aware": ":kernel_size=3", "multiplicative": ":score=general"}.get(name, "")
    net = create_seq2seq(f"seq2seq:hidden=8,feed={feed}", **SIZES, attention=name + options, seed=0).double().eval()
    source, lengths, target = batch()
    together = net(source, lengths, target)
    for row, length in enumerate(lengths.tolist()):
        alone = net(source[row : row + 1, :length], lengths[row : row + 1], target[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-12)
    together.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_arms_share_all_other_parameters():
    plain = create_seq2seq("seq2seq:hidden=8", **SIZES, seed=3).state_dict()
    other = create_seq2seq("seq2seq:hidden=8", **SIZES, attention="additive", seed=3).state_dict()
    assert set(other) - set(plain) == {name for name in other if name.startswith("decoder.attention.")}
    assert all(torch.equal(value, other[name]) for name, value in plain.items())
    assert not taps(create_seq2seq("seq2seq:hidden=8", **SIZES, seed=3))


def test_what_is_refused():
    source, lengths, target = batch()
    net = Seq2Seq(**SIZES, hidden=8)
    with pytest.raises(ShapeError, match=r"source has shape \(3, 6\) and dtype torch.int32"):
        net(source.int(), lengths, target)
    with pytest.raises(ShapeError, match="lengths have shape"):
        net(source, lengths[:2], target)
    with pytest.raises(OptionError, match="feed=readout is not allowed with readout=false"):
        Seq2Seq(**SIZES, feed="readout", readout=False)
    with pytest.raises(OptionError, match="dropout=1"):
        Seq2Seq(**SIZES, dropout=1)
    with pytest.raises(OptionError, match="returns features"):
        Seq2Seq(**SIZES, attention="se")
    with pytest.raises(OptionError, match="hiden"):
        create_seq2seq("seq2seq:hiden=8", **SIZES)
    with pytest.raises(UnknownNameError, match="take images, not text"):
        create_seq2seq("resnet20", **SIZES)
    with pytest.raises(OptionError, match="takes text, not images"):
        models.create("seq2seq")


def test_half_precision_gives_float32_logits():
    net = create_seq2seq("seq2seq:hidden=8", **SIZES, attention="additive", seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(*batch())
    assert logits.dtype == torch.float32

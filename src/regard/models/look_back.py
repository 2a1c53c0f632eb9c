"""The look of a decoder at the positions of features, by its state: soft, channel by channel, or hard."""

import torch
from torch import Tensor, nn

from regard import attention as catalogue
from regard.core.errors import OptionError, ShapeError
from regard.core.hard import Hard
from regard.core.look_record import LookRecord
from regard.core.mechanism import Mechanism
from regard.core.returns import Memory
from regard.core.spec import Spec
from regard.core.temporal import Temporal


class LookBack(nn.Module):
    """Makes a context (b, d) of positions (b, k, d) by a query (b, h), with any mechanism that a state can steer.

    A temporal mechanism (`additive`) returns the weighted sum of the positions. One that rescales features by a state
    (`sca_cnn`) is followed by the mean over positions; one that chooses (`hard_spatial`) returns what it chose.

    Args:
        mechanism: NAME[:option=value,...].
        query_size: h.
        key_size: d.
        gate: whether a scalar of the query, sigmoid(w q + v), rescales the context: Xu et al., Show, Attend and Tell,
            ICML 2015, section 4.2.1.

    Raises:
        OptionError: a mechanism that no state steers.
    """

    def __init__(self, mechanism: str | Spec, *, query_size: int, key_size: int, gate: bool = False) -> None:
        super().__init__()
        self.mechanism = _steered(Spec.parse(mechanism), query_size, key_size)
        self.gate = nn.Linear(query_size, 1) if gate else None

    @property
    def has_weights(self) -> bool:
        """True if the mechanism returns the weight of each position."""
        return isinstance(self.mechanism, Temporal)

    def remember(self, keys: Tensor, mask: Tensor | None = None) -> Memory:
        """Prepares once what no query changes, of positions (b, k, d) and a mask (b, k), True where there is one.

        Raises:
            ShapeError: a mask that leaves positions out, and a mechanism that takes none.
        """
        if isinstance(self.mechanism, Temporal):
            return self.mechanism.remember(keys, mask=mask)
        if mask is not None and not bool(mask.all()):
            raise ShapeError(
                f"{self.mechanism.facts.name}: a mask that leaves positions out is not allowed, because it looks at "
                "all of them: take clips of one length, or a mechanism with masks, such as additive."
            )
        return Memory(keys, keys, None)

    def forward(
        self, query: Tensor, memory: Memory, state: Tensor | None = None, record: LookRecord | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The context, and the state of a mechanism that has one; a record gets weights and choices."""
        context, state = self._look(query, memory, state, record)
        if record is not None:
            record.steps += 1
        if self.gate is not None:
            context = torch.sigmoid(self.gate(query)) * context
        return context, state

    def _look(
        self, query: Tensor, memory: Memory, state: Tensor | None, record: LookRecord | None
    ) -> tuple[Tensor, Tensor | None]:
        if isinstance(self.mechanism, Temporal):
            attended = self.mechanism(query, memory, state=state, need_weights=record is not None)
            if record is not None:
                record.weights.append(attended.weights)
            return attended.context, attended.state
        features = memory.values.transpose(1, 2)
        if not isinstance(self.mechanism, Hard):
            return self.mechanism(features, query).mean(2), None
        sample = self.mechanism(features, None if record is None else record.next_draws(), query)
        if record is not None:
            record.samples.append(sample)
        return sample.value, None


def _steered(spec: Spec, query_size: int, key_size: int) -> Mechanism:
    found = catalogue.find(spec.name)
    if found.facts.returns == "context":
        return catalogue.create(spec, query_size=query_size, key_size=key_size)
    if not any(given.name == "state" for given in found.facts.inputs) or "state_size" in spec.options:
        raise OptionError(
            f"captioner: attention={str(spec)!r} is not allowed, because it must look by the state of a decoder, whose "
            "size is known: take additive or another mechanism for sequences, sca_cnn or hard_spatial."
        )
    return catalogue.create(Spec(spec.name, {**spec.options, "state_size": query_size}), channels=key_size)

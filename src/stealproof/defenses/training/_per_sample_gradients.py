"""The sum of the clipped gradients of single rows, at about the price of one plain backward pass."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from stealproof.defenses.training._row_gradients import RowGradients, has_formula, layer_gradients
from stealproof.errors import IncompatibleDefenses
from stealproof.roles.dataset import Part

BYTES = 10 * 2**20
"""Most memory for the gradients of one piece of a batch; larger batches are cut into pieces. Measured: pieces that stay
in the processor's caches take 0.53 to 0.73 times the time of a whole batch of 512 convolved images."""
LEAST_ROWS = 8
"""Rows of the smallest piece, however large the network."""
CHECKED_ROWS = 4
"""Rows of the first batch on which a network is checked."""
_KNOWN: weakref.WeakKeyDictionary[torch.nn.Module, _Network] = weakref.WeakKeyDictionary()


def clipped_gradient(
    model: torch.nn.Module, batch: Part, *, clip: float, label_smoothing: float = 0.0, bfloat16: bool = False
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The sum over rows of each row's gradient of the cross-entropy, scaled down to a norm of at most ``clip``.

    Args:
        model: a network whose rows do not meet; its mode and its ``.grad`` stay as they are.
        batch: at least one row; labels or distributions.
        clip: largest Euclidean norm of one row's gradient over all weights; infinity for no clipping.
        label_smoothing: as in ``Recipe``.
        bfloat16: whether layers compute in it, forward and backward; norms and sums never do, so that the clipping
            holds for the numbers that are summed.

    Returns:
        One tensor for each weight that requires gradients, in the order of ``model.parameters()``; and the norms
        ``(n,)`` before clipping.

    Raises:
        IncompatibleDefenses: a network that ties rows together, or through which single rows have no gradient.
    """
    network = _KNOWN.get(model)
    if network is None:
        network = _KNOWN[model] = _Network(model, batch)
    sums: list[torch.Tensor] | None = None
    norms = []
    for start in range(0, len(batch), network.rows_at_once):
        piece = batch.take(slice(start, start + network.rows_at_once))
        gradients = network.gradients(model, piece, label_smoothing, bfloat16=bfloat16)
        squares = torch.stack([gradient.squares() for gradient in gradients]).sum(dim=0)
        norms.append(squares.sqrt())
        factors = (clip / (norms[-1] + 1e-6)).clamp(max=1.0) if clip < math.inf else torch.ones_like(norms[-1])
        terms = [gradient.total(factors) for gradient in gradients]
        sums = terms if sums is None else [one.add_(other) for one, other in zip(sums, terms, strict=True)]
    assert sums is not None
    return sums, torch.cat(norms)


def weights_of(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The weights that are trained, in the order of ``model.parameters()``."""
    return [weight for weight in model.parameters() if weight.requires_grad]


class _Network:
    """What is known of one network: whether layer formulas cover it, and how many rows fit at once."""

    def __init__(self, model: torch.nn.Module, batch: Part) -> None:
        self.by_layer = _covered(model)
        rows = batch.take(torch.arange(CHECKED_ROWS, device=batch.x.device) % len(batch))
        # Dropout draws its numbers from the global generator; a check must not shift what training draws.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            if self.by_layer:
                self.by_layer = self._check(model, rows)
            size = sum(gradient.bytes() for gradient in self.gradients(model, rows, 0.0))
        self.rows_at_once = max(LEAST_ROWS, int(BYTES // max(1, size // CHECKED_ROWS)))

    def gradients(
        self, model: torch.nn.Module, piece: Part, label_smoothing: float, *, bfloat16: bool = False
    ) -> list[RowGradients]:
        """Each row's gradient of every trained weight, in one form or another."""
        if self.by_layer:
            captured = _run(model, piece, label_smoothing, bfloat16=bfloat16)
            gradients = None if captured is None else captured.gradients(model)
            if gradients is not None:
                return gradients
        return _functional(model, piece, label_smoothing)

    @staticmethod
    def _check(model: torch.nn.Module, rows: Part) -> bool:
        """Whether the layers' formulas add up to what plain backward gives, on a few rows.

        Raises:
            IncompatibleDefenses: the loss of one row depends on another row.
        """
        x = rows.x.detach().clone().requires_grad_()
        captured = _run(model, Part(x=x, y=rows.y), 0.0)
        if captured is None:
            return False
        losses, weights = captured.losses, weights_of(model)
        (pull,) = torch.autograd.grad(losses[0], [x], retain_graph=True)
        if bool(pull[1:].count_nonzero()):
            raise IncompatibleDefenses(
                f"{type(model).__name__} ties the rows of a batch together, so that no row has a gradient of its own;"
                " dp_sgd needs a network in which one row's answer does not depend on another row"
            )
        # With x, which nobody needs: PyTorch 2.13 crashes in a channels-last group normalisation that is asked for the
        # gradients of its weights alone.
        wanted = [*weights, x]
        plain: Sequence[torch.Tensor | None] = torch.autograd.grad(
            losses.sum(), wanted, retain_graph=True, allow_unused=True
        )
        ones = torch.ones(len(rows), device=x.device, dtype=x.dtype)
        gradients = captured.gradients(model)
        if gradients is None:
            return False
        for expected, gradient, weight in zip(plain[:-1], gradients, weights, strict=True):
            found = gradient.total(ones)
            if expected is None:
                expected = torch.zeros_like(weight)
            # Loose: this tells a wrong formula from rounding, no more.
            scale = float(expected.abs().max())
            if not torch.allclose(found, expected, rtol=1e-2, atol=1e-3 * scale + 1e-8):
                return False
        return True


@dataclass(slots=True)
class _Call:
    """One layer's use: what went in, and where its output's gradient will appear."""

    layer: torch.nn.Module
    x: torch.Tensor
    version: int
    edge: torch.autograd.graph.GradientEdge


@dataclass(slots=True)
class _Captured:
    """One forward pass with the uses of all layers."""

    losses: torch.Tensor
    calls: list[_Call]

    def gradients(self, model: torch.nn.Module) -> list[RowGradients] | None:
        """One backward pass to the layers' outputs; no gradient of a weight is computed by autograd.

        None when the loss does not depend on some layer.
        """
        edges = [call.edge for call in self.calls]
        outputs: Sequence[torch.Tensor | None] = torch.autograd.grad(self.losses.sum(), edges, allow_unused=True)
        if any(output is None for output in outputs):
            return None
        found: dict[int, RowGradients] = {}
        with torch.no_grad():
            for call, output in zip(self.calls, outputs, strict=True):
                assert output is not None
                x, output = call.x.detach().to(self.losses.dtype), output.to(self.losses.dtype)
                for weight, gradient in layer_gradients(call.layer, x, output):
                    found[id(weight)] = gradient
        return [found[id(weight)] for weight in weights_of(model)]


def _run(model: torch.nn.Module, piece: Part, label_smoothing: float, *, bfloat16: bool = False) -> _Captured | None:
    """A forward pass; None when a layer with weights was not used exactly once, or its input was overwritten later."""
    calls: list[_Call] = []

    def note(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        # A call without gradient, or by keyword, is missed here, so that the network is left to torch.func.
        if inputs and output.requires_grad:
            calls.append(_Call(layer, inputs[0], inputs[0]._version, torch.autograd.graph.get_gradient_edge(output)))

    layers = [layer for layer in model.modules() if _has_weights(layer)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.enable_grad():
            with torch.autocast(piece.x.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                logits = model(piece.x)
            losses = row_losses(logits.to(piece.x.dtype), piece.y, label_smoothing)
    finally:
        for handle in handles:
            handle.remove()
    if sorted(id(call.layer) for call in calls) != sorted(map(id, layers)):
        return None
    if any(call.x._version != call.version for call in calls):
        return None
    return _Captured(losses, calls)


def row_losses(logits: torch.Tensor, y: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """The cross-entropy ``(n,)`` of each row."""
    return functional.cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)


def _has_weights(layer: torch.nn.Module) -> bool:
    return any(weight.requires_grad for weight in layer.parameters(recurse=False))


def _covered(model: torch.nn.Module) -> bool:
    """Whether every weight belongs to exactly one layer whose formula is known."""
    weights = [
        id(weight) for layer in model.modules() for weight in layer.parameters(recurse=False) if weight.requires_grad
    ]
    known = all(has_formula(layer) for layer in model.modules() if _has_weights(layer))
    return known and len(weights) == len(set(weights))


def _functional(model: torch.nn.Module, piece: Part, label_smoothing: float) -> list[RowGradients]:
    """Gradients of single rows through any network, by ``torch.func``: slower, and each is written out."""
    trained = {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
    fixed = {name: weight.detach() for name, weight in model.named_parameters() if not weight.requires_grad}
    fixed |= dict(model.named_buffers())

    def loss(weights: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(model, (weights, fixed), (x[None],))
        return row_losses(logits, y[None], label_smoothing)[0]

    of_rows = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0), randomness="different")
    try:
        gradients = of_rows(trained, piece.x, piece.y)
    except (RuntimeError, ValueError) as error:
        raise IncompatibleDefenses(
            f"{type(model).__name__} has a layer through which torch.func finds no gradients of single rows"
            f" ({str(error).splitlines()[0]}); replace that layer, or train without dp_sgd"
        ) from error
    return [RowGradients(gradients[name]) for name in trained]
